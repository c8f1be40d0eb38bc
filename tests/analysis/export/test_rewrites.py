"""The rewritten program computes what the network computes, without the operators that phones refuse."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analysis.export.programs import in_order, plain_program, unshared
from analysis.export.rewrites import shuffle_weight
from analysis.export.target import Job, quiet
from analysis.export.tiles import InTiles
from searchspace.bicubic import by_convolution, enlarge_as_matlab
from searchspace.families.swisenet import ChannelNorm
from searchspace.strategies.mobile_units import ChannelShuffle
from searchspace.strategies.upsample import ScaleWise, transposed


class Shown(nn.Module):
    """A network that takes (N, 3, H, W) and applies `layer`, the operation under test, to six channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.cat([x, -x], 1))


class Called(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def operators(program: torch.export.ExportedProgram) -> set[str]:
    return {str(node.target) for node in program.graph.nodes if node.op == "call_function"}


def norm() -> nn.Module:
    made = ChannelNorm(6)
    with torch.no_grad():
        made.weight.copy_(torch.rand(6))
        made.bias.copy_(torch.rand(6))
    return made


LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "transposed": (lambda: transposed(6, 3), "aten.conv_transpose2d.input"),
    "norm": (norm, "aten.layer_norm.default"),
    "unshuffle": (
        lambda: Called(lambda x: F.pixel_unshuffle(F.interpolate(x, scale_factor=2), 2)),
        "aten.pixel_unshuffle.default",
    ),
    "tiny": (lambda: Called(lambda x: (x * x + 1e-12).sqrt()), "aten.add.Tensor"),
    "shuffle": (lambda: ChannelShuffle(2), "aten.unflatten.int"),
    "resize": (
        lambda: Called(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")),
        "aten.upsample_bicubic2d.vec",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("fixed", [True, False])
def test_a_rewritten_layer_gives_the_same_result(name: str, fixed: bool) -> None:
    torch.manual_seed(0)
    make, replaced = LAYERS[name]
    network = Shown(make()).eval()
    job = Job(network=network, calibration=(), size=(9, 12))
    assert replaced in operators(job.program())
    with quiet():
        program = plain_program(job, fixed=fixed)
    assert not {replaced, "aten.movedim.int"} & operators(program)
    sizes = [(9, 12)] if fixed else [(9, 12), (1, 1), (2, 13)]
    for size in sizes:
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(program.module(check_guards=False)(x), network(x))


@pytest.mark.slow
def test_images_of_odd_size_are_rewritten_too() -> None:
    """The half-size branch pads odd images and crops them after the resize."""
    torch.manual_seed(0)
    network = Shown(ScaleWise(6, 2)).eval()
    job = Job(network=network, calibration=())
    with quiet():
        program = plain_program(job, fixed=False)
    assert "aten.upsample_bicubic2d.vec" not in operators(program)
    for size in ((9, 12), (11, 9)):
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(program.module(check_guards=False)(x), network(x))


@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(4, 2, 1), (3, 2, 2), (9, 4, 1), (17, 3, 2), (2, 2, 1)]
)
def test_a_transposed_convolution_is_a_convolution_and_a_shuffle(
    kernel: int, stride: int, groups: int
) -> None:
    torch.manual_seed(0)
    padding = max(0, (kernel - stride + 1) // 2)
    extra = stride + 2 * padding - kernel
    weight = torch.rand(4, 3, kernel, kernel)
    x = torch.rand(1, 4, 5, 6)
    expected = F.conv_transpose2d(x, weight, None, stride, padding, extra, groups)
    new, around = shuffle_weight(weight, stride, padding, groups)
    given = F.pixel_shuffle(F.conv2d(x, new, padding=around, groups=groups), stride)
    torch.testing.assert_close(given, expected)


def test_a_transposed_convolution_of_another_size_stays() -> None:
    network = Shown(nn.ConvTranspose2d(6, 3, 3, 2)).eval()
    program = plain_program(Job(network=network, calibration=(), size=(8, 8)), fixed=True)
    assert "aten.conv_transpose2d.input" in operators(program)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 7)])
def test_the_enlargement_by_convolution_equals_that_by_sums(
    scale: int, size: tuple[int, int]
) -> None:
    x = torch.rand(1, 2, *size)
    expected = enlarge_as_matlab(x, scale)
    with by_convolution():
        given = enlarge_as_matlab(x, scale)
    torch.testing.assert_close(given, expected)
    assert torch.equal(enlarge_as_matlab(x, scale), expected)  # the block has ended


@pytest.mark.parametrize("padded", [True, False])
def test_an_image_in_tiles_has_the_size_and_the_pixels_of_the_image(padded: bool) -> None:
    seen: list[tuple[int, ...]] = []

    def doubled(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape[2:]))
        return F.interpolate(x, scale_factor=2)

    x = torch.rand(1, 3, 7, 9)
    given = InTiles(Called(doubled), (4, 5), padded=padded)(x)
    assert torch.equal(given, F.interpolate(x, scale_factor=2))
    assert set(seen) == ({(4, 5)} if padded else {(4, 5), (4, 4), (3, 5), (3, 4)})


def test_each_use_of_a_parameter_gets_a_copy() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, 3, padding=1)
    network = Shown(nn.Sequential(layer, nn.ReLU(), layer, layer)).eval()
    program = plain_program(Job(network=network, calibration=(), size=(6, 7)), fixed=True)
    module = unshared(program.module(check_guards=False))
    read = [node for node in module.graph.nodes if node.op == "get_attr"]
    assert [len(node.users) for node in read if node.users] == [1] * 6
    # torchao writes weights back under the same names, as parameters.
    names = {str(node.target) for node in read if node.users}
    assert names <= dict(module.named_parameters(remove_duplicate=False)).keys()
    x = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        assert torch.equal(module(x), network(x))


def test_weights_of_a_program_lie_in_the_order_of_their_dimensions() -> None:
    layer = nn.Conv2d(6, 4, 3)
    layer.weight.data = layer.weight.data.transpose(0, 1).contiguous().transpose(0, 1)
    assert not layer.weight.is_contiguous()
    ordered = in_order(layer)
    assert all(tensor.is_contiguous() for tensor in ordered.parameters())
    assert not layer.weight.is_contiguous()
    x = torch.rand(1, 6, 5, 5)
    torch.testing.assert_close(ordered(x), layer(x))
    program = plain_program(Job(network=Shown(layer), calibration=(), size=(5, 5)), fixed=True)
    assert all(tensor.is_contiguous() for tensor in program.state_dict.values())
