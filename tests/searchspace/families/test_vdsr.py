"""What is special to VDSR: deep, plain, published without biases (FACTS 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.conventions import CONVENTIONS
from searchspace.families.vdsr import FAMILY, VdsrSpec
from searchspace.family import Convention


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


def test_without_detail_the_output_is_the_enlarged_input() -> None:
    network = FAMILY.network(VdsrSpec(n_convs=2), 3)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    low_res = torch.rand(1, 3, 5, 7)
    wanted = torch.nn.functional.interpolate(low_res, scale_factor=3, mode="bicubic")
    assert torch.allclose(network(low_res), wanted, atol=1e-5)


@pytest.mark.parametrize("n_convs", [2, 5, 20])
def test_number_of_convolutions_counts_first_and_last(n_convs: int) -> None:
    network = FAMILY.network(VdsrSpec(n_convs=n_convs), 2)
    assert len(list(network.parameters())) == n_convs
