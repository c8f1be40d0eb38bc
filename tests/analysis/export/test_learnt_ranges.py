"""An INT8 file of a training with simulated rounding has the ranges that the training has learnt."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from analysis.export.pipeline import write_unverified
from analysis.export.target import Job
from analysis.export.targets import TARGETS, onnx_int8
from analysis.export.targets import onnx as onnx_target
from analysis.export.verify import ExportFailed
from searchspace.architecture import architecture
from searchspace.layers import deployed
from searchspace.rounding import Rounded, rounded


@pytest.fixture(scope="module")
def network() -> Rounded:
    torch.manual_seed(0)
    made = rounded(architecture("edsr", {"n_feats": 4, "n_blocks": 1}).network(2))
    made(torch.rand(2, 3, 16, 16))
    folded = deployed(made)
    assert isinstance(folded, Rounded)
    return folded


@pytest.mark.slow
def test_the_file_has_the_learnt_ranges(network: Rounded, tmp_path: Path) -> None:
    path = tmp_path / "network_int8.onnx"
    # A calibration on this black image would find other ranges.
    black = np.zeros((16, 16, 3), np.uint8)
    learnt = network.learnt()
    job = Job(network=network.without_rounding(), calibration=[black], learnt=learnt)
    TARGETS["int8"].write(job, path)
    graph = onnx.load(path).graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    quantised = {
        node.output[0]: (float(values[node.input[1]]), int(values[node.input[2]]))
        for node in graph.node
        if node.op_type == "QuantizeLinear" and values[node.input[1]].size == 1
    }
    grids = [each.source for each in learnt] + [each.result for each in learnt]
    wanted = {(np.float32(grid.scale), grid.zero_point) for grid in grids if grid}
    assert {(np.float32(scale), zero) for scale, zero in quantised.values()} == wanted
    image = (torch.arange(3 * 16 * 16) % 256).view(1, 3, 16, 16) / 255
    with torch.no_grad():
        expected = network(image).numpy()
    given = onnx_int8.TARGET.load(path, 1)(image.numpy())
    # The file rounds no sums and not the output, so it is nearer to float32.
    assert np.abs(given - expected).mean() < 0.004
    assert given.min() >= 0
    assert given.max() <= 1


@pytest.mark.slow
def test_equal_weights_are_one_tensor_of_the_file(tmp_path: Path) -> None:
    # Both levels of LapSRN enlarge the image with the same bilinear weights.
    knobs = {"n_feats": 4, "n_convs": 1}
    made = rounded(architecture("lapsrn", knobs).network(4))
    made(torch.rand(1, 3, 8, 8))
    folded = deployed(made)
    assert isinstance(folded, Rounded)
    path, learnt = tmp_path / "whole.onnx", folded.learnt()
    job = Job(network=folded.without_rounding(), calibration=[], learnt=learnt)
    onnx_target.write(job, path)
    found = onnx_int8.learnt_ranges(path, job)
    results = [each.result for each in learnt if "image" in each.name]
    assert len(results) == 2
    written = {float(values[0]["scale"]) for values in found.values()}
    assert {np.float32(grid.scale) for grid in results if grid} <= written


def test_a_target_without_learnt_ranges_is_refused_in_one_line(
    network: Rounded, tmp_path: Path
) -> None:
    with pytest.raises(ExportFailed, match="onnx cannot use the ranges of a training"):
        write_unverified(network, TARGETS["onnx"], tmp_path / "a.onnx", None, (16, 16))  # type: ignore[arg-type]
