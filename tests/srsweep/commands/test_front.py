"""`srsweep front` with other objectives: it counts the trials that it leaves out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analysis.read.frames import load_sweeps, load_trials
from srsweep.cli import main
from sweeps.records import Measurement
from tests.srsweep.calls import invoke, mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file

FAST = "latency_ms onnxruntime int8 320x180 1 threads"


def front(database: Database, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["front", "small", "--db", database.url, "--json", *words])
    assert result.exit_code == code, result.output
    return result


def measure(database: Database, number: int, name: str, dataset: str, value: float) -> None:
    trials = load_trials(database.url)
    trial_id = int(trials.loc[trials["number"] == number, "id"].iloc[0])
    row = Measurement(step=1_000, dataset=dataset, name=name, value=value)
    assert database.store.record(trial_id, 1, [row])


def numbers(result: Result) -> list[int]:
    return [row["number"] for row in json.loads(result.stdout)]


def test_the_front_of_the_sweeps_own_objectives_leaves_nobody_out(small: Database) -> None:
    result = front(small)
    assert numbers(result) == [0, 1, 2]
    assert result.stderr == ""


def test_trials_without_int8_are_counted(small: Database) -> None:
    for number, value in ((1, 26.9), (3, 26.95)):
        measure(small, number, "psnr_y_int8", "validation", value)
    result = front(small, "--int8")
    assert numbers(result) == [1, 3]  # 3, dominated before, is on the front after quantisation
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "left out: 2 of 4 complete trials have no PSNR-Y INT8 dB; `srsweep export"
    )


def test_a_front_after_int8_of_nothing_says_how_to_get_one(small: Database) -> None:
    said = front(small, "--int8", code=2).stderr
    assert "small: 4 of 4 complete trials have no PSNR-Y INT8 dB; `srsweep export small" in said


def test_a_latency_is_an_objective_by_a_word(small: Database) -> None:
    for number, value in ((0, 5.0), (1, 9.0), (2, 8.0)):
        measure(small, number, FAST, "box", value)
    result = front(small, "--objectives", "psnr_y, latency")
    assert numbers(result) == [0, 2]
    assert "left out: 1 of 4 complete trials have no latency ms onnxruntime int8" in result.stderr
    wrong = front(small, "--objectives", "psnr_y,parms", code=2)
    assert "no cost called 'parms'; did you mean params" in wrong.stderr


def test_unknown_sweep(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    assert invoke("run", file, "--trials", 1).exit_code == 0
    url = f"sqlite:///{tmp_path / 'results.db'}"
    assert "none called 'tinny'; did you mean tiny?" in mistake("front", "tinny", "--db", url)


@pytest.mark.parametrize("words", [[], ["--int8"], ["--objectives", "psnr_y,params"]])
def test_the_front_of_nothing_is_empty(fruitless: Database, words: list[str]) -> None:
    found = succeed("front", "small", "--db", fruitless.url, "--json", *words).stdout
    assert json.loads(found) == []


def test_networks_that_bicubic_beats_are_named(small: Database) -> None:
    """A network that has learnt nothing is on the front for its cost alone."""
    assert "bicubic" not in succeed("front", "small", "--db", small.url).stderr
    (sweep_id,) = load_sweeps(small.url)["sweep_id"]
    small.trial(int(sweep_id), 9, 25.0, 100, 1e6)
    told = succeed("front", "small", "--db", small.url).stderr
    assert "below bicubic: #9: bicubic upscaling reaches 25.50 dB on the same images" in told
