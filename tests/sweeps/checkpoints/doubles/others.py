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
    """Zheng222/IMDN; colours up to 1 (test_IMDN.py at 2e8852b divides by 255).

    model/architecture.py at 53f1dac25e8cd8e11ad65484eadf0d1e31d602fa: fea_conv, IMDB1 to IMDB6, c, LR_conv, upsampler.
    model/block.py at 0db43e15a58e11b8a83566be6d176df1b8974e95: c1 to c4, act (in place, 0.05), c5, cca.
    """
    kept = n // 4

    def contrast(x: Tensor) -> Tensor:
        return x.var((2, 3), unbiased=False, keepdim=True).sqrt() + x.mean((2, 3), keepdim=True)

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        aside, rest = [], x
        for layer in (m.c1, m.c2, m.c3):
            part, rest = F.leaky_relu_(layer(rest), 0.05).split([kept, n - kept], 1)
            aside.append(part)
        return m.c5(m.cca(torch.cat([*aside, m.c4(rest)], 1))) + x

    def block() -> nn.Module:
        layers = chain([conv(1, n, n // 16), nn.ReLU(True), conv(1, n // 16, n), nn.Sigmoid()])
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
        c=chain([conv(1, 6 * n, n), nn.LeakyReLU(0.05, inplace=True)]),
        LR_conv=conv(3, n, n),
        upsampler=chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )


def idn(n: int, scale: int) -> nn.Module:
    """Zheng222/IDN-tensorflow, model.py at d288df4f0a4788c3e586f81cba2600f047bf9595; colours up to 255.

    The variables are in order of creation. Their names are not TensorFlow's, so they are names of no known code. The
    range is that of test.py and utils.py at the same commit, which only convert 8-bit images to floating point.
    """

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


def idn_of_yjn870(n: int, scale: int) -> nn.Module:
    """yjn870/IDN-pytorch, model.py at 6f27fad0a5414fab386d50fca3124dc17afb81dc; colours up to 1 (example.py).

    It departs from the authors' network: no activation after the 1x1 convolution of a block, the last channels are set
    aside, and the bicubic image is PyTorch's. The output padding is 1 at every scale.
    """
    d = n // 4

    def activated(*layers: nn.Module) -> nn.Sequential:
        return chain([part for layer in layers for part in (layer, nn.LeakyReLU(0.05))])

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        rest, aside = m.enhancement_top(x).split([n - d, d], 1)
        return m.compression(m.enhancement_bottom(rest) + torch.cat([x, aside], 1))

    def block() -> nn.Module:
        a, b, c = n - d, n - 2 * d, n + d
        return Apply(
            distil,
            enhancement_top=activated(conv(3, n, a), conv(3, a, b, groups=4), conv(3, b, n)),
            enhancement_bottom=activated(conv(3, a, n), conv(3, n, a, groups=4), conv(3, a, c)),
            compression=conv(1, c, n),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)
        return enlarged + m.deconv(m.dblocks(m.fblock(x)))

    features = activated(conv(3, 3, n), conv(3, n, n))
    return Apply(
        forward,
        fblock=Apply(lambda m, x: m.module(x), module=features),
        dblocks=chain([block() for _ in range(4)]),
        deconv=nn.ConvTranspose2d(n, 3, 17, scale, 8, output_padding=1),
    )


def fsrcnn(scale: int) -> nn.Module:
    """yjn870/FSRCNN-pytorch, models.py at ec7c8bbfe1c0b410afd616cd85075e0956f5e9a3; the luma alone, up to 1."""
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
    """yjn870/SRCNN-pytorch, models.py at 7fb666916f126b0cbdff1b9ad6dc70ceea2fda08; the luma, enlarged before, up to 1."""
    return Apply(
        lambda m, x: m.conv3(m.relu(m.conv2(m.relu(m.conv1(enlarge_as_matlab(x, scale)))))),
        conv1=conv(9, 1, 64),
        conv2=conv(5, 64, 32),
        conv3=conv(5, 32, 1),
        relu=nn.ReLU(inplace=True),
    )


def vdsr(scale: int) -> nn.Module:
    """twtygqyy/pytorch-vdsr, vdsr.py; the luma, enlarged before, up to 1 (eval.py at 0235546).

    The file of that repository is stored only in its first version. This is the version of its checkpoint, read from
    the copies 105lab/pytorch-vdsr at 0eff36154baaea9c364bc9d667538f13c1e15e1d and MingSun-Tse/pytorch-vdsr at
    53f1ed0efb6ff07c4f23d0538001fd79c574f4e7: residual_layer is registered first, then input, output and relu.
    """

    def block() -> nn.Module:
        return Apply(
            lambda m, x: m.relu(m.conv(x)),
            conv=conv(3, 64, 64, bias=False),
            relu=nn.ReLU(inplace=True),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(x, scale)
        return m.output(m.residual_layer(m.relu(m.input(enlarged)))) + enlarged

    return Apply(
        forward,
        residual_layer=chain([block() for _ in range(18)]),
        input=conv(3, 1, 64, bias=False),
        output=conv(3, 64, 1, bias=False),
        relu=nn.ReLU(inplace=True),
    )


def vdsr_at_first(scale: int) -> nn.Module:
    """twtygqyy/pytorch-vdsr, vdsr.py at 7cd0d6267c5c58f22df21da736888fb119d7e216; the luma, enlarged before, up to 1.

    All convolutions are in one chain. Here it has 20 of them, as the paper and `vdsr` have.
    """
    layers = [conv(3, 1, 64, bias=False), nn.ReLU(inplace=True)]
    for _ in range(18):
        layers += [conv(3, 64, 64, bias=False), nn.ReLU(inplace=True)]
    layers.append(conv(3, 64, 1, bias=False))

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(x, scale)
        return m.features(enlarged) + enlarged

    return Apply(forward, features=chain(layers))


def drrn(scale: int) -> nn.Module:
    """jt827859032/DRRN-pytorch, drrn.py at 883a0a4dfa38debf945dfb6bbf9f1ad60294299c; the luma, enlarged before, up to 1.

    The ReLU works in place on its argument. So both skips add what was activated: the image, and the first features.
    """

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        enlarged = residual = enlarge_as_matlab(x, scale)
        x = first = m.input(m.relu(enlarged))
        for _ in range(25):
            x = m.conv2(m.relu(m.conv1(m.relu(x)))) + first
        return m.output(m.relu(x)) + residual

    return Apply(
        forward,
        input=conv(3, 1, 128, bias=False),
        conv1=conv(3, 128, 128, bias=False),
        conv2=conv(3, 128, 128, bias=False),
        output=conv(3, 128, 1, bias=False),
        relu=nn.ReLU(inplace=True),
    )


def lapsrn() -> nn.Module:
    """twtygqyy/pytorch-LapSRN, lapsrn.py at 81c91a647a8f693ca8b95f338c2c6242b0de3fe9, at x4; the luma alone, up to 1."""

    def features() -> nn.Module:
        layers = []
        for _ in range(10):
            layers += [conv(3, 64, 64, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.ConvTranspose2d(64, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        return chain([Apply(lambda m, x: m.cov_block(x), cov_block=chain(layers))])

    def forward(m: nn.Module, image: Tensor) -> Tensor:
        x = F.leaky_relu_(m.conv_input(image), 0.2)
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
