"""Rewritten networks compute the same values and gradients as before."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from sweeps.train import step
from sweeps.train.fast_cpu import upsampler_fusion
from sweeps.train.fast_cpu.graph_rewrites import ConvShuffle, Forward, fused, join
from sweeps.train.fast_cpu.upsampler_fusion import (
    REACH,
    ShuffleToColours,
    _within,
    convolve_by_place,
    spread,
)
from sweeps.train.optimizer import make_optimizer, set_rate
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_update


@pytest.fixture(params=["small", "large"])
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all batches count as small, or all as large, whatever their size."""
    monkeypatch.setattr(upsampler_fusion, "MIN_SIZE", 0 if request.param == "large" else 1 << 60)


def values(network: nn.Module, forward: Forward, low_res: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Output and gradients; a gradient that is not there is zero."""
    network.zero_grad()
    output = forward(low_res)
    output.square().mean().backward()
    zeros = (torch.zeros_like(parameter) for parameter in network.parameters())
    pairs = zip(network.parameters(), zeros, strict=True)
    return output.detach(), [zero if p.grad is None else p.grad.clone() for p, zero in pairs]


def check_same(network: nn.Module) -> nn.Module:
    """The rewritten network, after comparing it in double precision; odd sizes show faults at borders."""
    network.double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rewritten = fused(network)
    assert isinstance(rewritten, nn.Module)
    rewritten.double()  # what it holds beside the network's parameters
    low_res = torch.rand(2, 3, 5, 8, dtype=torch.float64)
    low_res = low_res.contiguous(memory_format=torch.channels_last)
    plain, fast = (values(network, forward, low_res) for forward in (network, rewritten))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-9, atol=1e-12)
    for mine, theirs in zip(fast[1], plain[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-12)
    return rewritten


UNCHANGED = frozenset({"abpn", "drcn", "drrn", "ecbsr", "fsrcnn", "idn", "lapsrn", "srcnn", "vdsr"})
"""Families whose default network at x4 has nothing to rewrite."""


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_computes_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsampler_fusion, "MIN_SIZE", 0)
    torch.manual_seed(0)
    network = architecture(family, {}).network(4)
    assert (fused(network) is network) == (family in UNCHANGED)
    if family not in UNCHANGED:
        check_same(network)


def worked_example() -> ShuffleToColours:
    """The example at the top of `upsampler_fusion`, laid along the columns of an image."""
    conv, last = (
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.Conv2d(1, 1, 3, padding=1, bias=False),
    )
    for convolution in (conv, last):
        nn.init.zeros_(convolution.weight)
    with torch.no_grad():
        conv.weight[0, 0, 1] = torch.tensor([1.0, 2.0, 0.0])
        conv.weight[1, 0, 1] = torch.tensor([0.0, 1.0, 3.0])
        last.weight[0, 0, 1] = torch.tensor([1.0, 0.0, 2.0])
    return ShuffleToColours(conv, last, 2)


def test_the_worked_example_of_the_fusion_has_these_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end, low_res = worked_example(), torch.ones(1, 1, 2, 3)
    kernels, _ = end._products()
    assert kernels[0, 0, 0, 0, REACH, 0].tolist() == [[0, 1, 5, 6, 0], [0, 1, 4, 4, 0]]
    large = spread(convolve_by_place(end.conv, low_res, 2), 2)
    assert large[0, 0, 0].tolist() == [2, 4, 3, 4, 3, 1]
    for least in (1 << 60, 0):  # one after the other, and as one
        monkeypatch.setattr(upsampler_fusion, "MIN_SIZE", least)
        assert end(low_res)[0, 0, 0].tolist() == [8, 8, 12, 9, 6, 3]
    monkeypatch.setattr(
        upsampler_fusion._TakeOff, "apply", lambda framed, r, *_: _within(framed, r)
    )
    assert end(low_res)[0, 0, 0].tolist() == [11, 8, 12, 9, 6, 5]


def test_the_worked_example_of_the_rewrites_has_these_numbers() -> None:
    up, last = nn.Conv2d(16, 64, 3, padding=1), nn.Conv2d(16, 3, 3, padding=1)
    layers = (nn.Conv2d(3, 16, 3, padding=1), up, nn.PixelShuffle(2), last)
    rewritten = check_same(nn.Sequential(*layers))
    (end,) = [part for part in rewritten.modules() if isinstance(part, ShuffleToColours)]
    inner, _ = end._inner(*end._products())
    assert (up.weight.numel(), 4 * last.weight.numel(), inner.numel()) == (9_216, 1_728, 3_072)


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_slwsr_is_rewritten_at_every_scale(scale: int) -> None:
    torch.manual_seed(0)
    knobs = {"n_feats": 8, "n_blocks": 6, "local_blocks": 3}
    rewritten = check_same(architecture("slwsr", knobs).network(scale))
    kinds = [type(part) for part in rewritten.modules()]
    assert kinds.count(ShuffleToColours) == 1
    assert kinds.count(ConvShuffle) == {2: 0, 3: 0, 4: 1, 8: 2}[scale]


def test_parameters_stay_those_of_the_network() -> None:
    network = architecture("slwsr", {"n_feats": 4}).network(4)
    rewritten = fused(network)
    assert isinstance(rewritten, nn.Module)
    assert {id(p) for p in rewritten.parameters()} == {id(p) for p in network.parameters()}
    assert not any("fused" in name for name in network.state_dict())


def test_features_that_are_read_twice_are_not_rewritten_away() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.shuffle = nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)

        def forward(self, x: Tensor) -> Tensor:
            features = self.conv(x)
            enlarged: Tensor = self.shuffle(features)
            return enlarged + features.mean()

    torch.manual_seed(0)
    assert not any(isinstance(part, ConvShuffle) for part in check_same(Twice()).modules())


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.usefixtures("_size")
def test_the_filters_of_a_group_keep_their_order(groups: int) -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(4, 20, 3, padding=1, groups=groups)
    head = nn.Conv2d(3, 4, 1)
    check_same(nn.Sequential(head, first, nn.PixelShuffle(2), nn.Conv2d(5, 3, 3, padding=1)))


def test_a_convolution_with_hooks_is_left_as_it_is() -> None:
    hooked = nn.Conv2d(3, 12, 3, padding=1)
    hooked.register_forward_hook(lambda module, given, output: 2 * output)
    weighted = nn.Conv2d(3, 12, 3, padding=1)
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(weighted)
    for conv in (hooked, weighted):
        network = nn.Sequential(conv, nn.PixelShuffle(2), nn.Conv2d(3, 3, 3, padding=1))
        assert fused(network) is network


def test_a_shuffle_with_hooks_and_a_call_by_keyword_are_left_as_they_are() -> None:
    class Plain(nn.Module):
        def __init__(self, by_keyword: bool) -> None:
            super().__init__()
            self.by_keyword = by_keyword
            self.conv, self.colours = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.shuffle = nn.PixelShuffle(2)

        def forward(self, x: Tensor) -> Tensor:
            features = self.conv(input=x) if self.by_keyword else self.conv(x)
            enlarged: Tensor = self.colours(self.shuffle(features))
            return enlarged

    rewritten, by_keyword, hooked = Plain(False), Plain(True), Plain(False)
    hooked.shuffle.register_forward_hook(lambda module, args, output: 2 * output)
    assert fused(rewritten) is not rewritten
    for network in (by_keyword, hooked):
        assert fused(network) is network


def test_a_network_that_cannot_be_traced_is_left_as_it_is() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.mean() > 0 else -x

    network = Branching()
    assert fused(network) is network


def test_a_network_without_slow_parts_is_left_as_it_is() -> None:
    network = architecture("srcnn", {}).network(2)
    assert fused(network) is network


def test_gradient_of_a_join_is_dense() -> None:
    seen: list[Tensor] = []
    parts = [torch.rand(1, channels, 2, 2, requires_grad=True) for channels in (1, 2)]
    for part in parts:
        part.register_hook(seen.append)
    joined = join(parts)
    weight = torch.arange(12.0).view(1, 3, 2, 2)
    (joined * weight).sum().backward()
    # Hooks may be called in any order.
    by_size = sorted(seen, key=torch.numel)
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in by_size)
    torch.testing.assert_close(torch.cat(by_size, 1), weight)


def losses(
    network: nn.Module, forward: Forward, steps: int = 12, *, lowered: bool = True
) -> list[float]:
    """Returns the losses of a few steps on the same images, in bfloat16 if `lowered`, else in float32."""
    optimizer = make_optimizer(network)
    set_rate(optimizer, 1e-3)
    generator = torch.Generator().manual_seed(0)
    taken = []
    for _ in range(steps):
        low_res = torch.rand(2, 3, 12, 12, generator=generator)
        high_res = nn.functional.interpolate(low_res, scale_factor=4.0)
        low_res = low_res.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered, cache_enabled=False):
            super_res = forward(low_res)
        loss = nn.functional.l1_loss(super_res.float(), high_res)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken.append(loss.item())
    return taken


@pytest.mark.usefixtures("_size")
def test_training_follows_the_plain_network_and_repeats_to_the_bit() -> None:
    torch.manual_seed(0)
    network = architecture("slwsr", {"n_feats": 8, "n_blocks": 6, "local_blocks": 3}).network(4)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain, one, two = (copy.deepcopy(network) for _ in range(3))
    expected = losses(plain, plain)
    first, second = losses(one, fused(one)), losses(two, fused(two))
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert first == pytest.approx(expected, rel=0.01)
    assert first[-1] < first[0] - 0.01


@pytest.mark.usefixtures("_size")
def test_training_in_float32_follows_the_plain_network_closely() -> None:
    torch.manual_seed(0)
    network = architecture("slwsr", {"n_feats": 8, "n_blocks": 3, "local_blocks": 2}).network(4)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain, ours = network, copy.deepcopy(network)
    expected = losses(plain, plain, 4, lowered=False)
    assert losses(ours, fused(ours), 4, lowered=False) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("given", "rewritten"),
    [
        ({"precision": "float32"}, True),
        ({"precision": "bfloat16"}, True),
        ({"quantize": "int8"}, False),
    ],
)
def test_a_step_on_a_cpu_takes_the_rewritten_network_unless_it_simulates_rounding(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], rewritten: bool
) -> None:
    network = architecture("slwsr", {"n_feats": 4, "n_blocks": 3, "local_blocks": 2}).network(2)
    optimizer = make_optimizer(network)
    set_rate(optimizer, 1e-3)
    calls = []

    def seen(given: nn.Module) -> nn.Module:
        calls.append(given)
        return given

    monkeypatch.setattr(step, "fused", seen)
    make_update(network, optimizer, TrainSettings(**given))
    assert calls == ([network] if rewritten else [])
