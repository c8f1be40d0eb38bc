"""The command `upscale`: upscales image files with a trained network or an exported file."""

from collections.abc import Callable
from pathlib import Path

import click

from analysis.tables import plain
from analysis.upscale.enlarge import TILE, NotFinite, Upscaler, bicubic
from analysis.upscale.pictures import SUFFIXES, Picture, read_picture, write_picture
from searchspace.errors import UserError
from srsweep.errors import RunFailed, say
from srsweep.options import DATABASE, MAX_SIDE, MAX_THREADS, SCALE, WEIGHTS, ExpandedPath
from srsweep.progress import progress_bar
from srsweep.upscaling import Image, find_images, open_network, with_overlap, without_finished
from sweeps.device import lacks_memory
from sweeps.machine import num_cores
from sweeps.messages import redacted

SMALLEST_TILE = 16
"""Minimum side of a tile, in pixels, that the option accepts."""


@click.command()
@click.argument("variant", metavar="VARIANT|FILE")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path),
    required=True,
    help="Folder for the upscaled images, which keep their names. For a single image it may be a file, "
    "such as large.png.",
)
@WEIGHTS
@SCALE
@click.option(
    "--format",
    "image_format",
    type=click.Choice([form.lower() for form in SUFFIXES]),
    help="Format of the upscaled images. Default: that of the image if it is one of these, otherwise "
    "png. Only jpeg (quality 95) is lossy.",
)
@click.option(
    "--tile",
    type=click.IntRange(SMALLEST_TILE, MAX_SIDE),
    default=TILE,
    show_default=True,
    help="Largest side, in pixels, of an image that is processed in one piece. A larger image is "
    "processed in overlapping tiles of this side. Smaller tiles need less memory.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    help="Number of CPU threads. Default: all cores that this process may use.",
)
@click.option("--overwrite", is_flag=True, help="Replace upscaled images that exist already.")
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Skip images whose upscaled image exists already, for example after Ctrl-C.",
)
@DATABASE
def upscale(  # noqa: PLR0913 - one parameter an option
    variant: str,
    images: tuple[str, ...],
    output: Path,
    weights: Path | None,
    scale: int | None,
    image_format: str | None,
    tile: int,
    threads: int | None,
    overwrite: bool,
    skip_existing: bool,
    db: str | None,
) -> None:
    """Upscale images with a trained network or an exported file.

    VARIANT|FILE is a file from `srsweep export`, a checkpoint of srsweep, an output folder of `srsweep
    train`, a trial (SWEEP#NUMBER), or, with --weights, a network in quotes ("FAMILY KNOB=VALUE...").
    IMAGE is an image, a folder of images, or a pattern in quotes ("photos/**/*.jpg").

    Grayscale images (8 or 16 bits) stay grayscale. The network upscales the colours, and bicubic interpolation upscales
    the alpha channel. EXIF data and ICC profiles are carried over. Images with an EXIF orientation are rotated upright
    before saving. 16-bit colour images and CMYK images are not supported.

    Large images are processed in tiles (--tile). Tiles overlap by the receptive field, so the result is the same as
    without tiles, up to rounding. There are two exceptions: networks that use the whole image, such as those with
    global pooling, and files with a fixed input size. If tiling changes the result, the command prints a note.

    \b
    srsweep upscale out/slwsr-d0af09ba_x4.onnx photo.jpg -o large.png
    srsweep upscale best photos -o large
    srsweep upscale SWEEP#12 "photos/**/*.png" -o large --skip-existing
    srsweep upscale "imdn num_blocks=6" photos -o large --weights imdn.pt
    """
    if overwrite and skip_existing:
        raise UserError("--skip-existing: must be used without --overwrite")
    opened = open_network(
        variant, weights=weights, scale=scale, db=db, threads=threads or num_cores(), tile=tile
    )
    form = image_format and image_format.upper()
    found, unusable = find_images(images, output, form, opened.upscaler.scale)
    todo = without_finished(found, overwrite=overwrite, skip=skip_existing)
    if len(todo) < len(found):
        say(
            f"left out {len(found) - len(todo)} of {len(found)} images that exist already", err=True
        )
    upscaler, line = with_overlap(opened, todo)
    for told in (line, _padded(upscaler, todo)):
        if told:
            say(told, err=True)
    for fault in unusable:
        say(f"left out: {fault}", err=True)
    _enlarge_all(upscaler, todo)
    if unusable:
        some = "1 image" if len(unusable) == 1 else f"{len(unusable)} images"
        raise RunFailed(f"left out {some} that cannot be used; see above")


def _padded(upscaler: Upscaler, images: list[Image]) -> str:
    """Returns a line about images that are smaller than the file accepts; '' if there are none."""
    least = upscaler.fixed or (upscaler.smallest, upscaler.smallest)
    small = [i for i in images if i.size[0] < least[0] or i.size[1] < least[1]]
    if not small:
        return ""
    return (
        f"{len(small)} image{'s' if len(small) > 1 else ''} smaller than {least[1]}x{least[0]} "
        "pixels, which the file needs: "
        "padded by repeating the last row and column, which changes the pixels near them"
    )


def _enlarge_all(upscaler: Upscaler, images: list[Image]) -> None:
    """Upscales the images one by one. If some cannot be upscaled, raises RunFailed with a line for each of them."""
    failures = []
    total = sum(len(upscaler.tiles(*image.size)) for image in images)
    with progress_bar("tiles, image {task.fields[note]}") as bar:
        task = bar.add_task("", total=total, note="")
        for number, image in enumerate(images, start=1):
            bar.update(task, note=f"{number}/{len(images)}")
            before = bar.tasks[0].completed
            try:
                picture = _enlarged(upscaler, image, lambda: bar.advance(task))
            except (UserError, NotFinite) as error:
                text = str(error)
                failures.append(text if isinstance(error, UserError) else f"{image.source}: {text}")
                bar.update(task, completed=before + len(upscaler.tiles(*image.size)))
                continue
            image.target.parent.mkdir(parents=True, exist_ok=True)
            write_picture(picture, image.target, image.form)
            height, width = picture.colours.shape[:2]
            notes = "".join(f"; {note}" for note in picture.notes)
            bar.console.print(
                plain(redacted(f"{image.target}: {width}x{height}{notes}")), soft_wrap=True
            )
    if failures:
        raise RunFailed("\n".join(failures))


def _enlarged(upscaler: Upscaler, image: Image, tick: Callable[[], None]) -> Picture:
    """Returns the upscaled picture. Raises UserError if there is too little memory, and NotFinite as `upscaler` does."""
    picture = read_picture(image.source)
    try:
        colours = upscaler.enlarged(picture.colours, tick)
    except Exception as error:
        if not lacks_memory(error):
            raise
        raise UserError(
            f"{image.source}: the memory does not suffice for tiles of {upscaler.tile} pixels; "
            f"add --tile {max(SMALLEST_TILE, upscaler.tile // 2)}"
        ) from None
    alpha = None if picture.alpha is None else bicubic(picture.alpha, upscaler.scale)
    return Picture(
        colours=colours, alpha=alpha, exif=picture.exif, icc=picture.icc, notes=picture.notes
    )
