"""A sweep takes the predicted latency of a device as an objective, a budget and a constraint."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.choose.front import load_front
from analysis.choose.select import best_within
from analysis.choose.variants import variants
from analysis.read.frames import load_sweeps, load_trials
from searchspace.architecture import architecture
from searchspace.errors import UserError
from searchspace.operators import UNITS
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.table.space_table import SpaceTable
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import (
    ConfigError,
    SweepConfig,
    parse_config,
    read_config,
    read_config_text,
)
from sweeps.measure.device_latency import DeviceSetting
from sweeps.measure.latency_model import (
    RUN,
    LatencyModel,
    model_in,
    read_model,
    told_by,
    write_model,
)
from sweeps.records import Outcome
from sweeps.store.store import StoreError
from sweeps.yaml_text import read_stored
from tests.sweeps.engine.test_order_of_results import evaluation
from tests.sweeps.engine.test_seeds import opened
from tests.sweeps.sweeps_for_tests import small_config, start, sweep_file

OBJECTIVES = {"psnr_y": "maximize", PREDICTED_LATENCY: "minimize"}
MODEL = LatencyModel(
    setting=DeviceSetting(
        device="Pixel 9",
        runtime="LiteRT 2.3",
        delegate="gpu",
        dtype="int8",
        width=64,
        height=48,
        threads=4,
    ),
    lanes=4,
    rates=dict.fromkeys((*UNITS, RUN), 0.0) | {"conv 3x3": 1.5e-7, "activation": 1e-6, RUN: 0.5},
    networks=16,
    shortest=1.0,
    longest=9.0,
    median_error=0.07,
    high_error=0.2,
    scale=2,
)


@pytest.fixture
def device(tmp_path: Path) -> str:
    """The file of a model."""
    write_model(MODEL, tmp_path / "pixel.json")
    return str(tmp_path / "pixel.json")


def config_of(folder: Path, device: object, **changes: Any) -> SweepConfig:
    return small_config(folder, **{"objectives": OBJECTIVES, "device": device, **changes})


def faults_of(folder: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(sweep_file(folder, **changes))
    return str(caught.value)


@pytest.mark.parametrize("sampler", ["pareto", "tpe"])
def test_a_trial_stores_the_latency_that_was_known_before_it_trained(
    tmp_path: Path, device: str, sampler: str
) -> None:
    config = config_of(tmp_path, device, search={"sampler": sampler, "trials": 2})
    sweep = opened(config)
    for _ in range(2):
        segment = start(sweep)
        assert segment.timing is None
        sweep.handle(segment, evaluation(segment, 4), Outcome(step=4, seconds=1.0))
    sweep.close()
    networks = [trial.architecture for trial in sweep.trials.values()]
    expected = MODEL.predict(networks, 2).tolist()
    trials = load_trials(config.storage)
    assert trials[PREDICTED_LATENCY].tolist() == expected
    front = load_front(config.storage, "tiny", config.objectives)
    assert set(front[PREDICTED_LATENCY]) <= set(expected)
    assert min(expected) in set(front[PREDICTED_LATENCY])
    chosen = best_within(variants(trials), {PREDICTED_LATENCY: min(expected)})
    assert chosen.row is not None
    assert f"{min(expected):g} ms" in chosen.rule
    settings = load_sweeps(config.storage)["settings"].iloc[0]
    assert told_by(settings) == MODEL.description
    assert told_by(settings).endswith("int8 64x48 4 threads on Pixel 9, median error 7 %")
    mixed = trials.assign(predicted_by=["one", "other"])
    with pytest.raises(UserError, match="must come from one model of a device"):
        variants(mixed)


def test_budget_and_constraints_exclude_networks_before_training(
    tmp_path: Path, device: str
) -> None:
    whole = SpaceTable(config_of(tmp_path, device).space, 2, rates=MODEL.per_unit)
    known = sorted(whole.costs[PREDICTED_LATENCY].tolist())
    low, high = known[2], known[-3]
    for limits in (
        {"budget": {PREDICTED_LATENCY: f"{high!r} ms"}},
        {"constraints": [f"{PREDICTED_LATENCY} <= {high!r}", f"{PREDICTED_LATENCY} >= {low!r}"]},
    ):
        config = config_of(tmp_path, device, **limits, search={"sampler": "pareto", "trials": 99})
        sweep = opened(config)
        asked = []
        while (network := sweep.suggester.ask(len(asked))) is not None:
            asked.append(MODEL.per_unit.predict(network, 2))
        sweep.close()
        allowed = [ms for ms in known if ms <= high and ("budget" in limits or ms >= low)]
        assert sorted(asked) == allowed
    beyond = {PREDICTED_LATENCY: known[0] / 2}
    with pytest.raises(ConfigError, match=r"lowest costs: predicted_latency [\d.]+ ms"):
        check_feasible(config_of(tmp_path, device, budget=beyond))


def test_a_latency_without_a_device_is_one_clear_line_each(tmp_path: Path) -> None:
    told = faults_of(tmp_path, objectives=OBJECTIVES, budget={PREDICTED_LATENCY: "30 ms"})
    lines = told.splitlines()
    assert len(lines) == 2
    assert all("needs `device: FILE`" in line for line in lines)
    assert "objectives.predicted_latency" in lines[0]
    assert "budget.predicted_latency" in lines[1]


def test_a_wrong_device_is_one_clear_line(tmp_path: Path, device: str) -> None:
    named = {"objectives": OBJECTIVES, "budget": {PREDICTED_LATENCY: 30}}
    (tmp_path / "broken.json").write_text('{"latency_model": 1}')
    for written, expected in (
        (str(tmp_path / "none.json"), "there is no file"),
        (str(tmp_path / "broken.json"), "must be a latency model of this srsweep"),
        ({"latency_model": 9}, "must be a latency model of this srsweep"),
        (3, "must be the path of a file"),
    ):
        told = faults_of(tmp_path, **named, device=written)
        assert len(told.splitlines()) == 1
        assert "metadata.sweep.device: " in told
        assert expected in told
    told = faults_of(tmp_path, **named, device=device, scale=4)
    assert "the model was learnt from networks of scale 2, got scale 4" in told


def test_a_model_without_a_scale_is_taken_and_one_of_another_scale_predicts_nothing() -> None:
    network = [architecture("edsr", {"n_feats": 4, "n_blocks": 1})]
    older = replace(MODEL, scale=None)
    assert older.predict(network, 4)[0] > older.predict(network, 2)[0] > 0
    assert older.digest == MODEL.digest
    with pytest.raises(UserError, match="learnt from networks of scale 2, got scale 4"):
        MODEL.predict(network, 4)


def test_the_stored_text_of_a_sweep_needs_no_file_beside_it(tmp_path: Path, device: str) -> None:
    """A sweep resumes from this text on a machine without the file, and a cluster runs it."""
    config = config_of(tmp_path, device)
    Path(device).unlink()
    indented = "".join(f"    {line}\n" for line in config.text.splitlines())
    again = read_config_text(f"metadata:\n  sweep:\n{indented}", "stored")
    assert again.model == config.model == MODEL
    assert again.digest == config.digest
    assert again.comparable == config.comparable
    document = {"metadata": {"sweep": read_stored(config.text)}}
    assert parse_config(json.loads(json.dumps(document)), "of Ray").digest == config.digest


def test_a_sweep_does_not_resume_with_another_model(tmp_path: Path, device: str) -> None:
    opened(config_of(tmp_path, device)).close()
    write_model(replace(MODEL, rates=MODEL.rates | {RUN: 0.7}), Path(device))
    with pytest.raises(StoreError, match=r"device\.model: \w+ -> \w+"):
        opened(config_of(tmp_path, device))
    with pytest.raises(StoreError, match=r"device: .* -> None.*objectives"):
        opened(small_config(tmp_path, objectives={"psnr_y": "maximize", "params": "minimize"}))


def test_a_model_comes_back_from_its_file(device: str) -> None:
    assert read_model(Path(device)) == MODEL
    assert model_in({"device": {"model": MODEL.digest}}) == MODEL.digest
    assert model_in(None) == told_by({}) == ""
