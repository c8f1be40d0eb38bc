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
    """sanghyun-son/EDSR-PyTorch; colours up to 255 (rgb_range of option.py).

    src/model/edsr.py at 3dd71ae5561c42e9ce6c03273ee5d93be88db06e: sub_mean, add_mean, head, body, tail.
    src/model/common.py at 4f5e2ced93ebb21b42c8568b044c143a4be4a651: MeanShift, ResBlock, Upsampler.
    """

    def block() -> nn.Module:
        body = chain([conv(3, n, n), nn.ReLU(True), conv(3, n, n)])
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
    """yulunzhang/RCAN, RCAN_TestCode/code/model/rcan.py and common.py; colours up to 255.

    Both at a57c5ed293b5ad9b64c1895d645f62d9a334fa11: sub_mean, add_mean, head, body, tail.
    """

    def attention() -> nn.Module:
        layers = chain([conv(1, n, n // 4), nn.ReLU(True), conv(1, n // 4, n), nn.Sigmoid()])
        return Apply(lambda m, x: x * m.conv_du(x.mean((2, 3), keepdim=True)), conv_du=layers)

    def block() -> nn.Module:
        body = chain([conv(3, n, n), nn.ReLU(True), conv(3, n, n), attention()])
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
    """nmhkahn/CARN-pytorch; colours up to 1 (its mean shift is the mean of DIV2K itself).

    carn/model/carn.py at 1fb92291518e01d9967daa721d0c74671d039dbb and carn_m.py at
    05858bc9d6844269e672df0ce835db7cd950e0ae: sub_mean, add_mean, entry, b1 to b3, c1 to c3, upsample, exit.
    carn/model/ops.py at a1d62d08a90cc341ea7581fec3302ebb926df7b4. At 05858bc that file enlarges by nearest neighbours,
    whose layers have other shapes.
    """

    def unit() -> nn.Module:
        grouped = [conv(3, n, n, groups=groups), nn.ReLU(True), conv(3, n, n, groups=groups)]
        body = chain([*grouped, nn.ReLU(True), conv(1, n, n)] if small else grouped)
        return Apply(lambda m, x: F.relu(m.body(x) + x), body=body)

    def fusion(count: int) -> nn.Module:
        return Apply(lambda m, x: m.body(x), body=chain([conv(1, count * n, n), nn.ReLU(True)]))

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
            layers += [conv(3, n, step**2 * n, groups=groups), nn.ReLU(True), nn.PixelShuffle(step)]
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


def awsrn(
    n: int, inner: int, blocks: int, units: int, scale: int, *, listed: bool = False
) -> nn.Module:
    """ChaofWang/AWSRN, code/src/model/awsrn.py and awsrnd.py at 95f800770b4103725ba5337b327134e9b9cc7baa.

    head, body, tail, skip; in a unit the scalars before the body, in a block after the units and the reduction.
    `listed`: awsrnv2.py at b7e285e73667e114ccb69e354254c4f67ca39e25, whose units are in a list. Colours up to 255.
    """

    def unit() -> nn.Module:
        body = chain([normed(conv(3, n, inner)), nn.ReLU(True), normed(conv(3, inner, n))])
        return Apply(
            lambda m, x: m.res_scale(m.body(x)) + m.x_scale(x),
            res_scale=scalar(1),
            x_scale=scalar(1),
            body=body,
        )

    names = "lfl.{}" if listed else "b{}"

    def fuse(m: nn.Module, x: Tensor) -> Tensor:
        outputs = [x]
        for i in range(units):
            outputs.append(m.get_submodule(names.format(i))(outputs[-1]))
        return m.res_scale(m.reduction(torch.cat(outputs[1:], 1))) + m.x_scale(x)

    def block() -> nn.Module:
        inside = [unit() for _ in range(units)]
        return Apply(
            fuse,
            **({"lfl": chain(inside)} if listed else {f"b{i}": u for i, u in enumerate(inside)}),
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
    """JiahuiYu/wdsr_ntire2018; colours up to 255.

    wdsr_a.py at 7bd001174e4e359bcf22f4af28f6e2260b3bcf10, wdsr_b.py at 07cf0ce61febfcc5c7e98850bf9e7f9aa60a287f: head,
    body, tail, skip. The mean and res_scale are arguments; the defaults of the training script are not stored.
    """

    def block() -> nn.Module:
        linear = int(0.8 * n)
        wide = [normed(conv(3, n, 4 * n)), nn.ReLU(True), normed(conv(3, 4 * n, n))]
        low_rank = [
            normed(conv(1, n, 6 * n)),
            nn.ReLU(True),
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
