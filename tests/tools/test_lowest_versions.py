"""The pins of `make test-lowest` follow from pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from tools.lowest_versions import RUNTIMES, TORCH, lowest, pins, tools_for_tests

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"


def test_every_runtime_dependency_has_a_pin() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"]
    left_out = ("dev", *RUNTIMES)
    assert set(left_out) <= set(extras)
    runtime = [
        *project["dependencies"],
        *(r for e in extras if e not in left_out for r in extras[e]),
    ]
    promised = {line.replace(">=", "==") for line in runtime}
    assert set(pins(PYPROJECT, "lowest")) == promised
    assert set(pins(PYPROJECT)) - promised == {f"torch=={TORCH}"}


def test_the_tools_for_tests_keep_the_versions_of_the_normal_environment() -> None:
    lines = tools_for_tests(PYPROJECT, ROOT / "constraints.txt")
    names = [line.split("==")[0].lower() for line in lines]
    assert {"pytest", "pytest-xdist", "pandas-stubs", "types-pyyaml"} <= set(names)
    assert "pandas" not in names


def test_the_torch_of_the_script_is_that_of_the_makefile() -> None:
    installed = re.findall(r"torch==([\d.]+)", (ROOT / "Makefile").read_text())
    assert installed == [TORCH]
    assert f"TORCH ?= {TORCH}" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("requirement", ["numpy", "numpy==1.26", "numpy>=1.26,<3", "numpy<3"])
def test_a_requirement_without_a_single_lowest_version_is_refused(requirement: str) -> None:
    with pytest.raises(ValueError, match="must read name>=version, got"):
        lowest(requirement)


def test_extras_are_kept() -> None:
    assert lowest("ray[tune]>=2.50") == "ray[tune]==2.50"
