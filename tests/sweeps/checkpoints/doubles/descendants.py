"""Doubles of networks whose codes descend from EDSR's or CARN's, and of BasicSR's versions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.sweeps.checkpoints.doubles.parts import (
    MEAN,
    Apply,
    chain,
    conv,
    normed,
    scalar,
    shift,
    shuffles,
)


def in_basicsr(body: nn.Module, n: int, scale: int) -> nn.Module:
    """XPixelGroup/BasicSR, basicsr/archs/edsr_arch.py at ab4a7a37054d9caa8e9317799d3b26e615a02d4f and rcan_arch.py at
    6846f1689f0d736e332f6454f3a24b98eac731d4, around a body; colours up to 1.

    The mean is no buffer, so the state dict lacks it.
    """

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        mean = MEAN.view(1, 3, 1, 1)
        x = m.conv_first((x - mean) * 255)
        x = m.conv_after_body(m.body(x)) + x
        return m.conv_last(m.upsample(x)) / 255 + mean

    return Apply(
        forward,
        conv_first=conv(3, 3, n),
        body=body,
        conv_after_body=conv(3, n, n),
        upsample=shuffles(n, scale),
        conv_last=conv(3, n, 3),
    )


def edsr_of_basicsr(n: int, blocks: int, scale: int) -> nn.Module:
    """The residual blocks: basicsr/archs/arch_util.py at 0f662ecdbcbf4459e46dd81a8354431be3d04fe2."""

    def block() -> nn.Module:
        return Apply(
            lambda m, x: x + m.conv2(m.relu(m.conv1(x))) * 0.1,
            conv1=conv(3, n, n),
            conv2=conv(3, n, n),
            relu=nn.ReLU(inplace=True),
        )

    return in_basicsr(chain([block() for _ in range(blocks)]), n, scale)


def rcan_of_basicsr(n: int, groups: int, blocks: int, scale: int) -> nn.Module:
    """The residual groups: rcan_arch.py, as `in_basicsr` says."""

    def attention() -> nn.Module:
        layers = [conv(1, n, n // 4), nn.ReLU(inplace=True), conv(1, n // 4, n), nn.Sigmoid()]
        pooled = chain([nn.AdaptiveAvgPool2d(1), *layers])
        return Apply(lambda m, x: x * m.attention(x), attention=pooled)

    def block() -> nn.Module:
        rcab = chain([conv(3, n, n), nn.ReLU(True), conv(3, n, n), attention()])
        return Apply(lambda m, x: m.rcab(x) + x, rcab=rcab)

    def group() -> nn.Module:
        return Apply(
            lambda m, x: m.conv(m.residual_group(x)) + x,
            residual_group=chain([block() for _ in range(blocks)]),
            conv=conv(3, n, n),
        )

    return in_basicsr(chain([group() for _ in range(groups)]), n, scale)


def slwsr(n: int, scale: int) -> nn.Module:  # noqa: C901 - short builders inside
    """Sudo-Biao/s-LWSR, Train/code/model/lwsr.py and common.py at 0ae00dee0deb8207ff3ad6e5c77e3fa97a164328.

    sub_mean, add_mean, head, feat2_1 to feat6_2, conv1, feat7_1 to conv10, tail. Some ReLUs work in place and some do
    not; all read the output of a convolution that nothing else reads. Colours up to 255.
    """

    def block() -> nn.Module:
        body = chain([conv(3, n, n), nn.ReLU(True), conv(3, n, n)])
        return Apply(lambda m, x: m.body(x) + x, body=body)

    def fusing() -> nn.Module:
        def forward(m: nn.Module, x: Tensor) -> Tensor:
            fused = m.conv(x)
            return m.body(fused) + fused

        body = chain([conv(3, n, n), nn.ReLU(True), conv(3, n, n)])
        return Apply(forward, conv=conv(1, 2 * n, n), body=body)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        head = entry = m.head(m.sub_mean(x))
        firsts, lasts = [head], []
        for number, size in ((2, 3), (3, 3), (4, 3), (5, 3), (6, 2)):
            outputs = [entry]
            for i in range(1, size + 1):
                outputs.append(getattr(m, f"feat{number}_{i}")(outputs[-1]))
            if number > 2:
                firsts.append(outputs[1])
            lasts.append(outputs[-1])
            entry = outputs[1] + outputs[-1]
        running = lasts.pop()
        pool = m.conv1(torch.cat([*firsts, running], 1))
        for number in (7, 8, 9, 10):
            x = torch.cat([running, 0.5 * lasts.pop() + 0.5 * pool], 1)
            x = getattr(m, f"feat{number}_2")(getattr(m, f"feat{number}_1")(x))
            running = getattr(m, f"conv{number}")(x)
        return m.add_mean(m.tail(running + head))

    sizes = {2: 3, 3: 3, 4: 3, 5: 3, 6: 2}
    encoder = {f"feat{k}_{i}": block() for k, size in sizes.items() for i in range(1, size + 1)}
    decoder: dict[str, nn.Module] = {}
    for number in (7, 8, 9, 10):
        decoder |= {f"feat{number}_1": fusing(), f"feat{number}_2": block()}
        decoder[f"conv{number}"] = block()
    return Apply(
        forward,
        sub_mean=shift(-1, 255),
        add_mean=shift(1, 255),
        head=chain([conv(3, 3, n)]),
        **encoder,
        conv1=conv(1, 6 * n, n, bias=False),
        **decoder,
        tail=chain([shuffles(n, scale), conv(3, n, 3)]),
    )


def swisenet(n: int, scale: int) -> nn.Module:  # noqa: C901 - short builders inside
    """Nerti98/SwiseNet, SwiseNet.py and ops.py at b01fc20a850c43588fa71a4f172910e1ec4f8c57; colours up to 1.

    sub_mean, add_mean, entry_1, CGG1 to CGG3, reduction1 to 3, reduction, Global_skip, upsample1 to 3, exit1 to 3,
    x_scale, res_scale. The file does not run: NAF1 is read as CGB1, and the third branch has half the size, because it is
    called with 1 / 2.
    """

    def norm() -> nn.Module:
        class Last(nn.LayerNorm):
            def forward(self, x: Tensor) -> Tensor:
                last = super().forward(x.permute(0, 2, 3, 1))
                return last.permute(0, 3, 1, 2)

        return Last(n)

    def gate(x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return a * b

    def gated(m: nn.Module, x: Tensor) -> Tensor:
        y = m.prelu(gate(m.conv2(m.conv1(m.norm1(x)))))
        y = x + m.conv3(y * m.SE(y)) * m.beta
        return y + m.conv5(m.prelu(gate(m.conv4(m.norm2(y))))) * m.gamma

    def block() -> nn.Module:
        module = Apply(
            gated,
            conv1=conv(1, n, 4 * n),
            conv2=conv(3, 4 * n, 4 * n, groups=4 * n),
            conv3=conv(1, 2 * n, n),
            SE=chain([nn.AdaptiveAvgPool2d(1), conv(1, 2 * n, 2 * n)]),
            prelu=nn.PReLU(init=1),
            conv4=conv(1, n, 4 * n),
            conv5=conv(1, 2 * n, n),
            norm1=norm(),
            norm2=norm(),
        )
        module.beta = nn.Parameter(torch.zeros(1, n, 1, 1))
        module.gamma = nn.Parameter(torch.zeros(1, n, 1, 1))
        return module

    def reduction(width: int) -> nn.Module:
        return Apply(
            lambda m, x: m.LR(m.conv(x)), conv=normed(conv(1, width * n, n)), LR=nn.ReLU(True)
        )

    def cascade(m: nn.Module, x: Tensor, names: str) -> list[Tensor]:
        gathered, outputs = x, []
        for i in (1, 2, 3):
            gathered = torch.cat([gathered, getattr(m, f"{names}{i}")(x)], 1)
            x = getattr(m, f"reduction{i}")(gathered)
            outputs.append(x)
        return outputs

    def reductions() -> dict[str, nn.Module]:
        return {f"reduction{i}": reduction(i + 1) for i in (1, 2, 3)}

    def group() -> nn.Module:
        blocks = {f"CGB{i}": block() for i in (1, 2, 3)}
        return Apply(lambda m, x: cascade(m, x, "CGB")[-1], **blocks, **reductions())

    def branch(factor: int) -> nn.Module:
        layers = [normed(conv(3, n, factor**2 * n, groups=4)), nn.ReLU(True)]
        body = chain([*layers, nn.PixelShuffle(factor)])
        if factor == 1:
            body = chain([normed(conv(3, n, n // 4)), nn.ReLU(True), nn.PixelUnshuffle(2)])
        up = Apply(lambda m, x: m.body(x), body=body)
        return Apply(lambda m, x: m.up(x), up=up)

    def resized(x: Tensor, size: list[int]) -> Tensor:
        return F.interpolate(x, size, mode="bicubic", align_corners=False)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        image = m.sub_mean(x)
        size = [scale * side for side in image.shape[2:]]
        entry = m.entry_1(image)
        x = m.reduction(torch.cat(cascade(m, entry, "CGG"), 1))
        x = m.x_scale(x) + m.res_scale(m.Global_skip(entry))
        parts = [
            getattr(m, f"exit{i}")(resized(getattr(m, f"upsample{i}")(x), size)) for i in (1, 2, 3)
        ]
        return m.add_mean(sum(parts) + resized(image, size))

    def mean_shift(sign: int) -> nn.Module:
        return Apply(lambda m, x: m.shifter(x), shifter=shift(sign, 1))

    return Apply(
        forward,
        sub_mean=mean_shift(-1),
        add_mean=mean_shift(1),
        entry_1=normed(conv(3, 3, n)),
        **{f"CGG{i}": group() for i in (1, 2, 3)},
        **reductions(),
        reduction=reduction(3),
        Global_skip=chain([nn.AdaptiveAvgPool2d(1), conv(1, n, n), nn.ReLU(True)]),
        upsample1=branch(scale + 1),
        upsample2=branch(scale),
        upsample3=branch(1),
        **{f"exit{i}": normed(conv(3, n, 3)) for i in (1, 2, 3)},
        x_scale=scalar(1),
        res_scale=scalar(1),
    )
