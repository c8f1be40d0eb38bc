from pathlib import Path

import pytest
import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.imdn import Block, Imdn, ImdnSpec


@pytest.mark.parametrize(
    ("scale", "params", "multadds"),
    [(2, 694_404, 158.766), (3, 703_059, 71.336), (4, 715_176, 40.886)],
)
def test_published_network_has_the_counts_in_the_facts(
    scale: int, params: int, multadds: float
) -> None:
    counted = costs(architecture("imdn", {}), scale)
    assert counted["params"] == params
    # The facts state the x3 figure at 426x240, where srsweep counts too.
    assert round(counted["multadds"] / 1e9, 2) == round(multadds, 2)


@pytest.mark.parametrize(
    ("values", "params"),
    [({"attention": "global"}, 722_536), ({"residual_scaling": "channelwise"}, 715_560)],
)
def test_strategies_are_counted_as_in_the_facts(values: dict[str, object], params: int) -> None:
    assert costs(architecture("imdn", values), 4)["params"] == params


def test_state_has_the_order_and_shapes_of_the_authors_checkpoint(shared: Path) -> None:
    file = torch.load(shared / "weights/IMDN_x4.pth", map_location="cpu", weights_only=True)
    ours = Imdn(ImdnSpec(), 4).state_dict()
    assert [t.shape for t in ours.values()] == [t.shape for t in file.values()]


def test_a_block_sets_a_quarter_aside_at_every_step() -> None:
    block = Block(ImdnSpec())
    assert [tuple(step.weight.shape[:2]) for step in block.steps] == [
        (64, 64),
        (64, 48),
        (64, 48),
        (16, 48),
    ]
    assert block.fuse.in_channels == 64


def test_rates_of_the_same_whole_channels_are_one_architecture() -> None:
    assert architecture("imdn", {"distillation_rate": 0.2501}) == architecture("imdn", {})
    assert architecture("imdn", {"distillation_rate": 0.5}) != architecture("imdn", {})


def test_a_rate_that_leaves_nothing_is_rejected() -> None:
    with pytest.raises(ValueError, match="both sides of a split"):
        architecture("imdn", {"n_feats": 16, "distillation_rate": 0.01})
