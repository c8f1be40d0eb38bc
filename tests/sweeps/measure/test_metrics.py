import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from searchspace.errors import UserError
from sweeps.measure.metrics import psnr_y, psnrs_rgb, rgb_to_y, scores_y, ssim_y


@pytest.fixture
def image() -> np.ndarray:
    """Smooth enough for SSIM to be far from 0, uint8 (40, 52, 3)."""
    rng = np.random.default_rng(0)
    rough = rng.normal(0, 1, (40, 52, 3)).cumsum(0).cumsum(1)
    return np.clip(128 + 4 * rough, 20, 235).astype(np.uint8)


@pytest.fixture
def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).integers(-20, 21, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_luma_of_black_white_and_the_primaries() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    luma = rgb_to_y(colours.astype(np.uint8))[0]
    assert luma == pytest.approx([16, 235, 81.481, 144.553, 40.966])


def test_equal_images_have_infinite_psnr_and_ssim_one(image: np.ndarray) -> None:
    assert psnr_y(image, image, 4) == math.inf
    assert ssim_y(image, image, 4) == pytest.approx(1)


@pytest.mark.parametrize("levels", [1, 5])
def test_a_shift_of_gray_levels_has_the_psnr_of_its_luma(image: np.ndarray, levels: int) -> None:
    shifted = image + np.uint8(levels)
    expected = 20 * math.log10(255 / (levels * 219 / 255))
    assert psnr_y(shifted, image, 2) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [psnr_y, ssim_y])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_border_is_ignored_and_nothing_else(
    image: np.ndarray, noisy: np.ndarray, metric, scale: int
) -> None:
    value = metric(noisy, image, scale)
    beyond = noisy.copy()
    beyond[:scale] = beyond[-scale:] = 0
    beyond[:, :scale] = beyond[:, -scale:] = 255
    assert metric(beyond, image, scale) == value
    beyond[scale, scale] = 255 - beyond[scale, scale]
    assert metric(beyond, image, scale) != value


