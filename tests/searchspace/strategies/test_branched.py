"""Convolutions that train with branches: exact folds, and the same function from a folded kernel."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.layers import deployed
from searchspace.strategies import conv3xc, edbb
from searchspace.strategies.branched import Branched
from searchspace.strategies.conv3xc import Conv3XC
from searchspace.strategies.edbb import EdgeConv
from searchspace.strategies.reparam import EDGES
from tests.sweeps.checkpoints.doubles.reparameterised import conv3xc as authors_conv3xc


def image(channels: int) -> Tensor:
    return torch.rand((2, channels, 7, 6), generator=torch.Generator().manual_seed(1)) - 0.5


def drawn(module: nn.Module) -> nn.Module:
    """Adds noise of deviation 0.3 to the weights of `module`, because some of them start at almost zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module


def edge_branches(module: EdgeConv, x: Tensor) -> Tensor:
    """The sum of the branches, each applied to `x` as icandle/EFDN applies it, with biases that have no effect."""
    total = module.rep_conv(x) + module.conv1x1(x)
    for edge, filter_ in zip(module.edges, EDGES.values(), strict=True):
        taps = edge.scale * torch.tensor(filter_)
        framed = torch.full((*taps.shape[:1], x.shape[2] + 2, x.shape[3] + 2), 0.7)
        framed = framed.repeat(x.shape[0], 1, 1, 1)
        framed[:, :, 1:-1, 1:-1] = F.conv2d(x, edge.point) + 0.7
        total = total + F.conv2d(framed, taps, edge.bias, groups=taps.shape[0])
    return total


def test_conv3xc_equals_its_branches_applied_one_after_the_other() -> None:
    theirs = drawn(authors_conv3xc(5, 4, "branches"))
    ours = Conv3XC(5, 4)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(image(5)), theirs(image(5)), rtol=0, atol=1e-5)


def test_edge_conv_equals_its_branches() -> None:
    module = drawn(EdgeConv(5, 4))
    torch.testing.assert_close(module(image(5)), edge_branches(module, image(5)), rtol=0, atol=1e-5)


BUILDERS: list[Callable[[], Branched]] = [
    lambda: Conv3XC(4, 4),
    lambda: Conv3XC(3, 5, bias=False),
    lambda: EdgeConv(4, 4),
]


@pytest.mark.parametrize("build", BUILDERS, ids=["conv3xc", "without bias", "edbb"])
def test_the_deployed_form_is_one_convolution_with_the_same_output(
    build: Callable[[], Branched],
) -> None:
    network = nn.Sequential(drawn(build()))
    flat = deployed(network)
    assert [type(part) for part in flat] == [nn.Conv2d]
    assert len(list(flat.parameters())) == 1 + network[0].has_bias
    x = image(network[0].in_channels)
    torch.testing.assert_close(flat(x), network(x), rtol=0, atol=1e-5)
    assert isinstance(network[0], Branched)


@pytest.mark.parametrize("build", BUILDERS, ids=["conv3xc", "without bias", "edbb"])
def test_a_folded_kernel_unfolds_to_the_same_function_and_can_be_trained_on(
    build: Callable[[], Branched],
) -> None:
    module = build()
    inputs, outputs, bias = module.in_channels, module.out_channels, module.has_bias
    wanted = drawn(nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))
    unfolded = edbb.unfolded if isinstance(module, EdgeConv) else conv3xc.unfolded
    module.load_state_dict(unfolded(wanted.weight.detach(), getattr(wanted.bias, "data", None)))
    torch.testing.assert_close(module(image(inputs)), wanted(image(inputs)), rtol=0, atol=1e-6)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        module(image(inputs)).square().sum().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_the_branches_of_a_file_count_more_than_its_folded_convolution() -> None:
    state = drawn(authors_conv3xc(3, 4, "both")).state_dict()
    kept = conv3xc.branches({f"a.{name}": tensor for name, tensor in state.items()})
    assert not [name for name in kept if "eval_conv" in name]
    folded = conv3xc.without_branches(kept)
    assert list(folded) == ["a.eval_conv.weight", "a.eval_conv.bias"]
    ours = Conv3XC(3, 4)
    ours.load_state_dict({name.removeprefix("a."): tensor for name, tensor in kept.items()})
    torch.testing.assert_close(folded["a.eval_conv.weight"], ours.folded().weight.detach())


def test_the_kernel_is_computed_in_float32_under_autocast() -> None:
    module = drawn(Conv3XC(4, 4))
    wanted = module.kernel()[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module.kernel()[0], wanted)
