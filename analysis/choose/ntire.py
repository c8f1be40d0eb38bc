"""The efficiency score of NTIRE's challenges on efficient super-resolution, applied to the variants of a sweep.

Source: README.md of Amazingren/NTIRE2025_ESR (commit 0b5be94) and Amazingren/NTIRE2026_ESR (commit 12df396). A network
below a PSNR, the gate, is not ranked. For the others, each of running time, Mult-Adds and parameters gives a score
exp(2 x / x of the baseline), and the final score is their weighted sum. Lower is better; the baseline has e^2 = 7.39.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from searchspace.architecture import Architecture, architecture

GATE = 26.90
"""The smallest PSNR on DIV2K-LSDIR validation, in dB, with which the challenges rank a network."""


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
    2025: Challenge(family="efdn", runtime=0.7, multadds=0.15, params=0.15),
    2026: Challenge(family="span", runtime=0.8, multadds=0.1, params=0.1),
}
"""The rules by year. The baselines are EFDN and SPAN with 28 channels."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a network takes."""

    latency: float
    """Milliseconds for one image. Two uses are compared only if their latencies were measured in the same way."""
    multadds: float
    params: float


def partial_score(value: float, baseline: float) -> float:
    """Returns the score of one quantity: e^2 for the baseline's value, and less for less."""
    return math.exp(2 * value / baseline)


def scores(use: Use, baseline: Use, challenge: Challenge) -> dict[str, float]:
    """Returns the three scores and their weighted sum, by the names of their columns."""
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


def ranking(
    frame: pd.DataFrame, latency: str, baseline: Use, challenge: Challenge, gate: float
) -> pd.DataFrame:
    """Returns the variants of `frame` that pass the gate and have a latency, the best score first.

    `frame` comes from `analysis.choose.variants.variants`, and `latency` is the name of its column of latencies. The
    columns are trial, label, psnr_y, latency_ms, multadds, params and the columns of `scores`.
    """
    ranked = frame[(frame["psnr_y"] >= gate) & frame[latency].notna()]
    rows = []
    for row in ranked.to_dict("records"):
        use = Use(latency=row[latency], multadds=row["multadds"], params=row["params"])
        named = {"trial": row["reference"], "label": row["label"], "psnr_y": row["psnr_y"]}
        measured = {"latency_ms": use.latency, "multadds": use.multadds, "params": use.params}
        rows.append(named | measured | scores(use, baseline, challenge))
    columns = ["trial", "label", "psnr_y", "latency_ms", "multadds", "params"]
    columns += ["score", "score_runtime", "score_multadds", "score_params"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("score", kind="stable", ignore_index=True)
