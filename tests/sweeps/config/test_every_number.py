"""For every number of a sweep file: true, false and text that is not a quantity are not accepted as numbers."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from searchspace.spec import adapter_of
from sweeps.capacity.settings import ResourceSettings
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.settings import DataSettings
from sweeps.search.settings import HalvingSettings, SearchSettings
from sweeps.train.settings import DistillSettings, PatchStage, TrainSettings

SECTIONS = (
    SweepConfig,
    SearchSettings,
    HalvingSettings,
    TrainSettings,
    PatchStage,
    DistillSettings,
    DataSettings,
    ResourceSettings,
)


def kinds(annotation: object) -> Iterator[object]:
    """The types in an annotation, however deep, without those inside lists and mappings."""
    parts = get_args(annotation)
    if not parts or getattr(annotation, "__origin__", None) in (tuple, list, dict):
        yield annotation
        return
    for part in parts:
        yield from kinds(part)


NUMBERS = [
    pytest.param(section, name, id=f"{section.__name__}.{name}")
    for section in SECTIONS
    for name, field in section.model_fields.items()
    if {int, float} & {*kinds(field.annotation)}
]


def test_there_are_numbers_in_every_section() -> None:
    found = {param.values[0] for param in NUMBERS}
    assert found == {*SECTIONS}
    assert len(NUMBERS) >= 28


@pytest.mark.parametrize("written", [True, False, "x", "nan", [1]])
@pytest.mark.parametrize(("section", "name"), NUMBERS)
def test_what_is_no_number_is_refused(section: type[BaseModel], name: str, written: Any) -> None:
    with pytest.raises((ValidationError, ValueError)):
        adapter_of(section.model_fields[name]).validate_python(written)
