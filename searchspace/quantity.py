"""Reads and formats numbers as people write them in a sweep file: `150k`, `40G`, `1e-4`, `2_000`."""

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from searchspace.errors import UserError, shown

SUFFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LARGEST = 10**18
"""The largest limit on a cost or a knob, and the largest number in a range `{low, high, step}`. A database stores
whole numbers up to 9.2e18."""
LONGEST = 100
"""The largest number of characters in a number. More digits would not change a float."""
MAX_VALUES = 10_000
"""The largest number of values in a range `{low, high, step}`."""
MAX_MILLISECONDS = 3_600_000
"""The largest limit on a latency, in milliseconds."""
NUMBER = re.compile(r"([+-]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([kKMGT]?)")


def parse_quantity(value: object) -> int | float:
    """Returns the number that `value` stands for: an int if the number is whole, otherwise a float.

    `value` is a number, or a string with an optional suffix k, K, M, G or T. Strings matter because PyYAML reads `1e-4`
    and `40G` as strings. Raises UserError for anything else, and for a number that is not finite, too large for a
    float, or so close to 0 that a float would be 0. Each setting has further bounds of its own.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UserError(f"must be a number such as 3, 0.5, 1e-4, 150k or 40G, got {shown(value)}")
    number = _parse(value) if isinstance(value, str) else value
    if not _is_finite(number):
        raise UserError(f"must be a finite number, got {shown(value)}")
    return int(number) if number == int(number) else float(number)


def parse_limit(value: object) -> int | float:
    """Returns the number that `value` stands for, as `parse_quantity` does.

    Also raises UserError if the number lies outside -LARGEST to LARGEST.
    """
    number = parse_quantity(value)
    if abs(number) > LARGEST:
        raise UserError(f"must be a number up to {LARGEST:.0e}, got {shown(value)}")
    return number


def parse_span(value: object) -> tuple[int | float, int | float]:
    """Returns both ends of a range that is written as '50k..150k' or as {low: 50k, high: 150k}.

    Raises UserError for anything else, for an end that `parse_limit` refuses, and if 0 <= low < high does not hold.
    """
    ends: Sequence[object] = ()
    if isinstance(value, str):
        ends = [end.strip() for end in value.split("..")]
    elif isinstance(value, Mapping) and set(value) == {"low", "high"}:
        ends = [value["low"], value["high"]]
    if len(ends) != 2:
        raise UserError(
            f"must be a range such as 50k..150k or {{low: 50k, high: 150k}}, got {shown(value)}"
        )
    low, high = (parse_limit(end) for end in ends)
    if not 0 <= low < high:
        raise UserError(f"must be a range with 0 <= low < high, got {shown(value)}")
    return low, high


def _parse(text: str) -> float | Fraction:
    """Returns the number in `text`, which is infinite if it is too large for a float."""
    match = NUMBER.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        raise UserError(f"must be a number such as 3, 0.5, 1e-4, 150k or 40G, got {shown(text)}")
    written = match[1].replace("_", "")
    number = float(written) * SUFFIXES[match[2]]
    if not math.isfinite(number):
        return number
    if number:
        # In floats, 1.001M would be 1000999.9999999999.
        return Fraction(written) * SUFFIXES[match[2]]
    if re.search("[1-9]", re.split("[eE]", written)[0]):
        raise UserError(f"must be 0 or at least 1e-300 in size, got {shown(text)}")
    return 0


def _is_finite(number: float | Fraction) -> bool:
    """Whether a number is finite and small enough for a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def parse_milliseconds(written: object) -> float:
    """Returns the milliseconds in `written`: a number such as 30, or text such as '30' or '30 ms'.

    Raises UserError for anything else, and for values that are not above 0 or are above MAX_MILLISECONDS.
    """
    text = (
        str(written if isinstance(written, int | float | str) else "")
        .strip()
        .removesuffix("ms")
        .strip()
        .replace("_", "")
    )
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if isinstance(written, bool) or not 0 < value <= MAX_MILLISECONDS:
        raise UserError(
            f"must be milliseconds above 0 and at most {MAX_MILLISECONDS:,}, such as '30 ms', got {shown(written)}"
        )
    return value


def format_quantity(value: float) -> str:
    """Returns `value` with at most four significant digits, and with a suffix from 1000 on, such as '143.7K'."""
    for suffix in ("T", "G", "M", "K"):
        factor = SUFFIXES[suffix]
        if abs(value) >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Returns a duration such as '45 s', '12 min' or '3 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def round_numbers(
    low: float, high: float, digits: Sequence[float] = (1.0, 2.0, 5.0)
) -> list[float]:
    """Returns the numbers from `low` to `high`, both included, that are one of `digits` times a power of ten, ascending.

    `low` must be positive. `digits` must ascend and lie in [1, 10).
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [digit * 10.0**power for power in powers for digit in digits]
    return [number for number in numbers if low <= number <= high]


def parse_range(domain: Mapping[str, object]) -> list[int | float]:
    """Returns the values of `{low, high, step}`. They include `high` if it is a whole number of steps above `low`."""
    unknown = set(domain) - {"low", "high", "step"}
    if unknown or not {"low", "high"} <= set(domain):
        raise UserError(
            f"must be {{low, high, step}} or {{values, when}}, got keys {shown(sorted(map(str, domain)))}"
        )
    low, high = parse_limit(domain["low"]), parse_limit(domain["high"])
    step = parse_limit(domain.get("step", 1))
    if step <= 0 or low > high:
        raise UserError(f"low <= high and step > 0 must hold, got {low=}, {high=}, {step=}")
    steps = (high - low) / step
    if not steps < MAX_VALUES:
        raise UserError(f"must have at most {MAX_VALUES} values, got {steps + 1:.9g}; raise step")
    values = [round(low + n * step, 10) for n in range(math.floor(steps + 1e-9) + 1)]
    if len(set(values)) < len(values):
        raise UserError(f"values must differ in their first 10 decimals, got step={step}")
    return values
