"""The command `inspect`: looks inside networks while they upscale one image."""

from pathlib import Path

import click

from analysis.pages.inspection import findings
from analysis.tables import Format
from srsweep.api.inspection import inspect as inspected
from srsweep.errors import say
from srsweep.networks import open_models
from srsweep.options import DATABASE, INTO, SCALE, ExpandedPath, print_table, tabular
from srsweep.progress import progress_bar

EACH_WEIGHTS = click.option(
    "--weights",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    multiple=True,
    help="Checkpoint for a network given as FAMILY KNOB=VALUE. For several networks, repeat the option once "
    "for each, in the same order as the networks.",
)


@click.command()
@click.argument("variants", metavar="VARIANT|FAMILY...", nargs=-1, required=True)
@click.option(
    "--image",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    required=True,
    help="The original image. It is downscaled bicubically, and the networks upscale the result.",
)
@EACH_WEIGHTS
@SCALE
@INTO
@DATABASE
@tabular
def inspect(
    variants: tuple[str, ...],
    image: Path,
    weights: tuple[Path, ...],
    scale: int | None,
    output: Path,
    db: str | None,
    form: Format | None,
) -> None:
    """Look inside networks while they upscale one image.

    Each VARIANT is a trial (SWEEP#NUMBER), an output folder of `srsweep train`, a checkpoint of srsweep, or a network
    in quotes ("FAMILY KNOB=VALUE...") with its --weights. With several networks, each plot shows all of them.

    The output folder receives the page inspect.html and one CSV file for each table. For each block, the page shows the
    power spectral density of its output and the size of its residual. It also shows the share of zeros after each
    activation. Finally, it shows how much the PSNR drops when the output of a parallel path, or one of the features
    that an information pool joins, is replaced by its mean over the image. The table of the blocks is also printed to
    the terminal.

    \b
    srsweep inspect imdn --weights IMDN_x4.pth --image baby.png -o inside
    srsweep inspect SWEEP#3 SWEEP#12 --image baby.png -o inside
    srsweep inspect imdn rlfn --weights IMDN_x4.pth --weights RLFN_x4.pth --image baby.png -o inside
    """
    models = open_models(variants, weights=weights, scale=scale, db=db)
    with progress_bar("networks") as bar:
        task = bar.add_task("", total=len(models))
        found = inspected(*models, image=image, tick=lambda: bar.advance(task))
    written = found.write(output)
    print_table(found.blocks.drop(columns=["rows", "columns"]), form)
    if form is None:
        say("")
        for line in findings(found):
            say(line.replace("`", ""))
        say(f"wrote {written[0]} and {len(written) - 1} CSV files beside it")
