import copy
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.cost.counting.subject import Subject, _Recorder, trace
from searchspace.discover import FAMILIES


def traced(network: nn.Module, height: int = 8, width: int = 8, channels: int = 3) -> object:
    with torch.device("meta"):
        low_res = torch.empty(1, channels, height, width)
    return trace(network.to("meta"), low_res)


def multadds(network: nn.Module, **size: int) -> int:
    return sum(op.multadds for op in traced(network, **size).operators)  # type: ignore[attr-defined]


def test_convolution_is_outputs_times_kernel_times_inputs() -> None:
    assert multadds(nn.Conv2d(3, 16, 3, padding=1)) == 8 * 8 * 16 * 9 * 3
    assert multadds(nn.Conv2d(4, 16, 3, padding=1, groups=4), channels=4) == 8 * 8 * 16 * 9


def test_transposed_convolution_is_counted_at_output_pixels() -> None:
    deconv = nn.ConvTranspose2d(3, 5, 9, stride=4, padding=4, output_padding=3)
    assert multadds(deconv) == 32 * 32 * 5 * 81 * 3


def test_depthwise_transposed_convolution_is_counted() -> None:
    deconv = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=4)
    assert multadds(deconv, channels=4) == 16 * 16 * 4 * 16


def test_functional_calls_are_counted() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(6, 3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.conv2d(x, self.weight)

    assert multadds(Functional()) == 64 * 6 * 3


def test_matrix_products_are_counted() -> None:
    class Product(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = x.flatten(2)
            return flat @ flat.transpose(1, 2)

    assert multadds(Product()) == 3 * 3 * 64
    assert multadds(nn.Linear(8, 5)) == 3 * 8 * 8 * 5


def test_activations_norms_and_interpolation_cost_nothing() -> None:
    free = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.AvgPool2d(2), nn.PReLU(3))
    assert multadds(free) == 0


def test_memory_is_the_largest_sum_of_live_tensors() -> None:
    class TwoSteps(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            wide = x.repeat(1, 4, 1, 1)  # input and 4 inputs are alive
            narrow = wide[:, :3] * 2  # and one more
            del wide
            return narrow + 1

    size = 3 * 8 * 8 * 4
    assert traced(TwoSteps()).peak_bytes == 6 * size  # type: ignore[attr-defined]


def test_in_place_operations_need_no_memory() -> None:
    size = 3 * 8 * 8 * 4
    assert traced(nn.ReLU(inplace=True)).peak_bytes == size  # type: ignore[attr-defined]
    assert traced(nn.ReLU()).peak_bytes == 2 * size  # type: ignore[attr-defined]


def test_a_caller_may_change_its_costs_and_the_next_caller_still_gets_them_all() -> None:
    counted = costs(architecture("fsrcnn", {}), 3)
    mine = costs(architecture("fsrcnn", {}), 3)
    mine.pop("params")
    mine["multadds"] = 0
    assert costs(architecture("fsrcnn", {}), 3) == counted


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)).train()
    names = list(network.state_dict())
    subject = Subject(network=network.to("meta"), low_res=(8, 8))
    assert subject.trace.operators
    assert network.training
    assert list(network.state_dict()) == names


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_third_is_floored_to_whole_pixels(scale: int) -> None:
    from searchspace.cost import low_res_size

    assert low_res_size(scale) == {2: (360, 640), 3: (240, 426), 4: (180, 320)}[scale]


