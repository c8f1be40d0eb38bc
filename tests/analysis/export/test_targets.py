"""Compares every export target with torch, and checks what remains after a failed export."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from analysis.export.images import cut
from analysis.export.model_card import Origin
from analysis.export.pipeline import Shipped, ship
from analysis.export.target import Job, Run, Target
from analysis.export.targets import TARGETS
from analysis.export.verify import ExportFailed, difference
from searchspace.architecture import Architecture, architecture
from searchspace.bicubic import by_convolution
from searchspace.layers import deployed
from sweeps.data.settings import DataSettings
from sweeps.data.split import DataSplit, open_split
from sweeps.measure.evaluate import evaluate

NORMED: dict[str, Any] = {
    "n_feats": 8,
    "n_blocks": "1",
    "compression": "all",
    "compress_norm": "batch",
}
"""Knobs of s-LWSR that give it batch norms. `test_smallest` exports every family with the norms that it always has."""
pytestmark = pytest.mark.usefixtures("still_machine")

SIZES = ((24, 24), (17, 31), (48, 40))


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> DataSplit:
    return open_split(DataSettings(), 4, tmp_path_factory.mktemp("cache"))


def trained_a_little(chosen: Architecture, scale: int = 4) -> nn.Module:
    """A network whose norms have learnt statistics, so that folding them wrongly changes its output."""
    torch.manual_seed(0)
    network = chosen.network(scale).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 16, 16))
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network.eval()


def exported(target: Target, chosen: Architecture, network: nn.Module, path: Path) -> Run:
    target.write(Job(network=deployed(network), calibration=[noise(64, 64)]), path)
    return target.load(path, 1)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_onnx_equals_torch_on_three_sizes_and_holds_no_norm(tmp_path: Path) -> None:
    chosen = architecture("slwsr", NORMED)
    network = trained_a_little(chosen)
    run = exported(TARGETS["onnx"], chosen, network, tmp_path / "network.onnx")
    # The network still has its norms, so this checks the folding as well.
    differences = [difference(network, run, cut(noise(*size), size)) for size in SIZES]
    assert max(differences) <= 1e-4
    with torch.no_grad():
        assert float(network(torch.rand(1, 3, 16, 16)).std()) > 1e-3  # not a constant image
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    model = onnx.load(tmp_path / "network.onnx")
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_param or size.dim_value for size in sizes] == [1, 3, "height", "width"]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def test_torch_export_runs_at_other_sizes(tmp_path: Path) -> None:
    chosen = architecture("slwsr", {"n_feats": 8, "n_blocks": "1"})
    network = trained_a_little(chosen)
    run = exported(TARGETS["torch"], chosen, network, tmp_path / "network.pt2")
    for size in SIZES:
        assert difference(network, run, cut(noise(*size), size)) <= 1e-5


@pytest.mark.parametrize(
    ("family", "knobs", "enlarging"),
    [
        ("drrn", {"n_feats": 4, "recursions": 2}, by_convolution),
        ("memnet", {"n_feats": 4, "n_blocks": 1, "n_recursions": 2}, by_convolution),
        # Tracing the sums of the usual bicubic enlargement takes ten seconds.
        pytest.param("drrn", {"n_feats": 4, "recursions": 2}, nullcontext, marks=pytest.mark.slow),
    ],
)
def test_the_int8_file_of_a_recursive_network_runs(
    family: str,
    knobs: dict[str, Any],
    enlarging: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    chosen = architecture(family, knobs)
    torch.manual_seed(0)
    network = chosen.network(2).eval()
    path = tmp_path / "network.onnx"
    with enlarging():
        run = exported(TARGETS["int8"], chosen, network, path)
    low_res = cut(noise(24, 24), (24, 24))
    with torch.no_grad():
        expected = network(torch.from_numpy(low_res)).numpy()
    assert np.abs(run(low_res) - expected).mean() < 0.1 * expected.std()
    # A processor with VNNI would also run a file with shared weights.
    graph = onnx.load(path).graph
    weights = [node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(set(weights)) == len(weights)


Trained = tuple[Architecture, nn.Module]
ORIGIN = Origin(weights="none.pt", training="nothing", validation="3 images", bicubic=99.0)


@pytest.fixture(scope="module")
def small() -> Trained:
    chosen = architecture("fsrcnn", {})
    return chosen, trained_a_little(chosen)


def shipped(
    small: Trained, target: Target, folder: Path, split: DataSplit, psnr: float | None = None
) -> Shipped:
    chosen, network = small
    known = evaluate(network, split.validation, device="cpu").psnr_y if psnr is None else psnr
    return ship(
        chosen,
        network,
        target,
        folder,
        scale=4,
        split=split,
        psnr_torch=known,
        origin=ORIGIN,
        threads=1,
    )


@pytest.mark.slow
def test_a_card_states_what_was_measured(small: Trained, split: DataSplit, tmp_path: Path) -> None:
    made = shipped(small, TARGETS["onnx"], tmp_path, split)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".md", ".onnx"]
    card = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert card["bytes"] == made.file.stat().st_size
    assert abs(card["psnr_y"]["lost"]) < 0.01
    assert card["latency_ms"]["median"] > 0
    assert card["latency_ms"]["device"]
    assert max(card["largest_difference"].values()) <= 1e-4
    text = next(tmp_path.glob("*.md")).read_text()
    assert "Licence" in text
    assert "| parameters |" in text  # the unit is the name
    assert "| convolutions |" in text
    assert "| memory B |" in text
    assert "| Mult-Adds (multiply-accumulates) |" in text
    assert card["psnr_y"]["bicubic"] == 99.0
    assert "bicubic 99.00 dB. Worse than bicubic: its PSNR is" in text


def wrong(low_res: np.ndarray) -> np.ndarray:
    """A wrong file: it enlarges by nearest neighbour."""
    return low_res.repeat(4, 2).repeat(4, 3)


@pytest.mark.slow
def test_a_file_that_differs_is_refused_and_an_older_one_is_gone(
    small: Trained, split: DataSplit, tmp_path: Path
) -> None:
    onnx_target = TARGETS["onnx"]
    shipped(small, onnx_target, tmp_path, split)
    broken = Target(**vars(onnx_target) | {"load": lambda path, threads: wrong})
    with pytest.raises(ExportFailed, match=r"at most 0.0001 .* but differs by"):
        shipped(small, broken, tmp_path, split)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_lost_psnr_is_refused(small: Trained, split: DataSplit, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"at most 0.01 dB on the validation split, but loses"):
        shipped(small, TARGETS["onnx"], tmp_path, split, psnr=60.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_int8_is_smaller_work_of_the_same_network(
    small: Trained, split: DataSplit, tmp_path: Path
) -> None:
    lenient = Target(**vars(TARGETS["int8"]) | {"largest_loss": 100.0})
    made = shipped(small, lenient, tmp_path, split)
    kinds = [node.op_type for node in onnx.load(made.file).graph.node]
    assert kinds.count("QuantizeLinear") >= kinds.count("Conv") > 0
    assert 0 < made.verdict.largest_difference < 1
