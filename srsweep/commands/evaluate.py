"""The command `evaluate`: measures PSNR and SSIM of one variant on the test sets."""

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
from searchspace.errors import UserError
from srsweep.choice import choose
from srsweep.options import (
    DATABASE,
    MAX_SIDE,
    SCALE,
    VARIANT,
    WEIGHTS,
    ExpandedPath,
    parts,
    tabular,
    text_width,
)
from srsweep.variant import TrialReference, Variant, image_cache, remember_or_tell, say_once
from sweeps.data.cache import PairSet
from sweeps.data.images import SetNotFound, find_folders, read_set
from sweeps.data.settings import TEST_SETS, read_names
from sweeps.data.split import open_test_images
from sweeps.device import pick_device
from sweeps.measure.evaluate import Scores, bicubic_scores
from sweeps.measure.evaluate import evaluate as evaluate_images
from sweeps.measure.latency import MOST_CHARACTERS

assert set(SETS) <= set(TEST_SETS)


@click.command()
@VARIANT
@WEIGHTS
@SCALE
@click.option(
    "--root",
    type=ExpandedPath(path_type=Path),
    help="Folder of the test sets. Default: the folder of the image sets that the network was trained "
    "with, otherwise ./data.",
)
@click.option(
    "--sets",
    default=",".join(SETS),
    show_default=True,
    help="Names of test sets in the folder --root, separated by commas (Set5,Set14) or as a list ([Set5, "
    "Set14]). If you do not give this option, missing sets are left out.",
)
@click.option(
    "--self-ensemble",
    is_flag=True,
    help="Also measure the self-ensemble, the mean output over eight flips and rotations of an image. "
    "Its rows are marked "
    "with +.",
)
@click.option(
    "--tile",
    type=click.IntRange(1, MAX_SIDE),
    help="Upscale each image in square tiles to save memory. The number is the side of a tile in "
    "low-resolution pixels. Default: upscale whole images.",
)
@click.option(
    "--published/--no-published",
    default=None,
    help="Show published results of networks with a similar number of parameters. Default: "
    "--no-published with "
    "--json or --csv, otherwise --published.",
)
@click.option(
    "--images",
    "by_image",
    is_flag=True,
    help="Print the scores of each image instead of the means over each test set.",
)
@click.option("--markdown", "form", flag_value="markdown", help="Print a Markdown table.")
@click.option(
    "--latex",
    "form",
    flag_value="latex",
    help="Print a LaTeX table, which needs the package booktabs.",
)
@DATABASE
@tabular
def evaluate(  # noqa: PLR0913 - one parameter an option
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
    """Measure PSNR and SSIM of a network on the test sets.

    VARIANT is a network (FAMILY KNOB=VALUE...), a trial (SWEEP#NUMBER), an output folder of `srsweep
    train`, or `bicubic`. A network needs --weights.

    PSNR and SSIM are computed as is usual in papers on super-resolution: on the Y channel of BT.601, from 8-bit images,
    with s pixels cropped at each border, where s is the scale. For sets other than Set5, Set14, B100, Urban100 and
    Manga109, such as DIV2K_valid_HR, the PSNR over all three RGB channels is computed too. If VARIANT is a trial and
    --weights is not given, the scores are stored in the database, for each set and for each image. Scores of the
    self-ensemble are not stored.

    --weights takes an srsweep checkpoint or a state dict released by a paper's authors. Its tensors are matched by name
    if the names are those of srsweep or of a public implementation that srsweep knows. Otherwise they are matched by
    order, and a line says "by order, not verified". Code that a checkpoint contains is never executed.

    \b
    srsweep evaluate SWEEP#12 --self-ensemble --latex
    srsweep evaluate imdn --weights IMDN_x4.pth --scale 4 --sets Set5,Set14
    srsweep evaluate bicubic --scale 3 --sets Set5
    """
    shown = form or "table"
    if by_image and shown not in ("table", "json", "csv"):
        raise UserError(f"--images: must be used with a table, --json or --csv, got --{shown}")
    with_published = shown not in ("json", "csv") if published is None else published
    if variant == ("bicubic",):
        if weights is not None or tile is not None or self_ensemble or by_image:
            raise UserError(
                "bicubic: must be used without --weights, --tile, --self-ensemble and --images"
            )
        table = _bicubic_rows(scale or 4, root or Path("data"), sets, with_published)
        click.echo(show(table, shown, width=text_width()))
        return
    chosen = choose(variant, scale=scale, weights=weights, db=db)
    folder = root or Path(chosen.data.root if chosen.data else "data")
    opened = _test_sets(folder, sets, chosen.scale)
    measured = _measure(chosen.network(), opened, self_ensemble=self_ensemble, tile=tile)
    if chosen.trial is not None and weights is None:
        _remember(chosen.trial, measured)
    if by_image:
        rows = [row for one in measured for row in _image_rows(chosen, one)]
        click.echo(render(pd.DataFrame(rows), shown, width=text_width()))  # type: ignore[arg-type]
        return
    own = pd.DataFrame([_row(chosen, one) for one in measured])
    if with_published:
        own = _beside_published(own, chosen.scale)
    click.echo(show(own, shown, width=text_width()))
    if shown == "table" and "published" in set(own["origin"]):
        click.echo("Do not compare networks that were trained on different images.")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Scores of a network on one test set."""

    set: str
    ensemble: bool
    """Whether the scores belong to the self-ensemble."""
    scores: Scores


def _measure(
    network: nn.Module,
    opened: Iterable[tuple[str, PairSet]],
    *,
    self_ensemble: bool,
    tile: int | None,
) -> list[Measured]:
    """Returns the network's scores on each set. If `self_ensemble`, the ensemble's scores follow those of each set."""
    device = pick_device("auto")
    network = network.to(device)
    return [
        Measured(
            set=name,
            ensemble=ensemble,
            scores=evaluate_images(
                network, pairs, device=device, self_ensemble=ensemble, tile=tile
            ),
        )
        for name, pairs in opened
        for ensemble in ((False, True) if self_ensemble else (False,))
    ]


def _beside_published(own: pd.DataFrame, scale: int) -> pd.DataFrame:
    """Returns our rows below the published rows of networks of similar size."""
    near = published_rows(scale, float(own["params"].iloc[0]), list(dict.fromkeys(own["set"])))
    return pd.concat([near, own], ignore_index=True) if len(near) else own


def _row(variant: Variant, one: Measured) -> dict[str, object]:
    counted = costs(variant.architecture, variant.scale)
    return {
        "origin": "ours",
        "network": variant.architecture.label + ("+" if one.ensemble else ""),
        "params": counted["params"],
        "multadds": counted["multadds"] * (8 if one.ensemble else 1),
        "train_data": variant.training(),
        "set": one.set,
        "scale": variant.scale,
        "images": len(one.scores.per_image),
        "self_ensemble": one.ensemble,
        "psnr_y": one.scores.psnr_y,
        "ssim_y": one.scores.ssim_y,
        "psnr_rgb": one.scores.psnr_rgb,
    }


def _image_rows(variant: Variant, one: Measured) -> list[dict[str, object]]:
    return [
        {
            "network": variant.architecture.label + ("+" if one.ensemble else ""),
            "set": one.set,
            "image": image,
            "psnr_y": score.psnr_y,
            "ssim_y": score.ssim_y,
            "psnr_rgb": score.psnr_rgb,
        }
        for image, score in one.scores.per_image.items()
    ]


def _remember(trial: TrialReference, measured: Sequence[Measured]) -> None:
    """Stores PSNR and SSIM for each set and image. Leaves out the self-ensemble, which costs eight forward passes."""
    rows = []
    for one in measured:
        if one.ensemble:
            continue
        rows += [("psnr_y", one.set, one.scores.psnr_y), ("ssim_y", one.set, one.scores.ssim_y)]
        rows += [("psnr_rgb", one.set, one.scores.psnr_rgb)]
        for image, score in one.scores.per_image.items():
            key = f"{one.set}/{image}"
            rows += [(f"{PER_IMAGE}psnr_y", key, score.psnr_y)]
            rows += [(f"{PER_IMAGE}ssim_y", key, score.ssim_y)]
    kept = [row for row in rows if len(row[1]) <= MOST_CHARACTERS]
    if len(kept) < len(rows):
        click.echo(
            f"the results of {(len(rows) - len(kept)) // 2} images were not stored, because "
            "SET/IMAGE has more than "
            f"{MOST_CHARACTERS} characters",
            err=True,
        )
    remember_or_tell(trial, kept)


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
                "psnr_rgb": scores.psnr_rgb,
            }
        )
    own = pd.DataFrame(rows)
    if published:
        printed = published_bicubic(scale, list(own["set"]))
        own = pd.concat([printed, own], ignore_index=True) if len(printed) else own
    return own


def _test_sets(root: Path, sets: str, scale: int) -> Iterator[tuple[str, PairSet]]:
    names = _named(sets)
    if not names:
        raise UserError(f"--sets: must name test sets, such as {','.join(SETS[:2])}, got {sets!r}")
    for name in _present(root, names):
        found = read_set(root, name, scale)
        say_once([found.note])
        yield name, open_test_images(found, name, scale, image_cache())


def _named(sets: str) -> list[str]:
    """Returns the names in --sets, which are separated by commas or written as a list, such as [C++/A, Set5]."""
    names = read_names(sets)
    if isinstance(names, str):
        return list(dict.fromkeys(filter(None, parts(names))))
    if not all(isinstance(name, str) and name for name in names):
        raise UserError(f"--sets: must be names, got {sets!r}; write a number in quotes")
    return list(dict.fromkeys(names))


def _present(root: Path, names: list[str]) -> list[str]:
    """Returns the sets that exist. If the user named the sets, a missing one raises UserError."""
    present = []
    for name in names:
        try:
            find_folders(root, name)
        except SetNotFound:
            if names != list(SETS):
                raise
            click.echo(f"left out {name}, which is not in {root}", err=True)
        else:
            present.append(name)
    if not present:
        raise UserError(f"--root: must contain at least one of {', '.join(names)}, got {root}")
    return present
