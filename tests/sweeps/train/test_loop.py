"""The training loop: records, checkpoints, and resuming bit for bit."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from sweeps.checkpoints.state import CheckpointFailed, Checkpoints, read_checkpoint
from sweeps.data.degradation import Degradation
from sweeps.data.settings import DegradationSettings
from sweeps.data.split import DataSplit
from sweeps.records import Evaluation, Progress
from sweeps.train.fast_cpu.graph_rewrites import fused
from sweeps.train.loop import time_step, train
from sweeps.train.schedules import SCHEDULES
from tests.sweeps.train.tiny import SETTINGS, Tiny, flat, same_weights, without_seconds

ROOT = Path(__file__).parents[3]


def test_same_seed_gives_the_same_weights_and_records(run: Any) -> None:
    first, records = run()
    second, again = run(write="2.pt")
    assert same_weights(first, second)
    assert records == again
    assert not same_weights(first, run(seed=1, write="3.pt")[0])


def test_training_lowers_the_loss(run: Any) -> None:
    _, records = run(SETTINGS.model_copy(update={"steps": 200, "evaluate_every": 50}))
    losses = [value for _, name, value in without_seconds(records) if name == "loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_an_evaluation_measures_psnr_ssim_rgb_loss_and_seconds(run: Any) -> None:
    _, records = run()
    assert [record.step for record in records] == [4, 8, 12]
    named = [(m.dataset, m.name) for m in records[0].measurements]
    assert named == [
        ("validation", "psnr_y"),
        ("validation", "ssim_y"),
        ("validation", "psnr_rgb"),
        ("train", "loss"),
        ("train", "seconds"),
    ]


def test_a_run_with_degraded_patches_resumes_bit_for_bit(run: Any, split: DataSplit) -> None:
    clean, _ = run(write="clean.pt")
    ranges = {"blur": [0.2, 1.5], "noise": [0, 10], "jpeg": [60, 95]}
    split.train.degradation = Degradation(DegradationSettings.model_validate(ranges))
    whole, expected = run()
    run(write="cut.pt", stop_at=8)
    resumed, records = run(write="cut2.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)
    assert not same_weights(whole, clean)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_run_cut_at_an_evaluation_resumes_bit_for_bit(run: Any, schedule: str) -> None:
    restarts = (5,) if schedule == "cosine_restarts" else None
    changes = {"schedule": schedule, "halve_every": 3, "restarts": restarts}
    settings = SETTINGS.model_copy(update=changes)
    whole, expected = run(settings)
    run(settings, write="cut.pt", stop_at=8)
    resumed, records = run(settings, write="cut2.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)


def test_segments_that_end_at_a_step_join_to_the_whole_run(run: Any) -> None:
    whole, _ = run(SETTINGS.model_copy(update={"evaluate_every": 12}))
    settings = SETTINGS.model_copy(update={"evaluate_every": 100})
    for until_step in (5, 6, 12):
        joined, _ = run(settings, write="own.pt", read=("own.pt",), until_step=until_step)
    assert same_weights(whole, joined)


def test_a_run_that_pauses_at_its_restarts_has_the_history_of_one_that_does_not(run: Any) -> None:
    # Neither restart is a multiple of evaluate_every; both are evaluated even so.
    changes = {"schedule": "cosine_restarts", "restarts": (3, 7)}
    settings = SETTINGS.model_copy(update=changes)
    whole, expected = run(settings)
    assert [record.step for record in expected] == [3, 4, 7, 8, 12]
    for until_step in (3, 7, 12):
        paused, records = run(settings, write="own.pt", read=("own.pt",), until_step=until_step)
    assert same_weights(whole, paused)
    assert without_seconds(records) == without_seconds(expected)


def test_a_kill_between_evaluations_loses_only_what_follows_the_last_checkpoint(
    run: Any, split: DataSplit
) -> None:
    whole, expected = run()

    class Killed(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.calls > 6:
                raise KeyboardInterrupt
            return super().forward(x)

    with pytest.raises(KeyboardInterrupt):
        run(write="killed.pt", network=Killed())
    resumed, records = run(write="next.pt", read=("killed.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)


@pytest.mark.parametrize("stopped_before", [0, 3, 6])
def test_a_stop_between_two_steps_saves_and_resumes_bit_for_bit(
    run: Any, split: DataSplit, tmp_path: Path, stopped_before: int
) -> None:
    whole, all_records = run()
    asked = iter(range(100))
    path = tmp_path / "run" / "stopped.pt"
    generator = train(
        Tiny(),
        split,
        SETTINGS,
        seed=0,
        checkpoints=Checkpoints(write=path),
        is_stopped=lambda: next(asked) == stopped_before,
    )
    with pytest.raises(KeyboardInterrupt):
        list(generator)
    state = read_checkpoint(path)
    assert state is not None
    assert state["step"] == stopped_before
    resumed, records = run(write="next.pt", read=("stopped.pt",))
    assert same_weights(whole, resumed)
    # The mean loss too, of which a part was seen before the stop.
    assert without_seconds(records) == without_seconds(all_records)


def test_records_come_again_after_a_resume_and_seconds_go_on(run: Any) -> None:
    _, before = run(write="a.pt", stop_at=8)
    _, after = run(write="b.pt", read=("a.pt",))
    assert after[:2] == before
    seconds = [m.value for record in after for m in record.measurements if m.name == "seconds"]
    assert all(earlier < later for earlier, later in pairwise(seconds))


def test_a_finished_run_only_repeats_its_records(run: Any) -> None:
    trained, before = run()
    again, after = run(write="2.pt", read=("1.pt",))
    assert after == before
    assert same_weights(trained, again)


def test_unreadable_checkpoints_are_passed_over(run: Any, tmp_path: Path) -> None:
    run(write="good.pt", stop_at=8)
    folder = tmp_path / "run"
    good = (folder / "good.pt").read_bytes()
    (folder / "bad.pt").write_bytes(b"no checkpoint")
    (folder / "cut.pt").write_bytes(good[: len(good) // 2])
    torch.save({"something": "else"}, folder / "other.pt")
    names = ("missing.pt", "bad.pt", "cut.pt", "other.pt")
    assert all(read_checkpoint(folder / name) is None for name in names)
    resumed, records = run(write="2.pt", read=(*names, "good.pt"))
    assert [record.step for record in records] == [4, 8, 12]
    assert same_weights(resumed, run(write="3.pt")[0])


def test_the_last_step_is_evaluated_though_evaluate_every_is_longer(run: Any) -> None:
    _, records = run(SETTINGS.model_copy(update={"evaluate_every": 5000}))
    assert [record.step for record in records] == [12]


def test_progress_is_told_between_evaluations(run: Any) -> None:
    settings = SETTINGS.model_copy(update={"steps": 250, "evaluate_every": 200})
    _, records = run(settings)
    kinds = [(record.step, type(record)) for record in records]
    assert kinds == [(100, Progress), (200, Evaluation), (250, Evaluation)]


def test_a_checkpoint_that_cannot_be_written_ends_the_training_with_its_path(
    run: Any, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(CheckpointFailed, match=r"checkpoint .*1\.pt cannot be written"):
        run()


def test_clipping_bounds_the_gradient(run: Any) -> None:
    plain, _ = run(SETTINGS.model_copy(update={"steps": 1}))
    clipped, _ = run(SETTINGS.model_copy(update={"steps": 1, "clip_gradient": 1e-9}), write="2.pt")
    start = flat(Tiny())
    moved, held = ((flat(network) - start).abs().max() for network in (plain, clipped))
    assert held < 0.2 * moved


def test_a_step_is_timed() -> None:
    assert 0 < time_step(Tiny(), 2, SETTINGS) < 10


# `test_imports.py` reads in the sources where Ray and SQL may be imported.
@pytest.mark.slow
def test_training_is_imported_without_ray_or_sql() -> None:
    script = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ray", "sqlalchemy", "optuna", "plotly", "pandas"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Blocked())
import sweeps.train.loop
import sweeps.train.segment
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_rewritten_network_resumes_bit_for_bit(run: Any) -> None:
    settings = SETTINGS.model_copy(update={"precision": "bfloat16", "steps": 8})

    def network() -> nn.Module:
        torch.manual_seed(0)
        knobs = {"n_feats": 4, "n_blocks": 3, "local_blocks": 2, "activation_ratio": "rare"}
        return architecture("slwsr", knobs).network(2)

    plain = network()
    assert fused(plain) is not plain
    whole, _ = run(settings, network=network())
    run(settings, network=network(), write="2.pt", stop_at=4)
    parts, _ = run(settings, network=network(), read=("2.pt",), write="3.pt")
    assert same_weights(whole, parts)
