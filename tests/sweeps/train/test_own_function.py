"""A training function of the user's own: it is resumed bit for bit, checked, and never taken from a database."""

from pathlib import Path

import pytest

from analysis.read.frames import load_trials
from searchspace.errors import UserError
from sweeps.engine.outcomes import SweepFailed
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation
from sweeps.run import run_sweep
from sweeps.train.own_function import check_function
from sweeps.train.settings import TrainSettings
from tests.cluster.rows import attempts, rows
from tests.srsweep.calls import mistake, succeed
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file

EXAMPLE = Path(__file__).parents[3] / "docs" / "own_training.py"
TRAIN = SMALL["train"] | {"steps": 6, "learning_rate": 1e-2, "function": f"{EXAMPLE}:train"}
SEARCH = {"sampler": "random", "trials": 2}


def function(folder: Path, *body: str) -> str:
    """Writes a function `train` to a file in `folder`, and returns what names it."""
    file = folder / "mine.py"
    lines = "\n    ".join(body)
    file.write_text(f"import torch\n\ndef train(job):\n    {lines}\n")
    return f"{file}:train"


def test_a_sweep_over_the_example_resumes_bit_for_bit(tmp_path: Path) -> None:
    folders = [tmp_path / "undisturbed", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
    undisturbed, stopped = (
        small_config(folder, train=TRAIN | {"ema": 0.5}, search=SEARCH) for folder in folders
    )
    run_sweep(undisturbed)

    def stop(sweep: Sweep, record: object) -> None:
        if isinstance(record, Evaluation) and record.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(stopped, on_change=stop)
    run_sweep(stopped)
    found = rows(stopped.storage, "tiny")
    assert found == rows(undisturbed.storage, "tiny")
    assert {row[4] for row in found["trials"]} == {"complete"}
    assert len(attempts(stopped.storage, "tiny")) == 3  # the first trial has two
    losses = [row[4] for row in found["measurements"] if row[1] == "loss"]
    assert len(set(losses)) == len(losses) == 6


def test_halving_pauses_and_continues_it(tmp_path: Path) -> None:
    halving = SEARCH | {"trials": 4, "halving": {"min_steps": 2, "factor": 3}}
    sweep = run_sweep(small_config(tmp_path, train=TRAIN, search=halving))
    states = [trial.state for trial in sweep.trials.values()]
    assert set(states) == {"complete", "stopped"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            ("return None",),
            "mine.py:train must yield the loss of each step, but it returned NoneType",
        ),
        (("yield 1.0",), "mine.py:train has ended after 1 of 6 steps; it must yield the loss"),
        (("while True: yield 'low'",), "must yield a loss, which is one number, got str"),
        (("while True: yield torch.ones(2)",), "must yield a loss, which is one number, got Te"),
        (("while True: yield float('nan')",), "the loss is nan at step 2"),
        (("yield 1.0", "1 / 0"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_mistake_in_the_function_fails_the_trial_and_says_what_it_is(
    tmp_path: Path, body: tuple[str, ...], told: str
) -> None:
    search = SEARCH | {"trials": 1, "max_attempts": 1}
    train = TRAIN | {"function": function(tmp_path, *body)}
    file = sweep_file(tmp_path, train=train, search=search)
    succeed("run", file, code=1)
    (error,) = load_trials(f"sqlite:///{tmp_path / 'results.db'}")["error"]
    assert told in error


def test_an_object_that_the_checkpoint_lacks_is_named(tmp_path: Path) -> None:
    body = ["weights = job.network.parameters()", "kept = torch.optim.SGD(weights, 0.1)"]
    loop = ["for step in job.steps:", "    yield 1.0"]
    train = TRAIN | {"function": function(tmp_path, *body, "job.keep(first=kept)", *loop)}
    config = small_config(tmp_path, train=train, search=SEARCH | {"trials": 1})

    def stop(sweep: Sweep, record: object) -> None:
        if isinstance(record, Evaluation):
            function(tmp_path, *body, "job.keep(second=kept)", *loop)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(config, on_change=stop)
    said: list[str] = []
    with pytest.raises(SweepFailed, match="has no state of 'second'"):
        run_sweep(config, say=said.append)
    assert any("mine.py has changed since this sweep began" in line for line in said)
    (error,) = load_trials(config.storage)["error"]
    assert "the checkpoint at step 2 has no state of 'second'" in error


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mine.py", "must be FILE.py:NAME, such as my_training.py:train, got 'mine.py'"),
        ("mine:train", "must be FILE.py:NAME"),
        ("mine.py:a b", "must be FILE.py:NAME"),
    ],
)
def test_a_setting_that_names_no_function_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrainSettings(function=text)


def test_a_function_that_is_not_there_is_told_before_anything_trains(tmp_path: Path) -> None:
    for text, told in (
        (f"{tmp_path}/none.py:train", "there is no file"),
        (f"{EXAMPLE}:trian", "own_training.py has no function trian"),
        (function(tmp_path, "yield 1.0", "  bad indent"), "cannot be imported: IndentationError"),
    ):
        with pytest.raises(UserError, match=told):
            check_function(text)
    file = sweep_file(tmp_path, train=TRAIN | {"function": f"{tmp_path}/none.py:train"})
    assert "train.function: there is no file" in mistake("run", file)
    assert "there is no file" in succeed("check", file).stdout  # it may be elsewhere
    assert not (tmp_path / "results.db").exists()


def test_a_script_that_ends_the_program_is_told(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import sys\n\ndef train(job):\n    yield 1.0\n\nsys.exit(3)\n")
    with pytest.raises(UserError, match=r"script.py ends the program .* \(exit code 3\)"):
        check_function(f"{file}:train")


def test_code_that_only_the_database_names_is_not_run(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, train=TRAIN, search=SEARCH | {"trials": 1, "keep_weights": "all"})
    assert "train.function decides" in succeed("check", file).stdout
    succeed("run", file)
    url = f"sqlite:///{tmp_path / 'results.db'}"
    assert "run its sweep file with `srsweep run FILE`" in mistake("resume", "tiny", "--db", url)
    words = ("train", "tiny#0", "--steps", "2", "-o", str(tmp_path / "best"), "--db", url)
    assert "the earlier training used" in mistake(*words)
    assert "weights: " in succeed(*words, "--set", "function=null").output
