"""The layers of s-LWSR."""

import torch
from torch import Tensor, nn

from searchspace.families.slwsr.spec import SlwsrSpec
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, ConvNorm, conv
from searchspace.strategies.attention import ATTENTIONS
from searchspace.strategies.reparam import block_conv
from searchspace.strategies.scaling import Residual
from searchspace.strategies.upsample import UPSAMPLERS


def residual_block(spec: SlwsrSpec, body: nn.Module) -> Residual:
    """Builds a residual block: x + residual_scale * body(x). `body` is plain (RB of the paper) or compressed."""
    return Residual(body, spec.residual_scaling, spec.n_feats, spec.residual_scale)


def plain_body(spec: SlwsrSpec, *, activated: bool) -> nn.Sequential:
    """Builds the body of a plain block: two 3x3 convolutions with biases, and a ReLU between them if `activated`."""
    n = spec.n_feats
    first, second = (block_conv(spec.block, n, n) for _ in range(2))
    return nn.Sequential(first, _activation(activated), second)


def compressed_body(spec: SlwsrSpec, *, activated: bool) -> nn.Sequential:
    """Builds the body of a compressed block, an inverted residual of MobileNetV2.

    With expand_ratio 1, without an expanding convolution and without biases, s-LWSR32C has the published 124K
    parameters. The text of the paper describes a different block (docs/facts.md 1.4).
    """
    n, bias = spec.n_feats, spec.compress_bias
    inner = spec.inner_feats

    def layer(kernel: int, in_channels: int, out_channels: int, groups: int = 1) -> nn.Module:
        convolution = conv(kernel, in_channels, out_channels, groups=groups, bias=bias)
        return convolution if spec.compress_norm == "none" else ConvNorm(convolution)

    layers: list[nn.Module] = []
    if spec.expand_ratio != 1 or spec.expand_conv == "always":
        layers += [layer(1, n, inner), _activation(activated)]
    layers += [layer(3, inner, inner, inner), _activation(activated), layer(1, inner, n)]
    return nn.Sequential(*layers)


def _activation(activated: bool) -> nn.Module:
    return nn.ReLU() if activated else nn.Identity()


class DecoderBlock(nn.Module):
    """A local block of the decoder: a 1x1 convolution that fuses the running features with the skip, then residual
    blocks.
    """

    def __init__(self, n_feats: int, blocks: list[Residual]) -> None:
        super().__init__()
        self.fuse = conv(1, 2 * n_feats, n_feats)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, running: Tensor, skip: Tensor) -> Tensor:
        return self.blocks(self.fuse(torch.cat([running, skip], 1)))


class Slwsr(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Inside, colours run from 0 to 255, as in the authors' code. Modules are registered in the order of that code, so that
    `load_weights` can match layers by their order.
    """

    def __init__(self, spec: SlwsrSpec, scale: int) -> None:
        super().__init__()
        n, layout = spec.n_feats, spec.layout
        mean = tuple(255 * channel for channel in RGB_MEAN_DIV2K)
        self.layout, self.pooled = layout, spec.pooled if layout.decoder else ()
        self.sub_mean = ColourShift(tuple(-channel for channel in mean))
        self.add_mean = ColourShift(mean)
        self.head = conv(3, 3, n)
        compressed, activated = set(spec.compressed), set(spec.activated)
        blocks = []
        for number in range(layout.num_blocks):
            body = compressed_body if number in compressed else plain_body
            blocks.append(residual_block(spec, body(spec, activated=number in activated)))
        encoder_size = sum(layout.encoder)
        self.encoder = nn.ModuleList(blocks[:encoder_size])
        self.pool = conv(1, len(self.pooled) * n, n, bias=False) if self.pooled else None
        self.decoder = nn.ModuleList()
        rest = iter(blocks[encoder_size:])
        for size in layout.decoder:
            self.decoder.append(DecoderBlock(n, [next(rest) for _ in range(size)]))
        local_blocks = len(layout.encoder) + len(layout.decoder)
        self.attention = ATTENTIONS[spec.attention](n, local_blocks)
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(self.sub_mean(low_res * 255))
        guide = self.attention.guide(head)
        features, ends = self._encode(head, guide)
        pooled = self.pool(torch.cat([features[i] for i in self.pooled], 1)) if self.pool else None
        running = ends[-1]
        skips = ends[: len(self.decoder)][::-1]
        for index, (local_block, skip) in enumerate(zip(self.decoder, skips, strict=True)):
            fused = skip if pooled is None else 0.5 * skip + 0.5 * pooled
            running = self.attention(local_block(running, fused), len(ends) + index, guide)
        return self.add_mean(self.tail(running + head)) / 255

    def _encode(self, head: Tensor, guide: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Returns two lists of features of the encoder.

        The first holds `head` and the outputs of all residual blocks. The second holds the outputs of all local blocks.
        """
        features, ends = [head], []
        blocks = iter(self.encoder)
        entry = head
        for index, size in enumerate(self.layout.encoder):
            outputs = []
            x = entry
            for _ in range(size):
                x = next(blocks)(x)
                outputs.append(x)
            outputs[-1] = self.attention(outputs[-1], index, guide)
            features += outputs
            ends.append(outputs[-1])
            # The next local block reads the sum of the outputs of this one's first and last block (docs/facts.md 1.1).
            entry = outputs[0] + outputs[-1] if size > 1 else outputs[-1]
        return features, ends
