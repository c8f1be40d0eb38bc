"""The table of latency models in docs/device.md is the one that the committed latencies give."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import device_models
from benchmarks.device_models import HERE, PAGE, Measured, errors, of_multadds, table
from searchspace.architecture import architecture
from searchspace.cost import costs
from sweeps.measure.device_latency import DeviceSetting

SETTING = DeviceSetting(
    device="Board", runtime="mnn 3", delegate="cpu", dtype="int8", width=64, height=48, threads=1
)


def test_latencies_in_proportion_to_mult_adds_are_predicted_by_them_exactly() -> None:
    networks = [architecture("edsr", {"n_feats": n, "n_blocks": 1}) for n in (4, 6, 8)]
    latencies = np.array([1e-9 * costs(each, 4)["multadds"] for each in networks])
    found = Measured(
        path=Path("a.csv"),
        setting=SETTING,
        networks=networks,
        latencies=latencies,
        reliable=np.ones(3, bool),
    )
    assert errors(of_multadds(found)) == "0.0, 0.0 %"
    latencies[2] *= 2
    assert of_multadds(found)[2] == pytest.approx(-0.5)


def test_errors_are_the_median_and_the_90th_percentile() -> None:
    assert errors([-0.1, 0.2, 0.3]) == "20.0, 28.0 %"
    assert errors([]) == "-"


def test_the_page_quotes_the_committed_latencies() -> None:
    inside = PAGE.read_text().split(device_models.BEGIN)[1].split(device_models.END)[0]
    assert inside.strip() == table(HERE)
