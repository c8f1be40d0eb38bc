"""Finding a trial's weights, also where its sweep keeps them in an object store."""

import shutil
from pathlib import Path

import pytest

from analysis.read.frames import load_trials
from searchspace.errors import UserError
from srsweep.choice import Whole, choose, choose_several
from srsweep.variant import NOTE, TrialReference, remember
from sweeps.checkpoints.state import checkpoint_path
from sweeps.run import run_sweep
from tests.stored import OBJECTIVES, Database
from tests.sweeps.sweeps_for_tests import small_config


@pytest.mark.slow
def test_weights_are_fetched_from_the_sweeps_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    config = small_config(
        tmp_path,
        checkpoints=f"file://{store}",
        search={"sampler": "random", "trials": 1, "keep_weights": "all"},
    )
    run_sweep(config)
    shutil.rmtree(tmp_path / "cache")  # as on a laptop that did not train
    choice = choose(["tiny#0"], scale=None, weights=None, db=config.storage)
    assert choice.weights is not None
    assert choice.weights.is_file()
    assert choice.weights.is_relative_to(tmp_path / "cache")
    choice.network()

    # Where the store holds it no longer, a person is told what to do.
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(store)
    with pytest.raises(UserError, match="its checkpoint is not on this machine"):
        choose(["tiny#0"], scale=None, weights=None, db=config.storage).network()


def test_the_sweeps_own_latency_is_not_replaced(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep_id = database.sweep("timed", latency="latency_ms torch float32 8x8 1 threads on box")
    trial_id = database.trial(sweep_id, 0, 27.0, 1e4, 1e9)
    trial = TrialReference(
        url=database.url, sweep="timed", number=0, id=trial_id, attempts=1, step=1_000
    )
    names = [f"latency_ms torch float32 8x8 {threads} threads" for threads in (1, 2)]
    for value in (5.0, 4.0):
        assert remember(trial, [(name, "box", value) for name in names])
    stored = load_trials(database.url).iloc[0]
    assert stored[f"{names[1]} on box"] == 4.0
    assert f"{names[0]} on box" not in stored
    assert "not stored, because the sweep measured this latency itself" in capsys.readouterr().err


def with_weights(database: Database, folder: Path, numbers: tuple[int, ...]) -> None:
    """Gives the sweep `small` a folder with checkpoints of these trials."""
    sweep_id = database.store.open_sweep("small", 4, {"seed": 7, "objectives": OBJECTIVES})
    text = f"name: small\nscale: 4\nfamilies: {{slwsr: {{}}}}\ncheckpoints: {folder}\n"
    database.store.add_life(
        sweep_id, text=text, host="box", git_commit="", git_dirty=False, versions={}
    )
    for number in numbers:
        path = checkpoint_path(folder / "small" / str(number), 1)
        path.parent.mkdir(parents=True)
        path.touch()


def chosen(database: Database, whole: Whole | None, *words: str) -> list[str]:
    found = choose_several(
        words or ("small",), scale=None, weights=None, db=database.url, whole=whole
    )
    return [choice.name for choice in found]


def test_all_are_the_complete_trials_with_weights_not_the_front_alone(
    small: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_weights(small, tmp_path / "runs", (0, 1, 2, 3))
    assert chosen(small, "front") == ["small#0", "small#1", "small#2"]
    # 3 is dominated in float32; 4 was stopped, 5 failed.
    assert chosen(small, "all") == ["small#0", "small#1", "small#2", "small#3"]
    assert capsys.readouterr().err == ""


def test_all_leaves_out_what_has_no_weights_and_counts_it(
    small: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_weights(small, tmp_path / "runs", (0, 3))
    assert chosen(small, "all") == ["small#0", "small#3"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "left out 2 of 4 complete trials without weights on this machine (small#1"
    )
    assert "keep_weights: all" in line


def test_of_several_without_weights_no_advice_is_given_that_is_refused(
    small: Database, tmp_path: Path
) -> None:
    with_weights(small, tmp_path / "runs", (0,))
    for whole, words in (("front", ()), (None, ("small#1", "small#2"))):
        with pytest.raises(UserError, match="small#1, small#2: the weights are not") as error:
            chosen(small, whole, *words)  # type: ignore[arg-type]
        assert "--weights" not in str(error.value)
    with pytest.raises(UserError, match="or give --weights"):
        choose(["small#1"], scale=None, weights=None, db=small.url).checkpoint()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"family": "slwsr"}', "'knobs' is missing"),
        (
            '{"family": "slwsr", "knobs": {}, "scale": 4, "seed": 0, "train": {"steps": -1}, "data": {}}',
            "steps: ",
        ),
    ],
)
def test_a_broken_note_is_named(text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text(text)
    with pytest.raises(UserError, match=r"variant\.json") as error:
        choose([str(tmp_path)], scale=None, weights=None, db=None)
    assert fault in str(error.value)
    assert len(str(error.value).splitlines()) == 1
