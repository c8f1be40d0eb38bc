"""Tests what a wheel contains, and that the files about the project agree with it."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("searchspace", "sweeps", "analysis", "srsweep")


def test_a_wheel_carries_every_file_that_is_not_python() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    missing = [
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
        if not any(
            fnmatch(file.relative_to(ROOT / package).as_posix(), pattern)
            for pattern in [*patterns["*"], *patterns.get(package, [])]
        )
    ]
    assert not missing


def test_every_package_says_that_it_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []


def test_the_citation_names_the_version_and_the_licence_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = PYPROJECT["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


def test_hooks_and_workflow_call_what_make_check_and_ci_call() -> None:
    makefile = (ROOT / "Makefile").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        assert hook["entry"].replace(".venv/bin", "$(BIN)") in makefile
    for name, command in {"ci": "bash .ci/run", "nightly": "bash .ci/run --all"}.items():
        workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
        steps = workflow["jobs"]["test"]["steps"]
        assert any(step.get("run", "").endswith(command) for step in steps)
