"""SwiseNet: gated blocks in two levels of cascade, and the scale-wise upsampler.

Source: Zhao and Wu, SwiseNet (poster), and the authors' code Nerti98/SwiseNet. The released code does not run;
docs/facts.md 5.1 explains how srsweep reads it. No interpretation of the code gives the printed counts (docs/facts.md
5.2).
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, conv, weight_norm
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import AdaptiveSum
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, ScaleWise, UpsamplerName
from searchspace.table.cost_parts import Parts


class SwisenetSpec(Spec):
    """Knobs of SwiseNet. The defaults are the network in the authors' repository."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map."""
    n_groups: Annotated[int, Field(ge=1, le=16), Search((1, 2, 3))] = 3
    """Number of groups of blocks in the outer cascade."""
    blocks_per_group: Annotated[int, Field(ge=1, le=16), Search((1, 2, 3))] = 3
    """Number of gated blocks in the cascade of each group."""
    attention: AttentionName = "none"
    """Attention on the output of every group of blocks."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of each of the two residual connections in every block."""
    upsampler: UpsamplerName = "scale_wise"
    """The layers that turn the features into the upscaled image. All their convolutions except transposed ones are
    weight-normalised."""
    upsampler_groups: Annotated[int, Field(ge=1, le=64), Search((1, 2, 4))] = 4
    """Number of groups in the upscaling convolutions of the upsampler scale_wise. n_feats must be a multiple of it."""
    block: BlockName = "plain"
    """Kind of the depthwise 3x3 convolutions in the gated blocks. Each kind is deployed as one 3x3 convolution. repvgg,
    ecb and rrrb train additional branches."""

    @model_validator(mode="after")
    def _groups_fit(self) -> "SwisenetSpec":
        if self.upsampler == "scale_wise" and self.n_feats % self.upsampler_groups:
            raise ValueError(
                f"upsampler_groups must divide n_feats, got upsampler_groups={self.upsampler_groups}, "
                f"n_feats={self.n_feats}"
            )
        return self

    def canonical(self) -> "SwisenetSpec":
        """Returns the spec with the default `upsampler_groups` if the upsampler is not scale_wise."""
        if self.upsampler == "scale_wise":
            return self
        default = type(self).model_fields["upsampler_groups"].default
        return self.model_copy(update={"upsampler_groups": default})


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        last = F.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias)
        return last.movedim(-1, 1)


class GatedBlock(nn.Module):
    """Two gated residual branches that share one PReLU slope (CGB).

    The factors of the two branches, beta and gamma, start at 0. A new block therefore returns its input, unless
    residual scaling changes it.
    """

    def __init__(self, spec: SwisenetSpec) -> None:
        super().__init__()
        n = spec.n_feats
        self.beta = nn.Parameter(torch.zeros(1, n, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, n, 1, 1))
        self.expand = conv(1, n, 4 * n)
        self.depthwise = block_conv(spec.block, 4 * n, 4 * n, groups=4 * n)
        self.project = conv(1, 2 * n, n)
        self.excite = conv(1, 2 * n, 2 * n)
        self.slope = nn.PReLU(init=1.0)
        self.expand_2 = conv(1, n, 4 * n)
        self.project_2 = conv(1, 2 * n, n)
        self.norm = ChannelNorm(n)
        self.norm_2 = ChannelNorm(n)
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)
        self.scaling_2 = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        gated = self.slope(_gate(self.depthwise(self.expand(self.norm(x)))))
        gated = gated * self.excite(gated.mean((2, 3), keepdim=True))
        y = self.scaling_2(x + self.beta * self.project(gated))
        gated = self.slope(_gate(self.expand_2(self.norm_2(y))))
        return y + self.gamma * self.project_2(gated)


def _gate(x: Tensor) -> Tensor:
    """Multiplies one half of the channels by the other half."""
    first, second = x.chunk(2, 1)
    return first * second


class Reduction(nn.Sequential):
    """A weight-normalised 1x1 convolution with ReLU, from `width` concatenated feature maps to `channels` channels."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__(weight_norm(conv(1, width * channels, channels)), nn.ReLU())


class Group(nn.Module):
    """A cascade of gated blocks.

    Each block after the first reads a `Reduction` of the group's input and the outputs of all earlier blocks.
    """

    def __init__(self, spec: SwisenetSpec) -> None:
        super().__init__()
        count = spec.blocks_per_group
        self.blocks = nn.ModuleList(GatedBlock(spec) for _ in range(count))
        self.reductions = nn.ModuleList(Reduction(i + 2, spec.n_feats) for i in range(count))

    def forward(self, x: Tensor) -> Tensor:
        gathered = x
        for block, reduction in zip(self.blocks, self.reductions, strict=True):
            gathered = torch.cat([gathered, block(x)], 1)
            x = reduction(gathered)
        return x


class Swisenet(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Modules are registered in the order of the authors' code.
    """

    def __init__(self, spec: SwisenetSpec, scale: int) -> None:
        super().__init__()
        n, count = spec.n_feats, spec.n_groups
        self.scale = scale
        self.sub_mean = ColourShift(tuple(-channel for channel in RGB_MEAN_DIV2K))
        self.add_mean = ColourShift(RGB_MEAN_DIV2K)
        self.entry = weight_norm(conv(3, 3, n))
        self.groups = nn.ModuleList(Group(spec) for _ in range(count))
        self.reductions = nn.ModuleList(Reduction(i + 2, n) for i in range(count))
        self.reduction = Reduction(count, n)
        self.global_skip = conv(1, n, n)
        self.tail = weight_norm(_upsampler(spec, scale))
        self.sum = AdaptiveSum()
        self.attention = ATTENTIONS[spec.attention](n, count)

    def forward(self, low_res: Tensor) -> Tensor:
        image = self.sub_mean(low_res)
        entry = self.entry(image)
        x = self.sum(self._cascade(entry), self._global(entry))
        return self.add_mean(self.tail(x) + _enlarge(image, self.scale))

    def _cascade(self, entry: Tensor) -> Tensor:
        """Returns the fused outputs of the outer cascade, (N, C, H, W)."""
        guide = self.attention.guide(entry)
        x = gathered = entry
        outputs = []
        for index, (group, reduction) in enumerate(zip(self.groups, self.reductions, strict=True)):
            gathered = torch.cat([gathered, self.attention(group(x), index, guide)], 1)
            x = reduction(gathered)
            outputs.append(x)
        return self.reduction(torch.cat(outputs, 1))

    def _global(self, entry: Tensor) -> Tensor:
        """Returns the global skip (N, C, 1, 1): a 1x1 convolution and a ReLU on the mean of each channel of `entry`."""
        return torch.relu(self.global_skip(entry.mean((2, 3), keepdim=True)))


