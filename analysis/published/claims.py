"""Checks the claims of papers against the training runs in a database, by comparing the designs of each claim.

Two training runs with the same seed see the same patches, so designs are compared seed by seed.

A worked example, which `test_claims.py` checks. Two designs have these PSNRs with three seeds:

    seed         0        1        2
    A        27.30    27.10    27.20
    B        27.10    27.00    27.05
    A - B     0.20     0.10     0.15        mean 0.15, standard deviation 0.05

With three seeds, the 97.5 % quantile of Student's t is 4.303. The 95 % interval of the mean difference is
0.15 +- 4.303 * 0.05 / sqrt(3), that is, from 0.026 to 0.274 dB. It lies above 0, so A restores better than B.

A paired t test with three seeds and a standard deviation of 0.05 dB finds a true difference of 0.163 dB with a
probability of 80 % (`detectable`). If the true difference is 0.05 dB, 10 seeds find it with this probability
(`seeds_for`). Both follow from the noncentral t distribution (Cohen, Statistical Power Analysis for the Behavioral
Sciences, 2nd ed., 1988, ch. 2).

A claim prefers one design to one or several others. The claim holds if every comparison holds. This test needs no
correction. The claim does not hold if at least one comparison fails. For this test, the level is divided by the number
of comparisons (Bonferroni), because one of many may fail by chance.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student

from analysis.choose.variants import COMPARABLE
from analysis.published.paper_claims import Claim
from analysis.read.frames import load_sweeps, load_trials
from searchspace.errors import UserError

LEVEL = 0.05
"""Probability that an interval misses the true difference."""
POWER = 0.8
"""The power of the test: the probability of finding a difference. All estimates of the number of seeds assume this
power."""
MOST_SEEDS = 1_000
"""Maximum number of seeds that an estimate reports."""
HOLDS, FAILS, UNKNOWN, UNTRAINED = "holds", "does not hold", "undecided", "no rows yet"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean of some differences in dB, and its 95 % interval."""

    mean: float
    low: float
    high: float
    deviation: float
    """The standard deviation of the differences [dB]; infinite if there is only one."""
    number: int
    """Number of differences."""

    @property
    def verdict(self) -> str:
        """HOLDS if the interval lies above 0, FAILS if it lies below 0, otherwise UNKNOWN."""
        if self.low > 0:
            return HOLDS
        return FAILS if self.high < 0 else UNKNOWN

    def refutes(self, comparisons: int) -> bool:
        """Returns whether the mean lies significantly below 0 at the level LEVEL divided by `comparisons`."""
        return self.mean + _half_width(self.deviation, self.number, LEVEL / comparisons) < 0


def interval(differences: Sequence[float]) -> Interval:
    """Returns the mean of the `differences` and its 95 % interval. With one difference, the interval is infinite."""
    number = len(differences)
    mean = math.fsum(differences) / number
    squares = math.fsum((each - mean) ** 2 for each in differences)
    deviation = math.sqrt(squares / (number - 1)) if number > 1 else math.inf
    half = _half_width(deviation, number, LEVEL)
    return Interval(
        mean=mean, low=mean - half, high=mean + half, deviation=deviation, number=number
    )


def power(difference: float, deviation: float, seeds: int) -> float:
    """Returns the probability that a paired t test with `seeds` seeds finds a true `difference` [dB] with the right
    sign.

    `deviation` is the true standard deviation of the differences of single seeds [dB].
    """
    quantile = float(student.ppf(1 - LEVEL / 2, seeds - 1))
    shift = abs(difference) / deviation * math.sqrt(seeds)
    return float(nct.sf(quantile, seeds - 1, shift))


def seeds_for(difference: float, deviation: float) -> int | None:
    """Returns the smallest number of seeds that find a true `difference` [dB] with probability POWER.

    Returns None if MOST_SEEDS seeds are not enough.
    """
    if not math.isfinite(deviation) or power(difference, deviation, MOST_SEEDS) < POWER:
        return None
    low, high = 1, MOST_SEEDS  # low seeds are too few, high seeds are enough
    while high - low > 1:
        middle = (low + high) // 2
        if power(difference, deviation, middle) < POWER:
            low = middle
        else:
            high = middle
    return high


def detectable(deviation: float, seeds: int) -> float:
    """Returns the true difference [dB] that `seeds` seeds find with probability POWER.

    Returns NaN for fewer than 2 seeds.
    """
    if seeds < 2:
        return math.nan
    # The ratio is in units of the deviation. Even two seeds find a ratio of 100.
    found = brentq(lambda ratio: power(ratio, 1.0, seeds) - POWER, 1e-3, 100.0)
    return float(found) * deviation


def load_claims(url: str, claims: Iterable[Claim]) -> pd.DataFrame:
    """Returns one row per comparison. Each compares the design that a claim prefers with another design.

    The columns are:

    - claim, source, design, against: the names of the claim, of its paper and of both designs,
    - seeds: the number of seeds with which both designs were trained,
    - difference_db, low_db, high_db: the mean difference of their PSNR [dB], and the ends of its 95 % interval,
    - multadds_ratio: the Mult-Adds of the preferred design divided by those of the other,
    - steps: the number of optimiser steps of each training run,
    - verdict: HOLDS, FAILS, UNKNOWN or UNTRAINED, for this comparison alone,
    - claim_verdict: the verdict on the whole claim (`judged`),
    - detectable_db: the true difference [dB] that `seeds` seeds find with probability POWER,
    - seeds_needed: the number of seeds that would find a difference as large as `difference_db`; NaN if the verdict is
      not UNKNOWN, if a design is below bicubic, or if more than MOST_SEEDS are needed,
    - printed_db: the difference that the paper prints [dB]; NaN if it prints none,
    - seeds_for_printed: the number of seeds that would find a difference as large as `printed_db`,
    - note: '' or 'below bicubic'. A design below bicubic has not learnt yet, so the verdict is UNKNOWN.

    Raises UserError if the database cannot be read, or if the training runs of one claim differ in more than the design
    and the seed.
    """
    claims = list(claims)
    return compare(load_trainings(url, claims), claims)


