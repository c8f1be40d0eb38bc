"""Which room of analysis may import which: a room imports only rooms that stand below it."""

import ast
from collections.abc import Mapping

import pytest

from tests.test_imports import PACKAGES, imported, sources

FLOORS = (
    {"tables"},
    {"read"},
    {"choose"},
    {"published"},
    {"figures", "export", "inspection", "plate"},
    {"pages", "upscale", "device"},
)
"""The rooms from the bottom up. Rooms on one floor do not import each other."""


def room(name: str) -> str:
    """The room of a module: '' for analysis itself and for any other package."""
    parts = name.split(".")
    return parts[1] if parts[0] == "analysis" and len(parts) > 1 else ""


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(name) in rooms)


def upward(files: Mapping[str, str]) -> list[str]:
    """'importer -> imported' for each import of a room that does not stand below, wherever in the file it is."""
    return [
        f"{name} -> {target}"
        for name, source in files.items()
        if room(name)
        for target in imported(source)
        if room(target) not in ("", room(name)) and floor(target) >= floor(name)
    ]


def test_every_room_of_analysis_has_its_floor() -> None:
    assert {room(name) for name in sources("analysis")} - {""} == set().union(*FLOORS)


def test_no_room_of_analysis_imports_upwards() -> None:
    assert upward(sources("analysis")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from analysis.pages.report import write_report",
        "import analysis.pages.report",
        "from analysis.pages import report",
        "from analysis import pages",
        "def late():\n    from analysis.pages.report import write_report",
        "if TYPE_CHECKING:\n    from analysis.pages.report import Group",
        "from analysis.export.pipeline import ship",  # on the same floor
    ],
)
def test_an_import_upwards_or_beside_is_found_however_it_is_written(source: str) -> None:
    assert upward({"analysis.figures.cards": source})
    assert upward({"analysis.tables": source})


def test_imports_downwards_and_within_a_room_are_allowed() -> None:
    source = "import html\nfrom analysis.figures.theme import INK\nimport analysis.read.frames"
    assert upward({"analysis.figures.cards": source}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_is_relative(package: str) -> None:
    """The tests of imports read absolute names only."""
    for name, source in sources(package).items():
        for node in ast.walk(ast.parse(source)):
            assert not (isinstance(node, ast.ImportFrom) and node.level), name
