"""The command evaluate: PSNR and SSIM of one variant on the test sets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd
from torch import nn

from analysis.published.published import TEST_SETS as SETS
from analysis.published.test_set_table import TableFormat, published_bicubic, published_rows, show
from analysis.read.database import PER_IMAGE
from analysis.tables import render
from searchspace.cost import costs
from srsweep.choice import Choice, TrialReference, choose, image_cache, remember
from srsweep.databases import database
from srsweep.options import SCALE, VARIANT, WEIGHTS, parts, tabular, text_width
from sweeps.data.cache import PairSet
from sweeps.data.images import find_set
from sweeps.data.settings import TEST_SETS
from sweeps.data.split import open_test_set
from sweeps.device import pick_device
from sweeps.measure.evaluate import Scores, bicubic_scores, evaluate
from sweeps.measure.latency import MOST_CHARACTERS

assert set(SETS) <= set(TEST_SETS)


@click.command(name="evaluate")
@VARIANT
@WEIGHTS
@SCALE
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the sets; default: data.")
@click.option("--sets", default=",".join(SETS), show_default=True, help="Test sets under the root.")
@click.option(
    "--self-ensemble",
    is_flag=True,
    help="A second row, averaged over the eight flips and rotations (+).",
)
@click.option(
    "--tile",
    type=click.IntRange(min=1),
    help="Side of a tile in LR pixels, for images that do not fit.",
)
@click.option(
    "--published/--no-published",
    default=None,
    help="Printed rows of networks of the same size; default: in the formats for people.",
)
@click.option(
    "--images", "by_image", is_flag=True, help="A row for every image instead of the means."
)
@click.option("--markdown", "form", flag_value="markdown", help="Print a Markdown table.")
@click.option("--latex", "form", flag_value="latex", help="Print a LaTeX tabular (booktabs).")
@database
@tabular
def evaluate_command(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    weights: Path | None,
    scale: int | None,
    root: Path | None,
    sets: str,
    self_ensemble: bool,
    tile: int | None,
    published: bool | None,
    by_image: bool,
    db: str | None,
    form: TableFormat | None,
) -> None:
    """Measure a network on the test sets, as papers do.

    VARIANT is FAMILY KNOB=VALUE..., a trial as SWEEP#NUMBER, a folder that `srsweep train` made, or
    `bicubic`. Weights given are a checkpoint of ours or an upstream state dict, taken by name where all names
    match, otherwise in order; never unpickled as code. PSNR and SSIM are of Y of BT.601, 8-bit images, `scale` pixels
    cropped at each border. Of a trial they become rows of the database, those of every image too.

    \b
    srsweep evaluate SWEEP#12 --self-ensemble --latex
    srsweep evaluate imdn --weights IMDN_x4.pth --scale 4 --sets Set5,Set14
    srsweep evaluate bicubic --scale 3 --sets Set5
    """
    shown = form or "table"
    if by_image and shown not in ("table", "json", "csv"):
        raise ValueError(f"--images: is a table, --json or --csv, got --{shown}")
    with_published = shown not in ("json", "csv") if published is None else published
    if variant == ("bicubic",):
        if weights is not None or tile is not None or self_ensemble or by_image:
            raise ValueError(
                "bicubic: has no weights and needs no --tile, --self-ensemble or --images"
            )
        table = _bicubic_rows(scale or 4, root or Path("data"), sets, with_published)
        click.echo(show(table, shown, width=text_width()))
        return
    choice = choose(variant, scale=scale, weights=weights, db=db)
    folder = root or Path(choice.data.root if choice.data else "data")
    opened = _test_sets(folder, sets, choice.scale)
    measured = _measure(choice.network(), opened, self_ensemble=self_ensemble, tile=tile)
    if choice.trial is not None and weights is None:
        _remember(choice.trial, measured)
    if by_image:
        rows = [row for one in measured for row in _image_rows(choice, one)]
        click.echo(render(pd.DataFrame(rows), shown, width=text_width()))  # type: ignore[arg-type]
        return
    own = pd.DataFrame([_row(choice, one) for one in measured])
    if with_published:
        own = _beside_published(own, choice.scale)
    click.echo(show(own, shown, width=text_width()))
    if shown == "table" and "published" in set(own["origin"]):
        click.echo("Rows of different training images are not to be ranked against each other.")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A network's scores on a test set."""

    set: str
    ensemble: bool
    scores: Scores


