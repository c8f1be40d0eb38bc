"""`sampler: pareto` for an Optuna study that trains architectures of srsweep's families.

space, faults = parse_space({"slwsr": {"n_feats": [8, 16, 32], "n_blocks": [6, 14, 26]}}, ())
sampler = ArchitectureSampler(space, scale=4, constraints=[at_most("params", "100K")], trials=50)
study = optuna.create_study(directions=sampler.directions, sampler=sampler)

def objective(trial):
    architecture = sampler.architecture(trial)
    return train_and_measure(architecture), *sampler.costs(architecture)

study.optimize(objective, n_trials=50)
"""

from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FixedTrial

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import costs
from searchspace.space import Space, feasible
from sweeps.search.optuna_params import locate, suggest
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.candidates import Candidates
from sweeps.search.pareto.optuna_adapter import ParetoSampler
from sweeps.search.pareto.surrogate import Floats, Ints
from sweeps.search.pareto.walk import Point, point

SCORE = "psnr"
"""Name of the objective that a trial measures."""


class ArchitectureSampler(ParetoSampler):
    """Suggests architectures of a space to an Optuna study.

    The objective function must return the PSNR in dB, followed by the costs in the order of `minimized`.
    """

    def __init__(
        self,
        space: Space,
        *,
        scale: int,
        minimized: Sequence[str] = ("params", "multadds"),
        constraints: Sequence[Constraint] = (),
        trials: int = 100,
        repeats: int = 1,
        floor: float | None = None,
        seed: int = 0,
    ) -> None:
        """Prepares a search of `space` at upscaling factor `scale`.

        `minimized` names the costs to minimize. `trials` is roughly the number of trials that the study will run. A
        network whose PSNR in dB does not exceed `floor` has no value. The PSNR of bicubic upscaling is a sensible
        floor. Raises UserError if `minimized` is empty, or names a cost that is not a sum over the layers of a network.
        """
        self.space, self.scale = space, scale
        self.minimized, self.constraints = tuple(minimized), tuple(constraints)
        own = Architectures(
            space, constraints=constraints, scale=scale, minimized=minimized, seed=seed
        )
        self._own = own
        self._prepare(
            _ArchitecturePoints(own),
            self.minimized,
            {SCORE: "maximize", **dict.fromkeys(self.minimized, "minimize")},
            trials,
            repeats,
            {} if floor is None else {SCORE: floor},
            seed,
        )
        self.search.unit = 1.0

    def architecture(self, trial: optuna.Trial) -> Architecture:
        """Returns the architecture to train in `trial`.

        Raises optuna.TrialPruned if no untried architecture is left.
        """
        suggested = suggest(trial, self.space)
        assert suggested is not None
        return suggested

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Returns the exact costs of an architecture, in the order of `minimized`."""
        counted = costs(architecture, self.scale)
        return tuple(counted[name] for name in self.minimized)

    def _is_allowed(self, suggested: Point) -> bool:
        # The table lacks some costs, such as memory.
        architecture = _architecture(suggested, self.space)
        return architecture is not None and feasible(architecture, self.constraints, self.scale)

    def _costs(self, row: int) -> Mapping[str, float]:
        return {name: float(of[row]) for name, of in self._own.table.costs.items()}


class _ArchitecturePoints(Candidates[Point]):
    """The architectures of a space, each given by the parameters of an Optuna trial."""

    def __init__(self, own: Architectures) -> None:
        self.own = own

    @property
    def groups(self) -> Ints:
        return self.own.groups

    @property
    def is_cost(self) -> NDArray[np.bool_]:
        return self.own.is_cost

    @property
    def feasible(self) -> Ints:
        return self.own.feasible

    def __len__(self) -> int:
        return len(self.own)

    def row(self, item: Point) -> int | None:
        architecture = _architecture(item, self.own.space)
        return None if architecture is None else self.own.row(architecture)

    def item(self, row: int) -> Point:
        located = locate(self.own.item(row), self.own.space)
        assert located is not None
        return point(*located)

    def features(self, rows: Ints) -> Floats:
        return self.own.features(rows)

    def costs(self, rows: Ints) -> Floats:
        return self.own.costs(rows)

    def neighbours(self, row: int) -> list[int]:
        return self.own.neighbours(row)


def _architecture(item: Point, space: Space) -> Architecture | None:
    """Returns the architecture with these parameters, or None if they are incomplete or not a valid combination."""
    try:
        return suggest(FixedTrial(item.params), space)
    except ValueError:
        return None