def load_trainings(url: str, claims: Iterable[Claim]) -> pd.DataFrame:
    """Returns the complete trials of the claims' sweeps, as rows of `load_trials`.

    Raises UserError if they cannot be loaded.
    """
    claims = list(claims)
    known = list(load_sweeps(url)["name"])
    own = [name for name in known if any(claim.owns(name) for claim in claims)]
    trials = load_trials(url, own) if own else pd.DataFrame()
    if trials.empty:
        return pd.DataFrame(columns=["sweep"])
    return trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]


def compare(trials: pd.DataFrame, claims: Iterable[Claim]) -> pd.DataFrame:
    """Returns the table of `load_claims`, made from the trials that `load_trainings` returned."""
    rows: list[dict[str, Any]] = []
    for claim in claims:
        compared = list(_compared(claim, trained(claim, trials)))
        verdict = judged([row.pop("interval") for row in compared], compared)
        rows += [row | {"claim_verdict": verdict} for row in compared]
    return pd.DataFrame(rows)


def trained(claim: Claim, trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the subset of `trials` that train designs of the claim.

    Raises UserError if they differ in more than the architecture and the seed.
    """
    own = trials[[claim.owns(name) for name in trials["sweep"]]]
    for name in COMPARABLE:
        if not own.empty and own[name].nunique() > 1:
            raise UserError(
                f"claim {claim.name}: all training runs must have the same {name}, got {own[name].nunique()} kinds in "
                f"{', '.join(sorted(own['sweep'].unique()))}"
            )
    return own


def judged(intervals: Sequence[Interval | None], rows: Sequence[dict[str, Any]]) -> str:
    """Returns the verdict on a claim from the intervals of its comparisons (None if unknown) and from their rows."""
    if all(each is None for each in intervals):
        return UNTRAINED
    for each, row in zip(intervals, rows, strict=True):
        if each is not None and not row["note"] and each.refutes(len(rows)):
            return FAILS
    return HOLDS if all(row["verdict"] == HOLDS for row in rows) else UNKNOWN


def _compared(claim: Claim, trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yields one row for each design other than the preferred one. A row holds its `Interval` under the key interval."""
    scores = {name: of_design(network.key, trials) for name, network in claim.networks().items()}
    preferred, *others = scores
    for other in others:
        pair = scores[preferred].join(scores[other].add_suffix("_other"), how="inner")
        printed = claim.printed_gain(other)
        yield {
            "claim": claim.name,
            "source": claim.source,
            "design": preferred,
            "against": other,
            "seeds": len(pair),
            **_measured(pair, printed),
            "printed_db": math.nan if printed is None else printed,
        }


def _measured(pair: pd.DataFrame, printed: float | None) -> dict[str, Any]:
    """Returns the columns that come from training runs.

    `pair` is indexed by seed. It has the columns of `of_design` for the preferred design, and the same columns with the
    suffix _other for the other design.
    """
    if pair.empty:
        measured = "difference_db low_db high_db multadds_ratio steps detectable_db"
        columns = f"{measured} seeds_needed seeds_for_printed".split()
        empty = dict.fromkeys(columns, math.nan)
        return {**empty, "verdict": UNTRAINED, "note": "", "interval": None}
    found = interval(list(pair["psnr_y"] - pair["psnr_y_other"]))
    worse = min(pair["psnr_y"].mean(), pair["psnr_y_other"].mean())
    below = worse <= pair["bicubic"].iloc[0]
    verdict = UNKNOWN if below else found.verdict
    known = printed is not None and printed > 0
    return {
        "difference_db": found.mean,
        "low_db": found.low,
        "high_db": found.high,
        "multadds_ratio": pair["multadds"].iloc[0] / pair["multadds_other"].iloc[0],
        "steps": int(pair["step"].iloc[0]),
        "verdict": verdict,
        "detectable_db": detectable(found.deviation, found.number),
        "seeds_needed": _number(found.mean if verdict == UNKNOWN and not below else None, found),
        "seeds_for_printed": _number(printed if known else None, found),
        "note": "below bicubic" if below else "",
        "interval": found,
    }


def _number(difference: float | None, found: Interval) -> float:
    """Returns the number of seeds that find `difference` [dB]. NaN if it is None or more than MOST_SEEDS are needed."""
    seeds = None if difference is None else seeds_for(difference, found.deviation)
    return math.nan if seeds is None else seeds


def of_design(key: str, trials: pd.DataFrame) -> pd.DataFrame:
    """Returns, for each seed, the newest training run of the architecture with this key.

    The columns are psnr_y, multadds, params, step and bicubic, and the index is the seed.
    """
    columns = ["psnr_y", "multadds", "params", "step", "bicubic"]
    if trials.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    own = trials[trials["architecture"] == key]
    return own.drop_duplicates("seed", keep="last").set_index("seed")[columns]


def _half_width(deviation: float, number: int, level: float) -> float:
    """Returns half the width of the interval around a mean that misses the true mean with probability `level`."""
    if number < 2:
        return math.inf
    return float(student.ppf(1 - level / 2, number - 1)) * deviation / math.sqrt(number)
