"""The costs of an architecture by kind of operator, as input for a prediction of the latency on a device.

Two networks with equal Mult-Adds may differ in latency, because devices compute some kinds of operators faster than
others. The table has the Mult-Adds of each kind of convolution, the elements that all other kinds of operators read or
write, and the number of operators.

Example: a network for 320x180 pixels with a 3x3 convolution from 3 to 16 channels, a ReLU, and a 3x3 convolution from
16 to 48 channels before a pixel shuffle by 4. 320 * 180 = 57,600 pixels:

    conv 3x3        57,600 * 9 * (3 * 16 + 16 * 48)   = 423,014,400 Mult-Adds
    conv outputs    57,600 * (16 + 48)                =   3,686,400 elements
    activation      57,600 * 16                       =     921,600 elements
    move            57,600 * 48                       =   2,764,800 elements
    operators       4

Processors compute several channels at the same time: 4 with NEON's float32 or on a phone's GPU, 16 with AVX-512. With
16 lanes, a layer of 12 channels takes as long as one of 16. The argument `lanes` adds such empty channels to the
amounts of convolutions. 16 lanes change nothing in the example, but a convolution from 48 to 3 channels would count as
one from 48 to 16.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from searchspace.architecture import Architecture
from searchspace.cost import low_res_size, subject

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Operator, Trace

UNITS = {
    "conv 1x1": "Mult-Adds",
    "conv 3x3": "Mult-Adds",
    "conv larger": "Mult-Adds",
    "conv grouped": "Mult-Adds",
    "conv depthwise": "Mult-Adds",
    "deconv": "Mult-Adds",
    "matmul": "Mult-Adds",
    "conv outputs": "elements",
    "activation": "elements",
    "arithmetic": "elements",
    "move": "elements",
    "other": "elements",
    "operators": "operators",
}
"""Maps each kind to its unit. `conv outputs` are the elements that convolutions and matrix products write."""
OTHERS = {
    "activation": "relu leaky_relu prelu _prelu_kernel gelu sigmoid silu hardsigmoid hardswish hardtanh tanh elu "
    "clamp clamp_min mish softplus",
    "arithmetic": "add sub mul div rsub neg addcmul pow sqrt rsqrt exp square abs",
    "move": "cat stack pixel_shuffle pixel_unshuffle clone copy constant_pad_nd reflection_pad2d replication_pad2d "
    "roll repeat index upsample_nearest2d upsample_bilinear2d upsample_bicubic2d im2col col2im channel_shuffle",
}
"""Maps each kind to the aten names of its operators. Apart from convolutions and matrix products, all operators not listed here are of the kind `other`."""
_KIND = {name: kind for kind, names in OTHERS.items() for name in names.split()}


def operators(
    architecture: Architecture,
    scale: int,
    low_res: tuple[int, int] | None = None,
    lanes: int = 1,
) -> Mapping[str, int]:
    """Returns the table of `architecture` at `scale`. It maps each kind of UNITS to its amount in one forward pass.

    `low_res` is the (height, width) of the input image. By default, the output has 1280x720 pixels. The output channels
    of convolutions are rounded up to a multiple of `lanes`. The amounts are those of the deployed network.
    """
    return _rounded(
        _counted(architecture.without_recipe, scale, low_res or low_res_size(scale)), lanes
    )


@lru_cache(maxsize=100_000)
def _counted(
    architecture: Architecture, scale: int, low_res: tuple[int, int]
) -> Mapping[tuple[str, int], int]:
    counted = subject(architecture, scale)
    counted.low_res = low_res
    return MappingProxyType(_by_channels(counted.trace))


def amounts(trace: "Trace", lanes: int = 1) -> dict[str, int]:
    """Returns the same table as `operators`, for the forward pass that `trace` records."""
    return _rounded(_by_channels(trace), lanes)


def _by_channels(trace: "Trace") -> dict[tuple[str, int], int]:
    """Returns the amounts by kind and number of output channels. The number is 0 for everything except convolutions."""
    found: Counter[tuple[str, int]] = Counter()
    for operator in trace.operators:
        channels = 0 if operator.kind == "matmul" else operator.channels
        found[kind_of(operator), channels] += operator.multadds
        found["conv outputs", channels] += operator.outputs
    for name, elements in trace.others:
        found[_KIND.get(name, "other"), 0] += elements
    found["operators", 0] = len(trace.operators) + len(trace.others)
    return dict(found)


def _rounded(counted: Mapping[tuple[str, int], int], lanes: int) -> dict[str, int]:
    """Returns the amounts by kind, with the output channels of convolutions rounded up to a multiple of `lanes`."""
    found = dict.fromkeys(UNITS, 0)
    for (kind, channels), amount in counted.items():
        padded = -(-channels // lanes) * lanes
        found[kind] += amount // channels * padded if channels else amount
    return found


def kind_of(operator: "Operator") -> str:
    """Returns the kind of a convolution or matrix product."""
    if operator.kind != "conv":
        return operator.kind
    if operator.is_depthwise:
        return "conv depthwise"
    if operator.groups > 1:
        return "conv grouped"
    return {1: "conv 1x1", 9: "conv 3x3"}.get(operator.kernel, "conv larger")
