"""The parts of a plate: which box, which scores, and where the box is drawn."""

import numpy as np
import pytest
from PIL import Image

from analysis.pages.plate import plate_page
from analysis.plate.plate import Box, make_plate, telling_box
from analysis.plate.png import MARK, draw_plate, enlarged_crop
from searchspace.errors import UserError
from sweeps.data.imresize import imresize
from sweeps.measure.metrics import psnr_y

RNG = np.random.default_rng(0)
HIGH = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)
LOW = imresize(HIGH, 0.5)


def test_the_box_is_where_the_versions_differ() -> None:
    wrong = HIGH.copy()
    wrong[48:80, 88:120] ^= 128
    box = telling_box([HIGH, wrong], HIGH)
    assert box.left <= 88
    assert box.left + box.width >= 120
    assert box.top <= 48
    assert box.top + box.height >= 80
    assert (box.width, box.height) == (64, 64)


def test_a_plate_has_bicubic_the_networks_and_the_original_in_order() -> None:
    better = np.clip(HIGH.astype(int) + 1, 0, 255).astype(np.uint8)
    plate = make_plate(
        "a.png", HIGH, LOW, {"net": better}, Box(left=10, top=20, width=30, height=40)
    )
    assert [version.name for version in plate.versions] == ["bicubic", "net", "original"]
    bicubic, net, original = plate.versions
    assert bicubic.psnr_y == psnr_y(imresize(LOW, 2), HIGH, 2)
    assert net.psnr_y == psnr_y(better, HIGH, 2)
    assert original.scores == "PSNR / SSIM"
    assert np.array_equal(net.crop, better[20:60, 10:40])
    assert np.array_equal(original.crop, HIGH[20:60, 10:40])


def test_the_picture_holds_every_crop_and_the_marked_box() -> None:
    plate = make_plate("a.png", HIGH, LOW, {"<b>": HIGH}, Box(left=10, top=20, width=30, height=40))
    drawn = np.asarray(draw_plate(plate))
    shown = enlarged_crop(HIGH[20:60, 10:40])
    assert shown.shape == (200, 150, 3)
    found = [
        (y, x)
        for y, x in np.argwhere((drawn == shown[0, 0]).all(2))
        if np.array_equal(drawn[y : y + 200, x : x + 150], shown)
    ]
    assert len(found) == 2  # the network's, which is perfect here, and the original
    assert (drawn == np.array(Image.new("RGB", (1, 1), MARK))[0, 0]).all(2).any()
    page = plate_page(plate)
    assert page.count("data:image/png") == 4
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "left: 6.250%; top: 16.667%; width: 18.750%; height: 33.333%" in page


def test_a_box_outside_the_image_is_refused() -> None:
    with pytest.raises(
        UserError, match="--box: must lie inside the image of 160x120 pixels, got 100,0"
    ):
        make_plate("a.png", HIGH, LOW, {}, Box(left=100, top=0, width=64, height=64))
