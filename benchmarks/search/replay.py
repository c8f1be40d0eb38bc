"""Replays searches on a table of real trainings, with the same engine that runs sweeps.

A replay yields a pair for each architecture that is fully trained: the training steps spent so far, and the key of the
architecture.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler

from benchmarks.search.curves import Curves, Entry
from searchspace.table.space_table import SpaceTable
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.search.optuna_samplers import OptunaSampler
from sweeps.search.pareto.sampler import Pareto
from sweeps.train.segment import Segment

Replay = Iterator[tuple[int, str]]


class NoStore:
    """A store that keeps nothing but the numbers of attempts. With it, the engine runs without a database."""

    def __init__(self, bicubic: float) -> None:
        self.bicubic = bicubic
        self.attempts: dict[int, int] = {}

    def open_sweep(self, *_: object) -> int:
        return 1

    def acquire_lease(self, *_: object, **__: object) -> str:
        return ""

    def keep_lease(self) -> "NoStore":
        return self

    def trials(self, _: int) -> list[Any]:
        return []

    def facts(self, _: int) -> dict[str, str]:
        return {"validation_bicubic_psnr_y": str(self.bicubic)}

    def others(self, _: int) -> list[int]:
        return []

    def add_trial(self, _: int, *, number: int, **__: object) -> int:
        return number

    def begin_attempt(self, trial_id: int, _: int) -> int:
        self.attempts[trial_id] = self.attempts.get(trial_id, 0) + 1
        return self.attempts[trial_id]

    def ignore(self, *_: object, **__: object) -> None:
        """Ignores a write."""

    record = end_attempt = set_state = release_lease = check = ignore


def rows_of(curves: Curves, table: SpaceTable) -> NDArray[np.int64]:
    """Returns the rows, in the table of costs `table`, of all architectures that `curves` holds, in ascending order."""
    rows = [table.row(architecture) for architecture in curves.architectures.values()]
    known = sorted(row for row in rows if row is not None)
    assert len(known) == len(rows)
    return np.array(known, np.int64)


def by_engine(
    curves: Curves,
    table: SpaceTable,
    feasible: NDArray[np.int64],
    seed: int,
    search: Mapping[str, object],
    *,
    sampler: Callable[..., BaseSampler] | None = None,
    gains: list[float] | None = None,
) -> Replay:
    """Replays a sweep with the search settings `search`, one segment after another.

    If `sampler` is given, this sampler of Optuna replaces the sampler in the settings. If `gains` is given, the expected
    gain of each suggestion is appended to it.
    """
    config = curves.with_search(**search).model_copy(update={"seed": seed})
    sweep = Sweep(config, NoStore(curves.bicubic), holder="replay")  # type: ignore[arg-type]
    chosen = sweep.suggester.sampler
    if isinstance(chosen, Pareto):
        # All seeds share one table of costs, because building it takes long.
        chosen.search.candidates.__dict__ |= {"table": table, "feasible": feasible}
    if sampler is not None:
        assert isinstance(chosen, OptunaSampler)
        chosen.make = lambda own, _: sampler(seed=own)  # type: ignore[method-assign, assignment]
    spent = 0
    reached: dict[int, int] = {}
    while (segment := sweep.next_segment()) is not None:
        key = sweep.trials[segment.number].architecture.key
        if gains is not None and segment.number not in reached:
            gains.append(chosen.gain)
        spent += segment.until_step - reached.get(segment.number, 0)
        reached[segment.number] = segment.until_step
        for record in _replayed(curves.entries[key], segment):
            sweep.handle(segment, record)
        if segment.until_step == curves.steps:
            yield spent, key


def _replayed(entry: Entry, segment: Segment) -> Iterator[Evaluation | Outcome]:
    """Yields the records of a segment, taken from the table of trainings."""
    for step, psnr in entry.curve.items():
        if step <= segment.until_step:
            measured = Measurement(step=step, dataset="validation", name="psnr_y", value=psnr)
            yield Evaluation(step=step, measurements=(measured,))
    error = "" if entry.curve else "the loss has diverged"
    yield Outcome(step=segment.until_step, error=error)


def curve_of(replay: Replay, curves: Curves, grid: list[int]) -> NDArray[np.float64]:
    """Returns the hypervolume at each number of training steps in `grid`. It is constant between trainings."""
    found: list[str] = []
    values = np.zeros(len(grid))
    for spent, key in replay:
        found.append(key)
        if spent > grid[-1]:
            break
        values[np.searchsorted(grid, spent) :] = curves.hypervolume(found)
    return values
