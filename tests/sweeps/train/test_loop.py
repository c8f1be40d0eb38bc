import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from searchspace.architecture import architecture
from sweeps.data.cache import open_cache
from sweeps.data.images import find_images
from sweeps.data.split import DataSplit
from sweeps.records import Evaluation, Progress
from sweeps.train.fast_cpu.graph_rewrites import fused
from sweeps.train.loop import (
    CheckpointFailed,
    Checkpoints,
    TrainingFailed,
    TrainSettings,
    learning_rate_at,
    read_checkpoint,
    time_step,
    train,
)

SETTINGS = TrainSettings(steps=12, patch_size=8, batch_size=2, evaluate_every=4, device="cpu")
ROOT = Path(__file__).parents[3]


class Tiny(nn.Module):
    """Two convolutions and a pixel shuffle, x2."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.tail = nn.Conv2d(8, 12, 3, padding=1)
        self.factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        shuffled = nn.functional.pixel_shuffle(self.tail(torch.relu(self.head(x))), 2)
        return self.factor * shuffled


@pytest.fixture
def split(tmp_path: Path) -> DataSplit:
    rng = np.random.default_rng(0)
    for i in range(4):
        # Smooth, so that there is something to learn.
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((40, 32), Image.Resampling.BICUBIC).save(tmp_path / f"{i}.png")
    pairs = open_cache(find_images(tmp_path, 2), name="set", scale=2, cache_dir=tmp_path / "cache")
    return DataSplit(
        train=pairs.subset([0, 1, 2]),
        validation=pairs.subset([3]),
        fingerprint="0",
        description="made up",
    )


@pytest.fixture
def run(split: DataSplit, tmp_path: Path) -> Callable[..., tuple[nn.Module, list[Any]]]:
    """run(seed=..., ...) trains a new network and returns it with the records."""

    def trained(
        settings: TrainSettings = SETTINGS,
        *,
        seed: int = 0,
        write: str = "1.pt",
        read: tuple[str, ...] = (),
        until_step: int | None = None,
        stop_at: int | None = None,
        network: nn.Module | None = None,
    ) -> tuple[nn.Module, list[Any]]:
        network = network or Tiny()
        checkpoints = Checkpoints(
            write=tmp_path / "run" / write, read=tuple(tmp_path / "run" / name for name in read)
        )
        ticks = iter(range(1000))
        generator = train(
            network,
            split,
            settings,
            seed=seed,
            checkpoints=checkpoints,
            until_step=until_step,
            clock=lambda: float(next(ticks)),
        )
        return network, list(_until(generator, stop_at))

    return trained


def _until(generator: Iterator[Any], stop_at: int | None) -> Iterator[Any]:
    for record in generator:
        yield record
        if record.step == stop_at:
            return


def _same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def _without_seconds(records: list[Any]) -> list[tuple[int, str, float]]:
    return [
        (m.step, m.name, m.value)
        for record in records
        if isinstance(record, Evaluation)
        for m in record.measurements
        if m.name != "seconds"
    ]


def test_same_seed_gives_the_same_weights_and_records(run: Any) -> None:
    first, records = run()
    second, again = run(write="2.pt")
    assert _same_weights(first, second)
    assert records == again
    assert not _same_weights(first, run(seed=1, write="3.pt")[0])


def test_training_lowers_the_loss(run: Any) -> None:
    _, records = run(SETTINGS.model_copy(update={"steps": 200, "evaluate_every": 50}))
    losses = [value for _, name, value in _without_seconds(records) if name == "loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_an_evaluation_measures_psnr_ssim_loss_and_seconds(run: Any) -> None:
    _, records = run()
    assert [record.step for record in records] == [4, 8, 12]
    named = [(m.dataset, m.name) for m in records[0].measurements]
    assert named == [
        ("validation", "psnr_y"),
        ("validation", "ssim_y"),
        ("train", "loss"),
        ("train", "seconds"),
    ]


@pytest.mark.parametrize(
    "schedule", ["constant", "halve", "cosine", "one_cycle", "cosine_restarts"]
)
def test_a_run_cut_at_an_evaluation_resumes_bit_for_bit(run: Any, schedule: str) -> None:
    restarts = (5,) if schedule == "cosine_restarts" else None
    changes = {"schedule": schedule, "halve_every": 3, "restarts": restarts}
    settings = SETTINGS.model_copy(update=changes)
    whole, expected = run(settings)
    run(settings, write="cut.pt", stop_at=8)
    resumed, records = run(settings, write="cut2.pt", read=("cut.pt",))
    assert _same_weights(whole, resumed)
    assert _without_seconds(records) == _without_seconds(expected)


def test_segments_that_end_at_a_step_join_to_the_whole_run(run: Any) -> None:
    whole, _ = run(SETTINGS.model_copy(update={"evaluate_every": 12}))
    settings = SETTINGS.model_copy(update={"evaluate_every": 100})
    for until_step in (5, 6, 12):
        joined, _ = run(settings, write="own.pt", read=("own.pt",), until_step=until_step)
    assert _same_weights(whole, joined)


def test_a_run_that_pauses_at_its_restarts_has_the_history_of_one_that_does_not(run: Any) -> None:
    # Neither restart is a multiple of evaluate_every; both are evaluated even so.
    changes = {"schedule": "cosine_restarts", "restarts": (3, 7)}
    settings = SETTINGS.model_copy(update=changes)
    whole, expected = run(settings)
    assert [record.step for record in expected] == [3, 4, 7, 8, 12]
    for until_step in (3, 7, 12):
        paused, records = run(settings, write="own.pt", read=("own.pt",), until_step=until_step)
    assert _same_weights(whole, paused)
    assert _without_seconds(records) == _without_seconds(expected)


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
    assert _same_weights(whole, resumed)
    assert _without_seconds(records) == _without_seconds(expected)


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
    assert _same_weights(whole, resumed)
    # The mean loss too, of which a part was seen before the stop.
    assert _without_seconds(records) == _without_seconds(all_records)


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
    assert _same_weights(trained, again)


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
    assert _same_weights(resumed, run(write="3.pt")[0])


def test_the_last_step_is_evaluated_though_evaluate_every_is_longer(run: Any) -> None:
    _, records = run(SETTINGS.model_copy(update={"evaluate_every": 5000}))
    assert [record.step for record in records] == [12]


def test_progress_is_told_between_evaluations(run: Any) -> None:
    settings = SETTINGS.model_copy(update={"steps": 250, "evaluate_every": 200})
    _, records = run(settings)
    kinds = [(record.step, type(record)) for record in records]
    assert kinds == [(100, Progress), (200, Evaluation), (250, Evaluation)]


def test_schedules_at_their_landmarks() -> None:
    def rates(schedule: str, *steps: int, **more: Any) -> list[float]:
        values = {"schedule": schedule, "steps": 1000, "learning_rate": 1.0, **more}
        settings = TrainSettings.model_validate(values)
        return [round(learning_rate_at(settings, step), 6) for step in steps]

    assert rates("constant", 0, 500, 999) == [1, 1, 1]
    assert rates("halve", 0, 199, 200, 599, halve_every=200) == [1, 1, 0.5, 0.25]
    assert rates("cosine", 0, 500, 1000) == [1, 0.5, 0]
    assert rates("one_cycle", 0, 150, 300, 650, 1000) == [0.04, 0.52, 1, 0.5, 0]
    at_rungs = rates("cosine_restarts", 0, 100, 199, 200, 600, 1000, restarts=[200])
    assert at_rungs == [1, 0.5, 0.000062, 1, 0.5, 0]
    assert rates("cosine_restarts", 0, 500, 1000, restarts=[]) == rates("cosine", 0, 500, 1000)


def test_up_to_a_rung_the_rate_is_that_of_a_short_training(run: Any) -> None:
    changes = {"schedule": "cosine_restarts", "restarts": (4,)}
    halted, _ = run(SETTINGS.model_copy(update=changes), until_step=4)
    short, _ = run(SETTINGS.model_copy(update={"schedule": "cosine", "steps": 4}), write="2.pt")
    assert _same_weights(halted, short)


@pytest.mark.parametrize(
    ("restarts", "schedule", "message"),
    [
        ([4, 2], "cosine_restarts", r"increase and stay below steps \(12\), got \[4, 2\]"),
        ([4, 4], "cosine_restarts", r"increase and stay below steps"),
        ([4, 12], "cosine_restarts", r"got \[4, 12\]"),
        ([0], "cosine_restarts", r"greater than or equal to 1"),
        (
            [4],
            "cosine",
            r"only schedule: cosine_restarts starts anew, got \[4\] with schedule: cosine",
        ),
    ],
)
def test_restarts_that_cannot_be(restarts: list[int], schedule: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate({"steps": 12, "schedule": schedule, "restarts": restarts})


def test_settings_without_restarts_are_stored_as_before_there_were_any() -> None:
    assert "restarts" not in SETTINGS.model_dump(mode="json")
    restarting = SETTINGS.model_copy(update={"schedule": "cosine_restarts", "restarts": (4,)})
    dumped = restarting.model_dump(mode="json")
    assert dumped["restarts"] == [4]
    assert TrainSettings.model_validate(dumped) == restarting


def test_a_loss_that_is_not_finite_ends_the_training_with_a_reason(run: Any) -> None:
    network = Tiny()
    network.factor = float("nan")
    with pytest.raises(TrainingFailed, match=r"loss is nan at step 4; try a lower learning_rate"):
        run(network=network)


def test_a_loss_that_diverges_ends_the_training_with_a_reason(run: Any) -> None:
    class Diverging(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            self.factor *= 2.5 if self.training else 1.0
            return super().forward(x)

    with pytest.raises(
        TrainingFailed, match=r"has diverged to .* at step \d+ from .*clip_gradient"
    ):
        run(network=Diverging())


def test_a_loss_that_diverges_after_a_resume_is_held_against_the_one_before(run: Any) -> None:
    run(stop_at=8)
    broken = Tiny()
    broken.factor = 1e5
    with pytest.raises(TrainingFailed, match=r"has diverged to .* at step 12 from 0\."):
        run(network=broken, read=("1.pt",), write="2.pt")


def test_a_loss_is_held_against_the_best_one_between_evaluations_after_a_resume_too(
    run: Any, tmp_path: Path
) -> None:
    class Worsening(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            self.factor = float(self.calls <= 100)
            return super().forward(x)

    settings = SETTINGS.model_copy(update={"steps": 250, "evaluate_every": 200})
    _, records = run(settings, network=Worsening())
    resumed = Worsening()
    resumed.calls = 200
    run(settings, network=Worsening(), write="2.pt", stop_at=200)
    run(settings, network=resumed, write="3.pt", read=("2.pt",))
    whole, parts = (read_checkpoint(tmp_path / "run" / name) for name in ("1.pt", "3.pt"))
    assert whole is not None
    assert parts is not None
    assert parts["best"] == whole["best"] == records[0].loss
    losses = [m.value for each in records[1:] for m in each.measurements if m.name == "loss"]
    assert whole["best"] < min(losses)


def test_a_checkpoint_without_the_best_loss_goes_by_its_evaluations(
    run: Any, tmp_path: Path
) -> None:
    _, records = run(stop_at=8)
    path = tmp_path / "run" / "1.pt"
    state = read_checkpoint(path)
    assert state is not None
    del state["best"]
    torch.save(state, path)
    broken = Tiny()
    broken.factor = 1e5
    best = min(m.value for each in records for m in each.measurements if m.name == "loss")
    with pytest.raises(TrainingFailed, match=rf"has diverged to .* at step 12 from {best:.3g};"):
        run(network=broken, read=("1.pt",), write="2.pt")


def test_a_checkpoint_that_cannot_be_written_ends_the_training_with_its_path(
    run: Any, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(CheckpointFailed, match=r"checkpoint .*1\.pt cannot be written"):
        run()


def test_clipping_bounds_the_gradient(run: Any) -> None:
    plain, _ = run(SETTINGS.model_copy(update={"steps": 1}))
    clipped, _ = run(SETTINGS.model_copy(update={"steps": 1, "clip_gradient": 1e-9}), write="2.pt")
    start = _flat(Tiny())
    moved, held = ((_flat(network) - start).abs().max() for network in (plain, clipped))
    assert held < 0.2 * moved


def test_a_step_is_timed() -> None:
    assert 0 < time_step(Tiny(), 2, SETTINGS) < 10


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
    assert _same_weights(whole, parts)
