"""The samplers that `search.sampler` of a sweep file can name.

To add a sampler, write a class that derives from `sweeps.search.sampler.Sampler` and add one entry here.
"""

SAMPLERS: dict[str, str] = {
    # Uniform draws, by Optuna.
    "random": "sweeps.search.optuna_samplers:Random",
    # Every architecture, in the order in which the sweep file lists values.
    "grid": "sweeps.search.grid:Grid",
    # Optuna's TPE. When it suggests an architecture that was already tried, srsweep asks again.
    "tpe": "sweeps.search.optuna_samplers:TPE",
    # Optuna's NSGA-II, a genetic algorithm.
    "nsga2": "sweeps.search.optuna_samplers:NSGA2",
    # Optuna's Gaussian process over all objectives.
    "gp": "sweeps.search.optuna_samplers:GP",
    # srsweep's own: it computes the costs exactly and models only the PSNR.
    "pareto": "sweeps.search.pareto.sampler:Pareto",
}
"""Name -> 'module:class'. The class is imported when a sweep names it, because some need Optuna or SciPy."""
