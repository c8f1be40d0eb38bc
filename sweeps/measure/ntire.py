"""The efficiency score of NTIRE's challenges on efficient super-resolution. A sweep can use it as an objective.

Sources: README.md of Amazingren/NTIRE2025_ESR (commit 0b5be94) and Amazingren/NTIRE2026_ESR (commit 12df396). For the
baseline of 2024: its code, models/team00_RLFN.py in sunny2109/SAFMN/NTIRE2024_ESR (commit ed962b6). A network is not
ranked if its PSNR is below a threshold, the gate. Every other network gets three scores, for its running time,
Mult-Adds and parameters. For a quantity x, the score is exp(2 x / x of the baseline). The final score is the weighted
sum of the three. Lower is better. The baseline has e^2 = 7.39.

A sweep's objective names the year, as in `ntire_2026`. Before training, each trial measures its own network and then
the baseline, on the same machine and in the same way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from sweeps.measure.latency import Latency
from sweeps.records import Measurement


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """The rule of one year: its baseline, and the weights of the three scores, which add up to 1."""

    family: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    runtime: float
    multadds: float
    params: float

    @property
    def baseline(self) -> Architecture:
        """The network against which running time, Mult-Adds and parameters are compared."""
        return architecture(self.family, self.knobs)


CHALLENGES = {
    2024: Challenge(
        family="rlfn",
        knobs={"n_feats": 46, "inner_feats": 48, "n_blocks": 4},
        runtime=0.7,
        multadds=0.15,
        params=0.15,
    ),
    2025: Challenge(family="efdn", runtime=0.7, multadds=0.15, params=0.15),
    2026: Challenge(family="span", runtime=0.8, multadds=0.1, params=0.1),
}
"""The rules by year. The baselines are the RLFN of the challenge of 2022, EFDN, and SPAN with 28 channels."""

PREFIX = "ntire"
"""The beginning of the names of the objectives."""
RULES = {f"{PREFIX}_{year}": rule for year, rule in CHALLENGES.items()}
"""The rules by the names of the objectives. A trial's score is stored as a measurement with the objective's name."""
MOST = 1e300
"""Maximum score that is stored. Only a network several hundred times larger than the baseline reaches it."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """The latency, Mult-Adds and parameters of one network."""

    latency: float
    """Milliseconds for one image. Compare two uses only if their latencies were measured in the same way."""
    multadds: float
    params: float


def partial_score(value: float, baseline: float) -> float:
    """Returns the score of one quantity.

    The score is e^2 for the baseline's value, lower for smaller values, and inf on overflow.
    """
    try:
        return math.exp(2 * value / baseline)
    except OverflowError:
        return math.inf


def scores(use: Use, baseline: Use, challenge: Challenge) -> dict[str, float]:
    """Returns the three scores and their weighted sum, by column name."""
    runtime = partial_score(use.latency, baseline.latency)
    multadds = partial_score(use.multadds, baseline.multadds)
    params = partial_score(use.params, baseline.params)
    total = challenge.runtime * runtime + challenge.multadds * multadds + challenge.params * params
    return {
        "score": total,
        "score_runtime": runtime,
        "score_multadds": multadds,
        "score_params": params,
    }


def use_of(network: Architecture, scale: int, latency: Latency) -> Use:
    """Returns the `Use` of a network at `scale`: its counted costs and `latency`."""
    known = costs(network, scale)
    return Use(latency=latency.median, multadds=known["multadds"], params=known["params"])


def with_doubt_of(latency: Latency, baseline: Latency) -> Latency:
    """Returns a trial's latency.

    If the baseline's latency is unreliable, the result is marked as unreliable too, and is measured again.
    """
    if latency.doubt or not baseline.doubt:
        return latency
    return replace(latency, doubt=f"the latency of the baseline: {baseline.doubt}")


def measurement_of(name: str, use: Use, baseline: Use) -> Measurement:
    """Returns the score for the objective `name` as a measurement at step 0."""
    score = min(scores(use, baseline, RULES[name])["score"], MOST)
    return Measurement(step=0, dataset="", name=name, value=score)


def objective_fault(
    objectives: Mapping[str, Any], name: str, learnt: tuple[str, ...], scale: object
) -> str | None:
    """Returns why a sweep cannot have the objective `name`, or None if it can. `name` begins with PREFIX.

    `learnt` are the objectives that measure the quality of the output. `scale` is the upscaling factor as written in
    the sweep file.
    """
    years = " or ".join(RULES)
    if name not in RULES:
        return f"must name the score of a year, such as {years}"
    if objectives[name] == "maximize":
        return "must be minimized, because a lower score is better, got maximize"
    if not any(other in objectives for other in learnt):
        return f"needs {' or '.join(learnt)} beside it, because the smallest network has the best score"
    family = RULES[name].baseline.family
    if scale not in family.scales:
        return f"its baseline {family.name} is built for {family.scales}, got scale {scale}"
    return None
