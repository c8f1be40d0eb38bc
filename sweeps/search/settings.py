"""Settings under `search` in a sweep file, and the types of their values."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.quantity import LARGEST, parse_quantity, parse_span
from searchspace.spec import one_of
from sweeps.records import MAX_STEPS
from sweeps.search.samplers import SAMPLERS

Number = BeforeValidator(parse_quantity)
MAX_TRIALS = 10_000_000
"""Maximum number of trials of a sweep."""
Direction = Literal["minimize", "maximize"]

MEASURED = ("psnr_y", "ssim_y", "psnr_rgb")
"""Names of the objectives that are known only after training."""


SamplerName = Annotated[str, one_of(SAMPLERS)]
"""Name of a sampler: a key of SAMPLERS."""


class HalvingSettings(BaseModel):
    """The rungs: numbers of optimiser steps at which trials pause.

    They are min_steps, factor * min_steps, and so on. The last rung is the full training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_steps: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)]
    """Number of optimiser steps of the first rung."""
    factor: Annotated[int, Number, Field(ge=2, le=1_000)] = 4
    """Each rung has `factor` times as many steps as the rung below. One in `factor` trials continues to the next rung."""

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Returns the optimiser steps of all rungs in ascending order. The last rung is the full training of `steps`.

        A rung is left out if the full training has fewer than 1.5 times its steps.
        """
        rungs = []
        at = self.min_steps
        while at * 1.5 <= steps:
            rungs.append(at)
            at *= self.factor
        return (*rungs, steps)


class CostRange(BaseModel):
    """A range of a cost. In a sweep file, it can also be written as 50k..150k."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    low: Annotated[float, Number, Field(ge=0, le=LARGEST)]
    """Lower end."""
    high: Annotated[float, Number, Field(gt=0, le=LARGEST)]
    """Upper end, above the lower end. Both ends belong to the range."""


def _read_range(written: object) -> object:
    return dict(zip(("low", "high"), parse_span(written), strict=True))


class SearchSettings(BaseModel):
    """How a sweep chooses architectures, how much it trains, and when it stops."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    sampler: SamplerName = "tpe"
    """The method that chooses the next architecture. random: draws each knob uniformly. grid: every architecture of the
    space. tpe: Optuna's tree-structured Parzen estimator. nsga2: Optuna's genetic algorithm NSGA-II. gp: Optuna's
    Gaussian process. pareto: srsweep's own sampler, which knows all costs and predicts only the score."""
    trials: Annotated[int, Number, Field(ge=1, le=MAX_TRIALS)] = 20
    """Number of trials in total, including the trials that earlier runs of this sweep stored. If `seeds` is above 1,
    this is the number of architectures, and each architecture is trained as several trials."""
    steps: Annotated[int, Number, Field(ge=1, le=MAX_STEPS * 1_000_000)] | None = None
    """Maximum number of optimiser steps of all trials together. The sweep starts no training that would exceed this
    limit. null: no limit."""
    hours: Annotated[float, Number, Field(gt=0, le=10_000_000)] | None = None
    """Maximum training time of all trials together, in hours. When this limit is reached, the sweep starts no further
    training. null: no limit."""
    min_gain: Annotated[float, Number, Field(gt=0, lt=1)] | None = None
    """Minimum expected gain of a suggestion, as a share of the hypervolume. After three suggestions in a row with a
    smaller gain, the sweep starts no further trials. Works only with sampler: pareto. null: no limit."""
    focus: dict[str, Annotated[CostRange, BeforeValidator(_read_range)]] = {}
    """Ranges of costs among which you will choose, such as {params: 50k..150k}. The search then looks for the best
    networks in these ranges, and the hypervolume counts only there. Works only with sampler: pareto. {}: all costs count
    alike."""
    halving: HalvingSettings | None = None
    """Successive halving: trials pause at rungs, and only the most promising trials continue. null: every trial is
    trained in full. If several trials run in parallel, the choice also depends on the order in which their results
    arrive."""
    keep_weights: Literal["front", "all", "none"] = "front"
    """The trials whose training states stay on disk after they end. front: the trials on the Pareto front. all: every
    trial. none: no trial."""
    max_attempts: Annotated[int, Number, Field(ge=1, le=1_000)] = 2
    """Number of attempts after which a trial counts as failed, if each attempt ended in an error."""
    max_failed_share: Annotated[float, Number, Field(gt=0, le=1)] = 0.5
    """Maximum share of failed trials among the finished trials. If the share is larger, the sweep stops, but only after
    five trials have finished."""

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Both ends of each range in `focus`, by the name of the cost."""
        return {name: (of.low, of.high) for name, of in self.focus.items()}
