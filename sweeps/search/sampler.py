"""The base class of all samplers: the methods that a sweep calls, and class attributes that say what a sampler needs.

`sweeps.search.suggester` calls the methods. A new sampler derives from `Sampler`, implements `ask`, overrides the other
methods that it has a use for, and gets one entry in `sweeps.search.samplers.SAMPLERS`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Literal

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.space import Space
from searchspace.table.space_table import SpaceTable
from sweeps.search.samplers import SAMPLERS
from sweeps.search.settings import Direction

KNOWN = (*COSTS, PREDICTED_LATENCY)
"""Names of the objectives that are known before training."""


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """The scatter of the scores of several training runs of one architecture. The runs differ only in their seeds."""

    count: int
    """Number of training runs, at least 2."""
    variance: float
    """Sample variance of the scores, which divides by `count` - 1."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The search problem that a sampler gets: the space, the limits, the objectives and the planned training runs."""

    space: Space
    constraints: tuple[Constraint, ...]
    """Limits that an architecture must meet to be trained."""
    scale: int
    """Upscaling factor."""
    objectives: Mapping[str, Direction]
    """Maps the name of each objective to its direction. `Sampler.tell` gets the values in this order."""
    gates: Mapping[str, float] = field(default_factory=dict)
    """Maps the name of a maximized objective to the minimum value that a trained network must reach to count."""
    focus: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Maps the name of a cost to the range of the cost in which the person will choose. Empty: all networks count
    equally."""
    seed: int
    trials: int
    """Number of architectures that the sweep plans to train in total."""
    seeds: int = 1
    """Number of training runs of each architecture. The values of its objectives are means over these runs."""
    steps: int
    """Optimiser steps of a full training run."""
    levels: tuple[int, ...]
    """Optimiser steps at which a model may read the scores of training runs that are not complete."""
    rungs: tuple[int, ...] = ()
    """Optimiser steps at which halving pauses a training run. The end of the full run is not included. Empty without
    halving."""
    table: SpaceTable | None = None
    """The exact costs of the space. None if they have not been computed yet."""
    rates: Rates | None = None
    """The rates that predict latencies on a device. None if no latency is predicted."""

    @property
    def learnt(self) -> str:
        """Name of the first objective that is not known before training, so that a model has to learn it. Empty if all are."""
        return next((name for name in self.objectives if name not in KNOWN), "")


class Sampler(ABC):
    """Chooses the next architecture to train.

    Its answers depend only on the problem, the numbers of the trials and the calls of its methods so far. A resumed
    sweep first calls `restore`, `report`, and `tell` or `pause` for its stored trials. It then continues as if it had
    never been interrupted.
    """

    needs_table: ClassVar[bool] = False
    """Whether the sampler needs the exact costs of the whole space before it starts."""
    expects_gains: ClassVar[bool] = False
    """Whether `gain` estimates how much a suggestion enlarges the hypervolume, as `search.min_gain` requires."""
    takes_focus: ClassVar[bool] = False
    """Whether the sampler concentrates the training runs on the ranges of costs that `search.focus` names."""
    takes_earlier_sweeps: ClassVar[bool] = False
    """Whether the sampler uses the results of earlier sweeps that `warm_start` gives it."""
    is_exhaustive: ClassVar[bool] = False
    """Whether `ask` returns None only if no untried architecture is left. If False, the suggester draws an architecture at
    random when `ask` returns None."""

    promotes: ClassVar[bool] = False
    """Whether the sampler itself chooses the paused trials that halving trains further, by `promote`."""

    @abstractmethod
    def __init__(self, problem: Problem) -> None: ...

    @classmethod
    def faults(cls, space: Space, objectives: Mapping[str, Any]) -> list[str]:
        """Returns the reasons why the sampler cannot search `space` for `objectives`, as one message each.

        `objectives` maps names to directions as written in the sweep file. Names and directions may be invalid.
        """
        return []

    @classmethod
    def advice(cls, space: Space, *, halving: bool) -> list[str]:
        """Returns warnings about settings that the sampler accepts although they did poorly when measured.

        `halving` tells whether the sweep uses `search.halving`.
        """
        return []

    @abstractmethod
    def ask(self, number: int, is_new: Callable[[Architecture], bool]) -> Architecture | None:
        """Returns an architecture that `is_new` accepts, for trial `number`, or None if the sampler finds none.

        `is_new` returns whether an architecture meets all constraints and has not been tried.
        """

    def restore(self, architecture: Architecture) -> None:
        """Called for each trial that this object did not suggest itself, such as a stored one.

        The trial counts as running until `tell` or `pause` is called.
        """

    def tell(
        self, architecture: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        """Called when a trial has finished. `values` holds all objectives, in the order of `Problem.objectives`.

        `values` is None if the trial was stopped before its full training (then `stopped` is True) or has failed.
        """

    def report(
        self,
        architecture: Architecture,
        step: int,
        scores: Mapping[str, float],
        scatter: Mapping[str, Scatter],
    ) -> None:
        """Called when a trial was evaluated after `step` optimiser steps. `scores` holds its objectives by name.

        If several training runs reached `step`, `scores` holds their means, and `scatter` says how far they are
        apart.
        """

    def pause(self, architecture: Architecture) -> None:
        """Called when a trial pauses at a rung of successive halving."""

    def promote(self, number: int | None, waiting: Sequence[Architecture]) -> Architecture | None:
        """Returns the paused trial to train further, or None if trial `number`, a new one, should start instead.

        `waiting` are the trials that may go on. `number` is None if the budget allows no new trial. Called only if
        `promotes` is True. A call changes nothing.
        """
        return None

    def resume(self, architecture: Architecture) -> None:
        """Called when a paused trial starts to train again."""

    def warm_start(
        self, sweep: int, architecture: Architecture, score: float, scatter: Scatter | None
    ) -> None:
        """Called for each full training run of an earlier sweep from which the sampler may learn.

        `sweep` is the number of the earlier sweep, counted from 0. `score` is the value of the objective
        `Problem.learnt`. If the earlier sweep trained the architecture several times, `score` is the mean, and
        `scatter` tells how far the scores are apart.
        """

    @property
    def lacks_floor(self) -> bool:
        """Whether the sampler uses a floor but has none yet. If so, `set_floor` should be called."""
        return False

    def set_floor(self, score: float | None) -> None:
        """Sets the floor: the score that a network must exceed to be worth anything, such as the score of bicubic.

        None means that the floor is unknown.
        """

    @property
    def gain(self) -> float:
        """The share by which the newest suggestion is expected to enlarge the hypervolume. Infinite if unknown."""
        return math.inf


def sampler_class(name: str) -> type[Sampler]:
    """Imports and returns the class of the sampler called `name`, a key of SAMPLERS."""
    module, _, attribute = SAMPLERS[name].partition(":")
    found: type[Sampler] = getattr(import_module(module), attribute)
    return found


def samplers_that(ability: Literal["expects_gains", "takes_focus"]) -> list[str]:
    """Returns the names of the samplers whose class attribute `ability` is True."""
    return [name for name in SAMPLERS if getattr(sampler_class(name), ability)]
