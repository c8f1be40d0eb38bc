"""Reads and formats numbers as people write them in a sweep file: `150k`, `40G`, `1e-4`, `2_000`."""

import math
import re
from fractions import Fraction

from searchspace.errors import UserError

SUFFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([kKMGT]?)")


def parse_quantity(value: object) -> int | float:
    """Returns the number that `value` stands for: an int if the number is whole, otherwise a float.

    `value` is a number, or a string with an optional suffix k, K, M, G or T. Strings matter because PyYAML reads `1e-4`
    and `40G` as strings. Raises UserError for anything else, and for a number that is not finite or too large for a
    float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UserError(f"must be a number such as 3, 0.5, 1e-4, 150k or 40G, got {value!r}")
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            raise UserError(f"must be a number such as 3, 0.5, 1e-4, 150k or 40G, got {value!r}")
        written = match[1].replace("_", "")
        number: float | Fraction = float(written) * SUFFIXES[match[2]]
        if number and math.isfinite(number):
            # In floats, 1.001M would be 1000999.9999999999.
            number = Fraction(written) * SUFFIXES[match[2]]
    else:
        number = value
    if not _is_finite(number):
        raise UserError(f"must be a finite number, got {value!r}")
    return int(number) if number == int(number) else float(number)


def _is_finite(number: float | Fraction) -> bool:
    """Whether a number is finite and small enough for a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def format_quantity(value: float) -> str:
    """Returns `value` with at most four significant digits, and with a suffix from 1000 on, such as '143.7K'."""
    for suffix in ("T", "G", "M", "K"):
        factor = SUFFIXES[suffix]
        if abs(value) >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:.4g}"
