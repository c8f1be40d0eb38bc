from pathlib import Path

import pytest
import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.bsrn import SMALL, Block, Bsrn, BsrnSpec


@pytest.mark.parametrize(("name", "spec"), [("BSRN", BsrnSpec()), ("BSRN-S", SMALL)])
def test_published_networks_have_the_parameters_of_the_authors_checkpoints(
    name: str, spec: BsrnSpec, shared: Path
) -> None:
    file = torch.load(shared / f"weights/{name}_x4.pth", map_location="cpu", weights_only=True)
    sizes = [t.numel() for t in Bsrn(spec, 4).state_dict().values()]
    assert sorted(sizes) == sorted(t.numel() for t in file["params"].values())


def test_a_blueprint_convolution_is_a_pointwise_and_a_depthwise_one() -> None:
    point, depth = Block(BsrnSpec()).steps[0]
    assert (point.kernel_size, point.bias, depth.groups) == ((1, 1), None, 64)
    depth, point = Block(BsrnSpec(convolution="depthwise")).steps[0]
    assert (depth.groups, point.kernel_size) == (64, (1, 1))


def test_plain_convolutions_cost_what_they_should() -> None:
    """A plain 3x3 convolution has 9 n^2 weights where the blueprint one has n^2 + 9 n."""
    spec = {"n_feats": 8, "n_blocks": 1, "n_steps": 2, "spatial_attention": "none"}
    plain = costs(architecture("bsrn", spec | {"convolution": "plain"}), 2)["params"]
    blueprint = costs(architecture("bsrn", spec), 2)["params"]
    pairs = ((12, 8), (8, 8), (8, 4), (8, 8))
    assert plain - blueprint == sum(9 * a * b - (a * b + 9 * b) for a, b in pairs)


def test_choices_without_effect_are_one_architecture() -> None:
    plain = {"convolution": "plain"}
    assert architecture("bsrn", plain | {"pointwise_bias": True}) == architecture("bsrn", plain)
    strided = plain | {"spatial_attention": "strided_plain"}
    assert architecture("bsrn", strided) == architecture("bsrn", plain)
    assert architecture("bsrn", {"distillation_rate": 0.501}) == architecture("bsrn", {})


def test_a_rate_that_distils_nothing_is_rejected() -> None:
    with pytest.raises(ValueError, match="must leave a channel"):
        architecture("bsrn", {"n_feats": 16, "distillation_rate": 0.01})
