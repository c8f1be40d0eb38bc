"""Opens the network and finds the image files for `srsweep upscale`."""

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.files import open_exported, target_of
from analysis.upscale.enlarge import OVERLAP, Upscaler
from analysis.upscale.pictures import SUFFIXES, format_of, size_of
from analysis.upscale.reach import Reach, reach_of
from searchspace.architecture import Architecture
from searchspace.errors import UserError
from searchspace.layers import deployed
from srsweep.choice import choose
from srsweep.variant import NOTE, of_checkpoint
from sweeps.data.folders import listing
from sweeps.device import pick_device, without_tf32
from sweeps.paths import expanded


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A network that is ready to upscale images."""

    name: str
    upscaler: Upscaler
    architecture: Architecture | None
    """The architecture, or None for a file whose network is unknown."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image file, and the file for the upscaled image."""

    source: Path
    target: Path
    form: str
    """The format of the upscaled image, as Pillow names it."""
    size: tuple[int, int]
    """Height and width of the image in the file, upright."""


def open_network(
    text: str, *, weights: Path | None, scale: int | None, db: str | None, threads: int, tile: int
) -> Opened:
    """Returns the network that `text` names: an exported file, a checkpoint, or a variant as in `choose`.

    Raises UserError if there is no such network, if its weights are missing, or if this machine cannot run the file.
    """
    path = Path(expanded(text))
    if weights is None and not path.is_dir() and target_of(path) is not None:
        return _of_file(path, scale, threads, tile)
    if weights is None and path.is_file():
        variant = of_checkpoint(path)
        if variant is None:
            raise UserError(
                f"{path}: does not state its network; name the network, in quotes, and give the file with --weights"
            )
        if scale not in (None, variant.scale):
            raise UserError(f"--scale: must be the scale of {path}, {variant.scale}, got {scale}")
    else:
        words = [text] if (path / NOTE).is_file() else text.split()
        if not words:
            raise UserError("VARIANT: must name a network, got an empty text")
        variant = choose(words, scale=scale, weights=weights, db=db)
    torch.set_num_threads(threads)
    device = pick_device("auto")
    network = deployed(variant.network()).to(device).eval()

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode(), without_tf32():
            return network(torch.from_numpy(low_res).to(device)).float().cpu().numpy()

    return Opened(
        name=variant.name,
        upscaler=Upscaler(run=run, scale=variant.scale, tile=tile),
        architecture=variant.architecture,
    )


def _of_file(path: Path, scale: int | None, threads: int, tile: int) -> Opened:
    file = open_exported(path, threads)
    if scale not in (None, file.scale):
        raise UserError(f"--scale: must be the scale of {path}, {file.scale}, got {scale}")
    upscaler = Upscaler(
        run=file.run,
        scale=file.scale,
        tile=min(tile, file.largest or tile),
        smallest=file.smallest,
        fixed=file.fixed,
    )
    return Opened(name=path.name, upscaler=upscaler, architecture=file.architecture)


def with_overlap(opened: Opened, images: Sequence[Image]) -> tuple[Upscaler, str]:
    """Returns the upscaler for `images` and a line about its tiles.

    The overlap of the tiles is the reach of the network, if the reach is known. The line explains why tiles change the
    result. It is '' if they do not change it.
    """
    upscaler = opened.upscaler
    tiled = [image for image in images if len(upscaler.tiles(*image.size)) > 1]
    if not tiled:
        return upscaler, ""
    many = f"{len(tiled)} image{'s' if len(tiled) > 1 else ''}"
    if opened.architecture is None:
        return upscaler, (
            f"{opened.name}: no model card beside the file names its network; {many} in tiles that overlap by "
            f"{OVERLAP} pixels may differ from the result without tiles"
        )
    reach = reach_of(opened.architecture, upscaler.scale)
    if reach.pixels is not None:
        upscaler = replace(upscaler, overlap=reach.pixels)
    why = _difference(reach, upscaler)
    longest = max(max(image.size) for image in tiled)
    free = upscaler.fixed is None and upscaler.tile == opened.upscaler.tile
    advice = f"; --tile {longest} upscales each in one piece" if free else ""
    return (
        upscaler,
        f"{opened.name}: {why}, so the result of {many} in tiles differs from that without tiles{advice}"
        * bool(why),
    )


