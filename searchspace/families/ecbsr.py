"""ECBSR: a plain chain of 3x3 convolutions that have several branches in training. The image is added before the shuffle.

Source: Zhang et al. 2021, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile Devices", and the
authors' code (xindongzhang/ECBSR, models/ecbsr.py, models/ecb.py and models/plainsr.py, commit 450187c and 310d468;
configs/ecbsr_x4_m4c16_prelu.yml, commit 450187c; the first code: src/model/ecbsr.py, commit 5b0cf7d). The authors train and test on Y. BasicSR's version of the network
(XPixelGroup/BasicSR, basicsr/archs/ecbsr_arch.py, commit 29309ab) also works on RGB.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.branched import Kernel, identity
from searchspace.strategies.colours import on_colours, take_colours_up_to_1
from searchspace.strategies.reparam import COMMON, Ecb
from searchspace.strategies.upsample import anchor
from searchspace.table.cost_parts import Parts

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": lambda channels: nn.ReLU(),
}
"""The builder for each value of the knob `activation`. A builder takes the number of channels."""


class EcbIdentity(Ecb):
    """ECB with one more branch: its input, if C' = C. It starts as a plain convolution plus this branch."""

    def _with_input(self, weight: Tensor) -> Tensor:
        """Returns the kernel `weight` with the branch of the input added."""
        has_branch = self.in_channels == self.out_channels
        return weight + identity(weight) if has_branch else weight

    def _kernel(self) -> Kernel:
        """Returns the sum of the kernels and of the biases of all branches."""
        weight, bias = super()._kernel()
        return self._with_input(weight), bias

    def start_from(self, weight: Tensor, bias: Tensor | None) -> None:
        """Changes the branches so that the block equals the convolution with `weight` and `bias`, plus its input."""
        if not weight.is_meta:
            super().start_from(self._with_input(weight), bias)


CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {
    **COMMON,
    "ecb_identity": lambda in_channels, out_channels: EcbIdentity(
        in_channels, out_channels, 1, True
    ),
}
"""The builder for each value of the knob `block`. A builder takes (channels in, channels out)."""


class EcbsrSpec(Spec):
    """Knobs of ECBSR. The defaults are ECBSR-M4C16."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((8, 16, 32, 64))] = 16
    """Number of channels of every feature map (C)."""
    n_blocks: Annotated[int, Field(ge=1, le=256), Search((4, 8, 10, 16))] = 4
    """Number of convolutions between the first and the last convolution (M)."""
    block: Annotated[str, one_of(CONVOLUTIONS), Search(tuple(CONVOLUTIONS))] = "ecb"
    """Kind of the 3x3 convolutions. Each kind is deployed as one 3x3 convolution, and all but plain have more
    parameters in training. ecb_identity also adds its input (`with_idt` in the authors' code, false in all of their
    configurations). Without the identity, each untrained block halves its input, so a chain of 16 blocks passes on
    almost nothing."""
    activation: Annotated[str, one_of(ACTIVATIONS), Search(tuple(ACTIVATIONS))] = "prelu"
    """Activation after every convolution except the last. prelu has one slope per channel."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""
    attention: AttentionName = "none"
    """Attention on the output of every activation except the first."""


