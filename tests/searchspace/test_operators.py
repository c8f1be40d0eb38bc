"""The table of costs by kind of operator."""

import pytest
import torch
from torch import nn

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.cost.counting.subject import trace
from searchspace.operators import UNITS, amounts, operators


def of(*layers: nn.Module, size: tuple[int, int]) -> dict[str, int]:
    """The amounts of a network that are not 0."""
    network = nn.Sequential(*layers).to("meta")
    found = amounts(trace(network, torch.empty((1, 3, *size), device="meta")))
    return {kind: amount for kind, amount in found.items() if amount}


def test_the_example_of_the_docstring() -> None:
    head, tail = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 48, 3, padding=1)
    assert of(head, nn.ReLU(), tail, nn.PixelShuffle(4), size=(180, 320)) == {
        "conv 3x3": 423_014_400,
        "conv outputs": 3_686_400,
        "activation": 921_600,
        "move": 2_764_800,
        "operators": 4,
    }


def test_channels_are_rounded_up_to_the_lanes_of_a_device() -> None:
    network = nn.Sequential(nn.Conv2d(3, 12, 1), nn.ReLU(), nn.Conv2d(12, 3, 3)).to("meta")
    recorded = trace(network, torch.empty((1, 3, 4, 4), device="meta"))
    found = amounts(recorded, lanes=8)
    assert found["conv 1x1"] == 16 * 3 * 16
    assert found["conv 3x3"] == 4 * 9 * 12 * 8
    assert found["conv outputs"] == 16 * 16 + 4 * 8
    assert found["activation"] == 16 * 12
    product = trace(nn.Linear(4, 2).to("meta"), torch.empty((1, 3, 4, 4), device="meta"))
    assert amounts(product, lanes=8)["conv outputs"] == 3 * 4 * 2


def test_an_operator_in_place_counts_like_another_and_a_view_does_not_count() -> None:
    assert of(nn.ReLU(inplace=True), nn.Flatten(), size=(2, 4)) == {
        "activation": 24,
        "operators": 1,
    }


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Conv2d(3, 6, 1), "conv 1x1"),
        (nn.Conv2d(3, 6, (1, 3)), "conv larger"),
        (nn.Conv2d(3, 6, 3, groups=3), "conv depthwise"),
        (nn.ConvTranspose2d(3, 6, 3), "deconv"),
        (nn.Linear(8, 2), "matmul"),
    ],
)
def test_kinds_of_convolutions_are_told_apart(layer: nn.Module, kind: str) -> None:
    found = of(layer, size=(8, 8))
    assert {name for name in found if UNITS[name] == "Mult-Adds"} == {kind}


@pytest.mark.parametrize("family", ["bsrn", "fsrcnn", "swisenet"])
def test_the_kinds_add_up_to_the_multadds(family: str) -> None:
    network = architecture(family, {})
    table = operators(network, 4)
    total = sum(table[kind] for kind, unit in UNITS.items() if unit == "Mult-Adds")
    assert total == costs(network, 4)["multadds"]
    half = operators(network, 4, (90, 160))
    assert half["conv 1x1"] == pytest.approx(table["conv 1x1"] / 4, rel=0.01)
