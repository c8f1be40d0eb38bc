"""Settings under `search` in a sweep file, and the names that they use."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.quantity import parse_quantity
from searchspace.spec import nearest
from sweeps.search.samplers import SAMPLERS

Number = BeforeValidator(parse_quantity)
Direction = Literal["minimize", "maximize"]

MEASURED = ("psnr_y", "ssim_y")
"""Objectives that only training reveals."""


def _known_sampler(name: str) -> str:
    """Return `name`. Raises ValueError when SAMPLERS lacks it."""
    if name not in SAMPLERS:
        raise ValueError(f"must be one of {', '.join(SAMPLERS)}; {nearest(name, SAMPLERS)}")
    return name


SamplerName = Annotated[str, AfterValidator(_known_sampler)]
"""A key of SAMPLERS."""


class HalvingSettings(BaseModel):
    """Rungs at which trials pause: min_steps, factor * min_steps, and so on, up to the full training."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_steps: Annotated[int, Number, Field(ge=1)]
    """Optimiser steps of the first rung."""
    factor: Annotated[int, Number, Field(ge=2)] = 4
    """Each rung has `factor` times the steps of the rung below, and one in `factor` trials goes on to it."""

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Return the steps of all rungs in ascending order, ending with the full training of `steps`.

        A rung is left out when the full training is less than 1.5 times as long.
        """
        rungs = []
        at = self.min_steps
        while at * 1.5 <= steps:
            rungs.append(at)
            at *= self.factor
        return (*rungs, steps)


class SearchSettings(BaseModel):
    """How the sweep chooses architectures and how many it trains."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    sampler: SamplerName = "tpe"
    """How the next architecture is chosen: random, grid, tpe, nsga2, gp or pareto. `sweeps/search/samplers.py`
    describes each in one line."""
    trials: Annotated[int, Number, Field(ge=1)] = 20
    """Trials in total. Trials of earlier runs of the same sweep count."""
    steps: Annotated[int, Number, Field(ge=1)] | None = None
    """Optimiser steps that all trials together may take. The sweep starts no training that would exceed them.
    null: no limit."""
    hours: Annotated[float, Number, Field(gt=0)] | None = None
    """Training time of all trials together, in hours, after which the sweep starts no further training. null: no limit."""
    min_gain: Annotated[float, Number, Field(gt=0, lt=1)] | None = None
    """The sweep starts no further trials after three suggestions in a row of which each is expected to enlarge the
    hypervolume by a smaller share than this. Needs a sampler that expects gains, such as pareto. null: never."""
    halving: HalvingSettings | None = None
    """Trials pause at rungs and only the most promising ones go on. null: every trial is trained in full."""
    keep_weights: Literal["front", "all", "none"] = "front"
    """Trials whose training states stay on disk: those on the Pareto front, all, or none."""
    max_attempts: Annotated[int, Number, Field(ge=1)] = 2
    """Attempts at a trial that ends in an error. After the last one the trial counts as failed."""
    max_failed_share: Annotated[float, Number, Field(gt=0, le=1)] = 0.5
    """Largest share of finished trials that may fail. When more have failed, the sweep stops. It checks this once five
    trials have finished."""
