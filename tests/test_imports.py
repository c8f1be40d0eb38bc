"""Which package and which room may import which: a package imports what lies to its left, a room what stands below."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("searchspace", "sweeps", "analysis", "srsweep")
OF_SWEEPS_IN_ANALYSIS = (
    "sweeps.store.schema",
    "sweeps.measure.metrics",
    "sweeps.store.comparability",
    "sweeps.store.urls",
    "sweeps.store.row_checks",
    "sweeps.messages",
    "sweeps.advice",
    "sweeps.files",
    "sweeps.yaml_text",
    "sweeps.data",
    "sweeps.measure.evaluate",
    "sweeps.measure.latency",
    "sweeps.measure.device_latency",
    "sweeps.measure.latency_model",
    "sweeps.measure.ntire",
    "sweeps.device",
    "sweeps.search.gates",
    "sweeps.search.settings",
    "sweeps.records",
    "sweeps.store.reading",
    "sweeps.sinks.optuna_trials",
)
ONLY_IN = {
    "ray": ("sweeps/drivers/ray_",),
    "sqlalchemy": (
        "sweeps/store/",
        "analysis/read/",
    ),
    "alembic": ("sweeps/store/migrations/",),
    "optuna": (
        "sweeps/search/",
        "sweeps/sinks/optuna",
        "analysis/export/optuna_study.py",
        "analysis/choose/importance.py",
    ),
    "plotly": ("analysis/",),
    "dash": ("analysis/pages/dashboard",),
    "click": ("srsweep/",),
}

ROOMS = (
    "sweeps.run sweeps.submit",
    "sweeps.drivers sweeps.sinks",
    "sweeps.engine",
    "sweeps.capacity",
    "sweeps.config",
    "sweeps.search",
    "sweeps.train",
    "sweeps.checkpoints sweeps.measure",
    "sweeps.store",
    "sweeps.data",
    # Settings are plain values that every room may read; losses, schedules and samplers are tables of names that they take.
    "sweeps.*.settings",
    "sweeps.train.losses sweeps.train.schedules sweeps.search.samplers sweeps.sinks.table",
    "sweeps.device sweeps.machine sweeps.records sweeps.advice",
    "sweeps.files sweeps.messages sweeps.paths sweeps.yaml_text",
)
"""The rooms of `sweeps` from the top down; those in one line must not import each other."""
HEIGHT = {room: height for height, line in enumerate(reversed(ROOMS)) for room in line.split()}


def imports(path: Path) -> list[str]:
    """The modules that a file imports, those inside functions included."""
    return imported(path.read_text())


@cache
def imported(source: str) -> list[str]:
    """The modules that a source imports; `from package import name` gives the package and package.name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_lies_to_their_left(package: str) -> None:
    forbidden = PACKAGES[PACKAGES.index(package) + 1 :]
    for path in modules(package):
        for name in imports(path):
            assert name.split(".")[0] not in forbidden, f"{path.relative_to(ROOT)} imports {name}"


def test_analysis_takes_little_of_sweeps() -> None:
    for path in modules("analysis"):
        for name in imports(path):
            if name.split(".")[0] == "sweeps":
                assert name.startswith(OF_SWEEPS_IN_ANALYSIS), f"{path.name} imports {name}"


def room_of(module: str) -> str:
    """The room that a module of `sweeps` stands in; the most exact name in ROOMS wins."""
    parts = module.split(".")
    if "settings" in parts[:3]:
        return "sweeps.*.settings"
    names = [".".join(parts[:depth]) for depth in (3, 2)]
    return next((name for name in names if name in HEIGHT), "")


def upward_imports(files: Mapping[str, str]) -> list[str]:
    """'importer -> imported' for each import that does not go down, given the sources of modules by name.

    An import inside a function or under TYPE_CHECKING counts like any other.
    """
    found = []
    for module, source in files.items():
        own = room_of(module)
        if not own:
            continue  # the package itself, without code
        for name in imported(source):
            room = room_of(name) if name.startswith("sweeps.") else ""
            if room and room != own and HEIGHT[room] >= HEIGHT[own]:
                found.append(f"{module} -> {name}")
    return found


def sources(package: str) -> dict[str, str]:
    """The sources of a package's modules by dotted name."""
    found = {}
    for path in modules(package):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path.read_text()
    return found


def test_every_module_of_sweeps_stands_in_a_room() -> None:
    assert [name for name in sources("sweeps") if name != "sweeps" and not room_of(name)] == []


def test_rooms_of_sweeps_import_only_downwards() -> None:
    assert upward_imports(sources("sweeps")) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("sweeps.train.loop", "from sweeps.engine.sweep import Sweep", True),
        (
            "sweeps.train.loop",
            "if TYPE_CHECKING:\n    from sweeps.config.feasibility import x",
            True,
        ),
        ("sweeps.data.cache", "def f():\n    import sweeps.store.lease", True),
        ("sweeps.measure.latency", "from sweeps.checkpoints import state", True),
        ("sweeps.train.settings", "from sweeps.train.loop import train", True),
        ("sweeps.store.store", "from sweeps.train.settings import TrainSettings", False),
        ("sweeps.engine.sweep", "from sweeps.train.segment import Segment", False),
        ("sweeps.train.step", "from sweeps.train.optimizer import set_rate", False),
    ],
)
def test_an_upward_import_is_found(module: str, source: str, found: bool) -> None:
    assert bool(upward_imports({module: source})) == found


def circle(files: Mapping[str, str]) -> list[str]:
    """The modules of one import circle, or an empty list."""
    graph = {name: [i for i in imported(source) if i in files] for name, source in files.items()}
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for each in graph[name]:
            if found := visit(each, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_each_other_in_no_circle(package: str) -> None:
    assert circle(sources(package)) == []


def test_a_circle_is_found_though_one_half_of_it_is_a_type() -> None:
    files = {"a.b": "from a.c import x", "a.c": "if TYPE_CHECKING:\n    from a.b import y"}
    assert circle(files) == ["a.b", "a.c"]


def test_no_file_is_longer_than_350_lines() -> None:
    folders = (*PACKAGES, "tests", "benchmarks")
    lengths = {path: len(path.read_text().splitlines()) for f in folders for path in modules(f)}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 350} == {}


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_modules(library: str) -> None:
    for package in PACKAGES:
        for path in modules(package):
            place = path.relative_to(ROOT).as_posix()
            if library in {name.split(".")[0] for name in imports(path)}:
                assert place.startswith(ONLY_IN[library]), f"{place} imports {library}"


@pytest.mark.slow
def test_searchspace_training_and_analysis_run_without_ray() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("searchspace", "analysis")
        for path in modules(package)
        if path.stem != "__init__" and not path.stem.startswith("dashboard")
    ]
    script = "import sys; sys.modules['ray'] = None\n" + "\n".join(
        f"import {name}" for name in [*names, "sweeps.train.loop", "sweeps.run"]
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", script], check=True)


@pytest.mark.slow
def test_training_runs_without_a_database() -> None:
    script = "import sys; sys.modules['sqlalchemy'] = None; import sweeps.train.loop, sweeps.train.segment"
    subprocess.run([sys.executable, "-c", script], check=True)
