"""What is special to LapSRN: levels of 2 and transposed convolutions (docs/facts.md 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.lapsrn import FAMILY, LapsrnSpec
from searchspace.family import Convention


def count(spec: LapsrnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


def test_counts_of_the_released_networks() -> None:
    assert count(LapsrnSpec(), 2, "deployed") == 407_441
    assert count(LapsrnSpec(), 4, "deployed") == 814_242
    assert count(LapsrnSpec(), 4, "weights") == 812_768


def test_transposed_convolutions_are_counted_at_their_output() -> None:
    assert round(count(LapsrnSpec(), 4, "multadds") / 1e9, 1) == 149.4
    # The quoted 29.9 G is a quarter of it.
    assert round(count(LapsrnSpec(), 2, "multadds") / 4e9, 1) == 29.9


@pytest.mark.parametrize(("scale", "levels"), [(2, 1), (4, 2), (8, 3)])
def test_every_level_doubles_the_image(scale: int, levels: int) -> None:
    network = FAMILY.network(LapsrnSpec(n_feats=4, n_convs=1), scale)
    assert len(network.network.levels) == levels
    assert network(torch.rand(1, 3, 5, 3)).shape == (1, 3, 5 * scale, 3 * scale)


def test_image_path_starts_as_bilinear_enlargement() -> None:
    network = FAMILY.network(LapsrnSpec(n_feats=4, n_convs=1, colours=3), 2)
    for level in network.levels:
        torch.nn.init.zeros_(level.residual.weight)
    low_res = torch.rand(1, 3, 6, 6)
    wanted = torch.nn.functional.interpolate(low_res, scale_factor=2, mode="bilinear")
    inside = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(network(low_res)[inside], wanted[inside], atol=1e-6)


def test_public_pytorch_network_is_a_choice_of_knobs() -> None:
    # twtygqyy/pytorch-LapSRN: no biases, kernel 4; per level image, residual, features.
    network = FAMILY.network(LapsrnSpec(enlarging_kernel=4, bias=False), 2)
    shapes = [tuple(value.shape) for value in network.state_dict().values()]
    level = [(1, 1, 4, 4), (1, 64, 3, 3), *[(64, 64, 3, 3)] * 10, (64, 64, 4, 4)]
    assert shapes == [(64, 1, 3, 3), *level]