def _measure(
    network: nn.Module,
    opened: Iterable[tuple[str, PairSet]],
    *,
    self_ensemble: bool,
    tile: int | None,
) -> list[Measured]:
    """Scores on every set, by one pass and, if asked for, by the ensemble."""
    device = pick_device("auto")
    network = network.to(device)
    return [
        Measured(
            set=name,
            ensemble=ensemble,
            scores=evaluate(network, pairs, device=device, self_ensemble=ensemble, tile=tile),
        )
        for name, pairs in opened
        for ensemble in ((False, True) if self_ensemble else (False,))
    ]


def _beside_published(own: pd.DataFrame, scale: int) -> pd.DataFrame:
    """Our rows after the published ones of their size class."""
    near = published_rows(scale, float(own["params"].iloc[0]), list(dict.fromkeys(own["set"])))
    return pd.concat([near, own], ignore_index=True) if len(near) else own


def _row(choice: Choice, one: Measured) -> dict[str, object]:
    counted = costs(choice.architecture, choice.scale)
    return {
        "origin": "ours",
        "network": choice.architecture.label + ("+" if one.ensemble else ""),
        "params": counted["params"],
        "multadds": counted["multadds"] * (8 if one.ensemble else 1),
        "train_data": choice.training(),
        "set": one.set,
        "scale": choice.scale,
        "images": len(one.scores.per_image),
        "self_ensemble": one.ensemble,
        "psnr_y": one.scores.psnr_y,
        "ssim_y": one.scores.ssim_y,
    }


def _image_rows(choice: Choice, one: Measured) -> list[dict[str, object]]:
    return [
        {
            "network": choice.architecture.label + ("+" if one.ensemble else ""),
            "set": one.set,
            "image": image,
            "psnr_y": score.psnr_y,
            "ssim_y": score.ssim_y,
        }
        for image, score in one.scores.per_image.items()
    ]


def _remember(trial: TrialReference, measured: Sequence[Measured]) -> None:
    """Store PSNR and SSIM of single passes, of sets and of images: they are what a cost belongs to."""
    rows = []
    for one in measured:
        if one.ensemble:
            continue
        rows += [("psnr_y", one.set, one.scores.psnr_y), ("ssim_y", one.set, one.scores.ssim_y)]
        for image, score in one.scores.per_image.items():
            key = f"{one.set}/{image}"
            rows += [(f"{PER_IMAGE}psnr_y", key, score.psnr_y)]
            rows += [(f"{PER_IMAGE}ssim_y", key, score.ssim_y)]
    kept = [row for row in rows if len(row[1]) <= MOST_CHARACTERS]
    if len(kept) < len(rows):
        click.echo(
            f"{(len(rows) - len(kept)) // 2} images have names of more than {MOST_CHARACTERS} characters with "
            "their set's: theirs were not stored",
            err=True,
        )
    if not remember(trial, kept):
        click.echo(f"{trial} is being trained: nothing was stored", err=True)


def _bicubic_rows(scale: int, root: Path, sets: str, published: bool) -> pd.DataFrame:
    rows = []
    for name, pairs in _test_sets(root, sets, scale):
        scores = bicubic_scores(pairs)
        rows.append(
            {
                "origin": "ours",
                "network": "bicubic of 8-bit images",
                "params": float("nan"),
                "multadds": float("nan"),
                "train_data": "",
                "set": name,
                "scale": scale,
                "images": len(pairs),
                "self_ensemble": False,
                "psnr_y": scores.psnr_y,
                "ssim_y": scores.ssim_y,
            }
        )
    own = pd.DataFrame(rows)
    if published:
        printed = published_bicubic(scale, list(own["set"]))
        own = pd.concat([printed, own], ignore_index=True) if len(printed) else own
    return own


def _test_sets(root: Path, sets: str, scale: int) -> Iterator[tuple[str, PairSet]]:
    names = list(dict.fromkeys(filter(None, parts(sets))))
    if not names:
        raise ValueError(f"--sets: must name test sets, such as {','.join(SETS[:2])}, got {sets!r}")
    for name in _present(root, names):
        yield name, open_test_set(root, name, scale, image_cache())


def _present(root: Path, names: list[str]) -> list[str]:
    """The sets that are there; of a list that a person wrote, ValueError for each that is not."""
    present = []
    for name in names:
        try:
            find_set(root, name)
        except ValueError:
            if names != list(SETS):
                raise
            click.echo(f"{name} is not in {root}: left out", err=True)
        else:
            present.append(name)
    if not present:
        raise ValueError(f"--root: none of {', '.join(names)} lies in {root}")
    return present
