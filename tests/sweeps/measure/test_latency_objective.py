"""Latency as an objective and a budget of a sweep."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from analysis.choose.front import load_front
from analysis.read.frames import load_sweeps, load_trials
from sweeps.config.sweep_config import ConfigError, SweepConfig, parse_config
from sweeps.engine.sweep import Sweep
from sweeps.measure.latency import torch_latency
from sweeps.measure.latency_objective import parse_milliseconds
from sweeps.records import Measurement, Outcome
from sweeps.run import run_sweep
from sweeps.store.store import Store
from sweeps.train.segment import Segment, run

OBJECTIVES = {"psnr_y": "maximize", "latency": "minimize"}


def config(folder: Path, **changes: Any) -> SweepConfig:
    """Three small networks on the embedded images, eight steps each."""
    sweep = {
        "name": "timed",
        "scale": 4,
        "families": {"slwsr": {"n_feats": [2, 3, 4], "n_blocks": 2, "local_blocks": 2}},
        "objectives": OBJECTIVES,
        "search": {"sampler": "grid", "trials": 3},
        "train": {"steps": 8, "patch_size": 8, "batch_size": 2, "evaluate_every": 8},
        "data": {"train": "embedded"},
        "resources": {"concurrent": 1},
        "storage": f"sqlite:///{folder / 'r.db'}",
        "checkpoints": str(folder / "runs"),
        "cache": str(folder / "cache"),
    }
    return parse_config({"metadata": {"sweep": sweep | changes}}, "test")


@pytest.mark.slow
def test_latency_is_measured_once_a_trial_and_is_an_objective(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    done = run_sweep(wanted)
    assert [trial.state for trial in done.trials.values()] == ["complete"] * 3
    (column,) = load_sweeps(wanted.storage)["latency"]
    assert column.startswith("latency_ms torch float32 320x180 1 threads on ")
    trials = load_trials(wanted.storage)
    assert (trials[column] > 0).all()
    # The front's objectives are under the column's name, which states the device.
    objectives = load_sweeps(wanted.storage)["settings"].iloc[0]["objectives"]
    assert objectives == {"psnr_y": "maximize", column: "minimize"}
    assert len(load_front(wanted.storage, "timed", objectives)) >= 1
    # Run again, nothing is measured anew.
    run_sweep(wanted)
    assert load_trials(wanted.storage)[column].tolist() == trials[column].tolist()


@pytest.mark.slow
def test_what_is_slower_than_the_budget_is_stopped_untrained(tmp_path: Path) -> None:
    wanted = config(tmp_path, budget={"latency": "0.001 ms"})
    done = run_sweep(wanted)
    assert [(trial.state, trial.step) for trial in done.trials.values()] == [("stopped", 0)] * 3
    trials = load_trials(wanted.storage)
    assert trials["error"].str.contains("above the budget of 0.001 ms").all()
    assert trials["psnr_y"].isna().all()
    assert run_sweep(wanted).finished  # and is not tried again


def first_segment(tmp_path: Path, name: str = "latency_ms torch float32 320x180 1 threads") -> Any:
    """A sweep whose first latency is already stored as measured elsewhere, and its next segment."""
    wanted = config(tmp_path)
    store = Store(wanted.storage)
    sweep_id = store.open_sweep(wanted.name, wanted.scale, wanted.comparable)
    store.set_fact(sweep_id, "latency", f"{name} on another device")
    sweep = Sweep(wanted, store, holder="test")
    return sweep, sweep.next_segment()


def test_a_machine_of_another_kind_is_refused_before_training(tmp_path: Path) -> None:
    sweep, segment = first_segment(tmp_path)
    (record,) = run(segment)
    assert isinstance(record, Outcome)
    assert record.machine_fault
    assert "latencies of different devices cannot be compared" in record.error
    sweep.handle(segment, record)
    assert sweep.trials[0].state == "paused"  # another machine may still take it
    assert sweep.trials[0].errors == 0
    sweep.close()


def test_two_machines_that_begin_together_do_not_mix_their_latencies(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    sweep = Sweep(wanted, Store(wanted.storage), holder="test")
    segments = [sweep.next_segment(), sweep.next_segment()]
    for segment, device in zip(segments, ("one", "two"), strict=True):
        assert isinstance(segment, Segment)
        assert segment.timing is not None
        assert segment.timing.key == ""
        sweep.handle(segment, evaluation(0, "latency_ms x", device, 5.0))
        sweep.handle(segment, evaluation(8, "psnr_y", "validation", 25.0))
        sweep.handle(segment, Outcome(step=8, seconds=1.0))
    assert sweep.trials[0].state == "complete"
    assert sweep.trials[1].state == "paused"
    sweep.close()


def evaluation(step: int, name: str, dataset: str, value: float) -> Any:
    from sweeps.records import Evaluation

    row = Measurement(step=step, dataset=dataset, name=name, value=value)
    return Evaluation(step=step, measurements=(row,))


def test_a_limit_is_milliseconds() -> None:
    assert parse_milliseconds("30 ms") == 30
    assert parse_milliseconds(2.5) == 2.5
    for wrong in ("30 s", "soon", 0, -1, True, None):
        with pytest.raises(ValueError, match="must be milliseconds"):
            parse_milliseconds(wrong)


def test_faults_of_latency_are_told_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="metadata.sweep.budget.latency: must be milliseconds"):
        config(tmp_path, budget={"latency": "30 s"})
    search = {"sampler": "pareto", "trials": 3}
    with pytest.raises(ConfigError, match="choose another sampler"):
        config(tmp_path, objectives=OBJECTIVES | {"params": "minimize"}, search=search)


def test_a_latency_in_float32_is_not_one_in_tf32() -> None:
    seen = []

    class Watched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.backends.cudnn.allow_tf32)
            return x

    assert torch.backends.cudnn.allow_tf32
    torch_latency(Watched(), (8, 8), device=torch.device("cpu"))
    assert set(seen) == {False}
    assert torch.backends.cudnn.allow_tf32
