"""`sampler: pareto`: lets a sweep use `sweeps.search.pareto.search`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from searchspace.architecture import Architecture
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.space import Space
from searchspace.table.space_table import ADDITIVE
from sweeps.measure.latency_objective import LATENCY
from sweeps.measure.ntire import RULES
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.halving_search import HalvingSearch
from sweeps.search.pareto.search import ParetoSearch
from sweeps.search.sampler import KNOWN, Problem, Sampler, Scatter
from sweeps.search.settings import MEASURED


class Pareto(Sampler):
    """Passes the results of a sweep to a ParetoSearch, and checks each suggested architecture with `is_new`."""

    needs_table = True
    expects_gains = True
    takes_focus = True
    takes_earlier_sweeps = True
    is_exhaustive = True
    promotes = True

    def __init__(self, problem: Problem) -> None:
        self.learnt, self.steps = problem.learnt, problem.steps
        self._place = list(problem.objectives).index(self.learnt) if self.learnt else None
        """Position of the objective that the model learns among the values of `tell`."""
        self._gate = problem.gates.get(self.learnt)
        self._has_floor = False
        candidates = Architectures(
            problem.space,
            constraints=problem.constraints,
            scale=problem.scale,
            minimized=[name for name in problem.objectives if name in KNOWN],
            seed=problem.seed,
            table=problem.table,
            rates=problem.rates,
            focus=problem.focus,
        )
        common = {"seed": problem.seed, "trials": problem.trials, "steps": problem.steps}
        self.search: ParetoSearch[Architecture]
        if problem.rungs:
            self.search = HalvingSearch(
                candidates, **common, rungs=problem.rungs, seeds=problem.seeds
            )
        else:
            self.search = ParetoSearch(
                candidates, **common, levels=problem.levels, seeds=problem.seeds
            )

    @classmethod
    def faults(cls, space: Space, objectives: Mapping[str, Any]) -> list[str]:
        costs = [name for name in objectives if name in KNOWN]
        held = (*ADDITIVE, PREDICTED_LATENCY)
        fitting = [name for name in costs if name in held and objectives[name] == "minimize"]
        learnt = [name for name in objectives if name in MEASURED]
        if costs and fitting == costs and learnt and not {LATENCY, *RULES} & {*objectives}:
            return []
        return [
            f"pareto needs psnr_y, ssim_y or psnr_rgb and costs to minimize among {', '.join(held)}, "
            f"got objectives {', '.join(objectives)}; choose another sampler"
        ]

    @classmethod
    def advice(cls, space: Space, *, halving: bool) -> list[str]:
        if not halving:
            return []
        return [
            "halving: pareto suggests few networks that are worth stopping early; on six benchmark tables halving "
            "saved it at most 2 % of the steps"
        ]

    def ask(self, number: int, is_new: Callable[[Architecture], bool]) -> Architecture | None:
        # The table does not hold memory, so `is_new` checks the constraints on memory.
        while (suggested := self.search.ask(number)) is not None:
            if is_new(suggested):
                return suggested
            self.search.end(suggested, failed=True)
        return None

    def restore(self, architecture: Architecture) -> None:
        self.search.add(architecture)

    def tell(
        self, architecture: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        if values is not None and self._place is not None:
            self.search.observe(architecture, self.steps, values[self._place])
        self.search.end(architecture, failed=values is None and not stopped, stopped=stopped)

    def report(
        self,
        architecture: Architecture,
        step: int,
        scores: Mapping[str, float],
        scatter: Mapping[str, Scatter],
    ) -> None:
        if self.learnt in scores:
            self.search.observe(architecture, step, scores[self.learnt])
        if self.learnt in scatter:
            apart = scatter[self.learnt]
            self.search.repeat(architecture, step, apart.count, apart.variance)

    def pause(self, architecture: Architecture) -> None:
        self.search.end(architecture, failed=False)

    def promote(self, number: int | None, waiting: Sequence[Architecture]) -> Architecture | None:
        assert isinstance(self.search, HalvingSearch)
        return self.search.promote(number, waiting)

    def resume(self, architecture: Architecture) -> None:
        self.search.resume(architecture)

    def warm_start(
        self, sweep: int, architecture: Architecture, score: float, scatter: Scatter | None
    ) -> None:
        if scatter is None:
            self.search.warm_start(sweep, architecture, score)
        else:
            self.search.warm_start(sweep, architecture, score, scatter.count, scatter.variance)

    @property
    def lacks_floor(self) -> bool:
        return not self._has_floor

    def set_floor(self, score: float | None) -> None:
        # A network below the gate enlarges the hypervolume of what counts as little as one below bicubic.
        self._has_floor = score is not None
        known = [each for each in (score, self._gate) if each is not None]
        self.search.floors[0] = max(known, default=None)

    @property
    def gain(self) -> float:
        return self.search.gain
