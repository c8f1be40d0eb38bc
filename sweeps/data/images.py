"""Finding and reading images: which files make a set, and the pair of arrays behind each.

Layouts: `<set>/HR/NAME.png` with `<set>/LR_bicubic/X<scale>/NAMEx<scale>.png` (EDSR, BasicSR and their
descendants), DIV2K's own `DIV2K_train_HR` beside `DIV2K_train_LR_bicubic`, or any folder of images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sweeps.data.imresize import imresize

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where one pair of images comes from."""

    name: str
    high_res: Path
    low_res: Path | None = None
    """None: to be made from the high resolution by `imresize`."""
    crop: tuple[int, int, int, int] | None = None
    """Top, left, height and width of the part of the high resolution that is used."""


def read_pair(source: ImageSource, scale: int) -> tuple[Pixels, Pixels]:
    """Low resolution (h, w, 3) and high resolution (scale * h, scale * w, 3).

    The high resolution is cropped at the right and bottom to multiples of the scale. Raises ValueError
    that names the file if it cannot be read, is too small or does not fit its low resolution.
    """
    high_res = read_image(source.high_res)
    if source.crop:
        top, left, height, width = source.crop
        high_res = high_res[top : top + height, left : left + width]
    height, width = (side // scale for side in high_res.shape[:2])
    if not (height and width):
        size = f"{high_res.shape[1]}x{high_res.shape[0]}"
        raise ValueError(
            f"{source.high_res}: must be at least {scale}x{scale} pixels for scale {scale}, got {size}"
        )
    high_res = high_res[: height * scale, : width * scale]
    if source.low_res is None:
        return imresize(high_res, 1 / scale), high_res
    low_res = read_image(source.low_res)
    if low_res.shape != (height, width, 3):
        raise ValueError(
            f"{source.low_res}: must be {width}x{height} pixels (1/{scale} of {source.high_res.name}), "
            f"got {low_res.shape[1]}x{low_res.shape[0]}"
        )
    return low_res, high_res


def read_image(path: Path) -> Pixels:
    """The pixels of an 8-bit image; gray becomes three equal channels, transparency is dropped.

    Raises ValueError that names the file if it is missing, broken, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = None if mode.startswith(("I", "F")) else np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as an image ({_short(error)})") from None
    if pixels is None:
        raise ValueError(f"{path}: must have 8 bits a channel, got Pillow's mode {mode}")
    return pixels


def is_gray(path: Path) -> bool:
    """Whether a file holds one channel; equal channels of a colour file do not count."""
    with Image.open(path) as image:
        return image.mode in ("1", "L", "LA")


def find_images(folder: Path, scale: int) -> list[ImageSource]:
    """The images of the set in `folder`, by name, each with its stored low resolution if there is one.

    Raises ValueError if the folder is missing or holds no image, or if two share a name.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    high_folder = _high_res_folder(folder)
    files: dict[str, Path] = {}
    for path in _image_files(high_folder):
        if path.stem in files:
            raise ValueError(
                f"{high_folder}: names must differ, got {files[path.stem].name} and {path.name}"
            )
        files[path.stem] = path
    if not files:
        raise ValueError(f"{high_folder}: holds no image ({', '.join(SUFFIXES)})")
    stored = _stored_low_res(high_folder, scale)
    return [
        ImageSource(name=name, high_res=files[name], low_res=stored.get(f"{name}x{scale}"))
        for name in sorted(files)
    ]


def find_set(root: Path, name: str) -> Path:
    """The folder of the set called `name` under `root`, under `root/benchmark`, or at that path.

    Raises ValueError that says where it was looked for and which sets are there.
    """
    places = list(dict.fromkeys((root / name, root / "benchmark" / name, Path(name))))
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(map(str, places))
    if not root.is_dir():
        raise ValueError(f"no image set {name!r} (looked for {looked}): there is no folder {root}")
    there = ", ".join(known_sets(root)) or "none"
    raise ValueError(f"no image set {name!r} (looked for {looked}); sets in {root}: {there}")


def known_sets(root: Path) -> list[str]:
    """Names of the sets under `root` and `root/benchmark`."""
    folders = [
        folder
        for parent in (root, root / "benchmark")
        if parent.is_dir()
        for folder in sorted(parent.iterdir())
    ]
    return [f.name for f in folders if f.is_dir() and any(_image_files(_high_res_folder(f)))]


def _high_res_folder(folder: Path) -> Path:
    # DIV2K as unpacked: its folder holds DIV2K_train_HR (and DIV2K_valid_HR, to be asked for by path).
    candidates = [folder / "HR", folder / f"{folder.name}_train_HR"]
    return next((candidate for candidate in candidates if candidate.is_dir()), folder)


def _stored_low_res(high_folder: Path, scale: int) -> dict[str, Path]:
    """Low-resolution files by stem, in the folder that belongs to `high_folder`; empty without one."""
    if not high_folder.name.endswith("HR"):
        return {}
    folder = high_folder.with_name(f"{high_folder.name.removesuffix('HR')}LR_bicubic") / f"X{scale}"
    return {path.stem: path for path in _image_files(folder)} if folder.is_dir() else {}


def _image_files(folder: Path) -> list[Path]:
    # Hidden files are what file managers leave behind, not images.
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def _short(error: Exception) -> str:
    """One line without the path, which the message has already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = str(error).splitlines()
    return lines[0].split(" '")[0].split(": <")[0] if lines else type(error).__name__
