"""Which package may import which: a package imports only what lies to its left."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("searchspace", "sweeps", "analysis", "srsweep")
OF_SWEEPS_IN_ANALYSIS = (
    "sweeps.store.schema",
    "sweeps.measure.metrics",
    "sweeps.store.comparability",
    "sweeps.messages",
    "sweeps.data",
    "sweeps.measure.evaluate",
    "sweeps.measure.latency",
    "sweeps.device",
)
ONLY_IN = {
    "ray": ("sweeps/drivers/ray_",),
    "sqlalchemy": (
        "sweeps/store/",
        "analysis/read/",
    ),
    "optuna": ("sweeps/search/", "analysis/export/optuna_study.py"),
    "plotly": ("analysis/",),
    "dash": ("analysis/pages/dashboard",),
    "click": ("srsweep/",),
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


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


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_in_their_modules(library: str) -> None:
    for package in PACKAGES:
        for path in modules(package):
            place = path.relative_to(ROOT).as_posix()
            if library in {name.split(".")[0] for name in imports(path)}:
                assert place.startswith(ONLY_IN[library]), f"{place} imports {library}"


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


def test_training_runs_without_a_database() -> None:
    script = "import sys; sys.modules['sqlalchemy'] = None; import sweeps.train.loop, sweeps.train.segment"
    subprocess.run([sys.executable, "-c", script], check=True)
