"""Re-parameterised 3x3 convolutions: what their branches compute, and the one convolution that is deployed."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.family import Family
from searchspace.layers import deployed
from searchspace.space import parse_space
from searchspace.spec import knobs
from searchspace.strategies.reparam import BLOCKS, EDGES, Ecb, Reparameterised, RepVgg, Rrrb
from sweeps.train.fast_cpu.graph_rewrites import fused

HOSTS = [name for name, family in FAMILIES.items() if "block" in knobs(family.spec)]
"""Families whose knob `block` takes this strategy."""
OWN = ["span", "efdn"]
"""Of these, the families that have blocks of their own beside it."""
KINDS = [name for name in BLOCKS if name != "plain"]
SHAPES = [(6, 6, 1), (4, 6, 1), (6, 4, 2), (6, 6, 3), (1, 5, 1)]
"""Channels in, channels out and groups."""


def drawn(network: nn.Module, size: float = 0.2) -> nn.Module:
    """`network` with seeded noise on every parameter, as after some training."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return network


def padded_by(features: Tensor, bias: Tensor | None) -> Tensor:
    """`features` with a border of one pixel that holds `bias`, as ECBSR and FMEN write it."""
    features = pad(features, (1, 1, 1, 1))
    if bias is not None:
        for edge in (
            features[:, :, :1],
            features[:, :, -1:],
            features[..., :1],
            features[..., -1:],
        ):
            edge.copy_(bias.view(1, -1, 1, 1).expand_as(edge))
    return features


def by_branches(block: Reparameterised, x: Tensor) -> Tensor:
    """Computes what the published code computes: it applies every branch to the image, one after the other."""
    g = block.groups
    if isinstance(block, RepVgg):
        y = conv2d(x, block.weight, block.bias, padding=1, groups=g)
        y = y + conv2d(x, block.point, groups=g)
        return y if block.identity is None else y + x * block.identity.view(1, -1, 1, 1)
    if isinstance(block, Ecb):
        y = conv2d(x, block.weight, block.bias, padding=1, groups=g)
        wide = padded_by(conv2d(x, block.expand, block.expand_bias, groups=g), block.expand_bias)
        y = y + conv2d(wide, block.squeeze, block.squeeze_bias, groups=g)
        for name, edge in block.edges.items():
            mask = torch.tensor(EDGES[name], dtype=x.dtype).expand(len(edge.scale), 1, 3, 3)
            # A bias before an edge filter, which our block leaves out: at the border too it has no effect.
            bias = torch.linspace(-1, 1, len(edge.scale), dtype=x.dtype)
            seen = padded_by(conv2d(x, edge.point, bias, groups=g), bias)
            y = y + conv2d(seen, edge.scale * mask, edge.bias, groups=len(edge.scale))
        return y
    assert isinstance(block, Rrrb)
    wide = conv2d(x, block.expand, block.expand_bias, groups=g)
    y = conv2d(padded_by(wide, block.expand_bias), block.inner, block.inner_bias, groups=g) + wide
    y = conv2d(y, block.reduce, block.bias, groups=g)
    return y + x if block.in_channels == block.out_channels else y


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs", "groups"), SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_computes_the_sum_of_its_branches_at_borders_too(
    kind: str, inputs: int, outputs: int, groups: int, bias: bool
) -> None:
    torch.manual_seed(0)
    block = drawn(BLOCKS[kind](inputs, outputs, groups, bias)).double()
    assert isinstance(block, Reparameterised)
    x = torch.rand(2, inputs, 5, 4, dtype=torch.float64) + 1
    with torch.no_grad():
        wanted = by_branches(block, x)
        torch.testing.assert_close(block(x), wanted, rtol=1e-10, atol=1e-10)
        folded = deployed(nn.Sequential(block))
        torch.testing.assert_close(folded(x), wanted, rtol=1e-10, atol=1e-10)
    assert type(folded[0]) is nn.Conv2d
    assert (folded[0].bias is not None) == bias


def test_padding_with_zeros_would_not_fold() -> None:
    block = drawn(Ecb(4, 4, 1, True)).double()
    x = torch.rand(1, 4, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        wide = conv2d(x, block.expand, block.expand_bias)
        exact = conv2d(padded_by(wide, block.expand_bias), block.squeeze)
        difference = exact - conv2d(wide, block.squeeze, padding=1)
    assert difference[..., 1:-1, 1:-1].abs().max() < 1e-12
    assert difference.abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_every_branch_gets_the_gradient_that_it_would_get_alone(kind: str) -> None:
    block = drawn(BLOCKS[kind](4, 4, 1, True)).double()
    x = torch.rand(1, 4, 5, 4, dtype=torch.float64)
    gradients = [
        torch.autograd.grad(output.square().sum(), list(block.parameters()))
        for output in (block(x), by_branches(block, x))
    ]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8)
        assert mine.abs().max() > 1e-6


def tiny(name: str, kind: str) -> Architecture:
    """A small network of a family, with as few blocks as possible."""
    wanted = {"n_feats": 8, "n_blocks": 1, "n_convs": 3, "recursions": 2, "n_recursions": 2}
    wanted |= {"n_groups": 1, "n_units": 1, "local_blocks": 1, "n_shrunk": 4, "groups": 2}
    wanted |= {"image_range": 1}  # so that errors are those of colours in [0, 1]
    wanted |= {"weight_norm": False, "inner_feats": 12, "units_per_block": 1, "n_levels": 2}
    if name in ("slwsr", "efdn"):
        wanted["n_blocks"] = 2
    known = knobs(FAMILIES[name].spec)
    return architecture(name, {k: v for k, v in wanted.items() if k in known} | {"block": kind})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTS)
