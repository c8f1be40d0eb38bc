"""EDSR and EDSR-baseline: a chain of residual blocks without normalisation.

Source: Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution", and the authors' code
(sanghyun-son/EDSR-PyTorch, model/edsr.py). docs/facts.md 6 lists the layers. docs/facts.md 3.5 describes the network
of 8 blocks on which the paper "Two strategies toward lightweight image super-resolution" compares kinds of attention.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, conv
from searchspace.spec import Search, Spec
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import Residual, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName, steps
from searchspace.table.cost_parts import Parts


class EdsrSpec(Spec):
    """Knobs of EDSR. The defaults are EDSR-baseline."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map."""
    n_blocks: Annotated[int, Field(ge=1, le=256), Search((4, 8, 16))] = 16
    """Number of residual blocks."""
    residual_scale: Annotated[float, Field(gt=0, le=1), Search((0.1, 1.0))] = 1.0
    """Constant factor on the residual branch of every block (0.1 in EDSR)."""
    body_conv: Annotated[bool, Search((True, False))] = True
    """Whether a 3x3 convolution follows the last block, before the long skip is added."""
    attention: AttentionName = "none"
    """Attention on the output of every residual block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual block."""
    upsampler: UpsamplerName = "stepwise"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks. Each kind is one 3x3 convolution as deployed. repvgg, ecb
    and rrrb have more parameters in training."""


def residual_block(spec: EdsrSpec) -> Residual:
    """Builds a residual block: x + residual_scale * (3x3 convolution, ReLU, 3x3 convolution)."""
    n = spec.n_feats
    body = nn.Sequential(block_conv(spec.block, n, n), nn.ReLU(), block_conv(spec.block, n, n))
    return Residual(body, spec.residual_scaling, n, spec.residual_scale)


class Edsr(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Inside, colours run from 0 to 255, as in the authors' code. Modules are registered in the order of that code, so that
    `load_weights` can match layers by their order.
    """

    def __init__(self, spec: EdsrSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        mean = tuple(255 * channel for channel in RGB_MEAN_DIV2K)
        self.sub_mean = ColourShift(tuple(-channel for channel in mean))
        self.add_mean = ColourShift(mean)
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(residual_block(spec) for _ in range(spec.n_blocks))
        self.body_conv = conv(3, n, n) if spec.body_conv else nn.Identity()
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(self.sub_mean(low_res * 255))
        guide = self.attention.guide(head)
        x = head
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.add_mean(self.tail(self.body_conv(x) + head)) / 255


EIGHT_BLOCKS = {"n_blocks": 8, "body_conv": False, "upsampler": "direct"}
TABLE_1 = "Two strategies, Table 1"
PER_BLOCK = (
    "each of the 8 blocks has this attention, because only that explains the printed run times; the printed "
    "parameters contradict each other (docs/facts.md 4)"
)


def _with(name: str, params: str, caveat: str, **knobs: str) -> Published:
    """Returns a row of Table 1: EDSR with 8 blocks and an attention. Our count differs from the printed one."""
    return Published(
        name=f"EDSR 8 RB + {name}",
        spec=EdsrSpec.model_validate(EIGHT_BLOCKS | knobs),
        scale=4,
        params=params,
        source=TABLE_1,
        caveat=caveat,
        reproducible=False,
    )


PUBLISHED = (
    two_strategies.row("EDSR-baseline", EdsrSpec(), "1518K"),
    two_strategies.row("EDSR-baseline + GGAS", EdsrSpec(attention="global"), "1525K"),
    two_strategies.row(
        "EDSR-baseline + CWSS",
        EdsrSpec(residual_scaling="channelwise"),
        "1518K",
        "the paper prints +0; 16 residual connections of 64 channels add 1,024",
    ),
    two_strategies.row(
        "EDSR-baseline + both",
        EdsrSpec(attention="global", residual_scaling="channelwise"),
        "1525K",
        "the paper prints +0 for channel-wise scaling; it adds 1,024",
    ),
    Published(
        name="EDSR",
        spec=EdsrSpec(n_feats=256, n_blocks=32, residual_scale=0.1),
        scale=4,
        params="43090K",
        multadds="2482.0G",
        multadds_convention="params_times_low_res_pixels",
        source="s-LWSR, Table II",
    ),
    Published(
        name="EDSR 8 RB",
        spec=EdsrSpec.model_validate(EIGHT_BLOCKS),
        scale=4,
        params="620K",
        source=TABLE_1,
    ),
    _with("CA", "620K", PER_BLOCK, attention="channel"),
    _with("CCA", "621K", PER_BLOCK, attention="contrast"),
    _with("SA", "620K", PER_BLOCK, attention="spatial"),
    _with("ESA", "622K", PER_BLOCK, attention="enhanced_spatial"),
    _with(
        "proposed",
        "621K",
        "by the paper's own text, the global attention alone has 7,360 parameters",
        attention="global",
        residual_scaling="channelwise",
    ),
)


def _layers(spec: EdsrSpec, scale: int) -> Iterator[str]:
    yield "head.0"
    yield from (f"body.{i}.body.{j}" for i in range(spec.n_blocks) for j in (0, 2))
    if spec.body_conv:
        yield f"body.{spec.n_blocks}"
    yield from (f"tail.0.{2 * i}" for i in range(len(steps(scale))))
    yield "tail.1"


def _layers_of_basicsr(spec: EdsrSpec, scale: int) -> Iterator[str]:
    yield "conv_first"
    yield from (f"body.{i}.conv{j}" for i in range(spec.n_blocks) for j in (1, 2))
    yield "conv_after_body"
    yield from (f"upsample.{2 * i}" for i in range(len(steps(scale))))
    yield "conv_last"


FAMILY = Family(
    name="edsr",
    source="EDSR, Lim et al. 2017, arXiv 1707.02921; code sanghyun-son/EDSR-PyTorch",
    spec=EdsrSpec,
    network=Edsr,
    scales=(2, 3, 4, 8),
    parts=Parts(
        together=(
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats n_blocks block",
            "n_feats body_conv",
            "n_feats upsampler",
        ),
        operators=("n_feats n_blocks residual_scaling residual_scale",),
        repeats={"n_blocks": 1},
    ),
    published=PUBLISHED,
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="sanghyun-son/EDSR-PyTorch", layers=_layers, open_knobs=("residual_scale",)
        ),
        PublicCode(
            name="XPixelGroup/BasicSR", layers=_layers_of_basicsr, open_knobs=("residual_scale",)
        ),
    ),
)
