"""Doubles of the networks since 2022."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.sweeps.checkpoints.doubles.parts import Apply, chain, conv


def esa(n: int, f: int, make: Callable, act: nn.Module, **parts: nn.Module) -> nn.Module:
    """The enhanced spatial attention of RLFN and BSRN. Without conv_max and conv3_ it is the one of RLFN."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        squeezed = m.conv1(x)
        small = F.max_pool2d(m.conv2(squeezed), 7, 3)
        if hasattr(m, "conv_max"):
            small = m.conv3_(act(m.conv3(act(m.conv_max(small)))))
        else:
            small = m.conv3(small)
        small = F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(m.conv4(small + m.conv_f(squeezed)))

    return Apply(forward, conv1=make(n, f), conv_f=make(f, f), **parts, conv4=make(f, n))


def rlfn(n: int, inner: int, blocks: int, scale: int) -> nn.Module:
    """bytedance/RLFN, model/{block,rlfn,rlfn_s,rlfn_ntire}.py at 79700af422fe8dc8fe99171ffee3d72b9e1316d4.

    Colours up to 255 (test_demo.py at the same commit). conv_1, block_1 to block_6, conv_2, upsampler; a block has
    c1_r to c3_r, c5, esa and act (0.05, in place).
    """

    def local(m: nn.Module, x: Tensor) -> Tensor:
        y = m.act(m.c3_r(m.act(m.c2_r(m.act(m.c1_r(x))))))
        return m.esa(m.c5(y + x))

    def block() -> nn.Module:
        gate = {"conv2": nn.Conv2d(16, 16, 3, 2), "conv3": conv(3, 16, 16)}
        return Apply(
            local,
            c1_r=conv(3, n, inner),
            c2_r=conv(3, inner, inner),
            c3_r=conv(3, inner, n),
            c5=conv(1, n, n),
            esa=esa(n, 16, lambda a, b: conv(1, a, b), nn.Identity(), **gate),
            act=nn.LeakyReLU(0.05, inplace=True),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        first = x = m.conv_1(x)
        for i in range(1, blocks + 1):
            x = getattr(m, f"block_{i}")(x)
        return m.upsampler(m.conv_2(x) + first)

    return Apply(
        forward,
        conv_1=conv(3, 3, n),
        **{f"block_{i}": block() for i in range(1, blocks + 1)},
        conv_2=conv(3, n, n),
        upsampler=chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )


class Linear(nn.Linear):
    """A linear layer over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def blueprint(point: nn.Module, outputs: int, stride: int = 1, padding: int = 1) -> nn.Module:
    """BSConvU: pw, then dw."""
    dw = nn.Conv2d(outputs, outputs, 3, stride, padding, groups=outputs)
    return Apply(lambda m, x: m.dw(m.pw(x)), pw=point, dw=dw)


def bsrn(n: int, blocks: int, scale: int) -> nn.Module:
    """xiaom233/BSRN, basicsr/archs/BSRN_arch.py at 355aa84f167d6ae0648bfbaf4d114000eb440bab; colours up to 1.

    Upsamplers.py is not stored there. The copy zl11250422/PCRN at 4b485eebdca091c274668e2bd18744436057e468 names the
    layers of the upsampler.
    """

    def point(inputs: int, outputs: int) -> nn.Module:
        return conv(1, inputs, outputs)

    def separable(inputs: int, outputs: int, **options: int) -> nn.Module:
        return blueprint(conv(1, inputs, outputs, bias=False), outputs, **options)

    def contrast(m: nn.Module, x: Tensor) -> Tensor:
        deviation = x.var((2, 3), unbiased=False, keepdim=True).sqrt()
        return x * m.conv_du(deviation + x.mean((2, 3), keepdim=True))

    def channel() -> dict[str, nn.Module]:
        layers = [conv(1, n, n // 16), nn.ReLU(True), conv(1, n // 16, n), nn.Sigmoid()]
        return {"cca": Apply(contrast, conv_du=chain(layers))}

    strided = separable(n // 4, n // 4, stride=2, padding=0)
    return _distilling(n, blocks, scale, point, separable, strided, channel, lambda m, x: m.cca(x))


def bsrn_s(n: int, blocks: int, scale: int) -> nn.Module:
    """xiaom233/BSRN, basicsr/archs/{rfdnfinalB5_arch,Blocks}.py at 355aa84f167d6ae0648bfbaf4d114000eb440bab; up to 1.

    Its 1x1 convolutions are linear layers.
    """

    def separable(inputs: int, outputs: int) -> nn.Module:
        return blueprint(Linear(inputs, outputs), outputs)

    def channel() -> dict[str, nn.Module]:
        return {"conv_out": Linear(n, n)}

    strided = nn.Conv2d(n // 4, n // 4, 3, 2)
    made = _distilling(
        n,
        blocks,
        scale,
        Linear,
        separable,
        strided,
        channel,
        lambda m, x: m.conv_out(x * m.cw.view(1, -1, 1, 1)),
    )
    for i in range(1, blocks + 1):
        getattr(made, f"B{i}").cw = nn.Parameter(torch.ones(1, n))
    return made


def _distilling(  # noqa: PLR0913 - what the two networks of BSRN's code do not share
    n: int,
    blocks: int,
    scale: int,
    point: Callable[[int, int], nn.Module],
    separable: Callable[[int, int], nn.Module],
    strided: nn.Module,
    channel: Callable[[], dict[str, nn.Module]],
    attend: Callable[[nn.Module, Tensor], Tensor],
) -> nn.Module:
    """The network that both files build, each from its own kinds of layers."""
    act = nn.GELU()

    def spatial() -> nn.Module:
        f = n // 4
        parts = {"conv_max": separable(f, f), "conv2": copy.deepcopy(strided)}
        return esa(n, f, point, act, **parts, conv3=separable(f, f), conv3_=separable(f, f))

    def distil(m: nn.Module, x: Tensor) -> Tensor:
        rest, aside = x, []
        for i in (1, 2, 3):
            aside.append(act(getattr(m, f"c{i}_d")(rest)))
            rest = act(getattr(m, f"c{i}_r")(rest) + rest)
        return attend(m, m.esa(m.c5(torch.cat([*aside, act(m.c4(rest))], 1)))) + x

    def block() -> nn.Module:
        steps = {}
        for i in (1, 2, 3):
            steps |= {f"c{i}_d": point(n, n // 2), f"c{i}_r": separable(n, n)}
        tail = {"c4": separable(n, n // 2), "c5": point(2 * n, n), "esa": spatial()}
        return Apply(distil, **steps, **tail, **channel())

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        first = x = m.fea_conv(torch.cat([x, x, x, x], 1))
        outputs = []
        for i in range(1, blocks + 1):
            x = getattr(m, f"B{i}")(x)
            outputs.append(x)
        return m.upsampler(m.c2(act(m.c1(torch.cat(outputs, 1)))) + first)

    shuffle = chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)])
    return Apply(
        forward,
        fea_conv=separable(12, n),
        **{f"B{i}": block() for i in range(1, blocks + 1)},
        c1=point(blocks * n, n),
        c2=separable(n, n),
        upsampler=Apply(lambda m, x: m.upsampleOneStep(x), upsampleOneStep=shuffle),
    )


class LayerNorm(nn.Module):
    """SAFMN's norm over the channels."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        last = F.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, 1e-6)
        return last.movedim(-1, 1)


class ResponseNorm(nn.Module):
    """GRN: its weights are called gamma and beta."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.zeros(1, n, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.norm(x, p=2, dim=(2, 3), keepdim=True)
        return self.gamma * x * energy / (energy.mean(1, keepdim=True) + 1e-6) + self.beta + x


def safmn(n: int, blocks: int, scale: int, *, challenge: bool = False) -> nn.Module:
    """sunny2109/SAFMN, basicsr/archs/safmn_arch.py at abe5ffdc8529b8de23f917db58abd4fda119c95c; colours up to 1.

    If `challenge`, NTIRE2023_ESR/models/team15_SAFMN.py at 2e9275f60351872119099b6cae4647fae6decfb4.
    """
    act, bias = nn.GELU(), {"bias": not challenge}

    def modulate(m: nn.Module, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        levels = []
        for i, share in enumerate(x.chunk(4, 1)):
            factor = 2 ** (i + (1 if challenge else 0))
            small = (
                F.adaptive_max_pool2d(share, (height // factor, width // factor)) if i else share
            )
            levels.append(F.interpolate(m.mfr[i](small), (height, width), mode="nearest"))
        return act(m.aggr(torch.cat(levels, 1))) * x

    def mixed(m: nn.Module, x: Tensor) -> Tensor:
        if challenge:
            x = m.safm(x) + x
            return m.ccm(x) + x
        x = m.safm(m.norm1(x)) + x
        return m.ccm(m.norm2(x)) + x

    def block() -> nn.Module:
        norms = {} if challenge else {"norm1": LayerNorm(n), "norm2": LayerNorm(n)}
        mfr = nn.ModuleList(conv(3, n // 4, n // 4, groups=n // 4, **bias) for _ in range(4))
        ccm = chain([conv(3, n, 2 * n, **bias), nn.GELU(), conv(1, 2 * n, n, **bias)])
        return Apply(
            mixed,
            **norms,
            safm=Apply(modulate, mfr=mfr, aggr=conv(1, n, n, **bias)),
            ccm=Apply(lambda m, x: m.ccm(x), ccm=ccm),
        )

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        features = m.to_feat(x)
        if challenge:
            image = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
            return m.to_img(m.feats(m.norm(features))) + image
        return m.to_img(m.feats(features) + features)

    return Apply(
        forward,
        **({"norm": ResponseNorm(n)} if challenge else {}),
        to_feat=conv(3, 3, n),
        feats=chain([block() for _ in range(blocks)]),
        to_img=chain([conv(3, n, 3 * scale**2), nn.PixelShuffle(scale)]),
    )
