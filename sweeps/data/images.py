"""Finds the images of a set and reads them as pairs of a low-resolution and a high-resolution image.

Three layouts are known: `<set>/HR/NAME.png` with `<set>/LR_bicubic/X<scale>/NAMEx<scale>.png` (EDSR, BasicSR and their
descendants), `DIV2K_train_HR` beside `DIV2K_train_LR_bicubic` (DIV2K), and any folder of images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from searchspace.errors import UserError
from sweeps.data.imresize import imresize

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")

Pixels = NDArray[np.uint8]
"""RGB pixels of shape (height, width, 3)."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """The files of one pair of images."""

    name: str
    high_res: Path
    low_res: Path | None = None
    """None: `imresize` makes the low-resolution image from the high-resolution image."""
    crop: tuple[int, int, int, int] | None = None
    """Top, left, height and width in pixels of the part of the high-resolution image that is used. None: the whole
    image."""


def read_pair(source: ImageSource, scale: int) -> tuple[Pixels, Pixels]:
    """Returns the low-resolution image (h, w, 3) and the high-resolution image (scale * h, scale * w, 3).

    The high-resolution image is cropped at the right and bottom to multiples of the scale. Raises UserError, which
    names the file, if an image cannot be read, is too small, or if a stored low-resolution image does not have the size
    (h, w).
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


def read_image(path: Path) -> Pixels:
    """Returns the pixels of an 8-bit image. Gray becomes three equal channels, and transparency is dropped.

    Raises UserError, which names the file, if it is missing, broken, or has more than 8 bits per channel.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = None if mode.startswith(("I", "F")) else np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({_short(error)})") from None
    if pixels is None:
        raise UserError(f"{path}: must have 8 bits per channel, got Pillow's mode {mode}")
    return pixels


def is_gray(path: Path) -> bool:
    """Returns whether an image file is grayscale, with or without transparency.

    A colour file with three equal channels is not grayscale.
    """
    with Image.open(path) as image:
        return image.mode in ("1", "L", "LA")


def find_images(folder: Path, scale: int) -> list[ImageSource]:
    """Returns the images of the set in `folder`, sorted by name.

    An image has a low-resolution file if the set stores one for `scale`. Raises UserError if the folder is missing,
    contains no image, or contains two images with the same name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: folder does not exist")
    high_folder = _high_res_folder(folder)
    files: dict[str, Path] = {}
    for path in _image_files(high_folder):
        if path.stem in files:
            raise UserError(
                f"{high_folder}: images must have different names, got {files[path.stem].name} and {path.name}"
            )
        files[path.stem] = path
    if not files:
        raise UserError(f"{high_folder}: must contain images ({', '.join(SUFFIXES)}), got none")
    stored = _stored_low_res(high_folder, scale)
    return [
        ImageSource(name=name, high_res=files[name], low_res=stored.get(f"{name}x{scale}"))
        for name in sorted(files)
    ]


def find_set(root: Path, name: str) -> Path:
    """Returns the folder of the set `name`: the first of `root/name`, `root/benchmark/name` and the path `name` that
    exists.

    Raises UserError if none exists. The message lists the folders that were searched and the sets that exist.
    """
    places = list(dict.fromkeys((root / name, root / "benchmark" / name, Path(name))))
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(map(str, places))
    if not root.is_dir():
        raise UserError(f"no image set {name!r} (searched {looked}): folder {root} does not exist")
    there = ", ".join(known_sets(root)) or "none"
    raise UserError(f"no image set {name!r} (searched {looked}); sets in {root}: {there}")


def known_sets(root: Path) -> list[str]:
    """Returns the names of the folders under `root` and `root/benchmark` that contain images."""
    folders = [
        folder
        for parent in (root, root / "benchmark")
        if parent.is_dir()
        for folder in sorted(parent.iterdir())
    ]
    return [f.name for f in folders if f.is_dir() and any(_image_files(_high_res_folder(f)))]


def _high_res_folder(folder: Path) -> Path:
    # The folder of unpacked DIV2K contains DIV2K_train_HR. DIV2K_valid_HR must be named by its path.
    candidates = [folder / "HR", folder / f"{folder.name}_train_HR"]
    return next((candidate for candidate in candidates if candidate.is_dir()), folder)


def _stored_low_res(high_folder: Path, scale: int) -> dict[str, Path]:
    """Returns the stored low-resolution files of `high_folder` by stem. The result is empty if there are none."""
    if not high_folder.name.endswith("HR"):
        return {}
    folder = high_folder.with_name(f"{high_folder.name.removesuffix('HR')}LR_bicubic") / f"X{scale}"
    return {path.stem: path for path in _image_files(folder)} if folder.is_dir() else {}


def _image_files(folder: Path) -> list[Path]:
    # File managers leave hidden files that are not images.
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def _short(error: Exception) -> str:
    """Returns the error in one line without the path, which the message contains already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = str(error).splitlines()
    return lines[0].split(" '")[0].split(": <")[0] if lines else type(error).__name__