def test_folded_equals_unfolded_in_every_family(name: str, kind: str) -> None:
    torch.manual_seed(0)
    network = drawn(tiny(name, kind).network(2), 0.02).eval()
    x = torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        unfolded, folded = network(x), deployed(network)(x)
    assert unfolded.std() > 1e-3
    assert (unfolded - folded).abs().max() < 1e-5
    assert not any(isinstance(part, Reparameterised) for part in deployed(network).modules())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTS)
def test_a_block_costs_what_the_plain_convolution_costs_and_trains_more(
    name: str, kind: str
) -> None:
    plain, other = (costs(tiny(name, block), 2) for block in ("plain", kind))
    assert other.pop("params_train") > plain.pop("params_train")
    assert other == plain


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTS)
def test_a_network_starts_as_the_plain_network_of_its_seed(name: str, kind: str) -> None:
    outputs = []
    for block in ("plain", kind):
        torch.manual_seed(0)
        network = tiny(name, block).network(2).eval()
        with torch.no_grad():
            outputs.append(
                network(torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(2)))
            )
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rewrites_for_a_processor_see_a_block_as_one_operator(kind: str) -> None:
    torch.manual_seed(0)
    network = drawn(tiny("edsr", kind).network(2)).to(memory_format=torch.channels_last)
    rewritten = fused(network)
    assert rewritten is not network
    x = torch.rand(2, 3, 8, 6).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(rewritten(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_is_computed_in_full_precision_under_autocast(kind: str) -> None:
    torch.manual_seed(0)
    block = drawn(BLOCKS[kind](8, 8, 1, True))
    x = torch.rand(1, 8, 6, 6)
    weight, bias = block.kernel()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = conv2d(x, weight, bias, padding=1)
        assert torch.equal(block(x), wanted)


LATER = [name for name in HOSTS if name not in ("ecbsr", "abpn", *OWN)]
"""Families that are older than their knob `block`."""


@pytest.mark.parametrize("family", [FAMILIES[name] for name in LATER], ids=LATER)
def test_auto_for_a_whole_family_keeps_the_space_that_it_had(family: Family) -> None:
    space, faults = parse_space({family.name: "auto"}, ())
    assert not faults
    assert "block" not in [dimension.name for dimension in space.families[0].dimensions]
    space, faults = parse_space({family.name: {"block": "auto"}}, ())
    assert not faults
    assert space.families[0].dimensions[0].values == tuple(BLOCKS)


@pytest.mark.parametrize("name", OWN)
def test_a_family_with_blocks_of_its_own_takes_the_common_ones_by_name_alone(name: str) -> None:
    space, _ = parse_space({name: "auto"}, ())
    (dimension,) = [d for d in space.families[0].dimensions if d.name == "block"]
    assert set(dimension.values).isdisjoint(KINDS)
    space, faults = parse_space({name: {"block": [*BLOCKS]}}, ())
    assert not faults
    assert space.families[0].dimensions[0].values == tuple(BLOCKS)
    family = FAMILIES[name]
    for code in family.codes:
        assert not list(code.layers(tiny(name, "ecb").spec, 4)), "no public code has this block"


def test_the_default_leaves_names_and_keys_as_they_were() -> None:
    assert architecture("slwsr", {"block": "plain"}).key == "25b4b5429891f6df"
    assert "block" not in architecture("edsr", {"block": "plain"}).label
    names = list(architecture("edsr", {"n_blocks": 1}).network(2).state_dict())
    assert [n for n in names if n.startswith("blocks")] == [
        f"blocks.0.body.{i}.{part}" for i in (0, 2) for part in ("weight", "bias")
    ]


def test_a_block_without_a_place_has_no_effect_on_the_key() -> None:
    compressed = {"compression": "all", "block": "ecb"}
    assert (
        architecture("slwsr", compressed).key == architecture("slwsr", {"compression": "all"}).key
    )


@pytest.mark.parametrize("name", ["awsrn", "wdsr"])
def test_weight_normalisation_and_a_block_are_not_combined(name: str) -> None:
    with pytest.raises(
        UserError, match="block must be plain unless weight_norm is false, got block=ecb"
    ):
        architecture(name, {"block": "ecb"})


@pytest.mark.parametrize("convolution", ["blueprint", "depthwise", "plain"])
def test_bsrn_folds_each_kind_of_its_convolutions(convolution: str) -> None:
    values = {"n_feats": 8, "n_blocks": 1, "convolution": convolution, "block": "rrrb"}
    torch.manual_seed(0)
    network = drawn(architecture("bsrn", values).network(2), 0.02).eval()
    # Three steps and the last convolution of the only block have branches; head, gate and tail have none.
    assert sum(isinstance(part, Rrrb) for part in network.modules()) == 4
    x = torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        assert (network(x) - deployed(network)(x)).abs().max() < 1e-5


def test_the_families_without_the_knob_are_those_of_the_docs() -> None:
    assert set(FAMILIES) - set(HOSTS) == {"mssn", "srcnn"}
