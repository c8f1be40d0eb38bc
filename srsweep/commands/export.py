"""Commands about files for devices: export a variant, measure a latency."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import click
import pandas as pd
import torch
from pydantic import ValidationError

from analysis.choose.select import below_bicubic
from analysis.export.model_card import Origin
from analysis.export.pipeline import Shipped, ship
from analysis.export.targets import TARGETS
from analysis.export.verify import ExportFailed, onnx_latency
from analysis.tables import Format
from searchspace.cost import low_res_size
from searchspace.layers import deployed
from searchspace.spec import explain
from srsweep.choice import Choice, TrialReference, Whole, choose, choose_several, remember, split_of
from srsweep.databases import database
from srsweep.errors import RunFailed
from srsweep.options import INTO, SCALE, VARIANT, WEIGHTS, print_table, tabular
from sweeps.data.settings import DataSettings
from sweeps.measure.evaluate import bicubic_scores, evaluate
from sweeps.measure.latency import Latency, torch_latency


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
    help="File format; may be given several times.",
)
@click.option("--front", "whole", flag_value="front", help="The front of the sweep that is named.")
@click.option("--all", "whole", flag_value="all", help="All its complete trials with weights.")
@INTO
@SCALE
@click.option("--data", "train_set", help="As data.train; default: what it was trained on.")
@click.option("--root", help="Folder of the image sets.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of the latency.",
)
@database
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
    db: str | None,
    form: Format | None,
) -> None:
    """Write a variant for devices, and check it.

    VARIANT is FAMILY KNOB=VALUE..., a trial as SWEEP#NUMBER, several trials, or a folder that `srsweep
    train` made; with --front or --all it is a sweep. INT8 and latency make another front than the sweep's:
    only --all measures the trials that join it then. The file is compared with torch on three sizes, its PSNR is measured on the validation split, and a model card
    is written beside it. A file that fails its check is not kept (exit code 1). INT8 is calibrated on the
    training split; of a trial, its PSNR and the latencies become rows of the database.

    \b
    srsweep export SWEEP#12 --to onnx --to int8 -o out
    srsweep export SWEEP --all --to int8 -o out
    srsweep export imdn --weights IMDN_x4.pth --data BSDS400 --to onnx -o out
    """
    choices = choose_several(variant, scale=scale, weights=weights, db=db, whole=whole)
    _refuse_same_files(choices)
    for choice in choices:
        choice.checkpoint()  # of several, all are there before the first is exported
    bicubic = cache(_bicubic)  # many trials, one set of images
    rows, failures = [], []
    try:
        for choice in choices:
            data = data_of(choice, train_set, root)
            try:
                origin = _origin(choice, data, bicubic(data, choice.scale))
                for shipped in _ship(choice, dict.fromkeys(targets), output, data, origin, threads):
                    _warn(shipped, origin)
                    rows.append({"variant": choice.name} | _row(shipped))
                    if choice.trial is not None and weights is None:
                        _remember(choice.trial, shipped, own_images=train_set is None)
            except ExportFailed as error:
                failures.append(f"{choice.name}: {error}")
    finally:  # what was exported is told, also where a later variant could not be or Ctrl-C was pressed
        if rows:
            single = form is None and len(choices) == 1
            print_table(pd.DataFrame(rows).drop(columns=["variant"] if single else []), form)
    if failures:
        raise RunFailed("\n".join(failures))


def _refuse_same_files(choices: Sequence[Choice]) -> None:
    """ValueError where two variants are one network, as of two seeds: the second's file would take the first's place."""
    first: dict[tuple[str, int], Choice] = {}
    for choice in choices:
        other = first.setdefault((choice.architecture.key, choice.scale), choice)
        if other is not choice:
            raise ValueError(
                f"{other.name} and {choice.name}: are one network with other weights, and their files would "
                "have one name; export them into a folder each"
            )


def _bicubic(data: DataSettings, scale: int) -> float:
    split = split_of(data, scale)
    return bicubic_scores(split.validation).psnr_y


def _origin(choice: Choice, data: DataSettings, bicubic: float) -> Origin:
    split = split_of(data, choice.scale)
    return Origin(
        weights=choice.weights.name if choice.weights else "",
        training=choice.training(),
        trial=str(choice.trial or ""),
        seed=choice.seed if choice.trial else None,
        validation=f"{len(split.validation)} images ({split.description})",
        bicubic=bicubic,
    )


def _ship(  # noqa: PLR0913
    choice: Choice,
    targets: Iterable[str],
    output: Path,
    data: DataSettings,
    origin: Origin,
    threads: int,
) -> Iterator[Shipped]:
    """The files of one variant, each when it is verified; ExportFailed at the first that is not what it should be."""
    network = choice.network()
    split = split_of(data, choice.scale)
    psnr_torch = evaluate(network, split.validation, device="cpu").psnr_y
    for name in targets:
        yield ship(
            choice.architecture,
            network,
            TARGETS[name],
            output,
            scale=choice.scale,
            split=split,
            psnr_torch=psnr_torch,
            origin=origin,
            threads=threads,
        )


def data_of(choice: Choice, train_set: str | None, root: str | None) -> DataSettings:
    """The images of a variant, or those that were asked for."""
    data = choice.data or DataSettings()
    changed = {"train": train_set, "root": root}
    if train_set is not None:
        data = DataSettings(root=data.root)
    given = {name: value for name, value in changed.items() if value is not None}
    try:
        return DataSettings.model_validate(data.model_dump() | given)
    except ValidationError as error:
        faults = explain(error, lambda path: DataSettings.model_fields)
        options = {"train": "--data", "root": "--root"}
        lines = [f"{options.get(path[0], path[0])}: {text}" for path, text in faults]
        raise ValueError("\n".join(lines)) from None


def _remember(trial: TrialReference, shipped: Shipped, *, own_images: bool) -> None:
    """Store the latency and, on the validation images of its sweep, the PSNR after INT8."""
    latency = shipped.verdict.latency
    rows = [(latency.setting.name, latency.setting.dataset, latency.median)]
    if shipped.target.name == "int8" and own_images:
        rows.append(("psnr_y_int8", "validation", shipped.verdict.psnr))
    elif shipped.target.name == "int8":
        click.echo("--data: other images than the sweep's, so the PSNR was not stored", err=True)
    if not remember(trial, rows):
        click.echo(f"{trial} is being trained: nothing was stored", err=True)


def _warn(shipped: Shipped, origin: Origin) -> None:
    """Say of a file that bicubic is better."""
    if warning := below_bicubic("PSNR", shipped.verdict.psnr, origin.bicubic):
        click.echo(f"{shipped.file}:{warning}", err=True)


def _row(shipped: Shipped) -> dict[str, object]:
    verdict = shipped.verdict
    return {
        "target": shipped.target.name,
        "file": str(shipped.file),
        "bytes": verdict.bytes,
        "difference": verdict.largest_difference,
        "torch_psnr_y": verdict.psnr_torch,
        "file_psnr_y": verdict.psnr,
        "latency_ms": verdict.latency.median,
        "lower_ms": verdict.latency.lower,
        "upper_ms": verdict.latency.upper,
        "threads": verdict.latency.setting.threads,
        "device": verdict.latency.setting.device,
    }


@click.command()
@VARIANT
@SCALE
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnxruntime"]),
    default="torch",
    show_default=True,
    help="onnxruntime: on the CPU, in float32.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--size", metavar="WxH", help="Of the input; default: that of a 1280x720 output.")
@database
@tabular
def latency(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    scale: int | None,
    device: str,
    runtime: str,
    dtype: str,
    threads: int,
    size: str | None,
    db: str | None,
    form: Format | None,
) -> None:
    """Measure how long one image takes, here and now.

    VARIANT is as for `srsweep export`; no weights are needed. After warming up, the median and the quartiles of
    repeated runs. Of a trial it becomes a row of the database under the device's name, and can then be
    an objective of `srsweep front` and a budget of `srsweep select`. Other work on the machine slows it.
    """
    choice = choose(variant, scale=scale, weights=None, db=db)
    measured = _measure(choice, device, runtime, dtype, threads, _size(size, choice.scale))
    setting = measured.setting
    if choice.trial is not None:
        rows = [(setting.name, setting.dataset, measured.median)]
        if not remember(choice.trial, rows):
            click.echo(f"{choice.trial} is being trained: nothing was stored", err=True)
    row = {
        "label": choice.architecture.label,
        "median_ms": measured.median,
        "lower_ms": measured.lower,
        "upper_ms": measured.upper,
        "runs": measured.runs,
        "measurement": setting.name,
        "device": setting.device,
    }
    print_table(pd.DataFrame([row]), form)


def _measure(
    choice: Choice, device: str, runtime: str, dtype: str, threads: int, size: tuple[int, int]
) -> Latency:
    network = deployed(choice.architecture.network(choice.scale))
    if runtime == "onnxruntime":
        if device != "cpu" or dtype != "float32":
            raise ValueError("--runtime: onnxruntime is measured on the cpu in float32 only")
        return onnx_latency(network, size, threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device: this machine has no CUDA device")
    kind = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[dtype]
    return torch_latency(network, size, device=torch.device(device), dtype=kind, threads=threads)


def _size(text: str | None, scale: int) -> tuple[int, int]:
    """(height, width) of 'WxH'."""
    if text is None:
        return low_res_size(scale)
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) >= 8 for part in parts):
        raise ValueError(
            f"--size: must read WIDTHxHEIGHT from 8x8 on, such as 320x180, got {text!r}"
        )
    return int(parts[1]), int(parts[0])
