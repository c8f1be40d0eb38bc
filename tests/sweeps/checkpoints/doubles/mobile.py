"""Doubles of the networks for phones."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.sweeps.checkpoints.doubles.parts import Apply, chain, conv

FILTERS = {
    "sbx": [[1.0, 0, -1], [2, 0, -2], [1, 0, -1]],
    "sby": [[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "lpl": [[0.0, 1, 0], [1, -4, 1], [0, 1, 0]],
}


class Pair(nn.Module):
    """A 1x1 convolution, a border that holds its bias, and a 3x3 convolution or an edge filter."""

    def __init__(self, inputs: int, outputs: int, rows: list[list[float]] | None) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, outputs if rows else 2 * outputs, 1)
        self.k0, self.b0 = first.weight, first.bias
        if rows is None:
            second = nn.Conv2d(2 * outputs, outputs, 3)
            self.k1, self.b1 = second.weight, second.bias
        else:
            self.scale = nn.Parameter(torch.randn(outputs, 1, 1, 1) * 1e-3)
            self.bias = nn.Parameter(torch.randn(outputs) * 1e-3)
            mask = torch.tensor(rows).repeat(outputs, 1, 1, 1)
            self.mask = nn.Parameter(mask, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pad(F.conv2d(x, self.k0, self.b0), (1, 1, 1, 1))
        border = self.b0.view(1, -1, 1, 1)
        y[:, :, 0:1, :] = y[:, :, -1:, :] = y[:, :, :, 0:1] = y[:, :, :, -1:] = border
        if hasattr(self, "k1"):
            return F.conv2d(y, self.k1, self.b1)
        return F.conv2d(y, self.scale * self.mask, self.bias, groups=len(self.scale))


def ecbsr(
    n: int,
    blocks: int,
    scale: int,
    colours: int,
    *,
    plain: bool = False,
    repeated: bool = False,
    first: bool = False,
) -> nn.Module:
    """xindongzhang/ECBSR; Y up to 255 (train.py at 450187c keeps 0..255).

    models/ecbsr.py and models/ecb.py at 450187cabe64cbf24ebebea3ab560e59c84bfa85; plain: models/plainsr.py at
    310d4683fdd6483fee87f05fd4445de9c50df38c. repeated: XPixelGroup/BasicSR, basicsr/archs/ecbsr_arch.py at
    29309abee516d318443edb5864a6c06db1ebf90b, whose colours run up to 1 and are repeated s * s times. first:
    src/model/ecbsr.py at 5b0cf7dcefec51418241102f223f6175dc1ba2c5, and legacy/src/model/ecb.py at 450187c.
    """

    def layer(inputs: int, outputs: int, last: bool = False) -> nn.Module:
        act = {} if last else {"act": nn.PReLU(outputs)}
        pairs = {} if plain else {"conv1x1_3x3": Pair(inputs, outputs, None)}
        if not plain:
            pairs |= {f"conv1x1_{k}": Pair(inputs, outputs, rows) for k, rows in FILTERS.items()}

        def forward(m: nn.Module, x: Tensor) -> Tensor:
            y = m.conv3x3(x) + sum(getattr(m, name)(x) for name in pairs)
            return y if last else m.act(y)

        return Apply(forward, conv3x3=conv(3, inputs, outputs), **pairs, **act)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        shortcut = torch.repeat_interleave(x, scale * scale, dim=1) if repeated else x
        y = m.tail(m.body(m.head(x))) if first else m.backbone(x)
        return m.upsampler(y + shortcut)

    layers = [layer(colours, n), *(layer(n, n) for _ in range(blocks))]
    layers.append(layer(n, colours * scale**2, last=True))
    parts = {"backbone": chain(layers)}
    if first:
        parts = {"head": chain(layers[:1]), "body": chain(layers[1:-1]), "tail": chain(layers[-1:])}
    return Apply(forward, **parts, upsampler=nn.PixelShuffle(scale))


def abpn_of_aimet(n: int, scale: int) -> nn.Module:
    """quic/aimet-model-zoo, aimet_zoo_torch/common/super_resolution/models.py and blocks.py at 59640d1; colours up to 1.

    The anchor is a frozen 1x1 convolution that repeats every colour s * s times.
    """
    layers: list[nn.Module] = [conv(3, 3, n), nn.ReLU()]
    for _ in range(5):
        layers += [conv(3, n, n), nn.ReLU()]
    anchor = nn.Conv2d(3, 3 * scale**2, 1)
    for parameter in anchor.parameters():
        parameter.requires_grad = False
        parameter.zero_()
    for colour in range(3):
        anchor.weight[colour * scale**2 : (colour + 1) * scale**2, colour] = 1

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.depth_to_space(m.anchor(x) + m.cnn(x))

    return Apply(
        forward,
        cnn=chain([*layers, conv(3, n, 3 * scale**2)]),
        anchor=Apply(lambda m, x: m.net(x), net=anchor),
        depth_to_space=nn.PixelShuffle(scale),
    )
