"""Compares the counts that papers print with our counts. The network of a paper is counted by that paper's rule."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.family import Convention, Family, Published
from searchspace.quantity import SUFFIXES

Agreement = Literal["yes", "rounded twice", "no", "not printed"]
"""Whether our counts agree with the printed counts; `agreement` explains each value."""

RULES: dict[Convention, str] = {
    "trained": "the parameters are counted in training, including the scales g of weight norm",
    "trained_with_mean_shift": "the parameters include 24 for the two mean shifts",
    "weights": "the parameters are the weights without the biases",
    "trained_three_scales": "the parameters are counted in one network with upsamplers for x2, x3 and x4",
    "weights_three_scales": "the parameters are the weights without the biases, counted in one network with "
    "upsamplers for x2, x3 and x4",
    "params_times_low_res_pixels": "the Mult-Adds are the number of parameters times the number of low-resolution pixels",
    "weights_times_output_pixels": "the Mult-Adds are the number of weights times the number of output pixels; a "
    "weight counts once, however often the network applies it",
    "multadds_with_bias": "the Mult-Adds include one addition per output value of each convolution with a bias",
    "multadds_with_mean_shift": "the Mult-Adds include the two mean shifts",
    "multadds_exact_third": "the Mult-Adds are counted for 921,600 / 9 low-resolution pixels instead of 426x240",
    "multadds_at_256": "the Mult-Adds are counted for a low-resolution image of 256x256 pixels, as in the NTIRE challenges",
}
"""The difference of each paper's rule from our rule, which is `deployed` for parameters and `multadds` for Mult-Adds.
`srsweep families --published` prints these sentences as notes."""


def rounds_to(count: int, printed: str) -> bool:
    """Whether `count` rounds to the printed number, such as '144K' or '8.3G'.

    A count that lies exactly half-way may be rounded up or down: 500 matches '0K' and '1K'.
    """
    value, target, unit = _parsed(count, printed)
    return abs(value - target) <= unit / 2


def rounds_twice_to(count: int, printed: str) -> bool:
    """Whether `count` gives the printed number if it is first rounded to one more digit, and then to the printed
    digits.

    For example, 1446 becomes 1.45K and then '1.5K', although it rounds to 1.4K directly.
    """
    value, target, unit = _parsed(count, printed)
    once = value.quantize(unit / 10, ROUND_HALF_UP)
    return once.quantize(unit, ROUND_HALF_UP) == target


def agreement(row: Published, family: Family) -> Agreement:
    """Returns whether our counts of a published network round to the printed counts.

    'yes': each count rounds to its printed number. 'rounded twice': all counts match, but at least one of them only if it
    is rounded twice (`rounds_twice_to`). The paper then made a rounding error. 'no': at least one count
    does not match. 'not printed': the paper prints neither parameters nor Mult-Adds.
    """
    pairs = zip((row.params, row.multadds), counted(row, family), strict=True)
    given = [(count, printed) for printed, count in pairs if printed is not None]
    if not given:
        return "not printed"
    if all(rounds_to(*pair) for pair in given):
        return "yes"
    once_or_twice = all(rounds_to(*pair) or rounds_twice_to(*pair) for pair in given)
    return "rounded twice" if once_or_twice else "no"


def counted(row: Published, family: Family) -> tuple[int, int]:
    """Returns the parameters and Mult-Adds of a published network, counted by the conventions that `row` names."""
    network = subject(Architecture(family=family, spec=row.spec), row.scale)
    return (
        CONVENTIONS[row.params_convention](network),
        CONVENTIONS[row.multadds_convention](network),
    )


def published_table(family: Family) -> list[dict[str, Any]]:
    """Returns one dict per published network of the family: its printed counts, our counts, and whether they agree."""
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
    """Returns `count` in the unit of `printed`, the number in `printed`, and the value of one unit in its last digit."""
    number, suffix = re.fullmatch(r"([\d.]+)([KMG]?)", printed).groups()  # type: ignore[union-attr]
    digits = len(number.partition(".")[2])
    return Decimal(count) / SUFFIXES[suffix], Decimal(number), Decimal(1).scaleb(-digits)
