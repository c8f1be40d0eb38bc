"""A latency model finds the rates of a device, and states its error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.device.latency_model import learn
from searchspace.architecture import architecture
from searchspace.errors import UserError
from searchspace.operators import operators
from sweeps.measure.device_latency import DeviceSetting, setting_of
from sweeps.measure.latency_model import RUN, read_model, write_model

SETTING = DeviceSetting(
    device="Pixel 9",
    runtime="LiteRT 2.3",
    delegate="gpu",
    dtype="int8",
    width=64,
    height=48,
    threads=4,
)
NETWORKS = [
    architecture("slwsr", {"n_feats": n, "n_blocks": b, "compression": c})
    for n in (4, 6, 8)
    for b in (5, 7)
    for c in ("none", "all")
]


def times() -> list[float]:
    """Latencies of a device whose rates are known."""
    tables = [operators(network, 4, (48, 64)) for network in NETWORKS]
    return [0.5 + 2e-7 * table["conv 3x3"] + 1e-6 * table["conv outputs"] for table in tables]


def test_latencies_that_are_sums_of_rates_are_predicted_exactly() -> None:
    learnt = learn(SETTING, NETWORKS, 4, times())
    assert learnt.model.high_error < 1e-6
    assert np.allclose(learnt.model.predict(NETWORKS, 4), times())
    other = architecture("slwsr", {"n_feats": 7, "n_blocks": 6})
    table = operators(other, 4, (48, 64))
    expected = 0.5 + 2e-7 * table["conv 3x3"] + 1e-6 * table["conv outputs"]
    assert learnt.model.predict([other], 4)[0] == pytest.approx(expected)


def test_the_number_of_channels_at_once_is_found() -> None:
    tables = [operators(network, 4, (48, 64), lanes=8) for network in NETWORKS]
    learnt = learn(SETTING, NETWORKS, 4, [0.5 + 2e-7 * table["conv 3x3"] for table in tables])
    assert learnt.model.lanes == 8
    assert learnt.model.high_error < 1e-6


def test_a_network_that_the_model_cannot_explain_counts_in_the_stated_error() -> None:
    strange = times()
    strange[3] *= 2
    learnt = learn(SETTING, NETWORKS, 4, strange)
    assert abs(learnt.errors[3]) > 0.3
    assert np.abs(learnt.errors).max() > learnt.model.high_error > learnt.model.median_error
    assert all(rate >= 0 for rate in learnt.model.rates.values())


def test_a_model_comes_back_from_its_file_and_no_other_file_is_taken(tmp_path: Path) -> None:
    model = learn(SETTING, NETWORKS, 4, times()).model
    path = tmp_path / "pixel.json"
    write_model(model, path)
    assert read_model(path) == model
    write_model(replace(model, rates={RUN: 1.0}), path)
    for text in (path.read_text(), "[]", "{"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"pixel\.json: "):
            read_model(path)


def test_a_few_networks_are_too_few() -> None:
    with pytest.raises(UserError, match="at least 8 networks, got 3"):
        learn(SETTING, NETWORKS[:3], 4, [1, 2, 3])


def test_a_predicted_latency_has_a_name_of_its_own() -> None:
    model = learn(SETTING, NETWORKS, 4, times()).model
    name = model.latency(3.0).setting.name
    assert name == "LiteRT-2.3/gpu-predicted int8 64x48 4 threads"
    assert name != SETTING.name
    again = setting_of(SETTING.name, SETTING.device)
    assert again is not None
    assert again.name == SETTING.name
    assert setting_of("torch float32 64x48 1 threads", "CPU") is None
