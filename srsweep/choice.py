"""Which variant a command is about: FAMILY KNOB=VALUE..., a trial as SWEEP#NUMBER, or a folder of `srsweep train`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import click
import pandas as pd
import yaml
from pydantic import ValidationError
from torch import nn

from analysis.choose.front import load_front
from analysis.pages.pictures import FindTrained, Trained
from analysis.read.frames import load_lives, load_sweeps, load_trial
from analysis.read.points import load_points
from searchspace.architecture import Architecture, architecture
from searchspace.discover import FAMILIES
from searchspace.spec import explain, nearest
from srsweep.databases import locate
from srsweep.options import parse_architecture
from sweeps.checkpoints.object_store import Mirror, is_url
from sweeps.checkpoints.state import checkpoint_path
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.config.sweep_config import ConfigError, SweepConfig, parse_config
from sweeps.data.settings import DataSettings
from sweeps.data.split import DataSplit, open_split
from sweeps.measure.latency_objective import FACT, key_of
from sweeps.messages import without_password
from sweeps.records import Measurement
from sweeps.store.store import Store
from sweeps.train.settings import TrainSettings

NOTE = "variant.json"
"""In the folder of a trained variant: what was trained there."""
BROKEN = "train it anew into another folder"
"""What to do about a note that cannot be used."""
ANEW = (
    "a sweep keeps those of its front, with `search: {keep_weights: all}` of all, where it ran; "
    "`srsweep train SWEEP#NUMBER -o FOLDER` trains one anew"
)
"""What to do about weights that are not here."""
Whole = Literal["front", "all"]
"""Which complete trials of a sweep are meant by its name."""
REFERENCE = re.compile(r"(?P<sweep>.+)#(?P<number>\d+)")


@dataclass(frozen=True, kw_only=True)
class TrialReference:
    """A trial in a database."""

    url: str
    sweep: str
    number: int
    id: int
    attempts: int
    step: int
    """Largest one evaluated."""

    def __str__(self) -> str:
        return f"{self.sweep}#{self.number}"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A variant, and where its weights are if it has any."""

    architecture: Architecture
    scale: int
    weights: Path | None = None
    trial: TrialReference | None = None
    seed: int = 0
    train: TrainSettings = field(default_factory=TrainSettings)
    data: DataSettings | None = None
    """What it was trained on, where that is known."""

    def checkpoint(self) -> Path:
        """The file of its weights; ValueError where it has none."""
        if self.weights is None and self.trial is not None:
            raise ValueError(
                f"{self.trial}: its checkpoint is not here (a sweep keeps those of its front); train it anew "
                f"with `srsweep train {self.trial} -o FOLDER`, or name --weights"
            )
        if self.weights is None:
            raise ValueError("--weights: a network without weights has no PSNR; name a checkpoint")
        return self.weights

    def network(self) -> nn.Module:
        """The network with its weights; ValueError where it has none."""
        network = self.architecture.network(self.scale)
        load_weights(network, self.checkpoint())
        return network

    @property
    def name(self) -> str:
        """SWEEP#NUMBER of a trial, otherwise its label."""
        return str(self.trial or self.architecture.label)

    def training(self) -> str:
        """Images and length of the training, for people."""
        if self.data is not None:
            steps = self.trial.step if self.trial is not None else self.train.steps
            return f"{self.data.train}, {steps:,} steps"
        return "unknown images"


def choose(
    words: Sequence[str], *, scale: int | None, weights: Path | None, db: str | None
) -> Choice:
    """The variant that `words` name; weights given win over those of the trial or the folder.

    Raises ValueError in one line where there is none, or where its scale is another than `scale`.
    """
    if len(words) == 2 and words[0] not in FAMILIES and words[1].isdigit():
        words = ["#".join(words)]
    first = words[0]
    folder = Path(first)
    if len(words) == 1 and (found := REFERENCE.fullmatch(first)):
        choice = _of_trial(found["sweep"], int(found["number"]), db)
    elif len(words) == 1 and (folder / NOTE).is_file():
        choice = _of_folder(folder)
    elif first in FAMILIES:
        choice = Choice(architecture=parse_architecture(first, words[1:]), scale=scale or 4)
    else:
        known = nearest(first, FAMILIES)
        raise ValueError(
            f"{first}: must be a family (with KNOB=VALUE...), a trial as SWEEP#NUMBER or a folder that "
            f"`srsweep train` made; {known}"
        )
    if scale is not None and scale != choice.scale:
        raise ValueError(f"--scale: {first} is of scale {choice.scale}, got {scale}")
    return Choice(**vars(choice) | {"weights": weights}) if weights is not None else choice


