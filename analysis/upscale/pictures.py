"""Reads images to upscale and writes the results, with alpha channel, EXIF data and ICC profile.

A picture is upright: if its EXIF data holds an orientation, the pixels are rotated and the tag is removed. Viewers that
ignore EXIF data then show the result upright too.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from analysis.upscale.enlarge import Pixels
from searchspace.errors import UserError
from sweeps.data.pixels import MODES, bits_of, opened
from sweeps.files import write_bytes

SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""The formats that are written, by Pillow's names, with the suffixes of their files. Each holds EXIF data and an ICC
profile. Images in other formats become PNG."""
LARGEST = {"JPEG": 65_535, "WEBP": 16_383}
"""Maximum height and width of the formats whose limit is below a million."""
ADDED: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
"""Pillow's options for writing each format. All formats except JPEG are lossless."""
DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of grey images with 16 bits."""
STRUCTURE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 269, 273, 277, 278, 279, 280, 281, 284, 292, 293}
    | {301, 317, 320, 322, 323, 324, 325, 330, 332, 333, 336, 338, 339, 340, 341, 347, 512, 513}
    | {514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559, 700, 33723, 34377, 34675, 37724}
)
"""Tags of a TIFF file that describe how its own pixels are stored, or that hold a whole other block, such as the ICC
profile. They are not copied."""
ORIENTATION = 274


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image with its alpha channel, its metadata and notes on what is lost."""

    colours: Pixels
    """RGB (H, W, 3) in uint8, or grey (H, W) in uint8 or uint16."""
    alpha: NDArray[np.uint8] | None = None
    """The alpha channel (H, W)."""
    exif: Image.Exif | None = None
    icc: bytes | None = None
    """The ICC profile."""
    notes: tuple[str, ...] = ()
    """The parts of the file that the upscaled image loses, in words."""


def read_picture(path: Path) -> Picture:
    """Returns the picture in an image file.

    Raises UserError, whose message names the file, in these cases: the file cannot be read; its colours are neither RGB
    nor grey; an RGB channel has more than 8 bits; a grey channel has more than 16 bits.
    """
    notes = []
    with opened(path) as image:
        _refuse_unsuitable(path, image)
        if getattr(image, "n_frames", 1) > 1:
            notes.append("only the first frame is upscaled")
        icc = image.info.get("icc_profile") or None
        image.load()
        exif, broken = _exif(image)
        if broken:
            notes.append("its EXIF data is broken and is left out")
        upright = image if broken else ImageOps.exif_transpose(image)
        colours, alpha = _channels(upright)
    return Picture(colours=colours, alpha=alpha, exif=exif, icc=icc, notes=tuple(notes))


def write_picture(picture: Picture, path: Path, form: str) -> None:
    """Writes a picture to `path` in the format `form`, one of SUFFIXES. An older file is replaced as a whole.

    Raises OSError, which names `path`, if the file cannot be written.
    """
    image = Image.fromarray(picture.colours)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    added = dict(ADDED.get(form, {}))
    if picture.exif is not None:
        added.pop("compression", None)  # libtiff, which compresses, cannot write the EXIF data
        added["exif"] = _resized(picture.exif, image.size).tobytes()
    if picture.icc is not None:
        added["icc_profile"] = picture.icc
    content = io.BytesIO()
    image.save(content, form, **added)
    write_bytes(path, content.getbuffer())


def format_of(path: Path, image_format: str | None = None) -> str:
    """Returns the format of the upscaled image at `path`: the format that its suffix names, otherwise PNG."""
    if image_format is not None:
        return image_format
    found = [form for form, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes]
    return found[0] if found else "PNG"


def size_of(path: Path, form: str, scale: int) -> tuple[int, int]:
    """Returns the (height, width) of the upright image in a file. Only the header is read.

    Raises UserError as `read_picture` does, except that broken pixels go unnoticed. Also raises UserError if the format
    `form` cannot hold the image upscaled by `scale`.
    """
    with opened(path) as image:
        _refuse_unsuitable(path, image)
        has_alpha, deep = _has_alpha(image), image.mode in DEEP
        width, height = image.size
        if _orientation(image) > 4:
            width, height = height, width
    most = LARGEST.get(form)
    if most is not None and scale * max(width, height) > most:
        raise UserError(
            f"{path}: the upscaled image has {scale * width}x{scale * height} pixels, and {form} holds at most "
            f"{most:,} each way; add --format png"
        )
    if (has_alpha and form == "JPEG") or (deep and form in ("JPEG", "WEBP")):
        what = "16-bit images" if deep else "transparency"
        raise UserError(f"{path}: {form} holds no {what}; add --format png")
    return height, width


def _refuse_unsuitable(path: Path, image: Image.Image) -> None:
    if image.mode in DEEP:
        if "transparency" in image.info:
            raise UserError(f"{path}: a 16-bit image must not have a transparent colour")
        return
    if bits_of(path, image) > 8:
        raise UserError(
            f"{path}: must have 8 bits per channel, or be grey with 16 bits; convert the file to 8 bits first"
        )
    if image.mode not in MODES:
        raise UserError(
            f"{path}: must be RGB or grey, got {image.mode}; convert the file to RGB first"
        )


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info


def _channels(image: Image.Image) -> tuple[Pixels, NDArray[np.uint8] | None]:
    """Returns the colours and the alpha channel of an image."""
    if image.mode in DEEP:
        return np.asarray(image).astype(np.uint16), None
    grey = image.mode in ("1", "L", "LA")
    if not _has_alpha(image):
        return np.asarray(image.convert("L" if grey else "RGB")), None
    # Pillow turns a transparent colour into alpha for RGBA only.
    whole = np.asarray(image.convert("RGBA"))
    alpha = np.ascontiguousarray(whole[..., 3])
    return np.ascontiguousarray(whole[..., 0] if grey else whole[..., :3]), alpha


def _orientation(image: Image.Image) -> int:
    if (
        image.format == "TIFF"
    ):  # Pillow turns its pixels itself, and states the size of what it turns
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1) or 1)
    except Exception:  # broken EXIF data, of which Pillow's parser raises all kinds
        return 1


def _exif(image: Image.Image) -> tuple[Image.Exif | None, bool]:
    """Returns the EXIF data to carry over, and whether the data is broken and therefore lost."""
    try:
        found = image.getexif()
        dropped = {*STRUCTURE, ORIENTATION} if image.format == "TIFF" else {ORIENTATION}
        kept = Image.Exif()
        kept.load(found.tobytes())
        for tag in dropped & set(kept):
            del kept[tag]
        kept.tobytes()
    except Exception:  # Pillow's parser raises all kinds
        return None, True
    return (kept if len(kept) else None), False


def _resized(exif: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """Writes the (width, height) of the upscaled image into the tags of `exif` that hold a size. Returns `exif`."""
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    for values, tags in (
        (exif, (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength)),
        (inner, (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)),
    ):
        for tag, side in zip(tags, size, strict=True):
            if tag in values:
                values[tag] = side
    return exif
