"""Latency as an objective and a budget of a sweep."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from analysis.choose.front import load_front
from analysis.read.frames import load_sweeps, load_trials
from analysis.tables import front_table, spread_columns
from searchspace.quantity import parse_milliseconds
from sweeps.config.sweep_config import ConfigError, SweepConfig, parse_config
from sweeps.engine.outcomes import SweepFailed
from sweeps.engine.sweep import Sweep
from sweeps.measure import latency
from sweeps.measure.latency import Latency, Setting
from sweeps.measure.latency_objective import (
    TooSlow,
    is_timing,
    key_of,
    measurements_of,
    refuse_slow,
)
from sweeps.measure.load import Load, Meter
from sweeps.measure.torch_latency import torch_latency
from sweeps.records import Evaluation, Measurement, Outcome
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
@pytest.mark.usefixtures("still_machine")
def test_latency_is_measured_once_a_trial_and_is_an_objective(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    done = run_sweep(wanted)
    assert [trial.state for trial in done.trials.values()] == ["complete"] * 3
    (column,) = load_sweeps(wanted.storage)["latency"]
    assert column.startswith("latency_ms torch float32 320x180 1 threads on ")
    trials = load_trials(wanted.storage)
    assert (trials[column] > 0).all()
    lower, upper, reliable = spread_columns([column])
    assert (trials[lower] <= trials[column]).all()
    assert (trials[column] <= trials[upper]).all()
    assert (trials[reliable] == 1).all()
    # The front's objectives are under the column's name, which states the device.
    objectives = load_sweeps(wanted.storage)["settings"].iloc[0]["objectives"]
    assert objectives == {"psnr_y": "maximize", column: "minimize"}
    front = load_front(wanted.storage, "timed", objectives, [lower, upper, reliable])
    assert len(front) >= 1
    shown = front_table(front, list(objectives))
    assert list(shown)[:4] == ["number", "psnr_y", column, "quartiles_ms"]
    assert shown["quartiles_ms"].str.fullmatch(r"[\d.]+ to [\d.]+").all()
    # Run again, nothing is measured anew.
    run_sweep(wanted)
    assert load_trials(wanted.storage)[column].tolist() == trials[column].tolist()


@pytest.mark.slow
@pytest.mark.usefixtures("still_machine")
def test_what_is_slower_than_the_budget_is_stopped_untrained(tmp_path: Path) -> None:
    wanted = config(tmp_path, budget={"latency": "0.001 ms"})
    done = run_sweep(wanted)
    assert [(trial.state, trial.step) for trial in done.trials.values()] == [("stopped", 0)] * 3
    trials = load_trials(wanted.storage)
    assert trials["error"].str.contains("above the budget of 0.001 ms").all()
    assert trials["psnr_y"].isna().all()
    assert run_sweep(wanted).finished  # and is not tried again


@pytest.mark.slow
def test_a_network_that_may_be_fast_enough_trains_and_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, load of others rejected four of six trials for good. Now none is, and each rung measures again."""
    monkeypatch.setattr(latency, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(latency, "ROUND_SECONDS", 0.01)
    busy = Load(others=1.5, cores=2, seconds=1.0)
    monkeypatch.setattr(Meter, "load", lambda meter: busy)
    changes: dict[str, Any] = {
        "budget": {"latency": "0.001 ms"},
        "search": {"sampler": "grid", "trials": 2, "halving": {"min_steps": 4, "factor": 2}},
        "train": {"steps": 8, "patch_size": 8, "batch_size": 2, "evaluate_every": 2},
    }
    wanted = config(tmp_path, **changes)
    rungs = []

    def seen(sweep: Sweep, record: Any) -> None:
        if isinstance(record, Evaluation) and record.step == 0:
            rungs.append(record.measurements[0].value)

    done = run_sweep(wanted, on_change=seen)
    assert "complete" in {trial.state for trial in done.trials.values()}
    assert all(trial.doubtful for trial in done.trials.values())
    assert len(rungs) > len(done.trials)
    trials = load_trials(wanted.storage)
    (column,) = load_sweeps(wanted.storage)["latency"]
    assert (trials[spread_columns([column])[2]] == 0).all()
    # The newest measurement is the one that is kept.
    assert set(trials[column]) <= set(rungs)
    assert rungs[-1] in trials[trials["state"] == "complete"][column].tolist()
    shown = front_table(trials, ["psnr_y", column])
    assert shown["quartiles_ms"].str.endswith(", unreliable").all()


def found(**changes: Any) -> Latency:
    """A reliable latency of 31 ms, surely between 30.5 and 31.5 ms."""
    setting = Setting(
        runtime="torch", dtype="float32", height=180, width=320, threads=1, device="CPU"
    )
    values = {"median": 31.0, "lower": 30.0, "upper": 32.0, "low": 30.5, "high": 31.5, "runs": 20}
    return Latency(**{**values, "setting": setting, **changes})


def test_only_a_latency_that_is_reliable_and_surely_above_the_limit_is_refused() -> None:
    with pytest.raises(TooSlow, match=r"latency: 31.0 ms, above the budget of 30.4 ms .* 30.5 ms"):
        refuse_slow(found(), 30.4)
    refuse_slow(found(), 30.5)
    refuse_slow(found(), None)
    refuse_slow(found(doubt="other processes used 1.3 of 2 cores"), 5.0)


def test_all_measurements_of_a_latency_have_its_key() -> None:
    measured = measurements_of(found())
    assert {key_of(each) for each in measured} == {
        "latency_ms torch float32 320x180 1 threads on CPU"
    }
    assert [is_timing(each) for each in measured] == [True] + [False] * (len(measured) - 1)


def test_measuring_again_forgives_no_fault_of_the_machine(tmp_path: Path) -> None:
    """A trial that measures before each attempt still stops a sweep whose machine is broken."""
    sweep = Sweep(config(tmp_path), Store(config(tmp_path).storage), holder="test")
    limit = sweep.config.search.max_attempts
    for _ in range(limit):
        segment = sweep.next_segment()
        assert segment is not None
        sweep.handle(segment, Evaluation(step=0, measurements=measurements_of(found(doubt="busy"))))
        sweep.handle(segment, Outcome(step=0, error="no space left", machine_fault=True))
        segment = None
        for trial in list(sweep.waiting)[1:]:
            sweep.waiting.remove(trial)
    with pytest.raises(SweepFailed, match="no space left"):
        sweep.next_segment()
    sweep.close()


def first_segment(tmp_path: Path, name: str = "latency_ms torch float32 320x180 1 threads") -> Any:
    """A sweep whose first latency is already stored as measured elsewhere, and its next segment."""
    wanted = config(tmp_path)
    store = Store(wanted.storage)
    sweep_id = store.open_sweep(wanted.name, wanted.scale, wanted.comparable)
    store.set_fact(sweep_id, "latency", f"{name} on another device")
    sweep = Sweep(wanted, store, holder="test")
    return sweep, sweep.next_segment()


@pytest.mark.usefixtures("still_machine")
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


@pytest.mark.usefixtures("still_machine")
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