def choose_several(
    words: Sequence[str],
    *,
    scale: int | None,
    weights: Path | None,
    db: str | None,
    whole: Whole | None,
) -> list[Choice]:
    """As `choose`, of several trials SWEEP#NUMBER all; with `whole` the front of the sweeps named, or all with weights.

    Raises ValueError where one of several has no weights here; of `all` only where none has.
    """
    if whole is not None:
        words = [f"{sweep}#{n}" for word in words for sweep, n in _complete(word, db, whole)]
        if not words:
            raise ValueError(f"--{whole}: no trial is complete")
    elif not all(REFERENCE.fullmatch(word) for word in words) or len(words) == 1:
        return [choose(words, scale=scale, weights=weights, db=db)]
    if weights is not None:
        raise ValueError(f"--weights: are those of one variant, got {len(words)} variants")
    choices = [choose([word], scale=scale, weights=None, db=db) for word in dict.fromkeys(words)]
    there = [choice for choice in choices if choice.weights is not None]
    missing = [choice.name for choice in choices if choice.weights is None]
    if missing and (whole != "all" or not there):
        raise ValueError(f"{_listed(missing)}: the weights are not here; {ANEW}")
    if missing:
        told = f"left out: {len(missing)} of {len(choices)} complete trials, whose weights are not here"
        click.echo(f"{told} ({_listed(missing)}); {ANEW}", err=True)
    return there


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _complete(name: str, db: str | None, whole: Whole) -> list[tuple[str, int]]:
    """(sweep, number) of a sweep's complete trials, or of those on the front of its own objectives."""
    (sweep,), url = locate([name], db)
    if whole == "all":
        return [(sweep, int(number)) for number in load_points(url, sweep, [])["number"]]
    objectives = load_sweeps(url, [sweep])["settings"].iloc[0]["objectives"]
    return [(sweep, int(number)) for number in load_front(url, sweep, objectives)["number"]]


def _of_trial(name: str, number: int, db: str | None) -> Choice:
    (sweep,), url = locate([name], db)
    row = load_trial(url, sweep, number)
    lives = load_lives(url, [sweep])
    text = yaml.safe_load(lives["text"].iloc[-1]) if len(lives) else None
    config = parse_config(
        {"metadata": {"sweep": text}}, f"sweep {sweep} in {without_password(url)}"
    )
    return Choice(
        architecture=architecture(str(row["family"]), row["knobs"]),
        scale=int(row["scale"]),
        weights=_kept(config, number, int(row["attempts"])),
        trial=TrialReference(
            url=url,
            sweep=sweep,
            number=number,
            id=int(row["id"]),
            attempts=int(row["attempts"]),
            step=int(row["step"]),
        ),
        seed=int(row["seed"]),
        train=config.train,
        data=config.data,
    )


def _kept(config: SweepConfig, number: int, attempts: int) -> Path | None:
    """The newest checkpoint of a trial on this machine, fetched where the sweep keeps them in a store."""
    folder = config.checkpoint_folder / config.name / str(number)
    for attempt in range(attempts, 0, -1):
        path = checkpoint_path(folder, attempt)
        if is_url(config.checkpoints) and not path.is_file():
            mirror = Mirror(url=f"{config.checkpoints}/{config.name}/{number}")
            try:
                mirror.fetch(folder, [path.name])
            except Exception as error:  # each store's package has errors of its own
                click.echo(f"checkpoints: {mirror.url}: {type(error).__name__}: {error}", err=True)
                return None
        if path.is_file():
            return path
    return None


