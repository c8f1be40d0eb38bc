from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sweeps.data.cache import PairSet, open_cache
from sweeps.data.images import find_images
from sweeps.data.split import open_test_set
from sweeps.measure.evaluate import bicubic_scores, enlarge, evaluate, published_bicubic_scores
from sweeps.measure.metrics import psnr_y, psnrs_rgb, ssim_y


class Nearest(nn.Module):
    """Each pixel repeated, with a dropout that would show if it were in training mode."""

    def __init__(self, scale: int = 2, factor: float = 1.0) -> None:
        super().__init__()
        self.scale, self.factor = scale, factor
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        return self.dropout(nn.functional.interpolate(x, scale_factor=self.scale) * self.factor)


class Convolutions(nn.Module):
    """Three 3x3 convolutions. An output depends on pixels at most three away."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        channels = (3, 8, 8, 12)
        layers = [
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels, channels[1:], strict=False)
        ]
        self.body = nn.Sequential(*layers, nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + 0.5


@pytest.fixture
def low_res() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (19, 26, 3), dtype=np.uint8)


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    rng = np.random.default_rng(0)
    for name, size in (("a", (32, 40)), ("b", (36, 32))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return open_cache(find_images(tmp_path, 2), name="set", scale=2, cache_dir=tmp_path / "cache")


def test_a_network_that_repeats_pixels_does_so(low_res: np.ndarray) -> None:
    enlarged = enlarge(Nearest(), low_res, device="cpu")
    assert np.array_equal(enlarged, low_res.repeat(2, 0).repeat(2, 1))


def test_output_is_clipped_and_rounded(low_res: np.ndarray) -> None:
    expected = np.clip(np.round(1.5 * low_res.astype(np.float64)), 0, 255)
    enlarged = enlarge(Nearest(factor=1.5), low_res, device="cpu")[::2, ::2]
    # At ties float32 may fall on either side.
    assert np.abs(enlarged - expected)[low_res % 2 == 0].max() == 0
    assert np.abs(enlarged - expected).max() <= 1
    assert (enlarge(Nearest(factor=-1), low_res, device="cpu") == 0).all()


@pytest.mark.parametrize("tile", [1, 5, 8, 19, 100])
def test_tiles_with_enough_overlap_give_the_whole_image(low_res: np.ndarray, tile: int) -> None:
    network = Convolutions()
    whole = enlarge(network, low_res, device="cpu").astype(int)
    tiled = enlarge(network, low_res, device="cpu", tile=tile, overlap=3).astype(int)
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).mean() < 0.001  # where float32 sums end on either side of a tie


def test_tiles_with_too_little_overlap_differ_at_their_seams_only(low_res: np.ndarray) -> None:
    network = Convolutions()
    whole = enlarge(network, low_res, device="cpu").astype(int)
    tiled = enlarge(network, low_res, device="cpu", tile=13, overlap=0).astype(int)
    difference = np.abs(tiled - whole)
    assert difference.max() > 1
    assert difference[: 2 * 10, : 2 * 10].max() <= 1


def test_self_ensemble_is_the_mean_over_the_eight_symmetries(low_res: np.ndarray) -> None:
    network = Convolutions()
    image = torch.from_numpy(low_res / 255).float().permute(2, 0, 1)[None]
    outputs = []
    with torch.no_grad():
        for swap in (False, True):
            for dims in ((), (2,), (3,), (2, 3)):
                seen = (image.swapaxes(2, 3) if swap else image).flip(dims)
                output = network(seen).flip(dims)
                outputs.append(output.swapaxes(2, 3) if swap else output)
    mean = torch.stack(outputs).mean(0)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    ensembled = enlarge(network, low_res, device="cpu", self_ensemble=True)
    assert np.abs(ensembled - mean).max() < 0.501
    plain = enlarge(network, low_res, device="cpu").astype(int)
    assert np.abs(ensembled - plain).max() > 1
    tiled = enlarge(network, low_res, device="cpu", self_ensemble=True, tile=8, overlap=3)
    assert np.abs(tiled.astype(int) - ensembled).max() <= 1


def test_self_ensemble_leaves_a_symmetric_network_alone(low_res: np.ndarray) -> None:
    enlarged = enlarge(Nearest(), low_res, device="cpu", self_ensemble=True)
    assert np.array_equal(enlarged, low_res.repeat(2, 0).repeat(2, 1))


def test_scores_are_means_over_the_images(pairs: PairSet) -> None:
    scores = evaluate(Nearest(), pairs, device="cpu")
    assert list(scores.per_image) == ["a", "b"]
    for i, name in enumerate(pairs.names):
        enlarged = pairs.low_res(i).repeat(2, 0).repeat(2, 1)
        assert scores.per_image[name].psnr_y == psnr_y(enlarged, pairs.high_res(i), 2)
        assert scores.per_image[name].ssim_y == ssim_y(enlarged, pairs.high_res(i), 2)
        pair = (torch.from_numpy(np.array(a))[None] for a in (enlarged, pairs.high_res(i)))
        assert scores.per_image[name].psnr_rgb == psnrs_rgb(*pair, 2).item()
    for measure in ("psnr_y", "psnr_rgb"):
        both = [getattr(score, measure) for score in scores.per_image.values()]
        assert getattr(scores, measure) == pytest.approx(sum(both) / 2)


def test_every_part_of_the_network_goes_back_to_its_mode(pairs: PairSet) -> None:
    network = nn.Sequential(Nearest(), nn.Identity())
    network.train()
    network[1].eval()
    evaluate(network, pairs, device="cpu")
    assert [part.training for part in network.modules()] == [True, True, True, False]
    with pytest.raises(ValueError, match="not finite"):
        evaluate(nn.Sequential(Nearest(factor=float("nan"))).train(), pairs, device="cpu")
    assert network[0].training


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_an_output_that_is_not_finite_names_the_image(pairs: PairSet, factor: float) -> None:
    network = Nearest(factor=factor)
    with pytest.raises(ValueError, match="^set: a: the network's output is not finite$"):
        evaluate(network, pairs, device="cpu")
    assert network.training


def test_an_output_of_another_size_names_the_image(pairs: PairSet) -> None:
    with pytest.raises(ValueError, match="^set: a: metric: images must have the same size"):
        evaluate(Nearest(scale=3), pairs, device="cpu")


def test_autocast_around_it_changes_nothing(pairs: PairSet) -> None:
    network = Convolutions()
    plain = evaluate(network, pairs, device="cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert evaluate(network, pairs, device="cpu") == plain


@pytest.mark.parametrize(
    ("name", "scale", "psnr", "published", "published_ssim"),
    [
        ("Set5", 2, 33.67, 33.66, 0.9299),
        ("Set5", 3, 30.40, 30.39, 0.8682),
        ("Set5", 4, 28.43, 28.42, 0.8104),
        ("Set14", 2, None, 30.23, None),
        ("Set14", 3, None, 27.54, None),
        ("Set14", 4, None, 26.00, None),
    ],
)
def test_bicubic_has_the_known_figures(
    shared: Path,
    tmp_path: Path,
    name: str,
    scale: int,
    psnr: float | None,
    published: float,
    published_ssim: float | None,
) -> None:
    pairs = open_test_set(shared / "data", name, scale, tmp_path)
    if psnr is not None:
        assert round(bicubic_scores(pairs).psnr_y, 2) == psnr
    scores = published_bicubic_scores(pairs)
    assert round(scores.psnr_y, 2) == published
    if published_ssim is not None:
        assert round(scores.ssim_y, 4) == published_ssim
