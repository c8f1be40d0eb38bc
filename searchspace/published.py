"""Compares the counts that the papers print with our own, following each paper's rule of counting."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.conventions import CONVENTIONS
from searchspace.family import Convention, Family, Published
from searchspace.quantity import SUFFIXES

Agreement = Literal["yes", "rounded twice", "no", "not printed"]

RULES: dict[Convention, str] = {
    "trained": "the parameters are those in training, including the g of weight norm",
    "trained_with_mean_shift": "the parameters include 24 for the two mean shifts",
    "weights": "the parameters are the weights only, without biases",
    "trained_three_scales": "the parameters are those of one network with upsamplers for x2, x3 and x4",
    "weights_three_scales": "the parameters are the weights, without biases, of one network with upsamplers "
    "for x2, x3 and x4",
    "params_times_low_res_pixels": "the Mult-Adds are parameters times low-resolution pixels",
    "weights_times_output_pixels": "the Mult-Adds are weights times output pixels; each weight counts once, "
    "however often it is reused",
    "multadds_with_bias": "the Mult-Adds include one addition per output value of each convolution with a bias",
    "multadds_with_mean_shift": "the Mult-Adds include the two mean shifts",
    "multadds_exact_third": "the Mult-Adds are for 921,600 / 9 low-resolution pixels instead of 426x240",
}
"""How each paper's rule of counting differs from ours (`deployed` parameters, `multadds`). Shown as notes below the table."""


def rounds_to(count: int, printed: str) -> bool:
    """Whether `count` rounds to the printed number, such as '144K' or '8.3G'.

    A count exactly half-way between two printed numbers matches both.
    """
    value, target, unit = _parsed(count, printed)
    return abs(value - target) <= unit / 2


def rounds_twice_to(count: int, printed: str) -> bool:
    """Whether `count` gives the printed number if it is rounded to one digit more first, and then rounded again."""
    value, target, unit = _parsed(count, printed)
    once = value.quantize(unit / 10, ROUND_HALF_UP)
    return once.quantize(unit, ROUND_HALF_UP) == target


def agreement(row: Published, family: Family) -> Agreement:
    """Whether our counts equal the printed ones. 'rounded twice' means that the paper made a rounding error."""
    pairs = zip((row.params, row.multadds), counted(row, family), strict=True)
    given = [(count, printed) for printed, count in pairs if printed is not None]
    if not given:
        return "not printed"
    if all(rounds_to(*pair) for pair in given):
        return "yes"
    once_or_twice = all(rounds_to(*pair) or rounds_twice_to(*pair) for pair in given)
    return "rounded twice" if once_or_twice else "no"


def counted(row: Published, family: Family) -> tuple[int, int]:
    """Returns the parameters and Mult-Adds of a published network, each counted by the row's convention."""
    network = subject(Architecture(family=family, spec=row.spec), row.scale)
    return (
        CONVENTIONS[row.params_convention](network),
        CONVENTIONS[row.multadds_convention](network),
    )


def published_table(family: Family) -> list[dict[str, Any]]:
    """Returns one dict per published network of the family: printed and counted figures, and whether they agree."""
    rows = []
    for row in family.published:
        params, multadds = counted(row, family)
        rows.append(
            {
                "family": family.name,
                "network": row.name,
                "scale": row.scale,
                "params_printed": row.params,
                "params_counted": params,
                "params_rule": row.params_convention,
                "multadds_printed": row.multadds,
                "multadds_counted": multadds,
                "multadds_rule": row.multadds_convention,
                "equal": agreement(row, family),
                "source": row.source,
                "caveat": row.caveat,
            }
        )
    return rows


def _parsed(count: int, printed: str) -> tuple[Decimal, Decimal, Decimal]:
    """Returns the count in the printed unit, the printed number, and the value of one unit of its last digit."""
    number, suffix = re.fullmatch(r"([\d.]+)([KMG]?)", printed).groups()  # type: ignore[union-attr]
    digits = len(number.partition(".")[2])
    return Decimal(count) / SUFFIXES[suffix], Decimal(number), Decimal(1).scaleb(-digits)
