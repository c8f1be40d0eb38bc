"""The package for OptunaHub: it loads as the hub loads it, its example runs, and its page fits the sampler."""

import importlib.util
import inspect
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import optuna
import pytest
import yaml

from srsweep import ParetoSampler

FOLDER = Path(__file__).parents[4] / "tools/optunahub/samplers/pareto_known_costs"
PAGE = (FOLDER / "README.md").read_text()


def load_local_module(package: str) -> ModuleType:
    """Does what `optunahub.load_local_module` of optunahub 0.5.0 does with a folder of packages."""
    name = f"optunahub_registry.package.{package.replace('/', '.')}"
    spec = importlib.util.spec_from_file_location(name, FOLDER.parents[1] / package / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_finds_the_smallest_polynomials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = ModuleType("optunahub")
    monkeypatch.setattr(hub, "load_module", load_local_module, raising=False)
    monkeypatch.setitem(sys.modules, "optunahub", hub)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    runpy.run_path(str(FOLDER / "example.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    best = {int(line.split()[0]): float(line.split()[3].rstrip(",")) for line in lines}
    # The sine is odd: one, two and three odd powers are the best polynomials of so many terms.
    assert best[1] == pytest.approx(0.4214, abs=1e-4)
    assert best[2] == pytest.approx(0.0589, abs=1e-4)
    assert best[3] == pytest.approx(0.0035, abs=1e-4)


def test_the_page_has_the_fields_that_the_registry_asks_for() -> None:
    _, front, _ = PAGE.split("---\n", 2)
    fields = yaml.safe_load(front)
    assert set(fields) == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert "sampler" in fields["tags"]
    for heading in ("Abstract", "APIs", "Installation", "Example"):
        assert f"\n## {heading}\n" in PAGE


def test_the_page_and_the_sampler_have_the_same_arguments() -> None:
    signature = inspect.signature(ParetoSampler)
    (call,) = re.findall(r"^- `ParetoSampler\((.*)\)`$", PAGE, re.MULTILINE)
    stated = [each.split("=")[0] for each in call.split(", ") if each != "*"]
    assert stated == list(signature.parameters)
    assert re.findall(r"^  - `(\w+)`:", PAGE, re.MULTILINE) == stated
