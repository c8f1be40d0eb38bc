"""The command train: one variant alone, resumable."""

import json
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from searchspace.spec import explain
from srsweep.choice import NOTE, Choice, choose, image_cache, note_of, read_note
from srsweep.commands.export import data_of
from srsweep.databases import database
from srsweep.errors import RunFailed
from srsweep.options import INTO, SCALE, VARIANT, read_value
from sweeps.checkpoints.state import checkpoint_path, read_checkpoint
from sweeps.records import Evaluation, Outcome, Progress
from sweeps.train.segment import Segment, run
from sweeps.train.settings import TrainSettings


@click.command()
@VARIANT
@SCALE
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
@INTO
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

    VARIANT is FAMILY KNOB=VALUE..., a trial as SWEEP#NUMBER, or a folder that `srsweep train` made; the
    trial's sweep, or the folder, gives the settings that are not given here. Ctrl-C saves, and the same
    command again resumes from the checkpoint in the output folder. `srsweep evaluate` and `srsweep export`
    take the folder for a VARIANT. Exit code 130: stopped by Ctrl-C.

    \b
    srsweep train SWEEP#12 --steps 100_000 -o best
    srsweep train best --seed 1 -o best-seed1
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
    """The settings of the sweep or the folder, or the default ones, with what was asked for."""
    # Where the images are known, so is the training.
    values = choice.train.model_dump() if choice.data is not None else {"steps": 20_000}
    for text in changes:
        name, equals, value = text.partition("=")
        if not equals or name not in TrainSettings.model_fields:
            known = ", ".join(TrainSettings.model_fields)
            raise ValueError(f"--set: must read KEY=VALUE with one of {known}, got {text!r}")
        values[name] = read_value(f"--set {text}", value)
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
        before = read_note(folder)
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
        cache=image_cache(),
        threads=torch.get_num_threads(),
    )
    try:
        with _interruptible() as is_stopped, _bar(full) as bar:
            task = bar.add_task("", total=full, note="")
            for record in run(segment, is_stopped=is_stopped):
                _show(record, bar, task, full)
    except KeyboardInterrupt:
        again = shlex.join(["srsweep", "train", str(folder), "-o", str(folder)])
        state = read_checkpoint(checkpoint_path(folder, 1))
        at = f"saved at step {state['step']:,} of {full:,}" if state else "nothing was saved yet"
        click.echo(f"\nstopped, {at}; `{again}` or the same command carries on", err=True)
        raise SystemExit(130) from None


def _show(record: Progress | Evaluation | Outcome, bar: Bar, task: TaskID, full: int) -> None:
    """A record as a step of the bar, an evaluation as a line too; RunFailed for one that ends in an error."""
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
    elif record.error:
        raise RunFailed(record.error)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """A function that is true after the first Ctrl-C, which is thereby answered; the second one interrupts."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)


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
