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
from searchspace.rounding import Grid, Rounded, rounded
from tests.analysis.export.test_phone_targets import installed
from tests.analysis.export.test_targets import noise


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert-int8", "executorch-int8"])
def test_a_file_for_phones_has_the_learnt_ranges(
    name: str, network: Rounded, tmp_path: Path
) -> None:
    installed(name)
    # A calibration on this noise would find slightly other ranges than the training.
    job = Job(
        network=network.without_rounding(),
        calibration=[noise(32, 32)],
        learnt=network.learnt(),
        size=(16, 16),
    )
    target, path = TARGETS[name], tmp_path / "network"
    found = litert_grids(job, path) if name == "litert-int8" else executorch_grids(job)
    grids = [grid for each in job.learnt for grid in (each.source, each.result) if grid]
    # A converter merges the colour shifts of EDSR into the first and the last convolution, whose outputs then differ.
    missing = [grid for grid in grids if not any(same(grid, *other) for other in found)]
    assert len(missing) <= 2, (missing, found)
    if name == "executorch-int8":
        target.write(job, path)
    image = (torch.arange(3 * 16 * 16) % 256).view(1, 3, 16, 16) / 255
    with torch.no_grad():
        expected = network(image).numpy()
    assert np.abs(target.load(path, 1)(image.numpy()) - expected).mean() < 0.01


def same(grid: Grid, scale: float, zero_point: int) -> bool:
    """Whether a signed grid of a file has the values of `grid`, except that an end may be rounded differently."""
    return (
        bool(np.isclose(scale, grid.scale, rtol=1e-3))
        and abs(zero_point + 128 - grid.zero_point) <= 1
    )


def litert_grids(job: Job, path: Path) -> set[tuple[float, int]]:
    from ai_edge_litert.interpreter import Interpreter

    TARGETS["litert-int8"].write(job, path)
    details = Interpreter(str(path)).get_tensor_details()
    parameters = [each["quantization_parameters"] for each in details]
    return {
        (float(each["scales"][0]), int(each["zero_points"][0]))
        for each in parameters
        if len(each["scales"]) == 1
    }


def executorch_grids(job: Job) -> set[tuple[float, int]]:
    from analysis.export.targets.executorch_int8 import quantised

    return {
        (float(node.args[1]), int(node.args[2]))
        for node in quantised(job).graph.nodes
        if "quantize_per_tensor" in str(node.target)
    }


def test_a_target_without_learnt_ranges_is_refused_in_one_line(
    network: Rounded, tmp_path: Path
) -> None:
    with pytest.raises(ExportFailed, match="onnx cannot use the ranges of a training"):
        write_unverified(network, TARGETS["onnx"], tmp_path / "a.onnx", None, (16, 16))  # type: ignore[arg-type]
