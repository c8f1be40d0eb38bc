"""The papers' counts beside our own, under each paper's convention."""

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
    "trained": "parameters as trained, the g of weight norm included",
    "trained_with_mean_shift": "parameters with the 24 of the two mean shifts",
    "weights": "parameters are the weights alone, without biases",
    "trained_three_scales": "parameters of one network with upsamplers for x2, x3 and x4",
    "weights_three_scales": "weights, without biases, of one network with upsamplers for x2, x3 and x4",
    "params_times_low_res_pixels": "Mult-Adds are parameters times low-resolution pixels",
    "weights_times_output_pixels": "Mult-Adds are weights times output pixels, recursions not counted",
    "multadds_with_bias": "Mult-Adds with one more for each output of a convolution that has a bias",
    "multadds_with_mean_shift": "Mult-Adds with the two mean shifts",
    "multadds_exact_third": "Mult-Adds at 921,600 / 9 low-resolution pixels instead of 426x240",
}
"""What a paper's way of counting differs in from ours (`deployed` parameters, `multadds`)."""


def rounds_to(count: int, printed: str) -> bool:
    """Whether `count` rounds to a number as printed, such as '144K' or '8.3G'.

    Both ways of rounding a last digit of exactly half are accepted.
    """
    value, target, unit = _parsed(count, printed)
    return abs(value - target) <= unit / 2


def rounds_twice_to(count: int, printed: str) -> bool:
    """Whether `count` rounded to one digit more than printed, and that rounded again, is as printed."""
    value, target, unit = _parsed(count, printed)
    once = value.quantize(unit / 10, ROUND_HALF_UP)
    return once.quantize(unit, ROUND_HALF_UP) == target


def agreement(row: Published, family: Family) -> Agreement:
    """Whether our counts are the printed ones: 'rounded twice' is an error of the paper's rounding."""
    pairs = zip((row.params, row.multadds), counted(row, family), strict=True)
    given = [(count, printed) for printed, count in pairs if printed is not None]
    if not given:
        return "not printed"
    if all(rounds_to(*pair) for pair in given):
        return "yes"
    once_or_twice = all(rounds_to(*pair) or rounds_twice_to(*pair) for pair in given)
    return "rounded twice" if once_or_twice else "no"


def counted(row: Published, family: Family) -> tuple[int, int]:
    """Parameters and Mult-Adds of a published network, each under the row's convention."""
    network = subject(Architecture(family=family, spec=row.spec), row.scale)
    return (
        CONVENTIONS[row.params_convention](network),
        CONVENTIONS[row.multadds_convention](network),
    )


def published_table(family: Family) -> list[dict[str, Any]]:
    """One dict a published network of the family: printed and counted figures and what to make of them."""
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
    """The count in the printed unit, the printed number, and the worth of its last digit."""
    number, suffix = re.fullmatch(r"([\d.]+)([KMG]?)", printed).groups()  # type: ignore[union-attr]
    digits = len(number.partition(".")[2])
    return Decimal(count) / SUFFIXES[suffix], Decimal(number), Decimal(1).scaleb(-digits)
