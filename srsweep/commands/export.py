"""The command `export`: writes networks to files for devices and verifies the files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import click
import pandas as pd

from analysis.choose.select import below_bicubic
from analysis.export.files import card_of
from analysis.export.model_card import Origin
from analysis.export.pipeline import Shipped, naming, ship
from analysis.export.target import Target
from analysis.export.targets import TARGETS
from analysis.export.verify import ExportFailed
from analysis.tables import Format
from searchspace.errors import UserError
from srsweep.choice import Whole, choose_several
from srsweep.errors import RunFailed, say
from srsweep.options import (
    DATABASE,
    INTO,
    MAX_THREADS,
    SCALE,
    SIZE,
    VARIANT,
    WEIGHTS,
    print_table,
    size_of,
    tabular,
)
from srsweep.variant import TrialReference, Variant, data_of, remember_or_tell, split_of
from sweeps.data.settings import DataSettings
from sweeps.measure.evaluate import bicubic_scores, evaluate


@click.command()
@VARIANT
@WEIGHTS
@click.option(
    "--to",
    "targets",
    type=click.Choice(list(TARGETS)),
    multiple=True,
    default=("onnx",),
    show_default=True,
    help="File format. onnx is float32, int8 is ONNX with 8-bit integers, and torch is a file written by torch.export. "
    "These three need the pip extra `export`. Every other format needs the extra of its runtime; `srsweep doctor` lists the extras. "
    "Repeat the option for several formats.",
)
@click.option(
    "--front",
    "whole",
    flag_value="front",
    help="Export all trials on the Pareto front of a sweep. VARIANT is then the name of the sweep.",
)
@click.option(
    "--all",
    "whole",
    flag_value="all",
    help="Export all complete trials of a sweep that have weights on this machine. VARIANT is then the "
    "name of the "
    "sweep.",
)
@INTO
@SCALE
@click.option(
    "--data",
    "train_set",
    help="Images for calibrating INT8 and for measuring PSNR. The option takes the same values as "
    "data.train in a sweep file. Default: the images that the network was trained with, otherwise "
    "`embedded`, the photographs that come with scikit-image.",
)
@click.option(
    "--root",
    help="Folder of the image sets. Default: the folder that the training used, otherwise ./data.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    default=1,
    show_default=True,
    help="Number of CPU threads for measuring the latency.",
)
@SIZE
@DATABASE
@tabular
def export(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    weights: Path | None,
    targets: tuple[str, ...],
    whole: Whole | None,
    output: Path,
    scale: int | None,
    train_set: str | None,
    root: str | None,
    threads: int,
    size: str | None,
    db: str | None,
    form: Format | None,
) -> None:
    """Export a variant for a device and verify the file.

    VARIANT is a network (FAMILY KNOB=VALUE..., with --weights), one or several trials (SWEEP#NUMBER), or
    an output folder of `srsweep train`. With --front or --all, VARIANT is a sweep.

    The output of each file is compared with PyTorch's output at three image sizes, and its PSNR is measured on the
    validation images. If a file differs too much, it is not kept, and the exit code is 1. A model card is written
    beside each file. INT8 files are calibrated on the training images. Some formats fix the input size. Set it with
    --size; it becomes part of the file name. For a trial, the latency of each file and the PSNR of its INT8 file are
    stored in the database.

    --front uses the Pareto front for the sweep's own objectives. If you rank variants by the PSNR of
    their INT8 files or by measured latency, the front may contain trials that are not on the sweep's own front. Use
    --all to export and measure those trials too.

    \b
    srsweep export SWEEP#12 --to onnx --to int8 -o out
    srsweep export SWEEP --all --to int8 -o out
    srsweep export imdn --weights IMDN_x4.pth --data BSDS400 --to onnx -o out
    """
    variants = choose_several(variant, scale=scale, weights=weights, db=db, whole=whole)
    _refuse_same_files(variants)
    for each in variants:
        each.checkpoint()  # raises before the first of several is exported
    bicubic = cache(_bicubic)  # all trials of a sweep share their images
    rows, failures = [], []
    try:
        for each in variants:
            data = data_of(each, train_set, root)
            try:
                origin = _origin(each, data, bicubic(data, each.scale))
                at = size_of(size, each.scale)
                for shipped in _ship(
                    each, dict.fromkeys(targets), output, data, origin, threads, at
                ):
                    _warn(shipped)
                    _note_smallest(shipped)
                    rows.append({"variant": each.name} | _row(shipped))
                    if each.trial is not None and weights is None:
                        _remember(each.trial, shipped, own_images=train_set is None)
            except ExportFailed as error:
                failures.append(f"{each.name}: {error}")
    finally:  # after an error or Ctrl-C, too, show what was exported
        if rows:
            single = form is None and len(variants) == 1
            print_table(pd.DataFrame(rows).drop(columns=["variant"] if single else []), form)
    if failures:
        raise RunFailed("\n".join(failures))


def _refuse_same_files(variants: Sequence[Variant]) -> None:
    """Raises UserError if two variants are the same network, because their files would overwrite each other."""
    first: dict[tuple[str, int], Variant] = {}
    for each in variants:
        other = first.setdefault((each.architecture.key, each.scale), each)
        if other is not each:
            raise UserError(
                f"{other.name} and {each.name}: are the same network with different weights, so "
                "their files would have "
                "the same name; export each into its own folder"
            )


def _bicubic(data: DataSettings, scale: int) -> float:
    split = split_of(data, scale)
    return bicubic_scores(split.validation).psnr_y


def _origin(variant: Variant, data: DataSettings, bicubic: float) -> Origin:
    split = split_of(data, variant.scale)
    return Origin(
        weights=variant.weights.name if variant.weights else "",
        training=variant.training(),
        trial=str(variant.trial or ""),
        seed=variant.seed if variant.trial else None,
        validation=f"{len(split.validation)} images ({split.description})",
        bicubic=bicubic,
    )


def _ship(  # noqa: PLR0913
    variant: Variant,
    targets: Iterable[str],
    output: Path,
    data: DataSettings,
    origin: Origin,
    threads: int,
    size: tuple[int, int],
) -> Iterator[Shipped]:
    """Yields each file of a variant after verification. Raises ExportFailed for the first file that fails."""
    network, loaded = variant.loaded()
    if not loaded.verified:
        origin = replace(origin, weights=f"{origin.weights} (matched by order, not verified)")
    split = split_of(data, variant.scale)
    psnr_torch = evaluate(network, split.validation, device="cpu").psnr_y
    for name in targets:
        stem = naming(variant.architecture, variant.scale)
        _tell_replaced(output / TARGETS[name].file_name(stem, size), TARGETS[name], origin)
        yield ship(
            variant.architecture,
            network,
            TARGETS[name],
            output,
            scale=variant.scale,
            split=split,
            psnr_torch=psnr_torch,
            origin=origin,
            threads=threads,
            size=size,
        )


def _tell_replaced(path: Path, target: Target, origin: Origin) -> None:
    """Prints a line if `path` is an older file of the same network with weights of another training run."""
    if not path.is_file():
        return
    found, new = card_of(path, target)[0].get("origin"), asdict(origin)
    before = found if isinstance(found, dict) else {}
    if all(before.get(name) == new[name] for name in ("trial", "training", "weights")):
        return
    named = (before.get(name) for name in ("trial", "training", "weights"))
    whose = next((name for name in named if name), "unknown weights")
    say(f"{path}: replaces an older file ({whose})", err=True)


def _remember(trial: TrialReference, shipped: Shipped, *, own_images: bool) -> None:
    """Stores the latency, and the PSNR of an INT8 file if it was measured on the images of the trial's sweep."""
    latency = shipped.verdict.latency
    if latency is None or shipped.verdict.psnr is None:
        return
    rows = latency.rows()
    if shipped.target.name == "int8" and own_images:
        rows.append(("psnr_y_int8", "validation", shipped.verdict.psnr))
    elif shipped.target.name == "int8":
        click.echo(
            "--data: the PSNR was not stored, because the sweep has other images",
            err=True,
        )
    remember_or_tell(trial, rows)


def _warn(shipped: Shipped) -> None:
    """Prints a warning if the file is worse than bicubic interpolation, or if its latency is unreliable."""
    psnr, latency = shipped.verdict.psnr, shipped.verdict.latency
    if psnr is None or latency is None:
        click.echo(f"{shipped.file}: not run here, only its structure was checked", err=True)
        return
    if doubt := latency.doubt:
        click.echo(f"{shipped.file}: the latency is unreliable: {doubt}", err=True)
    if warning := below_bicubic("PSNR", psnr, shipped.verdict.bicubic):
        click.echo(f"{shipped.file}:{warning}", err=True)


def _note_smallest(shipped: Shipped) -> None:
    """Prints a line if the file does not accept images of every size."""
    if (smallest := shipped.verdict.smallest) > 1 and not shipped.verdict.fixed:
        click.echo(
            f"{shipped.file}: takes images of at least {smallest}x{smallest} pixels", err=True
        )


def _row(shipped: Shipped) -> dict[str, object]:
    verdict, latency = shipped.verdict, shipped.verdict.latency
    return {
        "target": shipped.target.name,
        "file": str(shipped.file),
        "bytes": verdict.bytes,
        "difference": verdict.largest_difference,
        "torch_psnr_y": verdict.psnr_torch,
        "file_psnr_y": verdict.psnr,
        "latency_ms": latency and latency.median,
        "lower_ms": latency and latency.lower,
        "upper_ms": latency and latency.upper,
        "reliable": latency and ("yes" if latency.is_reliable else "no"),
        "threads": latency and latency.setting.threads,
        "device": latency and latency.setting.device,
    }
