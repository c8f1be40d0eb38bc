"""Tells the search the results of the sweep's own trials, and of trials of other sweeps."""

from collections.abc import Mapping

from searchspace.table.space_table import SpaceTable
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.repeats import Repeats
from sweeps.search.gates import least_of
from sweeps.search.suggester import Suggester
from sweeps.store.store import Store

MAX_EARLIER = 3
"""Largest number of other sweeps from which a sampler with a model learns."""


def make_suggester(config: SweepConfig, table: SpaceTable | None) -> Suggester:
    """Returns the suggester that the sweep file describes.

    `table` holds the exact costs of the whole space; None if the caller has not computed them.
    """
    return Suggester(
        space=config.space,
        constraints=config.limits,
        scale=config.scale,
        objectives=config.objectives,
        gates=least_of(config.gates),
        focus=config.search.ranges,
        sampler=config.search.sampler,
        seed=config.seed,
        seeds=config.seeds,
        trials=config.search.trials,
        steps=config.train.steps,
        levels=config.levels,
        rungs=config.rungs[:-1],
        table=table,
        rates=config.rates,
    )


def tell(suggester: Suggester, repeats: Repeats, config: SweepConfig) -> None:
    """Tells the search how an architecture has ended: complete, with its objectives, or failed, stopped or paused.

    The first trial decides whether the architecture has failed, was stopped or is paused. The architecture is complete
    once all its trials have finished. Until then, the search counts it as running.
    """
    state = repeats.first.state
    if state == "complete" and repeats.is_finished:
        known = repeats.values(config)
        values = [known[name] for name in config.objectives]
        suggester.tell(repeats.architecture, values, stopped=False)
    elif state in ("failed", "stopped"):
        suggester.tell(repeats.architecture, None, stopped=state == "stopped")
    elif state == "paused":
        suggester.pause(repeats.architecture)


def teach_earlier_sweeps(suggester: Suggester, store: Store, sweep_id: int) -> None:
    """Gives the sampler the complete trials of the newest MAX_EARLIER other sweeps at the same scale.

    It does nothing if the sampler has no model that can learn from other sweeps.
    """
    if not suggester.sampler.takes_earlier_sweeps:
        return
    for sweep, other in enumerate(store.others(sweep_id)[:MAX_EARLIER]):
        rows = [row for row in store.trials(other) if row.state == "complete"]
        suggester.warm_start(sweep, rows)


def bicubic_score(suggester: Suggester, facts: Mapping[str, str]) -> float | None:
    """Returns the score of bicubic upscaling on the validation images, which a useful network must beat.

    The score is a value of the objective that the sampler's model learns. Returns None if it is not stored yet.
    """
    known = facts.get(f"validation_bicubic_{suggester.modelled}")
    return None if known is None else float(known)