@pytest.mark.slow
@pytest.mark.skipif(torch.__version__ < (2, 13), reason="older versions of torch load it for norms")
def test_counting_a_network_does_not_load_the_compiler() -> None:
    # These pad by replication, or make tensors in ways that torch works out in Python.
    others = {"drcn", "lapsrn", "swisenet"}
    code = (
        "import sys; from searchspace.architecture import architecture; from searchspace.cost import costs; "
        f"[costs(architecture(name, {{}}), 4) for name in {sorted(FAMILIES.keys() - others)}]; "
        "assert not {'torch._dynamo', 'sympy'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _as_recorded(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What `compute` returns for `x` on the meta device while a recorder looks on."""
    if isinstance(compute, nn.Module):
        compute = copy.deepcopy(compute).to("meta")
    with torch.no_grad(), _Recorder():
        return compute(x.to("meta"))


@pytest.mark.parametrize(
    "compute",
    [
        nn.Conv2d(4, 6, (3, 5), stride=(2, 3), padding=(1, 2), dilation=(1, 2), groups=2),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.Conv2d(4, 6, 3, padding="valid"),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.ConvTranspose2d(4, 6, (4, 3), stride=(3, 2), padding=1, output_padding=(2, 1), groups=2),
        nn.ConvTranspose2d(4, 6, 9, stride=4, padding=4, output_padding=3, dilation=1, bias=False),
        nn.LayerNorm((14, 11)),
        nn.BatchNorm2d(4).eval(),
        nn.BatchNorm2d(4, track_running_stats=False).eval(),
        lambda x: x + x.mean((2, 3), keepdim=True),
        lambda x: x * torch.ones(11, dtype=x.dtype, device=x.device),
        lambda x: torch.cat([x, x[:, :1]], 1),
        lambda x: torch.cat([x.new_empty(0), x]),
        lambda x: x.mean((1, -1)),
        lambda x: x.mean(dim=[]),
        lambda x: x.mean(dim=[], keepdim=True),
        lambda x: x.mean(dim=None, keepdim=True),
        lambda x: torch.stack([x, x, x], -2),
        lambda x: torch.stack([x, x], -5),
        lambda x: x.half() * 2,
        lambda x: x.int() + x.int(),
        lambda x: x.int() / 2,
        lambda x: x * 2j,
        lambda x: torch.cat([x.half(), x]),
        nn.PixelShuffle(2),
        nn.Upsample(size=(7, 5), mode="bicubic"),
        nn.Upsample(size=(7, 5), mode="nearest"),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.MaxPool2d((7, 3), stride=3),
        nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d((3, 5)),
        nn.MaxPool2d(3, padding=1),
        nn.MaxPool2d(3, ceil_mode=True),
        lambda x: nn.functional.max_pool2d(x[0], 2),
        lambda x: nn.functional.max_pool2d(x, 7, 3, return_indices=True)[1],
        lambda x: nn.functional.max_pool2d(x, (7, 6), stride=3, return_indices=True)[0],
        lambda x: nn.functional.max_pool2d(x, (7, 6), stride=3, return_indices=True)[1],
        nn.MaxPool2d(3, stride=2, padding=1),
    ],
)
def test_shapes_that_are_worked_out_here_are_those_of_torch(
    compute: Callable[[Tensor], Tensor],
) -> None:
    x = torch.zeros(2, 4, 14, 11)
    expected, recorded = compute(x), _as_recorded(compute, x)
    assert recorded.shape == expected.shape
    assert recorded.dtype == expected.dtype


@pytest.mark.parametrize(
    ("compute", "told"),
    [
        (nn.Conv2d(8, 16, 3), "Invalid channel dimensions"),
        (nn.ConvTranspose2d(8, 16, 3), "of 8 channels is given"),
        (nn.Conv2d(4, 6, 15), "Kernel size|negative dimension"),
        (nn.PixelShuffle(3), "pixel_shuffle"),
        (nn.LayerNorm(12), "normalized_shape"),
        (nn.BatchNorm2d(3).eval(), "running_mean"),
        (lambda x: x + x[:, :3], "broadcast a dimension"),
        (lambda x: torch.cat([x, x[:, :, 1:]], 1), "Sizes of tensors must match"),
        (lambda x: torch.cat([x, x[0]]), "Number of dimensions"),
        (lambda x: torch.stack([x, x[:, :1]]), "equal size"),
        (lambda x: torch.stack([x, x], 5), "out of range"),
        (lambda x: x.mean((1, 1)), "duplicate value"),
        (lambda x: x.mean(4), "out of range"),
    ],
)
def test_network_that_cannot_run_is_refused_in_the_words_of_torch(
    compute: Callable[[Tensor], Tensor], told: str
) -> None:
    # Older versions of torch assert some of it.
    with pytest.raises((RuntimeError, IndexError, AssertionError), match=told):
        _as_recorded(compute, torch.zeros(2, 4, 14, 11))
