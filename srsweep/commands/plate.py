"""The command `plate`: compares one part of an image from bicubic upscaling, several networks and the original."""

import re
from pathlib import Path

import click
import pandas as pd

from analysis.pages.plate import plate_page
from analysis.plate.plate import Box, check_box, make_plate
from analysis.plate.png import draw_plate, png_of
from analysis.tables import Format
from searchspace.errors import UserError, shown
from srsweep.api.inspection import pair_of
from srsweep.commands.inspect import EACH_WEIGHTS
from srsweep.errors import say
from srsweep.networks import open_models
from srsweep.options import (
    DATABASE,
    REPLACE,
    SCALE,
    ExpandedPath,
    check_new,
    print_table,
    tabular,
)
from sweeps.files import write_bytes, write_text

KINDS = (".png", ".html")
"""Suffixes of the files that the command can write."""


@click.command()
@click.argument("picture", type=ExpandedPath(path_type=Path, dir_okay=False))
@click.argument("variants", metavar="VARIANT|FILE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    multiple=True,
    required=True,
    help="File to write, a picture (.png) or a page (.html). Repeat the option to write both.",
)
@click.option(
    "--box",
    "box_text",
    metavar="LEFT,TOP,WIDTH,HEIGHT",
    help="Part of the image to show, in pixels of the original. Default: the 64x64 square "
    "in which the upscaled images differ most.",
)
@REPLACE
@EACH_WEIGHTS
@SCALE
@DATABASE
@tabular
def plate(
    picture: Path,
    variants: tuple[str, ...],
    outputs: tuple[Path, ...],
    box_text: str | None,
    replace: bool,
    weights: tuple[Path, ...],
    scale: int | None,
    db: str | None,
    form: Format | None,
) -> None:
    """Compare a crop of one image across several networks.

    PICTURE is the original. It is downscaled bicubically, and the networks upscale the result. Each VARIANT
    is a trial (SWEEP#NUMBER), an output folder of `srsweep train`, a checkpoint of srsweep, a file from
    `srsweep export`, or a network in quotes ("FAMILY KNOB=VALUE...") with its --weights.

    The figure shows the whole original with a box around the crop. Beside it are the crops from bicubic
    interpolation, from each network and from the original. PSNR and SSIM (Y channel) are for the whole image.

    \b
    srsweep plate baby.png imdn --weights IMDN_x4.pth -o baby_x4.png
    srsweep plate baby.png SWEEP#3 SWEEP#12 -o baby_x4.html --box 200,120,64,64
    """
    for output in outputs:
        if output.suffix.lower() not in KINDS:
            raise UserError(f"-o: must end in {' or '.join(KINDS)}, got {output}")
        if output.resolve() == picture.resolve():
            raise UserError(f"-o: {output} is the picture itself; name another file")
        check_new("-o", output, replace=replace)
    box = None if box_text is None else read_box(box_text)
    models = open_models(variants, weights=weights, scale=scale, db=db)
    low_res, high_res = pair_of(picture, models[0].scale)
    if box is not None:
        check_box(box, high_res.shape[:2])
    enlarged = {model.name: model.upscale(low_res) for model in models}
    made = make_plate(picture.name, high_res, low_res, enlarged, box)
    for output in outputs:
        if output.suffix.lower() == ".png":
            write_bytes(output, png_of(draw_plate(made)))
        else:
            write_text(output, plate_page(made))
    scored = [version for version in made.versions if version.psnr_y is not None]
    columns = {name: [getattr(v, name) for v in scored] for name in ("psnr_y", "ssim_y")}
    print_table(pd.DataFrame({"network": [v.name for v in scored], **columns}), form)
    if form is None:
        say(f"\nbox {made.box} of {picture.name}; wrote {', '.join(map(str, outputs))}")


def read_box(text: str) -> Box:
    """Returns the box that 'LEFT,TOP,WIDTH,HEIGHT' describes. Raises UserError for any other text."""
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){3}", text.replace(" ", "")):
        raise UserError(
            f"--box: must read LEFT,TOP,WIDTH,HEIGHT in pixels, such as 200,120,64,64, got {shown(text)}"
        )
    left, top, width, height = map(int, text.split(","))
    return Box(left=left, top=top, width=width, height=height)
