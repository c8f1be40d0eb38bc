"""Tests a sink that fails, starts slowly, or lacks its package."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from searchspace.errors import UserError
from sweeps.config.sweep_config import ConfigError
from sweeps.records import TrialRow
from sweeps.run import prepare, run_sweep
from sweeps.sinks.sink import Subject
from sweeps.sinks.table import SINKS, Entry, parse_log
from tests.sweeps.sinks.copies import logged, rows
from tests.sweeps.sweeps_for_tests import small_config


class Broken:
    """A sink whose second write fails."""

    def __init__(self, target: str, subject: Subject) -> None:
        self.writes = 0

    def write(self, rows: Sequence[TrialRow]) -> None:
        self.writes += 1
        if self.writes > 1:
            raise OSError("no answer from http://me:secret@host:5000\nmore")

    def close(self) -> None:
        pass


class Kept:
    """A sink that keeps what it gets."""

    states: dict[int, str] = {}

    def __init__(self, target: str, subject: Subject) -> None:
        self.states.clear()

    def write(self, rows: Sequence[TrialRow]) -> None:
        self.states |= {row.number: row.state for row in rows}

    def close(self) -> None:
        pass


@pytest.fixture
def two_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Broken", "Kept"):
        entry = Entry(place=f"{__name__}:{name}", package="none", takes="anything")
        monkeypatch.setitem(SINKS, name.lower(), entry)


def test_a_sink_that_fails_ends_neither_the_sweep_nor_another_sink(
    tmp_path: Path, two_sinks: None
) -> None:
    config = logged(tmp_path, broken="x", kept="y")
    said: list[str] = []
    run_sweep(config, say=said.append)
    told = [line for line in said if line.startswith("log.")]
    assert told == [
        "log.broken: OSError: no answer from http://me:***@host:5000; the sweep continues without it, and its next run adds "
        "what is missing"
    ]
    assert Kept.states == {row.number: row.state for row in rows(config)}
    assert set(Kept.states.values()) == {"complete", "stopped"}


def test_a_missing_package_is_told_before_anything_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.delitem(sys.modules, "sweeps.sinks.tensorboard", raising=False)
    config = logged(tmp_path, tensorboard="logs")
    line = (
        r"^log.tensorboard: tensorboardX is not installed; `pip install 'srsweep\[tensorboard\]'`$"
    )
    with pytest.raises(UserError, match=line):
        run_sweep(config)
    assert not (tmp_path / "results.db").exists()
    (lack,) = prepare(config, elsewhere=True).lacks  # `check`: another machine may have it
    assert lack.startswith("log.tensorboard: ")


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        ("logs", "must be a mapping such as"),
        ({"wandb": "x"}, "must have only keys from tensorboard, mlflow, optuna"),
        ({"tensorboard": 3}, "tensorboard must name a folder or a URL, got 3"),
        ({"mlflow": "http://me:***@host"}, "the stored address hides its password"),
        ({"mlflow": "mlruns"}, "mlflow must be a URL such as sqlite:///mlflow.db, got 'mlruns'"),
        ({"mlflow": "file:///mlruns"}, "mlflow must be a URL such as sqlite:///mlflow.db"),
        ({"optuna": "study.db"}, "optuna must be a URL such as sqlite:///study.db"),
        ({"tensorboard": "$NO_SUCH_VARIABLE/x"}, "NO_SUCH_VARIABLE must be set"),
    ],
)
def test_a_wrong_log_is_refused_with_its_line(tmp_path: Path, log: object, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small_config(tmp_path, log=log)
    assert "metadata.sweep.log" in str(caught.value)
    assert fault in str(caught.value)


def test_folders_are_expanded_and_urls_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGS", "/logs")
    found = parse_log({"tensorboard": "$LOGS/a", "mlflow": "http://host:5000/~x"})
    assert found == {"tensorboard": "/logs/a", "mlflow": "http://host:5000/~x"}
