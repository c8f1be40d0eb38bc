"""The code of docs/optuna.md runs as it is written, and the page names every argument."""

import inspect
import re
from pathlib import Path

import optuna
import pytest

from srsweep import ParetoSampler

PAGE = (Path(__file__).parents[4] / "docs/optuna.md").read_text()


def test_the_code_of_the_page_finds_networks_that_learn(capsys: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/optuna.md", "exec"), {})  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    weights = [int(line.split()[0]) for line in lines]
    shares = [float(line.split()[2].rstrip("%,")) for line in lines]
    assert weights == sorted(weights)
    assert shares == sorted(shares)
    assert weights[-1] <= 600
    assert shares[-1] > 90


def test_the_page_names_every_argument() -> None:
    arguments = list(inspect.signature(ParetoSampler).parameters)
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == arguments
