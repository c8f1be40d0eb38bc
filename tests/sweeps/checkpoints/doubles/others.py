"""Doubles of the other networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.bicubic import enlarge_as_matlab
from tests.sweeps.checkpoints.doubles.parts import (
    Apply,
    chain,
    conv,
)


def imdn(n: int, scale: int) -> nn.Module:
    """Zheng222/IMDN, model/architecture.py and block.py; colours up to 1."""
    kept = n // 4

    def contrast(x: Tensor) -> Tensor:
        return x.var((2, 3), unbiased=False, keepdim=True).sqrt() + x.mean((2, 3), keepdim=True)

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        aside, rest = [], x
        for layer in (m.c1, m.c2, m.c3):
            part, rest = F.leaky_relu(layer(rest), 0.05).split([kept, n - kept], 1)
            aside.append(part)
        return m.c5(m.cca(torch.cat([*aside, m.c4(rest)], 1))) + x

    def block() -> nn.Module:
        layers = chain([conv(1, n, n // 16), nn.ReLU(), conv(1, n // 16, n), nn.Sigmoid()])
        return Apply(
            distil,
            c1=conv(3, n, n),
            c2=conv(3, n - kept, n),
            c3=conv(3, n - kept, n),
            c4=conv(3, n - kept, kept),
            c5=conv(1, n, n),
            cca=Apply(lambda m, x: x * m.conv_du(contrast(x)), conv_du=layers),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        first = x = m.fea_conv(x)
        outputs = []
        for i in range(1, 7):
            x = getattr(m, f"IMDB{i}")(x)
            outputs.append(x)
        return m.upsampler(m.LR_conv(m.c(torch.cat(outputs, 1))) + first)

    return Apply(
        forward,
        fea_conv=conv(3, 3, n),
        **{f"IMDB{i}": block() for i in range(1, 7)},
        c=chain([conv(1, 6 * n, n), nn.LeakyReLU(0.05)]),
        LR_conv=conv(3, n, n),
        upsampler=chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )


def idn(n: int, scale: int) -> nn.Module:
    """Zheng222/IDN-tensorflow, model.py, its variables in order of creation; colours up to 255."""

    def activated(*layers: nn.Module) -> nn.Sequential:
        return chain([part for layer in layers for part in (layer, nn.LeakyReLU(0.05))])

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        aside, rest = m.before(x).split([n // 4, n - n // 4], 1)
        return m.conv7(torch.cat([x, aside], 1) + m.after(rest))

    def block() -> nn.Module:
        a, b, c = n - n // 4, n // 2, n + n // 4
        return Apply(
            distil,
            before=activated(conv(3, n, a), conv(3, a, b, groups=4), conv(3, b, n)),
            after=activated(conv(3, a, n), conv(3, n, a, groups=4), conv(3, a, c)),
            conv7=activated(conv(1, c, n)),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.upsample(m.distill(m.conv(x))) + enlarge_as_matlab(x, scale)

    return Apply(
        forward,
        conv=activated(conv(3, 3, n), conv(3, n, n)),
        distill=chain([block() for _ in range(4)]),
        upsample=chain([conv(3, n, n), conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )


def fsrcnn(scale: int) -> nn.Module:
    """yjn870/FSRCNN-pytorch, models.py; the luma alone."""
    middle = [conv(1, 56, 12), nn.PReLU(12)]
    for _ in range(4):
        middle += [conv(3, 12, 12), nn.PReLU(12)]
    return Apply(
        lambda m, x: m.last_part(m.mid_part(m.first_part(x))),
        first_part=chain([conv(5, 1, 56), nn.PReLU(56)]),
        mid_part=chain([*middle, conv(1, 12, 56), nn.PReLU(56)]),
        last_part=nn.ConvTranspose2d(56, 1, 9, scale, 4, output_padding=scale - 1),
    )


def srcnn(scale: int) -> nn.Module:
    """yjn870/SRCNN-pytorch, models.py; the luma, enlarged before."""
    return Apply(
        lambda m, x: m.conv3(F.relu(m.conv2(F.relu(m.conv1(enlarge_as_matlab(x, scale)))))),
        conv1=conv(9, 1, 64),
        conv2=conv(5, 64, 32),
        conv3=conv(5, 32, 1),
    )


def vdsr(scale: int) -> nn.Module:
    """twtygqyy/pytorch-vdsr, vdsr.py; the luma, enlarged before."""
    layers = [conv(3, 1, 64, bias=False), nn.ReLU()]
    for _ in range(18):
        layers += [conv(3, 64, 64, bias=False), nn.ReLU()]
    layers.append(conv(3, 64, 1, bias=False))

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(x, scale)
        return m.features(enlarged) + enlarged

    return Apply(forward, features=chain(layers))


def drrn(scale: int) -> nn.Module:
    """jt827859032/DRRN-pytorch, drrn.py; the luma, enlarged before."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(x, scale)
        x = first = m.input(F.relu(enlarged))
        for _ in range(25):
            x = m.conv2(F.relu(m.conv1(F.relu(x)))) + first
        return m.output(F.relu(x)) + enlarged

    return Apply(
        forward,
        input=conv(3, 1, 128, bias=False),
        conv1=conv(3, 128, 128, bias=False),
        conv2=conv(3, 128, 128, bias=False),
        output=conv(3, 128, 1, bias=False),
    )


def lapsrn() -> nn.Module:
    """twtygqyy/pytorch-LapSRN, lapsrn.py at x4; the luma alone."""

    def features() -> nn.Module:
        layers = []
        for _ in range(10):
            layers += [conv(3, 64, 64, bias=False), nn.LeakyReLU(0.2)]
        layers += [nn.ConvTranspose2d(64, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        return chain([Apply(lambda m, x: m.cov_block(x), cov_block=chain(layers))])

    def forward(m: nn.Module, image: Tensor) -> Tensor:
        x = F.leaky_relu(m.conv_input(image), 0.2)
        for level in (1, 2):
            x = getattr(m, f"convt_F{level}")(x)
            image = getattr(m, f"convt_I{level}")(image) + getattr(m, f"convt_R{level}")(x)
        return image

    modules = {"conv_input": conv(3, 1, 64, bias=False)}
    for level in (1, 2):
        modules[f"convt_I{level}"] = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False)
        modules[f"convt_R{level}"] = conv(3, 64, 1, bias=False)
        modules[f"convt_F{level}"] = features()
    return Apply(forward, **modules)
