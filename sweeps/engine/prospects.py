"""Says what more training of a stored sweep would be worth, and where, without training anything."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from searchspace.architecture import Architecture
from searchspace.errors import UserError
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.repeats import Repeats, grouped
from sweeps.engine.teaching import bicubic_score, make_suggester, tell
from sweeps.engine.trial_state import Trial
from sweeps.records import TrialRow
from sweeps.search.pareto.outlook import Outlook, outlook
from sweeps.search.pareto.sampler import Pareto
from sweeps.search.sampler import KNOWN

LARGEST_SPACE = 2_000_000
"""The largest number of knob combinations of a space whose costs are counted for an estimate. It takes seconds."""
ALIKE = 5
"""Number of trained networks with similar Mult-Adds from which the training time of another one is estimated."""


@dataclass(frozen=True, kw_only=True)
class Prospects:
    """What the next training of a sweep is expected to bring."""

    best: Outlook
    hours: float
    """Expected hours of training of the best network, with all seeds."""
    learnt: str
    """Name of the objective that the model predicts."""
    trained: int
    """Number of networks trained in full, from which the model has learnt."""


def prospects(
    config: SweepConfig, rows: Sequence[TrialRow], facts: Mapping[str, str]
) -> Prospects | str:
    """Returns what more training of a sweep is expected to bring, from its stored trials `rows` and its `facts`.

    The model is that of `sampler: pareto`, whichever sampler the sweep has. At least one network must be complete. Returns
    the reason, as a clause, if there is no estimate.
    """
    search = config.search.model_copy(update={"sampler": "pareto"})
    config = config.model_copy(update={"search": search})
    if Pareto.faults(config.space, config.objectives):
        return f"pareto has no model for the objectives {', '.join(config.objectives)}"
    try:
        trials = [Trial.restored(row, config) for row in rows]
    except UserError as error:
        return f"a trial is from another version of srsweep ({error})"
    repeats = grouped(trials, config).values()
    ended = [each for each in repeats if each.first.state == "complete"]
    if config.space.num_spellings > LARGEST_SPACE:
        return f"the space has more than {LARGEST_SPACE:,} combinations of knobs"
    sampler = _taught(config, repeats, facts)
    costs = [name for name in config.objectives if name in KNOWN]
    best = outlook(sampler.search, next(iter([*config.search.focus, *costs])))
    if best is None:
        return "every network within the budget was tried"
    if best.gain <= 0:
        return "no untried network is expected to enlarge the hypervolume"
    seconds = {row.number: row.seconds for row in rows}
    hours = _hours(best.architecture, ended, seconds, config)
    return Prospects(best=best, hours=hours, learnt=sampler.learnt, trained=len(ended))


def _taught(config: SweepConfig, repeats: Collection[Repeats], facts: Mapping[str, str]) -> Pareto:
    """Returns a sampler that knows the results of all trials."""
    suggester = make_suggester(config, None)
    sampler = suggester.sampler
    assert isinstance(sampler, Pareto)
    sampler.set_floor(bicubic_score(suggester, facts))
    for each in repeats:
        suggester.restore(each.architecture)
        for step in each.steps:
            suggester.report(each.architecture, step, *each.report(step))
        tell(suggester, each, config)
    return sampler


def _hours(
    network: Architecture,
    ended: Sequence[Repeats],
    seconds: Mapping[int, float],
    config: SweepConfig,
) -> float:
    """Returns the expected hours of training a network with all seeds: the mean over trained ones with similar Mult-Adds."""
    multadds = [config.known_costs(each.architecture)["multadds"] for each in ended]
    apart = np.abs(np.log(multadds) - np.log(config.known_costs(network)["multadds"]))
    alike = [ended[place] for place in np.argsort(apart, kind="stable")[:ALIKE]]
    return float(np.mean([seconds[each.first.number] for each in alike])) * config.seeds / 3600
