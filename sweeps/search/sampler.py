"""What every sampler offers: the calls that a sweep makes, and what the sampler can and cannot do.

`sweeps.search.suggester` makes the calls. A new sampler derives from `Sampler`, implements `ask`, overrides the
other methods that concern it, and gets one entry in `sweeps.search.samplers.SAMPLERS`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS
from searchspace.space import Space
from searchspace.table.space_table import SpaceTable
from sweeps.search.samplers import SAMPLERS
from sweeps.search.settings import Direction


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a sampler searches."""

    space: Space
    constraints: tuple[Constraint, ...]
    """Limits that every trained architecture meets."""
    scale: int
    """Upscaling factor."""
    objectives: Mapping[str, Direction]
    """Name -> direction, in the order of the values in `Sampler.tell`."""
    seed: int
    trials: int
    """Trials that the sweep plans in total."""
    steps: int
    """Optimiser steps of a full training."""
    levels: tuple[int, ...]
    """Steps of shorter trainings that a model may learn from."""
    table: SpaceTable | None = None
    """The exact costs of the space, when they have been computed already."""

    @property
    def learnt(self) -> str:
        """The first objective that is not a cost, so that a model has to learn it; '' when there is none."""
        return next((name for name in self.objectives if name not in COSTS), "")


class Sampler(ABC):
    """Chooses the next architecture.

    Its answers depend only on the problem, on the numbers of the trials and on what it was told. A sweep that is
    resumed calls `restore` and `tell` for every stored trial and then continues as if nothing had interrupted it.
    """

    needs_table: ClassVar[bool] = False
    """Whether it needs the exact costs of the whole space before it starts."""
    expects_gains: ClassVar[bool] = False
    """Whether `gain` estimates what a suggestion brings, as `search.min_gain` requires."""
    takes_earlier_sweeps: ClassVar[bool] = False
    """Whether `warm_start` uses the results of earlier sweeps."""
    is_exhaustive: ClassVar[bool] = False
    """Whether None from `ask` means that nothing is left to try. Otherwise the suggester draws at random."""

    @abstractmethod
    def __init__(self, problem: Problem) -> None: ...

    @classmethod
    def faults(cls, space: Space, objectives: Mapping[str, Any]) -> list[str]:
        """Return why it cannot search `space` for `objectives`, one message for each reason.

        `objectives` maps names to directions as written in the sweep file; both may be wrong.
        """
        return []

    @classmethod
    def advice(cls, space: Space, *, halving: bool) -> list[str]:
        """Return settings that it accepts but that measurements advise against; `halving`: whether trials pause."""
        return []

    @abstractmethod
    def ask(self, number: int, is_new: Callable[[Architecture], bool]) -> Architecture | None:
        """Return the architecture for trial `number`, which must satisfy `is_new`; None when it finds none.

        `is_new` tells whether an architecture meets all constraints and has not been tried.
        """

    def restore(self, architecture: Architecture) -> None:
        """Learn of a trial that it did not suggest; the trial counts as running until `tell` or `pause`."""

    def tell(
        self, architecture: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        """Learn the objectives of a finished trial, in order.

        `values` is None when the trial has failed or, with `stopped`, was given up.
        """

    def report(self, architecture: Architecture, step: int, scores: Mapping[str, float]) -> None:
        """Learn the measured objectives after `step` steps of a trial."""

    def pause(self, architecture: Architecture) -> None:
        """Learn that a trial waits at a rung."""

    def resume(self, architecture: Architecture) -> None:
        """Learn that a paused trial is training again."""

    def warm_start(self, sweep: int, architecture: Architecture, score: float) -> None:
        """Learn the score of a full training in an earlier sweep; `sweep` counts those from 0."""

    @property
    def lacks_floor(self) -> bool:
        """Whether it could use `set_floor` and has no floor yet."""
        return False

    def set_floor(self, score: float | None) -> None:
        """Learn the score at or below which a network is worth nothing, such as bicubic's; None when unknown."""

    @property
    def gain(self) -> float:
        """Relative growth of the hypervolume expected from the newest suggestion; infinite when unknown."""
        return math.inf


def sampler_class(name: str) -> type[Sampler]:
    """Import the class of the sampler called `name`, a key of SAMPLERS."""
    module, _, attribute = SAMPLERS[name].partition(":")
    found: type[Sampler] = getattr(import_module(module), attribute)
    return found


def samplers_that_expect_gains() -> list[str]:
    """Return the names of the samplers that `search.min_gain` works with."""
    return [name for name in SAMPLERS if sampler_class(name).expects_gains]
