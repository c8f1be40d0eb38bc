"""What the hooks see in networks whose blocks are known, and in every family."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis.inspection.contributions import contributions, leaving_out
from analysis.inspection.inspect import Subject, inspect_networks
from analysis.inspection.record import recording
from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.stages import Stages
from tests.searchspace.test_families import small


class Doubling(nn.Module):
    """A block whose residual equals its input."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Overwriting(nn.Module):
    """A block that changes its input in place: it adds 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1)


class Known(nn.Module):
    """Two blocks, a pool over the input and both blocks, and an activation outside all blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Doubling(), nn.Sequential(Overwriting(), nn.ReLU())])
        self.pool = nn.Conv2d(9, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for block in self.blocks:
            outputs.append(block(outputs[-1].clone()))
        return torch.relu(self.pool(torch.cat([torch.cat(outputs[:2], 1), outputs[2]], 1)))


STAGES = Stages(ends=(), pools=("pool",))


def test_blocks_activations_and_sources_of_a_known_network() -> None:
    network = Known()
    x = torch.tensor([-2.0, -0.25, 0.25, 1.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    with recording(network, STAGES) as record:
        network(x)
    entry, doubled, added = record.blocks
    assert (entry.number, entry.module, entry.shape) == (0, "input", (3, 2, 2))
    assert math.isnan(entry.residual)
    assert (doubled.module, doubled.residual, doubled.residual_share) == ("blocks.0", 0.875, 1.0)
    # 2x + 1 is -3, 0.5, 1.5, 3, of which relu keeps the last three; 2x is -4, -0.5, 0.5, 2.
    assert added.residual == pytest.approx((4 + 1 + 1 + 1) / 4)
    assert added.residual_share == pytest.approx(1.0)
    first, last = record.activations
    assert (first.block, first.module, first.function) == (2, "blocks.1.1", "relu")
    assert (first.zeros, first.negative, first.pixels) == (0.25, 0.25, 4)
    assert (last.block, last.function) == (0, "relu")
    assert record.sources == {"pool": [("input 1", 3), ("block 1", 3), ("block 2", 3)]}
    assert not network.pool._forward_pre_hooks


@pytest.mark.parametrize(
    ("module", "function", "zeros"),
    [
        (nn.ReLU, "relu", 0.25),
        (nn.ReLU6, "relu6", 0.25),
        (nn.LeakyReLU, "leaky_relu", 0),
        (nn.PReLU, "prelu", 0),
        (nn.GELU, "gelu", 0),
        (nn.SiLU, "silu", 0),
        (nn.ELU, "elu", 0),
        (nn.Hardswish, "hardswish", 0),
    ],
)
def test_the_activations_of_torch_are_recorded(
    module: type[nn.Module], function: str, zeros: float
) -> None:
    """nn.ReLU6 calls F.hardtanh and was once missing."""
    network = nn.Sequential(module())
    with recording(network, STAGES) as record:
        network(torch.tensor([-2.0, 0.25, 0.5, 1.0]).view(1, 1, 2, 2))
    (found,) = record.activations
    assert (found.function, found.zeros, found.negative) == (function, zeros, 0.25)


def test_leaving_out_replaces_channels_by_their_means() -> None:
    network = Known()
    nn.init.ones_(network.pool.weight)
    seen = []
    network.pool.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with leaving_out(network.pool, slice(3, 6)):
        network.pool(torch.arange(36.0).view(1, 9, 2, 2))
    network.pool._forward_pre_hooks.clear()
    with leaving_out(network.pool, None):
        flat = network.pool(torch.arange(36.0).view(1, 9, 2, 2))
    assert torch.equal(flat, flat[..., :1, :1].expand_as(flat))
    assert len(seen) == 1


def test_a_path_that_carries_the_image_costs_what_it_carries() -> None:
    """The image is the sum of two paths, of which the second is empty: only the first one is missed."""

    class Paths(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tail, self.skip = nn.Identity(), nn.Threshold(9, 0.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.tail(x) + self.skip(x)

    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    network = Paths()

    def enlarged() -> np.ndarray:
        made = network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
        return (made * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()

    noisy = image ^ 1  # so that the PSNR of the whole image is finite
    tail, skip = contributions(
        network, Stages(paths=("tail", "skip")), {}, enlarged, enlarged(), noisy, scale=1
    )
    deviation = (image - image.mean((0, 1)).round()).astype(float)
    assert tail.change == pytest.approx(float(np.sqrt((deviation**2).mean())))
    assert tail.psnr_loss > 30
    assert (skip.change, skip.psnr_loss) == (0, 0)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_family_is_inspected_by_the_same_hooks(family: Family) -> None:
    scale = family.scales[0]
    torch.manual_seed(0)
    network = architecture(family.name, small(family).model_dump()).network(scale)
    rng = np.random.default_rng(0)
    low_res, high_res = (rng.integers(0, 256, (s, s, 3), dtype=np.uint8) for s in (16, 16 * scale))
    subject = Subject(name="one", network=network, stages=family.stages)
    found = inspect_networks([subject], low_res, high_res, scale, image="noise")
    blocks = found.blocks
    assert blocks["block"].tolist() == list(range(len(blocks)))
    assert len(blocks) > 1
    assert blocks["high_share"].dropna().between(0, 1).all()
    assert found.spectra.groupby("block").ngroups == len(blocks)
    assert (found.contributions["change"] >= 0).all()
    if family.stages.pools and family.name != "slwsr":
        assert "pool" in set(found.contributions["kind"])
