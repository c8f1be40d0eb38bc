"""SAFMN: blocks that modulate features by their own maxima at several sizes, and mix channels by a 3x3 convolution.

Source: Sun et al. 2023, "Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution", and the authors'
code (sunny2109/SAFMN). docs/facts.md 6 lists the layers.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.strategies.activation import ACTIVATIONS, ActivationName
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

NORMS = ("layer", "response", "none")
SKIPS = ("features", "image", "none")


class SafmnSpec(Spec):
    """Knobs of SAFMN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((24, 36, 48, 64))] = 36
    """Number of channels between blocks."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((4, 6, 8))] = 8
    """Number of feature mixing blocks."""
    n_levels: Annotated[int, Field(ge=1, le=8), Search((1, 2, 4))] = 4
    """Number of image sizes inside a block. Each size has an equal share of the channels, so it must divide n_feats."""
    first_pooling: Annotated[Literal[2, 4], Search((2, 4))] = 2
    """How much smaller the second size is than the input. Each further size is half the size before it."""
    expand_ratio: Annotated[float, Field(gt=0, le=8), Search((1.0, 1.5, 2.0))] = 2.0
    """Number of channels inside the channel mixer of a block, divided by n_feats, rounded to a whole number."""
    bias: Annotated[bool, Search((False, True))] = True
    """Whether the convolutions inside the blocks have biases."""
    norm: Annotated[str, one_of(NORMS), Search(NORMS)] = "layer"
    """Normalisation. layer: over channels, twice in every block. response: once, after the first convolution
    (NTIRE 2023)."""
    skip: Annotated[str, one_of(SKIPS), Search(SKIPS)] = "features"
    """The long skip. features: the first features are added after the last block. image: the bilinearly upscaled image is
    added to the output (NTIRE 2023)."""
    activation: ActivationName = "gelu"
    """Activation in both parts of a block."""
    attention: AttentionName = "none"
    """Attention on the output of every block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of each of the two residual connections in every block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the blocks: the depthwise ones of every size, and that of the channel mixer. Each kind
    is one 3x3 convolution as deployed. repvgg, ecb and rrrb train more branches."""

    @model_validator(mode="after")
    def _channels_fit(self) -> "SafmnSpec":
        if self.n_feats % self.n_levels:
            raise ValueError(
                f"n_levels must divide n_feats, got n_levels={self.n_levels}, n_feats={self.n_feats}"
            )
        if not self.inner:
            raise ValueError(
                f"expand_ratio must leave a channel, got expand_ratio={self.expand_ratio:g} of n_feats={self.n_feats}"
            )
        return self

    @property
    def inner(self) -> int:
        """Number of channels inside the channel mixer."""
        return round(self.n_feats * self.expand_ratio)

    @property
    def poolings(self) -> tuple[int, ...]:
        """How much smaller than the input each of the sizes inside a block is."""
        return (1, *(self.first_pooling * 2**level for level in range(self.n_levels - 1)))

    def canonical(self) -> "SafmnSpec":
        """Returns the spec with the ratio `inner` / `n_feats`, and with first_pooling=2 if there is only one size."""
        values = dict(self) | {"expand_ratio": self.inner / self.n_feats}
        if self.n_levels == 1:
            values["first_pooling"] = 2
        return self.model_construct(**values)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel of (N, C, H, W), with a weight and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        deviation = (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return centred / deviation * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class ResponseNorm(nn.Module):
    """Global response norm of (N, C, H, W): adds the features, weighted by the share of their channel in the energy.

    Its two weights for each channel start at 0, so a new layer returns its input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        energy = (x.square().sum((2, 3), keepdim=True) + 1e-12).sqrt()
        share = energy / (energy.mean(1, keepdim=True) + 1e-6)
        return self.gamma * (x * share) + self.beta + x