class Ecbsr(nn.Module):
    """The network from (N, C, H, W) in [0, 1] to (N, C, sH, sW) at scale s. C is the number of colours.

    Inside, colours run from 0 to 255, as in the authors' code. Modules are registered in the order of that code.
    """

    def __init__(self, spec: EcbsrSpec, scale: int) -> None:
        super().__init__()
        n, colours = spec.n_feats, spec.colours
        self.scale, self.largest = scale, 255.0
        layer, activation = CONVOLUTIONS[spec.block], ACTIVATIONS[spec.activation]
        self.head = nn.Sequential(layer(colours, n), activation(n))
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(n, n), activation(n)) for _ in range(spec.n_blocks)
        )
        self.tail = layer(n, colours * scale**2)
        self.shuffle = nn.PixelShuffle(scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        image = low_res * self.largest
        x = self.head(image)
        guide = self.attention.guide(x)
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.shuffle(self.tail(x) + anchor(image, self.scale)) / self.largest


def network(spec: EcbsrSpec, scale: int) -> nn.Module:
    """Builds ECBSR for RGB or for Y alone, as `spec.colours` chooses. The network takes and returns RGB."""
    return on_colours(Ecbsr(spec, scale), spec.colours, scale)


def _published(blocks: int, feats: int, scale: int, where: str) -> Published:
    """Returns the row of a published network whose counts are not printed."""
    return Published(
        name=f"ECBSR-M{blocks}C{feats}",
        spec=EcbsrSpec(n_feats=feats, n_blocks=blocks),
        scale=scale,
        source=where,
        caveat="the public files of the authors print no counts",
    )


CONFIGS = "xindongzhang/ECBSR, configs"
TRAINED = ("ecb", "ecb_identity")
"""The values of `block` in the authors' code for training. Their checkpoints have the same tensor names."""
EDGE_NAMES = ("sbx", "sby", "lpl")
"""The names of the edge filters in the authors' code, in the order of EDGES."""
UNUSED = r"\.conv1x1_(sbx|sby|lpl)\.(b0|mask)$"
"""Matches the names of the constant edge filters and of the biases before them. Those biases have no effect
(`searchspace.strategies.reparam`)."""


def _layers(spec: EcbsrSpec, places: Sequence[str]) -> Iterator[str]:
    """Yields the names of the layers in the form for training (block ecb or ecb_identity) or in the plain form (plain).

    `places` are the names of the convolutions. The entry for the bias of an edge filter is the name of the filter's
    layer.
    """
    if spec.block not in (*TRAINED, "plain"):
        return
    for index, at in enumerate(places):
        yield f"{at}.conv3x3"
        if spec.block in TRAINED:
            yield from (f"{at}.conv1x1_3x3.{part}" for part in ("k0", "b0", "k1", "b1"))
            for name in EDGE_NAMES:
                edge = f"{at}.conv1x1_{name}"
                yield from (f"{edge}.k0", f"{edge}.scale", edge)
        if spec.activation == "prelu" and index <= spec.n_blocks:
            yield f"{at}.act"


def _chain(spec: EcbsrSpec) -> list[str]:
    return [f"backbone.{index}" for index in range(spec.n_blocks + 2)]


def _layers_on_luma(spec: EcbsrSpec, _scale: int) -> list[str]:
    return list(_layers(spec, _chain(spec))) if spec.colours == 1 else []


def _layers_at_first(spec: EcbsrSpec, _scale: int) -> list[str]:
    """Returns the layers' names in the authors' first code.

    That code splits the chain into head, body and tail, and has no plain form.
    """
    if spec.colours != 1 or spec.block not in TRAINED:
        return []
    return list(_layers(spec, ["head.0", *(f"body.{i}" for i in range(spec.n_blocks)), "tail.0"]))


def _layers_on_rgb(spec: EcbsrSpec, _scale: int) -> list[str]:
    return list(_layers(spec, _chain(spec))) if spec.colours == 3 else []


FAMILY = Family(
    name="ecbsr",
    source="ECBSR, Zhang et al. 2021; code xindongzhang/ECBSR",
    spec=EcbsrSpec,
    network=network,
    stages=Stages(paths=("tail",)),
    parts=Parts(
        together=(
            "n_feats block n_blocks",
            "n_feats activation n_blocks",
            "n_feats attention n_blocks",
            "n_feats block colours",
        ),
        repeats={"n_blocks": 1},
    ),
    published=(
        _published(4, 16, 4, CONFIGS),
        _published(4, 16, 2, CONFIGS),
        _published(4, 8, 4, CONFIGS),
        _published(4, 8, 2, CONFIGS),
        _published(16, 64, 4, "the paper, as a later paper's figure names it"),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="xindongzhang/ECBSR",
            layers=_layers_on_luma,
            unused=UNUSED,
            note="that code takes Y up to 255; weights that BasicSR trained on Y have the same names, but take Y up to 1",
        ),
        PublicCode(name="xindongzhang/ECBSR, legacy", layers=_layers_at_first, unused=UNUSED),
        PublicCode(
            name="XPixelGroup/BasicSR",
            layers=_layers_on_rgb,
            unused=UNUSED,
            adapt=take_colours_up_to_1,
            note="BasicSR takes colours up to 1, and this network now takes them too",
        ),
    ),
)