def _of_folder(folder: Path) -> Choice:
    note = read_note(folder)
    checkpoint = checkpoint_path(folder, 1)
    try:
        return Choice(
            architecture=architecture(note["family"], note["knobs"]),
            scale=note["scale"],
            weights=checkpoint if checkpoint.is_file() else None,
            seed=note["seed"],
            train=TrainSettings.model_validate(note["train"]),
            data=DataSettings.model_validate(note["data"]),
        )
    except KeyError as error:
        raise ValueError(f"{folder / NOTE}: lacks {error}; {BROKEN}") from None
    except ValidationError as error:
        faults = explain(error, lambda path: ())
        text = "; ".join(f"{'.'.join(path)}: {fault}" for path, fault in faults)
        raise ValueError(f"{folder / NOTE}: {text}; {BROKEN}") from None


def read_note(folder: Path) -> dict[str, Any]:
    """What `srsweep train` wrote into its folder; ValueError where that cannot be read."""
    path = folder / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}); {BROKEN}") from None
    if not isinstance(note, dict):
        raise ValueError(f"{path}: must hold what was trained, got {note!r}; {BROKEN}")
    return note


def finder(url: str, folders: Sequence[Path] = ()) -> FindTrained:
    """A function that hands over the trained network of (sweep, number), with its validation images.

    A network that `srsweep train` trained into one of `folders` comes before the sweep's own checkpoint.
    Raises ValueError where one of them is no such folder.
    """
    for folder in folders:
        if not (folder / NOTE).is_file():
            raise ValueError(f"--trained: {folder} is no folder that `srsweep train` made")
    retrained = {(c.architecture.key, c.scale): c for c in map(_of_folder, folders)}

    def find(sweep: str, number: int) -> Trained | str:
        try:
            own = _of_trial(sweep, number, url)
            choice = retrained.get((own.architecture.key, own.scale), own)
            if choice.weights is None or own.data is None:
                return "its checkpoint is not on this machine (a sweep keeps those of its front, where it ran)"
            network = choice.network()
            split = split_of(own.data, own.scale)
        except (ConfigError, ValueError) as error:
            return str(error)  # a page without a picture is better than none
        note = "" if choice is own else f"trained anew: {choice.training()}"
        return Trained(network=network, validation=split.validation, note=note)

    return find


def split_of(data: DataSettings, scale: int) -> DataSplit:
    """The images of a variant, prepared in the folder `cache` below this one."""
    return open_split(data, scale, image_cache())


def image_cache() -> Path:
    """Where prepared images are kept."""
    return Path("cache").absolute()


def note_of(choice: Choice) -> dict[str, object]:
    """What `srsweep train` writes into its folder."""
    assert choice.data is not None
    return {
        "family": choice.architecture.family.name,
        "label": choice.architecture.label,
        "knobs": choice.architecture.knobs,
        "scale": choice.scale,
        "seed": choice.seed,
        "train": choice.train.model_dump(mode="json"),
        "data": choice.data.model_dump(mode="json"),
    }


def remember(trial: TrialReference, measurements: Sequence[tuple[str, str, float]]) -> bool:
    """Store (name, dataset, value) about a trial at its last step; False where its attempt is not the last.

    What was stored under the same name gives way: it may have been measured on a busy machine. The latency
    that is an objective or a budget of the sweep stays as the sweep measured it.
    """
    own = load_sweeps(trial.url, [trial.sweep]).get(FACT, pd.Series([""])).iloc[0]
    rows = [
        Measurement(step=trial.step, dataset=dataset, name=name, value=value)
        for name, dataset, value in measurements
    ]
    kept = [row for row in rows if key_of(row) != own]
    if len(kept) < len(rows):
        click.echo(f"{own}: the sweep's own measurement stays, this one was not stored", err=True)
    store = Store(trial.url)
    try:
        return store.record(trial.id, trial.attempts, kept, replace=True)
    finally:
        store.close()
