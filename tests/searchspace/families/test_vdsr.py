"""What is special to VDSR: deep, plain, published without biases (docs/facts.md 6)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.bicubic import enlarge_as_matlab
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.vdsr import FAMILY, VdsrSpec
from searchspace.family import Convention
from sweeps.data.imresize import imresize
from sweeps.data.split import open_test_set
from sweeps.measure.evaluate import bicubic_scores, evaluate, published_bicubic_scores
from sweeps.measure.metrics import psnr, rgb_to_y


def count(spec: VdsrSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


def test_counts_with_and_without_biases() -> None:
    assert count(VdsrSpec(), 4, "deployed") == 664_704
    assert count(VdsrSpec(bias=True), 4, "deployed") == 665_921
    assert round(count(VdsrSpec(), 4, "multadds") / 1e9, 3) == 612.591


def test_signal_survives_twenty_layers() -> None:
    torch.manual_seed(0)
    network = FAMILY.network(VdsrSpec(colours=3), 2)
    image = torch.rand(1, 3, 16, 16)
    detail = network.layers(torch.nn.functional.interpolate(image, scale_factor=2))
    assert 0.01 < detail.std() < 100


def without_detail(spec: VdsrSpec, scale: int) -> torch.nn.Module:
    network = FAMILY.network(spec, scale)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    return network


def test_without_detail_the_output_is_the_enlarged_input() -> None:
    low_res = torch.rand(1, 3, 5, 7)
    wanted = enlarge_as_matlab(low_res, 3)
    assert torch.allclose(without_detail(VdsrSpec(n_convs=2), 3)(low_res), wanted, atol=1e-5)


@pytest.mark.parametrize(("scale", "printed"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_without_detail_it_has_the_published_psnr_of_bicubic_on_set5(
    shared: Path, tmp_path: Path, scale: int, printed: float
) -> None:
    pairs = open_test_set(shared / "data", "Set5", scale, tmp_path)
    network = without_detail(VdsrSpec(n_convs=2, colours=3), scale)
    values = []
    for i in range(len(pairs)):
        # As papers make their bicubic rows: Y in 8 bits, shrunk in floating point (docs/facts.md 9).
        luma = np.round(rgb_to_y(pairs.high_res(i)))
        low_res = torch.from_numpy(imresize(luma, 1 / scale)).float()[None, None]
        with torch.no_grad():
            enlarged = network(low_res.expand(-1, 3, -1, -1) / 255)[0, 0].double().numpy() * 255
        inside = (slice(scale, -scale), slice(scale, -scale))
        values.append(psnr(np.clip(np.round(enlarged), 0, 255)[inside], luma[inside]))
    assert round(sum(values) / len(values), 2) == printed
    theirs = published_bicubic_scores(pairs).psnr_y
    assert sum(values) / len(values) == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_detail_the_whole_luma_network_is_as_good_as_imresize(
    shared: Path, tmp_path: Path, scale: int
) -> None:
    pairs = open_test_set(shared / "data", "Set5", scale, tmp_path)
    scores = evaluate(without_detail(VdsrSpec(n_convs=2), scale), pairs, device="cpu")
    # imresize rounds 8-bit images after each pass, the network at the end only.
    assert scores.psnr_y == pytest.approx(bicubic_scores(pairs).psnr_y, abs=0.02)


@pytest.mark.parametrize("n_convs", [2, 5, 20])
def test_number_of_convolutions_counts_first_and_last(n_convs: int) -> None:
    network = FAMILY.network(VdsrSpec(n_convs=n_convs), 2)
    assert len(list(network.parameters())) == n_convs
