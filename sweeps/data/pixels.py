"""Reads image files: their headers, and their pixels as pairs of a low-resolution and a high-resolution image."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from searchspace.errors import UserError
from sweeps.data.imresize import imresize

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "PPM", "GIF")
"""Pillow's names of the formats that are read. The suffix of a file does not matter."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
"""Pillow's modes that convert to RGB in only one way. CMYK and LAB would need a colour profile."""

BITS_PER_SAMPLE, ORIENTATION = 258, 274
"""Numbers of TIFF and EXIF tags."""

# A photograph of more than 89 million pixels is not an attack. Pillow still refuses more than twice this number.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Only the orientation is read from EXIF, and it is not applied.
warnings.filterwarnings("ignore", message="Corrupt EXIF data", category=UserWarning)

Pixels = NDArray[np.uint8]
"""RGB pixels of shape (height, width, 3)."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """The files of one pair of images."""

    name: str
    high_res: Path
    low_res: Path | None = None
    """The file of the low-resolution image. None if `imresize` computes that image from the high-resolution image."""
    crop: tuple[int, int, int, int] | None = None
    """The part of the high-resolution image that is used: top, left, height and width in pixels. None: the whole
    image."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Facts about an image file that are known before its pixels are decoded."""

    width: int
    height: int
    gray: bool
    """Whether the file is grayscale, with or without transparency. A colour file with three equal channels is not
    grayscale."""
    alpha: bool
    """Whether the file has an alpha channel or a transparent colour."""
    orientation: int
    """Orientation in the EXIF data, which is not applied to the pixels. 1 means upright."""
    frames: int
    """Number of frames or pages. Only the first one is read."""


def read_pair(source: ImageSource, scale: int) -> tuple[Pixels, Pixels]:
    """Returns the low-resolution image (h, w, 3) and the high-resolution image (scale * h, scale * w, 3).

    The high-resolution image is cropped at the right and bottom to multiples of the scale. Raises UserError with the
    name of the file if an image cannot be read or is too small, or if a stored low-resolution image does not have the
    size (h, w).
    """
    high_res = read_image(source.high_res)
    if source.crop:
        top, left, height, width = source.crop
        high_res = high_res[top : top + height, left : left + width]
    height, width = (side // scale for side in high_res.shape[:2])
    if not (height and width):
        size = f"{high_res.shape[1]}x{high_res.shape[0]}"
        raise UserError(
            f"{source.high_res}: must be at least {scale}x{scale} pixels for scale {scale}, got {size}"
        )
    high_res = high_res[: height * scale, : width * scale]
    if source.low_res is None:
        return imresize(high_res, 1 / scale), high_res
    low_res = read_image(source.low_res)
    if low_res.shape != (height, width, 3):
        raise UserError(
            f"{source.low_res}: must be {width}x{height} pixels (1/{scale} of {source.high_res.name}), "
            f"got {low_res.shape[1]}x{low_res.shape[0]}"
        )
    return low_res, high_res


def check_pair(source: ImageSource, scale: int) -> None:
    """Raises UserError if the headers of a pair show that its stored low-resolution image does not fit."""
    if source.low_res is None:
        return
    high_res, low_res = read_header(source.high_res), read_header(source.low_res)
    width, height = high_res.width // scale, high_res.height // scale
    if (low_res.width, low_res.height) != (width, height):
        raise UserError(
            f"{source.low_res}: must be {width}x{height} pixels (1/{scale} of {source.high_res.name}), "
            f"got {low_res.width}x{low_res.height}"
        )
    if low_res.orientation != high_res.orientation:
        raise UserError(
            f"{source.low_res}: must have the EXIF orientation of {source.high_res.name}, "
            f"{high_res.orientation}, got {low_res.orientation}"
        )


def read_image(path: Path) -> Pixels:
    """Returns the pixels of an 8-bit image. Gray becomes three equal channels, and transparency is dropped.

    Raises UserError with the name of the file if it is missing or broken, has more than 8 bits per channel, or has
    colours other than RGB and gray.
    """
    with opened(path) as image:
        _refuse_unsuitable(path, image)
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert(
                "RGBA"
            )  # the line about the set already reports what Pillow would warn about
        return np.asarray(image.convert("RGB"))


def read_header(path: Path) -> Header:
    """Returns the header of an image file.

    Raises UserError like `read_image`, except that broken pixels go unnoticed.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read as an image ({_short(error)})") from None
    return _header_once(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=200_000)
def _header_once(path: Path, _modified: int, _size: int) -> Header:
    with opened(path) as image:
        _refuse_unsuitable(path, image)
        return Header(
            width=image.width,
            height=image.height,
            gray=image.mode in ("1", "L", "LA"),
            alpha=image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info,
            orientation=_orientation(image),
            frames=_frames(image),
        )


def is_gray(path: Path) -> bool:
    """Returns whether an image file is grayscale, with or without transparency.

    A colour file with three equal channels is not grayscale.
    """
    return read_header(path).gray


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens an image file of one of the FORMATS for one `with` block.

    Raises UserError with the name of the file if it cannot be opened or if Pillow raises an error in the block.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({_short(error)})") from None


def _refuse_unsuitable(path: Path, image: Image.Image) -> None:
    bits = bits_of(path, image)
    if bits > 8:
        raise UserError(
            f"{path}: must have 8 bits per channel, got {bits}; convert the file to 8 bits first"
        )
    if image.mode not in MODES:
        raise UserError(
            f"{path}: must be RGB or gray, got {image.mode}; convert the file to RGB first"
        )


def bits_of(path: Path, image: Image.Image) -> int:
    """Returns the file's number of bits per channel.

    Pillow's mode does not show this number, because Pillow opens 16-bit colours as RGB.
    """
    if image.mode.startswith("F"):
        return 32
    if image.mode.startswith("I"):
        return 16
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]  # the ninth byte of IHDR, which is always the first chunk
    if image.format == "TIFF":
        return max(image.tag_v2.get(BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    if image.format == "PPM":
        # The last argument of Pillow's decoder is the largest value of a channel, unless it is 255.
        tiles = image.tile  # type: ignore[attr-defined]
        arguments = tiles[0].args if tiles else ()
        largest = arguments[-1] if isinstance(arguments, tuple) and arguments else 255
        return 16 if isinstance(largest, int) and largest > 255 else 8
    return 8


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image. Returns 1 if Pillow rotates the pixels itself."""
    # Pillow turns the pixels of a TIFF itself. For a PNG, it would decode all pixels to look for EXIF behind them.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1) or 1)
    except (
        Exception
    ):  # Pillow's parser raises many types of errors for broken EXIF, which is not applied either
        return 1


def _frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a broken second frame does not matter
        return 1


def _short(error: Exception) -> str:
    """Returns the error in one line, without the path, because the caller's message already contains the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = str(error).splitlines()
    return lines[0].split(" '")[0].split(": <")[0] if lines else type(error).__name__
