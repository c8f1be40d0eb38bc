"""Doubles of networks that train with branches and are deployed with one convolution in their place."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.sweeps.checkpoints.doubles.parts import MEAN, Apply, chain, conv


def conv3xc(inputs: int, outputs: int, form: str) -> nn.Module:
    """Conv3XC of hongyuanyu/SPAN in training ("both" with eval_conv in the file, "branches" without), or "deployed"."""
    if form == "deployed":
        return Apply(lambda m, x: m.eval_conv(x), eval_conv=conv(3, inputs, outputs))
    inner, outer = 2 * inputs, 2 * outputs
    parts = {
        "sk": conv(1, inputs, outputs),
        "conv": chain(
            [conv(1, inputs, inner), nn.Conv2d(inner, outer, 3), conv(1, outer, outputs)]
        ),
    }
    if form == "both":
        parts["eval_conv"] = conv(3, inputs, outputs)
    return Apply(lambda m, x: m.conv(F.pad(x, (1, 1, 1, 1))) + m.sk(x), **parts)


def span(n: int, scale: int, form: str, largest: int = 255) -> nn.Module:
    """hongyuanyu/SPAN, basicsr/archs/span_arch.py at e19736ddab983d4787ef24d4b9c64b5e6bc5fee4; colours up to 1.

    The network multiplies centred colours by img_range itself. SiLU works in place, so the features that the last block
    hands on are activated. `eval_conv` is computed anew before it is used: its stored values have no effect.
    The form "deployed" is that of Amazingren/NTIRE2025_ESR, models/team51_SPAN.py at
    9568259eb77ae31aa38f376ed71e6e79f7c00109, whose class Conv3XC has eval_conv alone.
    """

    def attend(m: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        out1 = m.c1_r(x)
        out2 = m.c2_r(F.silu(out1, inplace=True))
        out3 = m.c3_r(F.silu(out2, inplace=True))
        return (out3 + x) * (torch.sigmoid(out3) - 0.5), out1

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        out = feature = m.conv_1((x - MEAN.view(1, 3, 1, 1)) * largest)
        outs = []
        for i in range(1, 7):
            out, inner = getattr(m, f"block_{i}")(out)
            outs.append(out)
        return m.upsampler(m.conv_cat(torch.cat([feature, m.conv_2(out), outs[0], inner], 1)))

    modules = {"conv_1": conv3xc(3, n, form)}
    for i in range(1, 7):
        layers = {f"c{j}_r": conv3xc(n, n, form) for j in (1, 2, 3)}
        modules[f"block_{i}"] = Apply(attend, **layers)
    modules["conv_cat"] = conv(1, 4 * n, n)
    modules["conv_2"] = conv3xc(n, n, form)
    modules["upsampler"] = chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)])
    return Apply(forward, **modules)


def spanv2(n: int, scale: int) -> nn.Module:
    """Amazingren/NTIRE2026_ESR, models/team22_SPANV2_ESR.py at f8395010ea986a20c77f4ee7b4975c2ee14d2a56; up to 1."""

    def convolution(inputs: int) -> nn.Module:
        return Apply(lambda m, x: m.conv(x), conv=conv(3, inputs, n, bias=False))

    def attend(m: nn.Module, x: Tensor) -> Tensor:
        f3 = m.c3(torch.relu(m.c2(torch.relu(m.c1(x)))))
        return (x + f3) * m.guidance_map_conv(f3) if x.shape[1] == n else torch.relu(f3)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        out = x
        for i in range(1, 6):
            out = getattr(m, f"block_{i}")(out)
        joined = torch.cat([m.conv_near(x), out], 1)
        return m.depth_to_space(m.pointwise_conv(m.depthwise_conv(joined)))

    modules: dict[str, nn.Module] = {}
    for i in range(1, 6):
        layers = {f"c{j}": convolution(3 if (i, j) == (1, 1) else n) for j in (1, 2, 3)}
        if i > 1:
            layers["guidance_map_conv"] = conv(1, n, n)
        modules[f"block_{i}"] = Apply(attend, **layers)
    colours = 3 * scale**2
    width = colours + n
    modules["conv_near"] = conv(3, 3, colours, groups=3, bias=False)
    modules["depthwise_conv"] = conv(3, width, width, groups=width, bias=False)
    modules["pointwise_conv"] = conv(1, width, colours, bias=False)
    modules["depth_to_space"] = nn.PixelShuffle(scale)
    return Apply(forward, **modules)


def efdn(n: int, scale: int) -> nn.Module:
    """icandle/EFDN, models/EFDN_deploy.py at 322cada4527dedd45370b358a2c75abcab6d2d6e; colours up to 1, clipped.

    ESA registers conv_f and conv_max before conv2, and the last fusion reads the second and the fourth block.
    """
    f = n // 4

    def attend(m: nn.Module, x: Tensor) -> Tensor:
        squeezed = m.conv1(x)
        pooled = F.max_pool2d(m.conv2(squeezed), kernel_size=7, stride=3)
        seen = m.conv3_(torch.relu(m.conv3(torch.relu(m.conv_max(pooled)))))
        seen = F.interpolate(seen, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(m.conv4(seen + m.conv_f(squeezed)))

    def esa() -> nn.Module:
        return Apply(
            attend,
            conv1=conv(1, n, f),
            conv_f=conv(1, f, f),
            conv_max=conv(3, f, f),
            conv2=nn.Conv2d(f, f, 3, stride=2),
            conv3=conv(3, f, f),
            conv3_=conv(3, f, f),
            conv4=conv(1, f, n),
        )

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        outs = [x]
        for name in ("conv1", "conv2", "conv3"):
            outs.append(getattr(m, name)(outs[-1]))
        reduced = [branch(out) for branch, out in zip(m.branch, outs, strict=True)]
        return m.att(m.fuse(torch.cat(reduced, 1))) + x

    def cell() -> nn.Module:
        def deployed() -> nn.Module:
            return Apply(lambda m, x: m.act(m.rep_conv(x)), rep_conv=conv(3, n, n), act=nn.PReLU(n))

        return Apply(
            distil,
            conv1=Apply(lambda m, x: m.act(m.conv1x1(x)), conv1x1=conv(1, n, n), act=nn.PReLU(n)),
            conv2=deployed(),
            conv3=deployed(),
            fuse=conv(1, 2 * n, n),
            att=esa(),
            branch=nn.ModuleList(conv(1, n, n // 2) for _ in range(4)),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        out0 = m.head(x)
        out1 = m.cells[0](out0)
        out2 = m.cells[1](out1)
        out3 = m.cells[2](m.local_fuse[0](torch.cat([out1, out2], 1)))
        out4 = m.cells[3](m.local_fuse[1](torch.cat([out2, out3], 1)))
        return m.tail(m.local_fuse[2](torch.cat([out2, out4], 1)) + out0).clamp(0, 1)

    return Apply(
        forward,
        head=conv(3, 3, n),
        cells=nn.ModuleList(cell() for _ in range(4)),
        local_fuse=nn.ModuleList(conv(1, 2 * n, n) for _ in range(3)),
        tail=chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )
