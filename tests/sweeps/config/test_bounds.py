"""Every number of a sweep file has bounds, and docs/sweep-file.md states them."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from searchspace.quantity import LARGEST, MAX_MILLISECONDS, MAX_VALUES
from sweeps.capacity.settings import MAX_GPUS
from sweeps.config.sweep_config import INTERNAL, SweepConfig
from sweeps.data.settings import LIMITS
from sweeps.train.settings import MAX_PIXELS
from sweeps.yaml_text import MAX_BYTES, MAX_DEPTH, MAX_NODES

PAGE = (Path(__file__).parents[3] / "docs" / "sweep-file.md").read_text()


def parts(annotation: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Each plain type in an annotation, with the metadata around it."""
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        yield from ((kind, [*metadata, *more]) for kind, more in parts(inner))
    elif typing.get_args(annotation):
        for each in typing.get_args(annotation):
            yield from parts(each)
    else:
        yield annotation, []


def bounds(model: type[BaseModel], prefix: str = "") -> dict[str, tuple[str, str]]:
    """The bounds of each number by its path, as the page writes them."""
    found: dict[str, tuple[str, str]] = {}
    for name, field in model.model_fields.items():
        if name in INTERNAL:
            continue
        for kind, metadata in parts(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= bounds(kind, f"{prefix}{name}.")
            elif kind in (int, float):
                found[prefix + name] = edges([*metadata, *field.metadata])
    return found


def edges(metadata: list[Any]) -> tuple[str, str]:
    # Field(ge=1, le=2) keeps annotated_types in its own metadata.
    flat = [each for item in metadata for each in getattr(item, "metadata", [item])]
    low = [f"above {each.gt:g}" for each in flat if getattr(each, "gt", None) is not None]
    low += [f"{each.ge:,}" for each in flat if getattr(each, "ge", None) is not None]
    high = [number(each.le) for each in flat if getattr(each, "le", None) is not None]
    high += [
        f"below {each.lt:g}" if each.lt < 2 else number(each.lt - 1)
        for each in flat
        if getattr(each, "lt", None) is not None
    ]
    return " ".join(low), " ".join(high)


def number(value: float) -> str:
    return (
        f"{value:.0e}".replace("e+", "e") if value > 1e12 else f"{value:,.10g}".removesuffix(".0")
    )


def test_every_number_has_two_bounds_and_the_page_states_them() -> None:
    table = PAGE.split("## Numbers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| (.+) \|$", table, re.M)
    expected = bounds(SweepConfig)
    for name, ends in LIMITS.items():
        expected[f"data.degradation.{name}"] = number(ends[0]), number(ends[1])
    expected["resources.gpu"] = "0, auto", f"{MAX_GPUS:,}"  # checked by parse_gpus
    assert {name: (low, high) for name, low, high in rows} == expected
    assert all(low and high for low, high in expected.values())
    assert len(expected) > 20


@pytest.mark.parametrize(
    "stated",
    [
        f"at most {MAX_PIXELS:,} pixels",
        f"is at most {LARGEST:.0e}".replace("e+", "e"),
        f"at most {MAX_MILLISECONDS:,} ms",
        f"A range has at most {MAX_VALUES:,} values",
        f"at most {MAX_BYTES:,} bytes, {MAX_NODES:,} values and {MAX_DEPTH} levels",
    ],
)
def test_the_page_states_the_other_bounds(stated: str) -> None:
    assert stated in PAGE
