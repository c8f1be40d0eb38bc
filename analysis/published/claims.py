"""Compares the designs that a paper's claim is about, with the trainings in a database.

Two trainings with the same seed see the same patches, so designs are compared seed by seed.

A worked example, which `test_claims.py` checks. Two designs have these PSNRs with three seeds:

    seed         0        1        2
    A        27.30    27.10    27.20
    B        27.10    27.00    27.05
    A - B     0.20     0.10     0.15        mean 0.15, standard deviation 0.05

With three seeds, the 97.5 % quantile of Student's t is 4.303. The 95 % interval of the mean difference is
0.15 +- 4.303 * 0.05 / sqrt(3), that is, from 0.026 to 0.274 dB. It lies above 0, so the claim that A restores better
than B holds.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.stats import t as student

from analysis.choose.variants import COMPARABLE
from analysis.published.paper_claims import Claim
from analysis.read.frames import load_sweeps, load_trials
from searchspace.errors import UserError

QUANTILE = 0.975
"""The quantile at both ends of a 95 % interval. Each interval stands alone: no correction for several comparisons."""
MOST_SEEDS = 1_000
"""The largest number of seeds that is given as the number that would tell."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean of some differences in dB, and its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds_needed: int | None
    """The smallest number of seeds with which a mean and a spread like these would exclude 0. None if MOST_SEEDS would not."""

    @property
    def verdict(self) -> str:
        """Whether the claim holds, does not hold, or cannot be told from these seeds."""
        if self.low > 0:
            return "holds"
        return "does not hold" if self.high < 0 else "cannot be told"


def interval(differences: Sequence[float]) -> Interval:
    """Returns the mean of the `differences` and its 95 % interval. With one difference, the interval is infinite."""
    number = len(differences)
    mean = math.fsum(differences) / number
    if number == 1:
        return Interval(mean=mean, low=-math.inf, high=math.inf, seeds_needed=None)
    squares = math.fsum((each - mean) ** 2 for each in differences)
    deviation = math.sqrt(squares / (number - 1))
    half = _half_width(deviation, number)
    counts = range(2, MOST_SEEDS + 1)
    needed = next((n for n in counts if _half_width(deviation, n) < abs(mean)), None)
    return Interval(mean=mean, low=mean - half, high=mean + half, seeds_needed=needed)


def load_claims(url: str, claims: Iterable[Claim]) -> pd.DataFrame:
    """Returns a table in which each row compares two designs: the one that the claim prefers, and another.

    The columns are claim, source, design, against, seeds, difference_db, low_db, high_db, multadds_ratio, steps, verdict
    and seeds_needed. `seeds` counts the seeds with which both designs were trained. `difference_db` is the mean difference
    of their PSNR [dB], and `low_db` and `high_db` are the ends of its 95 % interval. `multadds_ratio` is the Mult-Adds of
    the preferred design divided by those of the other. A number that needs more seeds is NaN. Raises UserError if the
    database cannot be read, or if the trainings of one claim differ in more than the seed.
    """
    known = list(load_sweeps(url)["name"])
    rows: list[dict[str, Any]] = []
    for claim in claims:
        own = [name for name in known if claim.owns(name)]
        trials = load_trials(url, own) if own else pd.DataFrame()
        rows += _compared(claim, trials)
    return pd.DataFrame(rows)


def _compared(claim: Claim, trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yields a row for each design other than the preferred one."""
    if not trials.empty:
        trials = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
        for name in COMPARABLE:
            if trials[name].nunique() > 1:
                raise UserError(
                    f"claim {claim.name}: all trainings must have the same {name}, got {trials[name].nunique()} kinds in "
                    f"{', '.join(sorted(trials['sweep'].unique()))}"
                )
    scores = {name: _of(network.key, trials) for name, network in claim.networks().items()}
    preferred, *others = scores
    for other in others:
        pair = scores[preferred].join(scores[other].add_suffix("_other"), how="inner")
        row: dict[str, Any] = {
            "claim": claim.name,
            "source": claim.source,
            "design": preferred,
            "against": other,
            "seeds": len(pair),
        }
        if len(pair) == 0:
            yield (
                row
                | dict.fromkeys(("difference_db", "low_db", "high_db", "multadds_ratio"), math.nan)
                | {
                    "steps": math.nan,
                    "verdict": "not trained",
                    "seeds_needed": math.nan,
                }
            )
            continue
        found = interval(list(pair["psnr_y"] - pair["psnr_y_other"]))
        yield row | {
            "difference_db": found.mean,
            "low_db": found.low,
            "high_db": found.high,
            "multadds_ratio": pair["multadds"].iloc[0] / pair["multadds_other"].iloc[0],
            "steps": int(pair["step"].iloc[0]),
            "verdict": found.verdict,
            "seeds_needed": math.nan if found.seeds_needed is None else found.seeds_needed,
        }


def _of(key: str, trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the newest training of the architecture with this key for each seed: psnr_y, multadds and step by seed."""
    columns = ["psnr_y", "multadds", "step"]
    if trials.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    own = trials[trials["architecture"] == key]
    return own.drop_duplicates("seed", keep="last").set_index("seed")[columns]


def _half_width(deviation: float, number: int) -> float:
    return float(student.ppf(QUANTILE, number - 1)) * deviation / math.sqrt(number)
