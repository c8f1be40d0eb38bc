from pathlib import Path

import numpy as np
import pytest

from sweeps.data.images import find_images, read_image
from sweeps.data.imresize import imresize


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_equals_the_stored_low_resolution_in_every_pixel(
    shared: Path, name: str, scale: int
) -> None:
    sources = find_images(shared / "data/benchmark" / name, scale)
    assert len(sources) == {"Set5": 5, "Set14": 14}[name]
    for source in sources:
        assert source.low_res is not None
        high_res, stored = read_image(source.high_res), read_image(source.low_res)
        height, width = (side // scale * scale for side in high_res.shape[:2])
        made = imresize(high_res[:height, :width], 1 / scale)
        assert np.array_equal(made, stored), source.name


@pytest.mark.parametrize("factor", [1 / 4, 1 / 3, 1 / 2, 2, 3, 4])
def test_a_flat_image_stays_flat(factor: float) -> None:
    flat = np.full((12, 24, 3), 77, np.uint8)
    resized = imresize(flat, factor)
    assert resized.shape == (round(12 * factor), round(24 * factor), 3)
    assert (resized == 77).all()


def test_output_size_is_rounded_up() -> None:
    assert imresize(np.zeros((10, 13)), 1 / 4).shape == (3, 4)


def test_gray_and_colour_agree() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (17, 23), dtype=np.uint8)
    colour = np.repeat(gray[..., None], 3, axis=2)
    assert np.array_equal(imresize(colour, 1 / 3)[..., 1], imresize(gray, 1 / 3))


def rounded(image: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(image + 0.5), 0, 255)


def test_8_bit_images_are_rounded_and_clipped_after_each_pass_rows_first() -> None:
    image = np.random.default_rng(0).integers(0, 2, (32, 24), dtype=np.uint8) * 255
    exact = imresize(image.astype(np.float64), 2)
    assert exact.min() < 0 < 255 < exact.max()
    # An image one pixel wide is only resized along its height.
    tall = [imresize(column[:, None], 2)[:, 0] for column in image.T.astype(np.float64)]
    passed = rounded(np.stack(tall, axis=1))
    wide = [imresize(row[None], 2)[0] for row in passed]
    assert np.array_equal(imresize(image, 2), rounded(np.stack(wide)))
    assert not np.array_equal(imresize(image, 2), rounded(exact))


def test_floating_point_keeps_its_type_and_reproduces_a_ramp_inside() -> None:
    ramp = np.arange(32, dtype=np.float32)[:, None] * np.ones(4, np.float32)
    doubled = imresize(ramp, 2)
    assert doubled.dtype == np.float32
    assert np.allclose(doubled[8:-8, 3], (np.arange(64)[8:-8] - 0.5) / 2, atol=1e-5)


def test_a_single_pixel_can_be_enlarged() -> None:
    assert (imresize(np.full((1, 1), 9, np.uint8), 4) == 9).all()


@pytest.mark.parametrize(
    ("image", "factor", "message"),
    [
        (np.zeros((4, 4), np.int32), 2, "must be uint8 or floating point, got int32"),
        (np.zeros((4, 4)), 0, "factor must be positive, got 0"),
        (np.zeros((0, 4)), 2, r"got shape \(0, 4\)"),
        (np.zeros(4), 2, r"got shape \(4,\)"),
    ],
)
def test_refuses_with_one_line(image: np.ndarray, factor: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        imresize(image, factor)
