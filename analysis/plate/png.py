"""Draws a plate as one picture: the whole image with the box on the left, and the crops in rows beside it."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis.plate.plate import Pixels, Plate, Version

CELL = 200
"""Width of the frame of a crop, in pixels. A crop is upscaled by an integer factor, without smoothing, to fit the frame."""
GAP = 14
TEXT = 15
"""Size of the text in pixels."""
INK, QUIET, MARK, PAPER = "#1d2733", "#5d6874", "#ff3b30", "#ffffff"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_plate(plate: Plate) -> Image.Image:
    """Returns the picture of `plate`. The text below a crop is its name and its scores."""
    font = ImageFont.load_default(TEXT)
    crops = [enlarged_crop(version.crop) for version in plate.versions]
    columns = max(2, math.ceil(len(crops) / 2))
    cell = (max(c.shape[1] for c in crops), max(c.shape[0] for c in crops))
    labels = 2 * (TEXT + 5) + 4
    rows = math.ceil(len(crops) / columns)
    height = rows * (cell[1] + labels) + (rows - 1) * GAP
    whole, box = _whole(plate, height - labels)
    size = (3 * GAP + whole.width + columns * (cell[0] + GAP) - GAP, 2 * GAP + height)
    made = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(made)
    made.paste(whole, (GAP, GAP))
    draw.rectangle([box[0] + GAP, box[1] + GAP, box[2] + GAP, box[3] + GAP], outline=MARK, width=3)
    title = _cut(draw, plate.image, font, whole.width)
    draw.text((GAP, GAP + whole.height + 6), title, INK, font)
    draw.text((GAP, GAP + whole.height + TEXT + 11), f"x{plate.scale}", QUIET, font)
    for place, (version, crop) in enumerate(zip(plate.versions, crops, strict=True)):
        left = 2 * GAP + whole.width + (place % columns) * (cell[0] + GAP)
        top = GAP + (place // columns) * (cell[1] + labels + GAP)
        made.paste(Image.fromarray(crop), (left, top))
        _label(draw, version, (left, top + crop.shape[0] + 6), font, cell[0])
    return made


def png_of(image: Image.Image | Pixels) -> bytes:
    """Returns `image` as the content of a PNG file."""
    memory = io.BytesIO()
    made = image if isinstance(image, Image.Image) else Image.fromarray(image)
    made.save(memory, "PNG", optimize=True)
    return memory.getvalue()


def enlarged_crop(crop: Pixels) -> Pixels:
    """Returns `crop`, upscaled without smoothing by the largest integer factor that fits a frame of CELL pixels, at
    least 1.
    """
    factor = max(1, CELL // max(crop.shape[:2]))
    return np.ascontiguousarray(crop.repeat(factor, 0).repeat(factor, 1))


def _whole(plate: Plate, height: int) -> tuple[Image.Image, list[float]]:
    """Returns the whole image, resized to `height` or to twice its size, and the corners of the box in it."""
    image = Image.fromarray(plate.whole)
    factor = min(2.0, height / image.height, 2 * height / image.width)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    box = plate.box
    corners = [box.left, box.top, box.left + box.width - 1, box.top + box.height - 1]
    return image.resize(size, Image.Resampling.LANCZOS), [factor * corner for corner in corners]


def _label(
    draw: ImageDraw.ImageDraw, version: Version, place: tuple[int, int], font: Font, width: int
) -> None:
    draw.text(place, _cut(draw, version.name, font, width), INK, font)
    draw.text((place[0], place[1] + TEXT + 5), version.scores, QUIET, font)


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    """Returns `text`, cut with three dots if it is wider than `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font) > width:
        text = text[:-1]
    return f"{text}..."
