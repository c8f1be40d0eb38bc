"""Writes a plate as a self-contained HTML page that adapts to the width of the screen."""

import base64

from PIL import Image

from analysis.pages.environment import render
from analysis.plate.plate import Pixels, Plate
from analysis.plate.png import enlarged_crop, png_of

WIDEST = 1200
"""Largest width and height in pixels of the whole image on the page. A larger image is downscaled."""


def plate_page(plate: Plate) -> str:
    """Returns the page about `plate` as HTML. It has no script. The box is drawn by CSS, in per cent of the image."""
    height, width = plate.whole.shape[:2]
    box = plate.box
    scored = [version for version in plate.versions if version.psnr_y is not None]
    best = max(scored, key=lambda version: version.psnr_y or 0.0)
    return render(
        "plate.html.j2",
        image=plate.image,
        scale=plate.scale,
        size=f"{width}x{height}",
        whole=_url(_reduced(plate.whole)),
        box=plate.box,
        place=[
            f"{100 * side / whole:.3f}%"
            for side, whole in (
                (box.left, width),
                (box.top, height),
                (box.width, width),
                (box.height, height),
            )
        ],
        versions=[
            {
                "name": version.name,
                "scores": version.scores,
                "url": _url(enlarged_crop(version.crop)),
                "best": version is best,
            }
            for version in plate.versions
        ],
    )


def _reduced(image: Pixels) -> Image.Image:
    whole = Image.fromarray(image)
    whole.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    return whole


def _url(image: Image.Image | Pixels) -> str:
    return "data:image/png;base64," + base64.b64encode(png_of(image)).decode()
