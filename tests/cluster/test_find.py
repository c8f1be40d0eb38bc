"""Tests which text `sweeps/submit.py` runs and what it prints about it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from srsweep.cli import main
from sweeps import submit
from sweeps.advice import STORAGE_VARIABLE
from sweeps.config.sweep_config import ConfigError, read_config
from sweeps.run import run_sweep
from sweeps.submit import BOOTSTRAP, UPLOADED, find, text_changes
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file

SCRIPT = Path(__file__).parents[2] / "sweeps" / "submit.py"


def bootstrap(home: Path, **changes: Any) -> Path:
    """What `ray up` leaves on the head node."""
    sweep = {**SMALL, **changes}
    path = home / BOOTSTRAP
    path.write_text(json.dumps({"cluster_name": "c", "metadata": {"sweep": sweep}}))
    return path


def upload(home: Path, **changes: Any) -> Path:
    path = home / UPLOADED
    path.write_text(yaml.safe_dump({"metadata": {"sweep": {**SMALL, **changes}}}))
    return path


def test_the_digest_is_the_same_for_the_yaml_and_for_what_ray_makes_of_it(tmp_path: Path) -> None:
    train = {**SMALL["train"], "learning_rate": 1e-5}
    bootstrap(tmp_path, train=train)
    found = find(None, tmp_path)
    assert found.config.train.learning_rate == 1e-5
    assert found.config.digest == read_config(upload(tmp_path, train=train)).digest
    assert found.config.digest != read_config(upload(tmp_path, seed=1)).digest


def test_the_digest_on_the_laptop_is_that_of_the_line_on_the_head(tmp_path: Path) -> None:
    file = upload(tmp_path)
    told = find(None, tmp_path).line
    shown = CliRunner().invoke(main, ["check", str(file), "--json"], catch_exceptions=False)
    assert f"text {json.loads(shown.output)['text']}," in told


def test_the_line_tells_name_digest_and_age(tmp_path: Path) -> None:
    bootstrap(tmp_path)
    line = find(None, tmp_path).line
    assert line.startswith("sweep tiny, text ")
    assert line.endswith("s old")


def test_of_two_files_the_newer_is_run_and_the_other_is_told(tmp_path: Path) -> None:
    older = bootstrap(tmp_path)
    time.sleep(0.05)
    upload(tmp_path, seed=3)
    found = find(None, tmp_path)
    assert found.config.seed == 3
    assert found.notes == (f"note: {older} is older and differs; it is not used",)
    time.sleep(0.05)
    bootstrap(tmp_path, seed=3)
    assert find(None, tmp_path).notes == ()


def test_without_any_file_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run `ray up sweep.yaml`, which writes it"):
        find(None, tmp_path)


def test_changes_since_the_last_run_are_told(tmp_path: Path) -> None:
    config = small_config(tmp_path, search={"sampler": "random", "trials": 1})
    assert text_changes(config) == []
    run_sweep(config)
    (line,) = text_changes(config)
    assert line.startswith("text unchanged since its last run")
    (line,) = text_changes(small_config(tmp_path))
    assert "text changed" in line
    assert "'trials': 1} -> {" in line


@pytest.mark.slow
def test_a_wrong_file_ends_with_two_and_no_traceback(tmp_path: Path) -> None:
    """Runs the script as Ray does: alone in the home folder, beside modules that have the names of packages."""
    home = tmp_path / "home"
    (home / "sweeps").mkdir(parents=True)
    (home / "yaml.py").write_text("raise SystemExit('the wrong module')")
    script = home / "submit.py"
    script.write_text(SCRIPT.read_text())
    done = subprocess.run(
        [sys.executable, str(script), str(sweep_file(tmp_path, scale=5))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(home)},
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "metadata.sweep.scale" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "exit code 2\n"


def test_each_text_has_a_snapshot_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    first, second = (small_config(tmp_path, search={"trials": trials}) for trials in (1, 2))
    paths = [submit.snapshot(config) for config in (first, second)]
    assert [submit.read(path).config.search.trials for path in paths] == [1, 2]


def test_an_earlier_jobs_database_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run_module(*_: object, **__: object) -> None:
        seen.append(os.environ.get(STORAGE_VARIABLE))

    monkeypatch.setattr(submit.runpy, "run_module", run_module)
    monkeypatch.setattr(submit.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    path, secret = tmp_path / "tiny-0.yaml", tmp_path / "tiny-0.url"
    secret.write_text("sqlite:///earlier.db")
    monkeypatch.setenv(STORAGE_VARIABLE, "")
    monkeypatch.delenv(STORAGE_VARIABLE)
    assert submit.run_here(path) == 0
    assert submit.run_here(path, secret=secret) == 0
    assert seen == [None, "sqlite:///earlier.db"]