def _difference(reach: Reach, upscaler: Upscaler) -> str:
    """Returns why tiles change the result; '' if they do not."""
    if reach.pixels is None:
        return "the network uses the whole image, as global pooling does"
    if not reach.is_position_free:
        return "an output pixel depends on its position in the image, for example because of strided pooling"
    if reach.pixels > min(upscaler.overlaps):
        return f"an output pixel depends on pixels up to {reach.pixels} away, more than tiles of this size can overlap"
    return ""


def find_images(
    words: Iterable[str], output: Path, image_format: str | None, scale: int
) -> tuple[list[Image], list[str]]:
    """Returns the images that `words` name: files, folders of images, and patterns with *, ? or **.

    Also returns a line for each image that cannot be used, so that it does not stop the others.

    `output` is the folder for the upscaled images. If it has the suffix of an image format, it is the file for a single
    image. Raises UserError if a word names no image, if no image can be used, if two images would be written to
    the same file, or if an image would replace one that `words` name.
    """
    words = [expanded(word) for word in words]
    sources = list(dict.fromkeys(path for word in words for path in _files(word)))
    endings = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    is_file = output.suffix.lower() in endings and not output.is_dir()
    if is_file and (len(sources) > 1 or Path(words[0]).is_dir()):
        raise UserError(f"-o: must be a folder for several images, got {output}")
    originals = {source.resolve() for source in sources}
    found: dict[Path, Image] = {}
    faults: list[str] = []
    for source in sources:
        form = format_of(output if is_file else source, image_format)
        name = (
            source.name
            if source.suffix.lower() in SUFFIXES[form]
            else source.stem + SUFFIXES[form][0]
        )
        target = output if is_file else output / name
        if is_file and output.suffix.lower() not in SUFFIXES[form]:
            raise UserError(f"-o: must end in {SUFFIXES[form][0]} for {form}, got {output}")
        if other := found.get(target):
            raise UserError(
                f"{other.source} and {source}: would both become {target}; upscale them into different folders"
            )
        if target.resolve() in originals:
            raise UserError(f"-o: {target} is one of the images to upscale; name another folder")
        try:
            size = size_of(source, form, scale)
        except UserError as error:
            faults.append(str(error))
            continue
        found[target] = Image(source=source, target=target, form=form, size=size)
    if not found:
        more = f"; {len(faults) - 1} more cannot be used either" if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}")
    return list(found.values()), faults


def _files(word: str) -> list[Path]:
    path = Path(word)
    if path.is_file():
        return [path]
    if path.is_dir():
        images = list(listing(path).images)
        if not images:
            raise UserError(f"{word}: the folder holds no image; its subfolders are not searched")
        return images
    if not glob.has_magic(word):
        raise UserError(f"{word}: there is no such image or folder")
    images = [Path(each) for each in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207 - the pattern may begin with /
    images = [each for each in images if each.is_file()]
    if not images:
        raise UserError(f"{word}: no file fits this pattern")
    return images


def without_finished(images: Sequence[Image], *, overwrite: bool, skip: bool) -> list[Image]:
    """Returns the images to upscale. If `skip`, leaves out the images whose upscaled image exists.

    Raises UserError if a file exists and neither `overwrite` nor `skip` is given.
    """
    existing = [image for image in images if image.target.exists()]
    if existing and not (overwrite or skip):
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UserError(
            f"-o: {existing[0].target}{more}: exists already; name another folder, or add --overwrite or --skip-existing"
        )
    return [image for image in images if not (skip and image in existing)]