class Shrink(nn.Module):
    """Shrinks (N, C, H, W) to (N, C, H // factor, W // factor), at least one row and column, by maxima.

    It computes what `adaptive_max_pool2d` computes. The window of output row i runs from row floor(i H / R) to row
    ceil((i + 1) H / R) - 1, where R is the number of output rows. A window therefore has between `factor` and
    2 `factor` rows if H >= `factor`, so two windows of `factor` rows cover it.
    """

    traced_as_one = True

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return self._for_export(x)
        rows, columns = x.shape[2:]
        if rows % self.factor == 0 and columns % self.factor == 0:
            return F.max_pool2d(x, self.factor)
        return F.adaptive_max_pool2d(
            x, (max(1, rows // self.factor), max(1, columns // self.factor))
        )

    def _for_export(self, x: Tensor) -> Tensor:
        """Returns what `forward` returns, by operators that every export target has for free sizes."""
        for axis in (2, 3):
            x = self._along(x, axis)
        return x

    def _along(self, x: Tensor, axis: int) -> Tensor:
        factor, size = self.factor, x.shape[axis]
        at_least = torch.sym_max(size, factor)
        # An axis shorter than the window repeats its end, which has no effect on a maximum.
        index = torch.arange(at_least, device=x.device)
        x = x.index_select(axis, index.clamp(max=size - 1))
        kernel = (factor, 1) if axis == 2 else (1, factor)
        maxima = F.max_pool2d(x, kernel, stride=1)
        outputs = at_least // factor
        place = torch.arange(outputs, device=x.device)
        first = place * at_least // outputs
        last = ((place + 1) * at_least + outputs - 1) // outputs - factor
        return torch.maximum(maxima.index_select(axis, first), maxima.index_select(axis, last))


class Modulation(nn.Module):
    """SAFM: filters each share of the channels at its own size, mixes them, and multiplies the input by the result."""

    def __init__(self, spec: SafmnSpec) -> None:
        super().__init__()
        n, share = spec.n_feats, spec.n_feats // spec.n_levels
        self.n_levels = spec.n_levels
        self.shrink = nn.ModuleList(Shrink(factor) for factor in spec.poolings[1:])
        self.filters = nn.ModuleList(
            block_conv(spec.block, share, share, groups=share, bias=spec.bias)
            for _ in spec.poolings
        )
        self.mix = conv(1, n, n, bias=spec.bias)
        self.activation = ACTIVATIONS[spec.activation]()

    def forward(self, x: Tensor) -> Tensor:
        shares = x.chunk(self.n_levels, 1)
        levels = [self.filters[0](shares[0])]
        for index, shrink in enumerate(self.shrink, 1):
            level = self.filters[index](shrink(shares[index]))
            levels.append(F.interpolate(level, x.shape[2:], mode="nearest"))
        return self.activation(self.mix(torch.cat(levels, 1))) * x


class Block(nn.Module):
    """A feature mixing module (FMM): a modulation and a channel mixer. Each follows a norm and has a residual connection."""

    def __init__(self, spec: SafmnSpec) -> None:
        super().__init__()
        n, inner = spec.n_feats, spec.inner
        normed = spec.norm == "layer"
        self.norm = ChannelNorm(n) if normed else nn.Identity()
        self.norm_2 = ChannelNorm(n) if normed else nn.Identity()
        self.modulate = Modulation(spec)
        self.mix = nn.Sequential(
            block_conv(spec.block, n, inner, bias=spec.bias),
            ACTIVATIONS[spec.activation](),
            conv(1, inner, n, bias=spec.bias),
        )
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)
        self.scaling_2 = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        x = self.scaling_2(x + self.modulate(self.norm(x)))
        return x + self.mix(self.norm_2(x))


class Safmn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s. It does not subtract the mean colour."""

    def __init__(self, spec: SafmnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.scale, self.skip = scale, spec.skip
        self.norm = ResponseNorm(n) if spec.norm == "response" else nn.Identity()
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.upsample = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.norm(self.head(low_res))
        guide = self.attention.guide(head)
        x = head
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        if self.skip == "features":
            x = x + head
        image = self.upsample(x)
        if self.skip == "image":
            enlarged = F.interpolate(
                low_res, scale_factor=self.scale, mode="bilinear", align_corners=False
            )
            image = image + enlarged
        return image


def _layers_of_the_paper(spec: SafmnSpec, _scale: int) -> Iterator[str]:
    if (spec.norm, spec.skip, spec.first_pooling) == ("layer", "features", 2):
        yield from _layers(spec)


def _layers_of_the_challenge(spec: SafmnSpec, _scale: int) -> Iterator[str]:
    if (spec.norm, spec.skip, spec.first_pooling) == ("response", "image", 4):
        yield from ("norm.gamma", "norm.beta")
        yield from _layers(spec)


def _layers(spec: SafmnSpec) -> Iterator[str]:
    yield "to_feat"
    for i in range(spec.n_blocks):
        if spec.norm == "layer":
            yield from (f"feats.{i}.norm{j}" for j in (1, 2))
        yield from (f"feats.{i}.safm.mfr.{j}" for j in range(spec.n_levels))
        yield f"feats.{i}.safm.aggr"
        yield from (f"feats.{i}.ccm.ccm.{j}" for j in (0, 2))
    yield "to_img.0"


LARGE = SafmnSpec(n_feats=128, n_blocks=16)
CHALLENGE = SafmnSpec(norm="response", bias=False, skip="image", first_pooling=4)
ENLARGED = (
    "the authors' counter adds one operation for each value of the maps that the blocks enlarge"
)
X3 = ENLARGED + ", and takes 427x240 pixels at x3"


def _published(
    name: str, spec: SafmnSpec, scale: int, params: str, multadds: str, caveat: str = ""
) -> Published:
    return Published(
        name=name,
        spec=spec,
        scale=scale,
        params=params,
        multadds=multadds,
        source="README of sunny2109/SAFMN",
        caveat=caveat,
        reproducible=not caveat,
    )


PUBLISHED = (
    _published("SAFMN", SafmnSpec(), 2, "227.82K", "51.53G", ENLARGED),
    _published("SAFMN", SafmnSpec(), 3, "232.69K", "23.42G", X3),
    _published("SAFMN", SafmnSpec(), 4, "239.52K", "13.56G", ENLARGED + ": 13.555G"),
    _published("SAFMN-L", LARGE, 2, "5.56M", "1274G"),
    _published(
        "SAFMN-L",
        LARGE,
        3,
        "5.58M",
        "364G",
        "at 1274G for x2 and 321G for x4, x3 needs about 567G; 364G seems to be a misprint",
    ),
    _published("SAFMN-L", LARGE, 4, "5.60M", "321G"),
    Published(
        name="SAFMN (NTIRE 2023)",
        spec=CHALLENGE,
        scale=4,
        params="237.000K",
        source="the authors' weights, NTIRE2023_ESR/model_zoo/team15_SAFMN.pth",
    ),
)

FAMILY = Family(
    name="safmn",
    source="SAFMN, Sun et al. 2023, arXiv 2302.13800; code sunny2109/SAFMN",
    spec=SafmnSpec,
    network=Safmn,
    parts=Parts(
        together=(
            "n_feats n_levels first_pooling n_blocks",
            "n_feats expand_ratio bias n_blocks",
            "n_feats n_levels bias block n_blocks",
            "n_feats expand_ratio bias block n_blocks",
            "n_feats norm n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats upsampler",
        ),
        operators=("n_feats n_blocks skip",),
        repeats={"n_blocks": 1},
        plain={"n_levels": 1},
    ),
    published=PUBLISHED,
    codes=(
        PublicCode(name="sunny2109/SAFMN", layers=_layers_of_the_paper),
        PublicCode(name="sunny2109/SAFMN, NTIRE 2023", layers=_layers_of_the_challenge),
    ),
)
