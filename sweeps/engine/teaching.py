"""What the search learns from a sweep: the results of its trials, and those of earlier sweeps."""

from collections.abc import Mapping

from searchspace.table.space_table import SpaceTable
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.trial_state import Trial
from sweeps.search.suggester import Suggester
from sweeps.store.store import Store

MAX_EARLIER = 3
"""Earlier sweeps that a sampler with a model learns from."""


def make_suggester(config: SweepConfig, table: SpaceTable | None) -> Suggester:
    """The suggester that the sweep file describes. `table` holds the exact costs of the space, if they are known."""
    return Suggester(
        space=config.space,
        constraints=config.limits,
        scale=config.scale,
        objectives=config.objectives,
        sampler=config.search.sampler,
        seed=config.seed,
        trials=config.search.trials,
        steps=config.train.steps,
        levels=config.levels,
        table=table,
    )


def tell(suggester: Suggester, trial: Trial, config: SweepConfig) -> None:
    """Tell the search what became of a trial that has ended or pauses."""
    if trial.state == "complete":
        known = trial.values(config.scale)
        values = [known[name] for name in config.objectives]
        suggester.tell(trial.architecture, values, stopped=False)
    elif trial.state in ("failed", "stopped"):
        suggester.tell(trial.architecture, None, stopped=trial.state == "stopped")
    elif trial.state == "paused":
        suggester.pause(trial.architecture)


def teach_earlier_sweeps(suggester: Suggester, store: Store, sweep_id: int) -> None:
    """Teach the sampler, if it has a model, with complete trials of earlier sweeps at the same scale."""
    if not suggester.sampler.takes_earlier_sweeps:
        return
    for sweep, other in enumerate(store.others(sweep_id)[:MAX_EARLIER]):
        rows = [row for row in store.trials(other) if row.state == "complete"]
        suggester.warm_start(sweep, rows)


def bicubic_score(suggester: Suggester, facts: Mapping[str, str]) -> float | None:
    """The score of bicubic on the validation images, which a useful network must beat. None before it is known."""
    known = facts.get(f"validation_bicubic_{suggester.modelled}")
    return None if known is None else float(known)
