"""Checkpoints as the authors' public code saves them: the same weights must give the same output.

The networks below are written from FACTS, in the order and with the names of the public codes, and share
nothing with ours. Each is saved with random weights, loaded into our family, and both are run.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.architecture import architecture
from searchspace.bicubic import enlarge_as_matlab
from searchspace.discover import FAMILIES
from searchspace.strategies.colours import rgb_to_ycbcr
from sweeps.checkpoints.upstream_weights import load_weights

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


def conv(kernel: int, inputs: int, outputs: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def normed(layer: nn.Module) -> nn.Module:
    """Weight norm as the codes of its time have it: weight_g and weight_v, after the bias."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


class Apply(nn.Module):
    """Modules by their upstream names, in upstream order, and what is computed with them."""

    def __init__(self, forward: Callable[[nn.Module, Tensor], Tensor], **modules: nn.Module):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.compute = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def chain(modules: list[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*modules)


def shift(sign: int, largest: int) -> nn.Conv2d:
    layer = nn.Conv2d(3, 3, 1)
    layer.weight.data = torch.eye(3).view(3, 3, 1, 1)
    layer.bias.data = sign * largest * MEAN
    return layer


def keeping_shifts(network: nn.Module) -> nn.Module:
    """`network` with noise on all weights but the mean shift's, and gains of the size of 1."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "_mean" not in name:
                parameter += 0.05 * torch.randn_like(parameter)
    return network.eval()


def shuffles(n: int, scale: int) -> nn.Sequential:
    if scale == 3:
        return chain([conv(3, n, 9 * n), nn.PixelShuffle(3)])
    return chain([m for _ in range(scale // 2) for m in (conv(3, n, 4 * n), nn.PixelShuffle(2))])


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


def scalar(value: float) -> nn.Module:
    module = Apply(lambda m, x: x * m.scale)
    module.scale = nn.Parameter(torch.tensor([float(value)]))
    return module


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


def image() -> Tensor:
    return torch.rand((1, 3, 7, 6), generator=torch.Generator().manual_seed(1))


def up_to_1(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb)


def up_to_255(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb * 255) / 255


def centred(network: nn.Module, rgb: Tensor) -> Tensor:
    """As WDSR and AWSRN feed themselves; their code keeps the mean out of the state."""
    mean = 255 * MEAN.view(1, 3, 1, 1)
    return (network((255 * rgb - mean) / 127.5) * 127.5 + mean) / 255


def on_luma(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb_to_ycbcr(rgb)[:, :1])


Feed = Callable[[nn.Module, Tensor], Tensor]
SMALL_AWSRN = {"n_feats": 4, "inner_feats": 8, "n_blocks": 2, "units_per_block": 4}
CARN_M = {"n_feats": 8, "unit": "efficient", "groups": 4, "recursive": True}
CASES: list = [
    (lambda: edsr(8, 2, 4), up_to_255, "edsr", {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}, 4),
    (lambda: edsr(8, 2, 3), up_to_255, "edsr", {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}, 3),
    (lambda: rcan(8, 2, 2, 2), up_to_255, "rcan", {"n_feats": 8, "n_groups": 2, "n_blocks": 2, "reduction": 4}, 2),
    (lambda: carn(8, 4, several=False), up_to_1, "carn", {"n_feats": 8}, 4),
    *((lambda s=s: carn(8, s, several=True), up_to_1, "carn", {"n_feats": 8}, s) for s in (2, 3, 4)),
    *((lambda s=s: carn(8, s, several=True, groups=4, small=True), up_to_1, "carn", CARN_M, s) for s in (2, 3, 4)),
    (lambda: awsrn(4, 8, 2, 4, 3), centred, "awsrn", SMALL_AWSRN, 3),
    (lambda: wdsr(8, 3, 2, "a"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3}, 2),
    (lambda: wdsr(8, 3, 4, "b"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3, "kind": "b", "expand_ratio": 6}, 4),
    (lambda: wdsr(8, 3, 2, "a"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3, "weight_norm": False}, 2),
    (lambda: imdn(16, 2), up_to_1, "imdn", {"n_feats": 16}, 2),
    (lambda: idn(16, 3), up_to_255, "idn", {"n_feats": 16}, 3),
    (lambda: fsrcnn(3), on_luma, "fsrcnn", {"colours": 1}, 3),
    (lambda: srcnn(2), on_luma, "srcnn", {}, 2),
    (lambda: vdsr(3), on_luma, "vdsr", {}, 3),
    (lambda: drrn(2), on_luma, "drrn", {}, 2),
    (lapsrn, on_luma, "lapsrn", {"enlarging_kernel": 4, "bias": False}, 4),
]  # fmt: skip


def loaded(folder: Path, state: dict, family: str, knobs: dict, scale: int) -> nn.Module:
    """Our network with the weights of a file that holds `state`."""
    torch.save(state, folder / "upstream.pth")
    network = architecture(family, knobs).network(scale)
    load_weights(network, folder / "upstream.pth")
    return network.eval()


@pytest.mark.parametrize(
    ("upstream", "feed", "family", "knobs", "scale"),
    CASES,
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_upstream_weights_give_the_upstream_output(
    tmp_path: Path,
    upstream: Callable[[], nn.Module],
    feed: Feed,
    family: str,
    knobs: dict,
    scale: int,
) -> None:
    theirs = keeping_shifts(upstream())
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    ours = loaded(tmp_path, state, family, knobs, scale)
    with torch.no_grad():
        wanted, got = feed(theirs, image()), ours(image())
        if feed is on_luma:
            got = rgb_to_ycbcr(got)[:, :1]
    assert wanted.shape == got.shape
    assert wanted.std() > 1e-3
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert FAMILIES[family].upstream_range == (255 if feed in (up_to_255, centred) else 1)


def small_edsr() -> nn.Module:
    return keeping_shifts(edsr(8, 2, 2))


EDSR = {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}


def rearranged(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same weights as other codes and tools save them."""
    shifts = {name: t for name, t in state.items() if "_mean" in name}
    rest = {name: t for name, t in state.items() if name not in shifts}
    biases_first = sorted(
        state, key=lambda name: list(state).index(name) - name.endswith("bias") * 1.5
    )
    return {
        "mean shift last": rest | dict(reversed(shifts.items())),
        "no mean shift, as BasicSR": rest,
        "biases before weights": {name: state[name] for name in biases_first},
        "foreign names": {f"p{i}.{name[-4:]}": t for i, (name, t) in enumerate(state.items())},
    }


@pytest.mark.parametrize("how", rearranged({"a.weight": MEAN, "a.bias": MEAN}))
def test_arrangements_of_the_same_weights_give_the_same_output(tmp_path: Path, how: str) -> None:
    theirs = small_edsr()
    state = rearranged(theirs.state_dict())[how]
    with torch.no_grad():
        got = loaded(tmp_path, state, "edsr", EDSR, 2)(image())
        wanted = up_to_255(theirs, image())
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_plain_weights_fill_a_weight_normalised_network(tmp_path: Path) -> None:
    theirs = architecture("wdsr", {"n_feats": 8, "n_blocks": 2, "weight_norm": False}).network(2)
    ours = loaded(tmp_path, theirs.state_dict(), "wdsr", {"n_feats": 8, "n_blocks": 2}, 2)
    with torch.no_grad():
        torch.testing.assert_close(ours(image()), theirs(image()), rtol=1e-4, atol=1e-5)


def test_statistics_of_batch_norm_are_no_mean_colour(tmp_path: Path) -> None:
    theirs = architecture("memnet", {"n_feats": 3, "n_blocks": 1}).network(2)
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_()
    state = {f"net.{name}": t for name, t in theirs.state_dict().items()}
    ours = loaded(tmp_path, state, "memnet", {"n_feats": 3, "n_blocks": 1}, 2)
    with torch.no_grad():
        assert torch.equal(ours(image()), theirs.eval()(image()))


def test_a_stored_mean_must_be_the_one_that_is_used(tmp_path: Path) -> None:
    theirs = keeping_shifts(wdsr(8, 1, 2, "a"))
    knobs = {"n_feats": 8, "n_blocks": 1}
    for largest in (1, 255):
        state = {"rgb_mean": largest * MEAN.view(1, 3, 1, 1)} | theirs.state_dict()
        loaded(tmp_path, state, "wdsr", knobs, 2)
    with pytest.raises(ValueError, match=r"rgb_mean must be the mean of DIV2K"):
        loaded(
            tmp_path, {"rgb_mean": torch.full((3,), 0.5)} | theirs.state_dict(), "wdsr", knobs, 2
        )


def test_a_mean_shift_of_another_range_is_refused(tmp_path: Path) -> None:
    state = small_edsr().state_dict()
    for name in ("sub_mean.bias", "add_mean.bias"):
        state[name] = state[name] / 255
    with pytest.raises(ValueError, match="its mean shift is 0.4488 .*: one takes colours up to 1"):
        loaded(tmp_path, state, "edsr", EDSR, 2)


def test_several_scales_without_the_one_wanted_are_refused(tmp_path: Path) -> None:
    state = carn(8, 4, several=True).state_dict()
    state = {name: t for name, t in state.items() if ".up3." not in name}
    with pytest.raises(ValueError, match="must fit the network"):
        loaded(tmp_path, state, "carn", {"n_feats": 8}, 3)


def test_mdsr_is_no_edsr(tmp_path: Path) -> None:
    state = small_edsr().state_dict()
    before = {f"pre_process.0.0.body.{i}.weight": torch.zeros(8, 8, 5, 5) for i in (0, 2)}
    with pytest.raises(ValueError, match=r"pre_process\.0\.0\.body\.0\.weight 8x8x5x5, meets"):
        loaded(tmp_path, before | state, "edsr", EDSR, 2)


@pytest.mark.parametrize(
    ("upstream", "family", "hint"),
    [
        (lambda: fsrcnn(2), "fsrcnn", "colours=1"),
        (lambda: Apply(up_to_1, a=conv(3, 1, 64), b=conv(3, 64, 64)), "vdsr", "a knob `bias`"),
    ],
)
def test_the_error_says_which_knob_may_be_meant(
    tmp_path: Path, upstream: Callable[[], nn.Module], family: str, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        loaded(tmp_path, upstream().state_dict(), family, {}, 2)
    assert "\n" not in str(caught.value)


def test_a_pickled_module_says_how_to_save_its_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 50, "model": chain([conv(3, 1, 64)])}, tmp_path / "model_epoch_50.pth")
    with pytest.raises(ValueError, match=r"save its state_dict\(\) with the code"):
        load_weights(architecture("vdsr", {}).network(2), tmp_path / "model_epoch_50.pth")
