"""Commands about one variant: train it alone, evaluate it on the test sets."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pandas as pd
import torch
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from analysis.benchmark import TableFormat, published_bicubic, published_rows, show
from searchspace.cost import costs
from searchspace.spec import explain
from srsweep.arguments import RunFailed, tabular
from srsweep.choice import NOTE, Choice, choose, note_of, remember
from srsweep.databases import database
from srsweep.export import VARIANT, data_of
from sweeps.data.cache import PairSet
from sweeps.data.images import find_set
from sweeps.data.split import TEST_SETS, open_test_set
from sweeps.evaluate import Scores, bicubic_scores, evaluate
from sweeps.records import Evaluation, Outcome, Progress
from sweeps.train import TrainSettings, pick_device
from sweeps.trial import Segment, checkpoint_path, run

SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")
assert set(SETS) <= set(TEST_SETS)


@click.command(name="evaluate")
@VARIANT
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint; default: that of the trial or of the folder.",
)
@click.option("--scale", type=int, help="Upscaling factor; default: the trial's, otherwise 4.")
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
    db: str | None,
    form: TableFormat | None,
) -> None:
    """Measure a network on the test sets, as papers do.

    VARIANT is FAMILY KNOB=VALUE..., a trial as SWEEP#NUMBER, a folder that `srsweep train` made, or
    `bicubic`. Weights given are a checkpoint of ours or an upstream state dict, taken by name where all names
    match, otherwise in order; never unpickled as code. PSNR and SSIM are of Y of BT.601, 8-bit images, `scale` pixels
    cropped at each border. Of a trial they become rows of the database.

    \b
    srsweep evaluate SWEEP#12 --self-ensemble --latex
    srsweep evaluate imdn --weights IMDN_x4.pth --scale 4 --sets Set5,Set14
    srsweep evaluate bicubic --scale 3 --sets Set5
    """
    shown = form or "table"
    if variant == ("bicubic",):
        if weights is not None or tile is not None or self_ensemble:
            raise ValueError("bicubic: has no weights and needs no --tile or --self-ensemble")
        table = _bicubic_rows(scale or 4, root or Path("data"), sets, published, shown)
        click.echo(show(table, shown, width=_width()))
        return
    choice = choose(variant, scale=scale, weights=weights, db=db)
    network = choice.network().to(pick_device(TrainSettings()))
    folder = root or Path(choice.data.root if choice.data else "data")
    rows = []
    for name, pairs in _test_sets(folder, sets, choice.scale):
        for ensemble in (False, True) if self_ensemble else (False,):
            scores = evaluate(
                network,
                pairs,
                device=next(network.parameters()).device,
                self_ensemble=ensemble,
                tile=tile,
            )
            rows.append(_row(choice, name, len(pairs), scores, ensemble=ensemble))
    own = pd.DataFrame(rows)
    if choice.trial is not None and weights is None:
        _remember(choice, own)
    if published or (published is None and shown in ("table", "markdown", "latex")):
        near = published_rows(
            choice.scale, float(own["params"].iloc[0]), list(dict.fromkeys(own["set"]))
        )
        own = pd.concat([near, own], ignore_index=True) if len(near) else own
    click.echo(show(own, shown, width=_width()))
    if shown == "table" and "published" in set(own["origin"]):
        click.echo("Rows of different training images are not to be ranked against each other.")


def _row(
    choice: Choice, name: str, images: int, scores: Scores, *, ensemble: bool
) -> dict[str, object]:
    counted = costs(choice.architecture, choice.scale)
    return {
        "origin": "ours",
        "network": choice.architecture.label + ("+" if ensemble else ""),
        "params": counted["params"],
        "multadds": counted["multadds"] * (8 if ensemble else 1),
        "train_data": choice.training(),
        "set": name,
        "scale": choice.scale,
        "images": images,
        "self_ensemble": ensemble,
        "psnr_y": scores.psnr_y,
        "ssim_y": scores.ssim_y,
    }


def _remember(choice: Choice, rows: pd.DataFrame) -> None:
    """Store PSNR and SSIM of single passes: they are what a cost belongs to."""
    assert choice.trial is not None
    single = rows[~rows["self_ensemble"]]
    measured = [
        (name, str(row["set"]), float(row[name]))
        for row in single.to_dict("records")
        for name in ("psnr_y", "ssim_y")
    ]
    if not remember(choice.trial, measured):
        click.echo(f"{choice.trial} is being trained: nothing was stored", err=True)


def _bicubic_rows(
    scale: int, root: Path, sets: str, published: bool | None, form: TableFormat
) -> pd.DataFrame:
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
    if published or (published is None and form not in ("json", "csv")):
        printed = published_bicubic(scale, list(own["set"]))
        own = pd.concat([printed, own], ignore_index=True) if len(printed) else own
    return own


def _test_sets(root: Path, sets: str, scale: int) -> Iterator[tuple[str, PairSet]]:
    for name in _present(root, sets.split(",")):
        yield name, open_test_set(root, name, scale, Path("cache").absolute())


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


def _width() -> int | None:
    return None if sys.stdout.isatty() else 200


@click.command()
@VARIANT
@click.option("--scale", type=int, help="Upscaling factor; default: the trial's, otherwise 4.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Optimiser steps; default: the sweep's, otherwise 20,000.",
)
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Another setting of `train` in a sweep file, such as learning_rate=5e-4.",
)
@click.option("--data", "train_set", help="As data.train; default: the sweep's, or embedded.")
@click.option("--root", help="Folder of the image sets; default: the sweep's, or data.")
@click.option("--seed", type=int, help="Default: the trial's, otherwise 0.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder.")
@database
def train(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    scale: int | None,
    steps: int | None,
    changes: tuple[str, ...],
    train_set: str | None,
    root: str | None,
    seed: int | None,
    output: Path,
    db: str | None,
) -> None:
    """Train one network alone, from the beginning.

    VARIANT is FAMILY KNOB=VALUE..., or a trial as SWEEP#NUMBER, whose sweep gives the settings that are not
    given here. The same command again resumes from the checkpoint in the output folder. `srsweep
    evaluate` and `srsweep export` take the folder for a VARIANT.

    \b
    srsweep train SWEEP#12 --steps 100_000 -o best
    srsweep train slwsr n_feats=16 --data BSDS400 --root data -o best
    """
    given = choose(variant, scale=scale, weights=None, db=db)
    choice = Choice(
        architecture=given.architecture,
        scale=given.scale,
        seed=given.seed if seed is None else seed,
        train=_settings(given, steps, changes),
        data=data_of(given, train_set, root),
    )
    _note(choice, output)
    _train(choice, output)
    click.echo(f"weights: {checkpoint_path(output, 1)}")


def _settings(choice: Choice, steps: int | None, changes: tuple[str, ...]) -> TrainSettings:
    """The settings of the sweep, or the default ones, with what was asked for."""
    values = choice.train.model_dump() if choice.trial is not None else {"steps": 20_000}
    for text in changes:
        name, equals, value = text.partition("=")
        if not equals or name not in TrainSettings.model_fields:
            known = ", ".join(TrainSettings.model_fields)
            raise ValueError(f"--set: must read KEY=VALUE with one of {known}, got {text!r}")
        values[name] = yaml.safe_load(value)
    try:
        return TrainSettings.model_validate(
            values | ({"steps": steps} if steps is not None else {})
        )
    except ValidationError as error:
        faults = explain(error, lambda path: TrainSettings.model_fields)
        lines = [f"--set {'.'.join(path)}: {text}" for path, text in faults]
        raise ValueError("\n".join(lines)) from None


def _note(choice: Choice, folder: Path) -> None:
    """Write down what is trained in `folder`; ValueError where something else is."""
    path, note = folder / NOTE, note_of(choice)
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        differing = [n for n in note if n != "label" and before.get(n) != note[n]]
        if differing:
            raise ValueError(
                f"-o: {folder} holds another training ({', '.join(differing)} differ); name another folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _train(choice: Choice, folder: Path) -> None:
    assert choice.data is not None
    full = choice.train.steps
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=choice.architecture.family.name,
        knobs=choice.architecture.knobs,
        label=choice.architecture.label,
        scale=choice.scale,
        seed=choice.seed,
        until_step=full,
        train=choice.train,
        data=choice.data,
        folder=folder.absolute(),
        cache=Path("cache").absolute(),
        threads=torch.get_num_threads(),
    )
    with _bar(full) as bar:
        task = bar.add_task("", total=full, note="")
        for record in run(segment):
            if isinstance(record, Progress):
                bar.update(task, completed=record.step, note=f"loss {record.loss:.4f}")
            elif isinstance(record, Evaluation):
                values = {m.name: m.value for m in record.measurements}
                pace = values["seconds"] / record.step * (full - record.step)
                bar.update(task, completed=record.step, note=f"{values['psnr_y']:.3f} dB")
                bar.console.print(
                    f"step {record.step:,}/{full:,}: {values['psnr_y']:.3f} dB, loss "
                    f"{values['loss']:.4f}, {pace:.0f} s to go"
                )
            elif isinstance(record, Outcome) and record.error:
                raise RunFailed(record.error)


@contextmanager
def _bar(full: int) -> Iterator[Bar]:
    """A bar with the time to go on a terminal; lines only elsewhere."""
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps {task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar
