"""Trials, fronts and figures as objects, and sweeps that Python runs."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
import yaml

import srsweep
from srsweep.api.places import configured
from tests.srsweep.calls import invoke
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file


def test_trials_are_those_of_the_command(small: Database) -> None:
    frame = srsweep.trials("small", db=small.url)
    shown = pd.DataFrame(json.loads(invoke("status", "small", "--db", small.url, "--json").stdout))
    assert frame["number"].tolist() == shown["number"].tolist() == [0, 1, 2, 3, 4, 5]
    assert frame["psnr_y"].dropna().tolist() == shown["psnr_y"].dropna().tolist()
    assert srsweep.trials(db=small.url).equals(frame)


def test_knobs_are_columns_if_they_are_asked_for(small: Database) -> None:
    assert not any("knob" in name for name in srsweep.trials("small", db=small.url))
    frame = srsweep.trials("small", db=small.url, knobs=True)
    assert frame["knob_n_feats"].tolist() == [1, 2, 3, 4, 5, 6]


def test_costs_are_whole_numbers(small: Database) -> None:
    frame = srsweep.trials("small", db=small.url)
    assert frame["params"].dtype == "int64"
    assert f"{frame['params'].iloc[0]}" == "10000"
    assert srsweep.pareto("small", db=small.url)["multadds"].dtype == "int64"


def test_the_environment_names_the_database(
    small: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SRSWEEP_DB", small.url)
    assert len(srsweep.trials("small")) == 6
    with pytest.raises(srsweep.UserError, match="there is no database"):
        srsweep.trials("small", db=f"sqlite:///{tmp_path}/none.db")


def test_the_front_is_that_of_the_command(small: Database) -> None:
    front = srsweep.pareto("small", db=small.url)
    shown = pd.DataFrame(json.loads(invoke("front", "small", "--db", small.url, "--json").stdout))
    assert front.equals(shown[front.columns].astype(front.dtypes.to_dict()))
    assert front["number"].tolist() == [0, 1, 2]


def test_objectives_replace_those_of_the_sweep(small: Database) -> None:
    best = srsweep.pareto("small", ["psnr_y"], db=small.url)
    assert best["number"].tolist() == [2]
    worst = srsweep.pareto("small", {"psnr_y": "minimize"}, db=small.url)
    assert worst["number"].tolist() == [0]
    with pytest.raises(srsweep.UserError, match="psnr_y must be maximize or minimize, got 'most'"):
        srsweep.pareto("small", {"psnr_y": "most"}, db=small.url)  # type: ignore[dict-item]


def test_figures_are_those_of_the_report_with_their_titles(small: Database) -> None:
    figures = srsweep.figures("small", db=small.url)
    assert {"params", "multadds", "curves"} <= figures.keys()
    assert all(isinstance(figure, go.Figure) for figure in figures.values())
    assert figures["params"].layout.title.text == "PSNR against parameters"
    assert len(figures["params"].data) > 1


def test_a_config_is_a_file_or_a_mapping_or_a_value(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    document = yaml.safe_load(file.read_text())
    sources = (str(file), file, document, document["metadata"]["sweep"], small_config(tmp_path))
    digests = set()
    for source in sources:
        with configured(source) as config:
            digests.add(config.digest)
    assert digests == {small_config(tmp_path).digest}


def test_mistakes_of_a_config_name_their_place(tmp_path: Path) -> None:
    with pytest.raises(
        srsweep.UserError, match=r"^sweep: metadata.sweep.train.stepps: no such key"
    ):
        srsweep.check(SMALL | {"train": {"stepps": 3}})
    file = sweep_file(tmp_path, data={"train": str(tmp_path / "none")})
    with pytest.raises(srsweep.UserError, match=r"sweep.yaml:\d+: metadata.sweep.data"):
        srsweep.run(file)


def test_a_sweep_that_python_runs_gives_its_trials_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(tmp_path)
    first = srsweep.run(file, trials=1)
    assert capsys.readouterr().out == ""
    assert first["state"].tolist() == ["complete"]
    both = srsweep.run(file, trials=2, progress=True)
    assert both["psnr_y"].iloc[0] == first["psnr_y"].iloc[0]
    assert len(both) == 2
    assert "#1 " in capsys.readouterr().out


@pytest.mark.slow
def test_a_script_without_a_guard_runs_trials_in_worker_processes(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, resources={"concurrent": 2}, search={"trials": 2})
    script = tmp_path / "script.py"
    script.write_text(f"import srsweep\nprint(len(srsweep.run({str(file)!r})))\nprint('once')\n")
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert ran.stdout.splitlines() == ["2", "once"]
    frame = srsweep.trials(file)
    assert frame["state"].tolist() == ["complete"] * 2
    assert frame["attempts"].tolist() == [1, 1]
