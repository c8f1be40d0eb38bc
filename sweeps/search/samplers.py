"""The samplers that `search.sampler` of a sweep file can name.

To add a sampler, write a class that derives from `sweeps.search.sampler.Sampler` and add one entry here.
"""

SAMPLERS: dict[str, str] = {
    # Optuna's random sampler: it draws each knob uniformly from its values.
    "random": "sweeps.search.optuna_samplers:Random",
    # Every architecture, in the order in which the sweep file lists values.
    "grid": "sweeps.search.grid:Grid",
    # Optuna's tree-structured Parzen estimator. If an architecture was already tried, srsweep asks again.
    "tpe": "sweeps.search.optuna_samplers:TPE",
    # Optuna's NSGA-II, a genetic algorithm.
    "nsga2": "sweeps.search.optuna_samplers:NSGA2",
    # Optuna's Gaussian-process sampler, which models all objectives.
    "gp": "sweeps.search.optuna_samplers:GP",
    # srsweep's own sampler: it computes the costs exactly, and its model predicts only the PSNR.
    "pareto": "sweeps.search.pareto.sampler:Pareto",
}
"""Maps the name of a sampler to 'module:class'. A class is imported only when needed, as some need Optuna or SciPy."""
