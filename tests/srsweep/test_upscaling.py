"""What `srsweep upscale` says about tiles."""

import re
from pathlib import Path

import numpy as np
import pytest

from analysis.upscale.enlarge import OVERLAP, Upscaler
from searchspace.architecture import architecture
from srsweep.upscaling import Image, Opened, with_overlap

IMAGE = Image(source=Path("a.png"), target=Path("b.png"), form="PNG", size=(40, 90))


def opened(family: str | None, tile: int, **knobs: int) -> Opened:
    upscaler = Upscaler(run=lambda low_res: np.zeros(1, np.float32), scale=2, tile=tile)
    chosen = architecture(family, {"n_feats": 4, "n_blocks": 1} | knobs) if family else None
    return Opened(name="net", upscaler=upscaler, architecture=chosen)


def test_tiles_of_a_network_of_plain_convolutions_overlap_by_its_reach() -> None:
    upscaler, line = with_overlap(opened("edsr", 64), [IMAGE])
    assert line == ""
    assert 5 <= upscaler.overlap <= 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            opened("rcan", 64, n_groups=1),
            "net: the network uses the whole image, as global pooling",
        ),
        (
            opened("edsr", 16, n_blocks=4),
            "net: an output pixel depends on pixels up to 1\\d away, more than tiles",
        ),
        (opened(None, 64), "net: no model card beside the file names its network"),
    ],
)
def test_tiles_that_change_the_result_are_told_in_one_line(given: Opened, told: str) -> None:
    upscaler, line = with_overlap(given, [IMAGE])
    assert "\n" not in line
    assert re.match(told, line), line
    assert "1 image in tiles" in line
    assert ("--tile 90 upscales" in line) == (given.architecture is not None)
    assert upscaler.overlap <= OVERLAP


def test_an_image_that_fits_into_a_tile_needs_no_line() -> None:
    given = opened("rcan", 90, n_groups=1)
    assert with_overlap(given, [IMAGE]) == (given.upscaler, "")
