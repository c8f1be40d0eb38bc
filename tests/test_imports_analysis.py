"""Which room of analysis may import which: a room imports only rooms that stand below it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"tables"},
    {"read"},
    {"choose"},
    {"published"},
    {"figures", "export"},
    {"pages"},
)
"""The rooms from the bottom up. Rooms on one floor do not import each other."""


def modules(root: Path) -> dict[str, Path]:
    """The modules of analysis below `root` by dotted name."""
    found = {}
    for path in sorted((root / "analysis").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, known: Mapping[str, Path]) -> set[str]:
    """The modules of analysis that `name` imports, anywhere in its text: functions and TYPE_CHECKING included."""
    package = name if known[name].stem == "__init__" else name.rpartition(".")[0]
    found = {
        target if target in known else target.rpartition(".")[0]
        for node in ast.walk(ast.parse(known[name].read_text(encoding="utf-8")))
        for target in targets(node, package)
    }
    return {target for target in found if target in known and target != name}


def targets(node: ast.AST, package: str) -> Iterator[str]:
    """The dotted names that an import names, relative ones resolved; a name may be a module or a part of one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)


def room(name: str) -> str | None:
    """The room of a module; None for the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


def floor(name: str) -> int:
    """How high the room of a module stands; the package itself is above all, so that nothing imports it."""
    own = room(name)
    return next((n for n, rooms in enumerate(FLOORS) if own in rooms), len(FLOORS))


def upward(root: Path) -> list[str]:
    """Every import that leads to a room which does not stand below, in words."""
    known = modules(root)
    return [
        f"{name} imports {target}"
        for name in known
        for target in sorted(imported(name, known))
        if room(target) != room(name) and floor(target) >= floor(name)
    ]


def circle(root: Path) -> list[str]:
    """The modules of all circles of imports, and those between two circles."""
    known = modules(root)
    graph = {name: imported(name, known) for name in known}
    while True:
        needed = set().union(*graph.values()) if graph else set()
        ends = [n for n, others in graph.items() if n not in needed or not others & graph.keys()]
        if not ends:
            return sorted(graph)
        for name in ends:
            del graph[name]


def test_every_room_of_analysis_has_its_floor() -> None:
    rooms = {room(name) for name in modules(ROOT)} - {None}
    assert rooms == set().union(*FLOORS)


def test_no_room_of_analysis_imports_upwards() -> None:
    assert upward(ROOT) == []


def test_modules_of_analysis_import_each_other_in_no_circle() -> None:
    assert circle(ROOT) == []


WRONG = {
    "from analysis.pages.report import write_report": "analysis.pages.report",
    "import analysis.pages.report": "analysis.pages.report",
    "from analysis.pages import report": "analysis.pages.report",
    "from ..pages.report import write_report": "analysis.pages.report",
    "from ..pages import report": "analysis.pages.report",
    "def late():\n    from analysis.pages.report import write_report": "analysis.pages.report",
    "if TYPE_CHECKING:\n    from analysis.pages.report import Group": "analysis.pages.report",
    "from analysis.export import card": "analysis.export",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of three rooms in which pages imports figures."""
    for name in ("figures", "pages", "export"):
        (tmp_path / "analysis" / name).mkdir(parents=True)
        (tmp_path / "analysis" / name / "__init__.py").touch()
    (tmp_path / "analysis" / "pages" / "report.py").write_text("import analysis.figures.cards\n")
    (tmp_path / "analysis" / "figures" / "cards.py").write_text("import html\n")
    return tmp_path


@pytest.mark.parametrize("text", WRONG)
def test_an_import_upwards_or_beside_is_found_however_it_is_written(house: Path, text: str) -> None:
    assert upward(house) == []
    (house / "analysis" / "figures" / "cards.py").write_text(text)
    assert upward(house) == [f"analysis.figures.cards imports {WRONG[text]}"]


def test_a_circle_is_found_within_a_room_as_well(house: Path) -> None:
    assert circle(house) == []
    for name, other in (("one", "two"), ("two", "one")):
        text = f"def late():\n    from analysis.pages.{other} import x\n"
        (house / "analysis" / "pages" / f"{name}.py").write_text(text)
    assert upward(house) == []
    assert circle(house) == ["analysis.pages.one", "analysis.pages.two"]
