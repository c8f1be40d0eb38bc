"""Doubles of networks that are chains of residual blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.sweeps.checkpoints.doubles.parts import (
    Apply,
    chain,
    conv,
    normed,
    scalar,
    shift,
    shuffles,
)


def edsr(n: int, blocks: int, scale: int) -> nn.Module:
    """sanghyun-son/EDSR-PyTorch, src/model/edsr.py; colours up to 255."""

    def block() -> nn.Module:
        body = chain([conv(3, n, n), nn.ReLU(), conv(3, n, n)])
        return Apply(lambda m, x: m.body(x) * 0.1 + x, body=body)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        head = m.head(m.sub_mean(x))
        return m.add_mean(m.tail(m.body(head) + head))

    return Apply(
        forward,
        sub_mean=shift(-1, 255),
        add_mean=shift(1, 255),
        head=chain([conv(3, 3, n)]),
        body=chain([*(block() for _ in range(blocks)), conv(3, n, n)]),
        tail=chain([shuffles(n, scale), conv(3, n, 3)]),
    )


def rcan(n: int, groups: int, blocks: int, scale: int) -> nn.Module:
    """yulunzhang/RCAN, RCAN_TestCode/code/model/rcan.py; colours up to 255."""

    def attention() -> nn.Module:
        layers = chain([conv(1, n, n // 4), nn.ReLU(), conv(1, n // 4, n), nn.Sigmoid()])
        return Apply(lambda m, x: x * m.conv_du(x.mean((2, 3), keepdim=True)), conv_du=layers)

    def block() -> nn.Module:
        body = chain([conv(3, n, n), nn.ReLU(), conv(3, n, n), attention()])
        return Apply(lambda m, x: m.body(x) + x, body=body)

    def group() -> nn.Module:
        body = chain([*(block() for _ in range(blocks)), conv(3, n, n)])
        return Apply(lambda m, x: m.body(x) + x, body=body)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        head = m.head(m.sub_mean(x))
        return m.add_mean(m.tail(m.body(head) + head))

    return Apply(
        forward,
        sub_mean=shift(-1, 255),
        add_mean=shift(1, 255),
        head=chain([conv(3, 3, n)]),
        body=chain([*(group() for _ in range(groups)), conv(3, n, n)]),
        tail=chain([shuffles(n, scale), conv(3, n, 3)]),
    )


def carn(n: int, scale: int, *, several: bool, groups: int = 1, small: bool = False) -> nn.Module:  # noqa: C901 - short builders inside
    """nmhkahn/CARN-pytorch, carn/model/carn.py and carn_m.py; colours up to 1."""

    def unit() -> nn.Module:
        grouped = [conv(3, n, n, groups=groups), nn.ReLU(), conv(3, n, n, groups=groups)]
        body = chain([*grouped, nn.ReLU(), conv(1, n, n)] if small else grouped)
        return Apply(lambda m, x: F.relu(m.body(x) + x), body=body)

    def fusion(count: int) -> nn.Module:
        return Apply(lambda m, x: m.body(x), body=chain([conv(1, count * n, n), nn.ReLU()]))

    def cascade(m: nn.Module, x: Tensor) -> Tensor:
        gathered = x
        for i in (1, 2, 3):
            part = m.b1 if hasattr(m, "shared") else getattr(m, f"b{i}")
            gathered = torch.cat([gathered, part(x)], 1)
            x = getattr(m, f"c{i}")(gathered)
        return x

    def cascading(parts: list[nn.Module]) -> dict[str, nn.Module]:
        named = {f"b{i}": part for i, part in enumerate(parts, 1)}
        return named | {f"c{i}": fusion(i + 1) for i in (1, 2, 3)}

    def block() -> nn.Module:
        module = Apply(cascade, **cascading([unit()] if small else [unit() for _ in range(3)]))
        if small:
            module.shared = True
        return module

    def upsampler(factor: int) -> nn.Module:
        layers = []
        for step in {2: [2], 3: [3], 4: [2, 2]}[factor]:
            layers += [conv(3, n, step**2 * n, groups=groups), nn.ReLU(), nn.PixelShuffle(step)]
        return Apply(lambda m, x: m.body(x), body=chain(layers))

    def mean_shift(sign: int) -> nn.Module:
        return Apply(lambda m, x: m.shifter(x), shifter=shift(sign, 1))

    names = {f"up{factor}": factor for factor in (2, 3, 4)} if several else {"up": scale}
    used = f"up{scale}" if several else "up"

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        x = cascade(m, m.entry(m.sub_mean(x)))
        return m.add_mean(m.exit(m.upsample(x)))

    return Apply(
        forward,
        sub_mean=mean_shift(-1),
        add_mean=mean_shift(1),
        entry=conv(3, 3, n),
        **cascading([block() for _ in range(3)]),
        upsample=Apply(
            lambda m, x: getattr(m, used)(x), **{k: upsampler(v) for k, v in names.items()}
        ),
        exit=conv(3, n, 3),
    )


def awsrn(n: int, inner: int, blocks: int, units: int, scale: int) -> nn.Module:
    """ChaofWang/AWSRN, code/src/model/awsrn.py and awsrnd.py; colours up to 255."""

    def unit() -> nn.Module:
        body = chain([normed(conv(3, n, inner)), nn.ReLU(), normed(conv(3, inner, n))])
        return Apply(
            lambda m, x: m.res_scale(m.body(x)) + m.x_scale(x),
            res_scale=scalar(1),
            x_scale=scalar(1),
            body=body,
        )

    def fuse(m: nn.Module, x: Tensor) -> Tensor:
        outputs = [x]
        for i in range(units):
            outputs.append(getattr(m, f"b{i}")(outputs[-1]))
        return m.res_scale(m.reduction(torch.cat(outputs[1:], 1))) + m.x_scale(x)

    def block() -> nn.Module:
        return Apply(
            fuse,
            **{f"b{i}": unit() for i in range(units)},
            reduction=normed(conv(3, units * n, n)),
            res_scale=scalar(1),
            x_scale=scalar(1),
        )

    kernels = (3, 5, 7, 9)

    def tail(m: nn.Module, x: Tensor) -> Tensor:
        parts = [getattr(m, f"scale_k{k}")(getattr(m, f"tail_k{k}")(x)) for k in kernels]
        return sum(F.pixel_shuffle(part, scale) for part in parts)

    widened = 3 * scale**2
    return Apply(
        lambda m, x: m.tail(m.body(m.head(x))) + m.skip(x),
        head=chain([normed(conv(3, 3, n))]),
        body=chain([block() for _ in range(blocks)]),
        tail=Apply(
            tail,
            **{f"tail_k{k}": normed(conv(k, n, widened)) for k in kernels},
            **{f"scale_k{k}": scalar(0.25) for k in kernels},
        ),
        skip=chain([normed(conv(3, 3, widened)), nn.PixelShuffle(scale)]),
    )


def wdsr(n: int, blocks: int, scale: int, kind: str) -> nn.Module:
    """JiahuiYu/wdsr_ntire2018, wdsr_a.py and wdsr_b.py; colours up to 255."""

    def block() -> nn.Module:
        linear = int(0.8 * n)
        wide = [normed(conv(3, n, 4 * n)), nn.ReLU(), normed(conv(3, 4 * n, n))]
        low_rank = [
            normed(conv(1, n, 6 * n)),
            nn.ReLU(),
            normed(conv(1, 6 * n, linear)),
            normed(conv(3, linear, n)),
        ]
        return Apply(lambda m, x: m.body(x) + x, body=chain(wide if kind == "a" else low_rank))

    widened = 3 * scale**2
    return Apply(
        lambda m, x: m.tail(m.body(m.head(x))) + m.skip(x),
        head=chain([normed(conv(3, 3, n))]),
        body=chain([block() for _ in range(blocks)]),
        tail=chain([normed(conv(3, n, widened)), nn.PixelShuffle(scale)]),
        skip=chain([normed(conv(5, 3, widened)), nn.PixelShuffle(scale)]),
    )