@pytest.mark.parametrize("metric", [psnr_y, ssim_y])
def test_symmetric_in_its_images_and_falls_with_noise(
    image: np.ndarray, noisy: np.ndarray, metric
) -> None:
    half = ((image.astype(int) + noisy) // 2).astype(np.uint8)
    assert metric(noisy, image, 3) == pytest.approx(metric(image, noisy, 3))
    assert metric(noisy, image, 3) < metric(half, image, 3) < metric(image, image, 3)


def test_ssim_agrees_with_scikit_image_on_the_valid_area(
    image: np.ndarray, noisy: np.ndarray
) -> None:
    scale = 3
    crop = (slice(scale, -scale), slice(scale, -scale))
    _, full = structural_similarity(
        rgb_to_y(noisy)[crop],
        rgb_to_y(image)[crop],
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        truncate=3.5,  # a window of 11
        use_sample_covariance=False,
        full=True,
    )
    expected = full[5:-5, 5:-5].mean()
    assert expected < 0.97
    assert ssim_y(noisy, image, scale) == pytest.approx(expected, abs=1e-12)


def test_psnr_agrees_with_scikit_image(image: np.ndarray, noisy: np.ndarray) -> None:
    crop = (slice(4, -4), slice(4, -4))
    expected = peak_signal_noise_ratio(rgb_to_y(image)[crop], rgb_to_y(noisy)[crop], data_range=255)
    assert psnr_y(noisy, image, 4) == pytest.approx(expected, abs=1e-12)


def test_luma_is_the_sum_of_its_colours_to_the_last_bit(image: np.ndarray) -> None:
    red, green, blue = image.astype(np.float64).transpose(2, 0, 1)
    expected = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    assert np.array_equal(rgb_to_y(image), expected)


def test_a_batch_has_the_scores_of_its_images(image: np.ndarray, noisy: np.ndarray) -> None:
    pairs = [(noisy, image), (image, image), (noisy[::-1], image), (image, noisy)]
    super_res, high_res = (
        torch.from_numpy(np.stack(images)) for images in zip(*pairs, strict=True)
    )
    before = super_res.clone(), high_res.clone()
    found = scores_y(super_res, high_res, 3)
    assert found.dtype == torch.float64
    expected = [(psnr_y(a, b, 3), ssim_y(a, b, 3)) for a, b in pairs]
    assert found.tolist() == [pytest.approx(scores, abs=1e-9) for scores in expected]
    assert torch.equal(super_res, before[0])
    assert torch.equal(high_res, before[1])


def test_a_batch_in_another_order_of_memory_has_the_same_scores(
    image: np.ndarray, noisy: np.ndarray
) -> None:
    # A network's output is channels-first in shape, whatever its memory.
    pair = [torch.from_numpy(each)[None] for each in (noisy, image)]
    planes = [each.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) for each in pair]
    assert torch.equal(scores_y(planes[0], planes[1], 2), scores_y(pair[0], pair[1], 2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_scores_of_the_processor(image: np.ndarray, noisy: np.ndarray) -> None:
    pair = [torch.from_numpy(np.stack([a, b])) for a, b in ((noisy, image), (image, noisy))]
    expected = scores_y(pair[0], pair[1], 3)
    found = scores_y(pair[0].cuda(), pair[1].cuda(), 3)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-9)


def test_luma_is_not_rounded() -> None:
    black = np.zeros((20, 20, 3), np.uint8)
    blue = black.copy()
    blue[..., 2] = 1  # less than half a level of luma
    assert psnr_y(blue, black, 2) == pytest.approx(20 * math.log10(255 / (24.966 / 255)))


@pytest.mark.parametrize(
    ("shapes", "metric", "message"),
    [
        (((20, 20, 3), (20, 24, 3)), psnr_y, "must have the same size"),
        (((8, 20, 3), (8, 20, 3)), psnr_y, "must be at least 9x9 pixels .* got 20x8"),
        (((18, 20, 3), (18, 20, 3)), ssim_y, "must be at least 19x19 pixels .* got 20x18"),
        (((20, 20), (20, 20)), psnr_y, r"must be uint8 \(H, W, 3\), got uint8 \(20, 20\)"),
    ],
)
def test_refuses_with_one_line(shapes, metric, message: str) -> None:
    a, b = (np.zeros(shape, np.uint8) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        metric(a, b, 4)


def test_the_smallest_images_that_fit_are_measured() -> None:
    for metric, side in ((psnr_y, 9), (ssim_y, 19)):
        image = np.zeros((side, side, 3), np.uint8)
        assert metric(image, image, 4) == pytest.approx(math.inf if metric is psnr_y else 1)


def test_floating_point_images_are_refused() -> None:
    image = np.zeros((20, 20, 3))
    with pytest.raises(ValueError, match="must be uint8"):
        psnr_y(image, image, 2)


@pytest.mark.parametrize("scale", [2, 3])
def test_psnr_of_rgb_has_one_mean_over_pixels_and_channels(
    image: np.ndarray, noisy: np.ndarray, scale: int
) -> None:
    inside = (slice(scale, -scale), slice(scale, -scale))
    error = (image.astype(np.float64) - noisy.astype(np.float64))[inside]
    expected = 10 * math.log10(255**2 / np.mean(error**2))
    pair = [torch.from_numpy(np.stack([a, b])) for a, b in ((noisy, image), (image, image))]
    found = psnrs_rgb(pair[0], pair[1], scale)
    assert found.tolist() == [pytest.approx(expected, abs=1e-12), math.inf]
    # A third of the channels has an error, and the border is not compared.
    red = image.copy()
    red[..., 0] ^= 1
    red[:scale] = 0
    found = psnrs_rgb(torch.from_numpy(red)[None], torch.from_numpy(image)[None], scale)
    assert found.item() == pytest.approx(10 * math.log10(255**2 * 3))


def test_psnr_of_rgb_refuses_images_of_other_sizes(image: np.ndarray) -> None:
    whole = torch.from_numpy(image)[None]
    with pytest.raises(UserError):
        psnrs_rgb(whole[:, :-1], whole, 2)