def _enlarge(x: Tensor, scale: int) -> Tensor:
    """Upscales (N, C, H, W) to (N, C, sH, sW) with PyTorch's bicubic interpolation, as the authors' code does."""
    return F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)


def _upsampler(spec: SwisenetSpec, scale: int) -> nn.Module:
    build = UPSAMPLERS[spec.upsampler]
    if spec.upsampler == "scale_wise":
        build = partial(ScaleWise, groups=spec.upsampler_groups)
    return build(spec.n_feats, scale)


def _published(
    name: str, spec: SwisenetSpec, scale: int, params: str, multadds: str | None, caveat: str
) -> Published:
    return Published(
        name=name,
        spec=spec,
        scale=scale,
        params=params,
        params_convention="trained",
        multadds=multadds,
        source="SwiseNet poster, results table",
        reproducible=False,
        caveat=caveat,
    )


def _layers(spec: SwisenetSpec, _scale: int) -> Iterator[str]:
    parts = [
        "beta",
        "gamma",
        "conv1",
        "conv2",
        "conv3",
        "SE.1",
        "prelu",
        "conv4",
        "conv5",
        "norm1",
        "norm2",
    ]
    yield "entry_1"
    for i in range(1, spec.n_groups + 1):
        blocks = range(1, spec.blocks_per_group + 1)
        yield from (f"CGG{i}.CGB{j}.{part}" for j in blocks for part in parts)
        yield from (f"CGG{i}.reduction{j}.conv" for j in blocks)
    yield from (f"reduction{i}.conv" for i in range(1, spec.n_groups + 1))
    yield from ("reduction.conv", "Global_skip.1")
    yield from (f"upsample{i}.up.body.0" for i in (1, 2, 3))
    yield from ("exit1", "exit2", "exit3", "x_scale.scale", "res_scale.scale")


SERIES = (
    "the printed parameters are 1077K, 1068K and 1227K; this upsampler grows with the scale, so no reading of it "
    "gives them"
)
X4 = "; our copy of the poster lacks the Mult-Adds at x4 (the repository's table has {})"
WITHOUT = (
    "the repository lacks this variant; we read it as the same body with one convolution and a shuffle, "
    "which is smaller than printed at all scales"
)
DIRECT = SwisenetSpec(upsampler="direct")
FAMILY = Family(
    name="swisenet",
    source="SwiseNet, Zhao and Wu (poster); code Nerti98/SwiseNet",
    spec=SwisenetSpec,
    network=Swisenet,
    stages=Stages(blocks=("groups.*",), pools=("reductions.*", "reduction"), paths=("tail",)),
    parts=Parts(
        together=(
            "n_feats residual_scaling blocks_per_group n_groups",
            "n_feats block blocks_per_group n_groups",
            "n_feats blocks_per_group^2 n_groups",
            "n_feats n_groups^2",
            "n_feats attention n_groups",
            "n_feats upsampler upsampler_groups",
        ),
        repeats={"blocks_per_group": 1, "n_groups": 1},
        plain={"upsampler": "direct"},
    ),
    published=(
        _published("SwiseNet", SwisenetSpec(), 2, "1077K", "236.5G", SERIES),
        _published("SwiseNet", SwisenetSpec(), 3, "1068K", "128.0G", SERIES),
        _published("SwiseNet", SwisenetSpec(), 4, "1227K", None, SERIES + X4.format("88.6G")),
        _published("SwiseNet (w/o SUM)", DIRECT, 2, "1035K", "212.7G", WITHOUT),
        _published("SwiseNet (w/o SUM)", DIRECT, 3, "1044K", "112.8G", WITHOUT),
        _published("SwiseNet (w/o SUM)", DIRECT, 4, "1056K", None, WITHOUT + X4.format("75.3G")),
    ),
    codes=(
        PublicCode(
            name="Nerti98/SwiseNet",
            layers=_layers,
            note="the released code does not run as it is, so its function is a reading of it (docs/facts.md 5.1)",
        ),
    ),
)
