"""The command `train`: trains one network. The training run can be stopped and resumed."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import torch
from rich.progress import Progress as Bar
from rich.progress import TaskID

from searchspace.errors import UserError, cut, shown
from searchspace.synonyms import nearest
from srsweep.advice import advised
from srsweep.choice import choose
from srsweep.errors import as_failed_training
from srsweep.fine_tuning import fine_tuned, with_weights
from srsweep.options import DATABASE, INTO, SCALE, VARIANT, read_value
from srsweep.progress import progress_bar
from srsweep.variant import (
    NOTE,
    Variant,
    data_of,
    image_cache,
    note_of,
    read_note,
    say_once,
    validated,
)
from sweeps.checkpoints.state import checkpoint_path, read_checkpoint
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_data
from sweeps.files import write_text
from sweeps.records import MAX_STEPS, Evaluation, Outcome, Progress, Record
from sweeps.train.networks import network_to_train, start
from sweeps.train.segment import Segment, run
from sweeps.train.settings import TrainSettings, batch_fault
from sweeps.train.teacher import teacher_of


@click.command()
@VARIANT
@SCALE
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="Number of optimiser steps. Default: the value that VARIANT was trained with, otherwise 20,000.",
)
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a setting that a sweep file has under `train` or `data`, such as learning_rate=5e-4 or "
    "hold_out=4. Repeat "
    "the option for several settings.",
)
@click.option(
    "--from",
    "start",
    metavar="TRIAL|FOLDER|FILE",
    help="Start from existing weights: those of a trial (SWEEP#NUMBER), of an output folder of `srsweep "
    "train`, or of a file, such as a checkpoint from a public implementation. The weights may be for "
    "another scale. Default: the weights that the training of VARIANT started from. If VARIANT is a network: random weights.",
)
@click.option(
    "--quantize",
    type=click.Choice(["int8"]),
    help="Fine-tune VARIANT with simulated rounding, so that its INT8 file loses less PSNR. The training"
    " starts from the weights of VARIANT, or from those of --from. By default it uses a quarter of "
    "VARIANT's steps and a fifth of its learning rate; --steps and --set override this.",
)
@click.option(
    "--teacher",
    metavar="TRIAL|FOLDER|FILE",
    help="Also learn from the output of a trained network. The option takes the same values as --from. A "
    "file must be a checkpoint of srsweep; --set distill=... also takes other "
    "checkpoints. Default: the value that VARIANT was trained with, otherwise no teacher.",
)
@click.option(
    "--data",
    "train_set",
    help="Training images. The option takes the same values as data.train in a sweep file. Default: the "
    "value that VARIANT was trained with, otherwise `embedded`, the photographs that come with "
    "scikit-image.",
)
@click.option(
    "--root",
    help="Folder of the image sets. Default: the value that VARIANT was trained with, otherwise ./data.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    help="Random seed. Default: the value that VARIANT was trained with, otherwise 0.",
)
@INTO
@DATABASE
def train(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    scale: int | None,
    steps: int | None,
    changes: tuple[str, ...],
    start: str | None,
    quantize: str | None,
    teacher: str | None,
    train_set: str | None,
    root: str | None,
    seed: int | None,
    output: Path,
    db: str | None,
) -> None:
    """Train one network, from scratch or from existing weights.

    VARIANT is a network (FAMILY KNOB=VALUE...), a trial (SWEEP#NUMBER), or an output folder of `srsweep
    train`. If VARIANT is a trial or an output folder, options that you leave out keep the values of
    that earlier training.

    Ctrl-C saves a checkpoint and exits with code 130. The same command then resumes the training from
    the checkpoint. When it has finished, `srsweep evaluate` and `srsweep export` take the output folder
    as VARIANT.

    \b
    srsweep train SWEEP#12 --steps 100_000 -o best
    srsweep train best --seed 1 -o best-seed1
    srsweep train best --quantize int8 -o best-int8
    srsweep train slwsr n_feats=16 --data BSDS400 --root data -o best
    srsweep train slwsr n_feats=16 --scale 3 --from best/attempt-1.pt -o best-x3
    """
    given = choose(variant, scale=scale, weights=None, db=db, fetch=False)
    changed = with_weights(_changed(changes), start, teacher, db)
    if quantize is not None:
        changed = fine_tuned(given, changed, quantize)
    wanted = Variant(
        # The recipe of a trial is part of the settings from here on, where --set may change it.
        architecture=given.architecture.without_recipe,
        scale=given.scale,
        seed=given.seed if seed is None else seed,
        train=_settings(given, steps, changed),
        data=data_of(
            given,
            train_set,
            root,
            {name: value for name, value in changed.items() if name in DataSettings.model_fields},
        ),
    )
    _train(wanted, output)
    click.echo(f"weights: {checkpoint_path(output, 1)}")


def _changed(changes: tuple[str, ...]) -> dict[str, object]:
    """Returns the settings of --set by name. Raises UserError for a name that neither `train` nor `data` has."""
    known = [*TrainSettings.model_fields, *DataSettings.model_fields]
    values: dict[str, object] = {}
    for text in changes:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set: must read KEY=VALUE, such as steps=1000, got {shown(text)}")
        if name not in known:
            raise UserError(f"--set {cut(text)}: no such key; {nearest(name, known)}")
        if name in values:
            raise UserError(f"--set {name}: is given twice; leave one of them out")
        values[name] = read_value(f"--set {text}", value)
    return values


def _settings(variant: Variant, steps: int | None, changed: Mapping[str, object]) -> TrainSettings:
    """Returns the settings of the earlier training run or else the defaults, changed by the options."""
    # A trial or a folder knows its images and its settings. Other variants know neither.
    values = variant.train.model_dump() if variant.data is not None else {"steps": 20_000}
    if "patch_stages" in changed and "patch_size" not in changed:
        values.pop("patch_size", None)  # the largest size of the new stages
    values |= {n: value for n, value in changed.items() if n in TrainSettings.model_fields}
    if steps is not None:
        values["steps"] = steps
    settings = validated(TrainSettings, values, {}, prefix="--set ")
    if settings.function is not None and "function" not in changed:
        # A database or a folder may come from elsewhere, and must not say which code runs here.
        raise UserError(
            f"--set function: the earlier training used {settings.function}; give --set "
            f"function={settings.function} "
            "to run it, or --set function=null for srsweep's own step"
        )
    if fault := batch_fault(settings, variant.scale):
        raise UserError(f"--set batch_size: {fault}")
    return settings


def _note(variant: Variant, folder: Path) -> None:
    """Writes `variant.json` into `folder`. Raises UserError if the folder holds other settings."""
    path, note = folder / NOTE, note_of(variant)
    if path.is_file():
        before = read_note(folder)
        differing = [n for n in note if n != "label" and before.get(n) != note[n]]
        if differing:
            raise UserError(
                f"-o: {folder} holds another training, which differs in {', '.join(differing)}; name"
                " another folder"
            )
    elif found := sorted(folder.glob("attempt-*.pt")):
        # A sweep keeps its checkpoints under such names, and a training here would replace them.
        raise UserError(
            f"-o: {folder} holds {found[0].name} of another training, and no {NOTE}; name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(note, indent=2) + "\n")


def _train(variant: Variant, folder: Path) -> None:
    assert variant.data is not None
    full = variant.train.steps
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=variant.architecture.family.name,
        knobs=variant.architecture.knobs,
        label=variant.architecture.label,
        scale=variant.scale,
        seed=variant.seed,
        until_step=full,
        train=variant.train,
        data=variant.data,
        folder=folder.absolute(),
        cache=image_cache(),
        threads=torch.get_num_threads(),
    )
    try:
        with (
            _interruptible() as is_stopped,
            _opened(variant, folder),
            progress_bar("steps {task.fields[note]}") as bar,
        ):
            task = bar.add_task("", total=full, note="")
            for record in run(segment, is_stopped=is_stopped):
                _show(record, bar, task, full)
    except KeyboardInterrupt:
        # A folder whose name reads like SWEEP#NUMBER is a folder only when it is written as a path.
        own = folder if os.sep in str(folder) else f"./{folder}"
        again = advised("train", own if "#" in str(folder) else folder, "-o", folder)
        state = read_checkpoint(checkpoint_path(folder, 1))
        at = (
            f"saved at step {state['step']:,} of {full:,}"
            if state
            else "before the first checkpoint"
        )
        click.echo(
            f"\nstopped, {at}; to continue, run `{again}` or the same command again", err=True
        )
        raise SystemExit(130) from None


@contextmanager
def _opened(variant: Variant, folder: Path) -> Iterator[None]:
    """Opens the images, describes them on stderr, and writes `variant.json`.

    Raises UserError before anything is written if the images cannot be used or if the folder holds another training
    run.
    """
    assert variant.data is not None
    split = open_data(variant.data, variant.scale, image_cache())
    PatchSampler(split.train, variant.train.patch_size, variant.train.batch_size, variant.seed)
    teacher_of(variant.train, variant.scale, torch.device("cpu"))
    lines = _started(variant, folder)
    _note(variant, folder)
    say_once([*split.lines, *lines])
    yield


def _started(variant: Variant, folder: Path) -> list[str]:
    """Returns lines about the weights that a new run starts from, if any. Raises UserError if they do not fit.

    A training run that `folder` already holds no longer needs these weights.
    """
    path = variant.train.warm_start
    if checkpoint_path(folder, 1).exists():
        return []
    if path is None:
        network_to_train(variant.architecture, variant.scale, variant.train)
        return []
    try:
        network = network_to_train(variant.architecture, variant.scale, variant.train)
        return [str(start(network, Path(path)))]
    except UserError as error:
        raise UserError(f"train.warm_start: {error}") from None


def _show(record: Record, bar: Bar, task: TaskID, full: int) -> None:
    """Advances the bar to the record's step. Prints a line for an evaluation. Raises RunFailed for a failed outcome."""
    if isinstance(record, Progress):
        bar.update(task, completed=record.step, note=f"loss {record.loss:.4f}")
    elif isinstance(record, Evaluation):
        values = {m.name: m.value for m in record.measurements}
        pace = values["seconds"] / record.step * (full - record.step)
        bar.update(task, completed=record.step, note=f"{values['psnr_y']:.3f} dB")
        bar.console.print(
            f"step {record.step:,}/{full:,}: {values['psnr_y']:.3f} dB, loss "
            f"{values['loss']:.4f}, {pace:.0f} s left"
        )
    elif isinstance(record, Outcome) and record.error:
        raise as_failed_training(record.error)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns True after the first Ctrl-C. The second Ctrl-C raises KeyboardInterrupt."""
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
