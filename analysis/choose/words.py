"""Writes the phrases that explain a choice: its limits, its quality, the number of variants, and the nearest alternative."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.read.columns import is_latency
from analysis.tables import heading, headings
from searchspace.quantity import format_quantity


def row_of(frame: pd.DataFrame, label: Any) -> dict[str, Any]:
    """Returns the row of `frame` with the index label `label`, as a dict from column to value."""
    return {str(name): value for name, value in zip(frame, frame.loc[label], strict=True)}


def rules_of(limits: Mapping[str, float]) -> list[str]:
    """Returns the `limits` on costs in words, such as 'parameters <= 150K' or 'latency <= 30 ms'.

    Several latencies are told apart as in the headings of the table of choices, which has a column for each limit.
    """
    shown = headings(limits)
    return [
        f"{shown[name].replace('latency ms', 'latency')} <= {limit:g} ms"
        if is_latency(name)
        else f"{shown[name]} <= {format_quantity(limit)}"
        for name, limit in limits.items()
    ]


def alternative(taken: Mapping[str, Any], others: pd.DataFrame, quality: str) -> str:
    """Returns a sentence about the nearest of the `others`, or one saying that there is none. It begins with a space."""
    if others.empty:
        return " No other variant qualifies."
    better = others[quality] > taken[quality]
    for name in _shown_costs(taken):
        better |= others[name] < taken[name]
    others = others[better]
    if others.empty:
        return f" No other variant has a higher {noun_of(quality)} or a lower cost."
    closest = (others[quality] - taken[quality]).abs().idxmin()
    return f" {_against(taken, row_of(others, closest), quality)}"


def _against(taken: Mapping[str, Any], other: Mapping[str, Any], quality: str) -> str:
    """Returns a sentence that compares the nearest alternative with the chosen variant."""
    gap = float(other[quality] - taken[quality])
    if abs(gap) <= float(taken["spread"]):  # false if the spread is NaN
        verdict = f"the same {noun_of(quality)} within the seeds' spread of {value_of(quality, taken['spread'])}"
    elif value_of(quality, abs(gap)) == value_of(quality, 0):
        verdict = f"the same {noun_of(quality)}"
    else:
        verdict = f"{value_of(quality, abs(gap))} {'more' if gap > 0 else 'less'}"
    costs = [_change(name, float(taken[name]), float(other[name])) for name in _shown_costs(taken)]
    named = f"{other['label']} ({other['reference']})"
    return f"The nearest alternative is {named}: {', '.join([verdict, *costs])}."


def _shown_costs(row: Mapping[str, Any]) -> list[str]:
    return [name for name in ("params", "multadds") if name in row]


def _change(name: str, old: float, new: float) -> str:
    noun = heading(name)
    percent = round(100 * (new / old - 1)) if old else 0
    if percent == 0:
        return f"equal {noun}"
    return f"{abs(percent)} % {'more' if percent > 0 else 'fewer'} {noun}"


def noun_of(quality: str) -> str:
    """Returns the noun that sentences use for a quality, such as 'PSNR' for psnr_y."""
    return {
        "psnr_y": "PSNR",
        "ssim_y": "SSIM",
        "psnr_rgb": "PSNR of RGB",
        "psnr_y_int8": "PSNR after INT8 quantisation",
    }[quality]


def value_of(quality: str, value: float) -> str:
    """Returns `value` as text with the unit of `quality`, such as '28.50 dB'. SSIM has no unit."""
    return f"{value:.4f}" if quality == "ssim_y" else f"{value:.2f} dB"


def count_of(number: int) -> str:
    """Returns a number of variants in words, such as '3 variants'."""
    return f"{number} variant{'s' if number != 1 else ''}"
