"""A variant: a network, its weights, and the known facts about its training run.

`srsweep train` describes the network that it trains in the file `variant.json` beside the checkpoint. Other commands
can therefore read a variant from its output folder.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd
from pydantic import BaseModel, ValidationError
from torch import nn

from analysis.read.frames import load_sweeps
from searchspace.architecture import Architecture, architecture
from searchspace.errors import UserError, shown
from searchspace.spec import explain
from srsweep.advice import advised
from srsweep.errors import say
from sweeps.advice import folder_for
from sweeps.checkpoints.rounding import stated_rounding
from sweeps.checkpoints.seal import refuse_damaged
from sweeps.checkpoints.state import checkpoint_path
from sweeps.checkpoints.upstream_weights import Loaded, load_weights
from sweeps.checkpoints.warm_start import stated_architecture
from sweeps.config.known_keys import known_keys
from sweeps.config.places import expand_data
from sweeps.data.settings import DataSettings, read_names, sets_label
from sweeps.data.split import DataSplit, open_data
from sweeps.measure.latency_objective import FACT, key_of
from sweeps.records import Measurement
from sweeps.store.store import Store
from sweeps.train.networks import network_to_train
from sweeps.train.settings import TrainSettings

Settings = TypeVar("Settings", bound=BaseModel)

NOTE = "variant.json"
"""Name of the file that describes the trained network in an output folder of `srsweep train`."""
RETRAIN = "train it again into another folder"
"""Advice to print if a `variant.json` cannot be used."""


@dataclass(frozen=True, kw_only=True)
class TrialReference:
    """The identity of a trial in a database, and how far the trial was trained."""

    url: str
    sweep: str
    number: int
    id: int
    attempts: int
    """Number of the newest attempt."""
    step: int
    """The last optimiser step after which the trial was evaluated."""

    def __str__(self) -> str:
        return f"{self.sweep}#{self.number}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A network, and the path of its weights if it has any."""

    architecture: Architecture
    scale: int
    weights: Path | None = None
    trial: TrialReference | None = None
    seed: int = 0
    train: TrainSettings = field(default_factory=TrainSettings)
    remote: bool = False
    """Whether the sweep of the trial keeps its checkpoints in an object store."""
    data: DataSettings | None = None
    """The images that the network was trained on, or None if they are unknown."""

    def checkpoint(self) -> Path:
        """Returns the path of the weights. Raises UserError if the variant has no weights or if they are damaged."""
        if self.weights is None and self.trial is not None:
            raise UserError(
                f"{self.trial}: its checkpoint is not on this machine (a sweep keeps the checkpoints of its Pareto front); "
                f"train it again with `{self.retraining}`, or give --weights"
            )
        if self.weights is None:
            raise UserError(
                "--weights: must name a checkpoint, because an untrained network has no PSNR"
            )
        refuse_damaged(self.weights)
        return self.weights

    def network(self) -> nn.Module:
        """Returns the network with its weights. Raises UserError if the weights are missing or do not fit."""
        return self.loaded()[0]

    def loaded(self) -> tuple[nn.Module, Loaded]:
        """Returns the network with its weights, and a report of how they were assigned.

        Raises UserError like `network`. Prints the report unless the weights come from a checkpoint of srsweep that
        names this variant.
        """
        network = network_to_train(self.architecture, self.scale, self.train)
        loaded = load_weights(network, self.checkpoint())
        if not loaded.own:
            say(str(loaded), err=True)
        return network, loaded

    @property
    def name(self) -> str:
        """SWEEP#NUMBER for a trial, otherwise the label of the architecture."""
        return str(self.trial or self.architecture.label)

    @property
    def retraining(self) -> str:
        """The command that trains the variant's trial again, into a new folder."""
        storage = None if self.trial is None else self.trial.url
        return advised("train", self.name, "-o", folder_for(self.name), storage=storage)

    def training(self) -> str:
        """Returns the training images and the number of steps as text, such as 'BSDS400, 3,000 steps'."""
        if self.data is None:
            return "unknown images"
        steps = self.trial.step if self.trial is not None else self.train.steps
        rounding = f" with {self.train.quantize} rounding" if self.train.quantize else ""
        return f"{sets_label(self.data.train)}, {steps:,} steps{rounding}"


def note_of(variant: Variant) -> dict[str, object]:
    """Returns the content of `variant.json`, in JSON types. The training images of `variant` must be known."""
    assert variant.data is not None
    return {
        "family": variant.architecture.family.name,
        "label": variant.architecture.label,
        "knobs": variant.architecture.knobs,
        "scale": variant.scale,
        "seed": variant.seed,
        "train": variant.train.model_dump(mode="json"),
        "data": variant.data.model_dump(mode="json"),
    }


def read_note(folder: Path) -> dict[str, Any]:
    """Returns the content of `variant.json` in `folder`. Raises UserError if it is not a JSON object."""
    path = folder / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); {RETRAIN}") from None
    if not isinstance(note, dict):
        raise UserError(f"{path}: must be a JSON object, got {shown(note)}; {RETRAIN}")
    return note


def variant_in(folder: Path) -> Variant:
    """Returns the variant that `srsweep train` trained in `folder`. Raises UserError if `variant.json` is invalid."""
    note = read_note(folder)
    checkpoint = checkpoint_path(folder, 1)
    try:
        return Variant(
            architecture=architecture(note["family"], note["knobs"]),
            scale=note["scale"],
            weights=checkpoint if checkpoint.is_file() else None,
            seed=note["seed"],
            train=TrainSettings.model_validate(note["train"]),
            data=DataSettings.model_validate(note["data"]),
        )
    except KeyError as error:
        raise UserError(f"{folder / NOTE}: {error} is missing; {RETRAIN}") from None
    except ValidationError as error:
        faults = explain(error, lambda path: ())
        text = "; ".join(f"{'.'.join(path)}: {fault}" for path, fault in faults)
        raise UserError(f"{folder / NOTE}: {text}; {RETRAIN}") from None


def of_checkpoint(path: Path) -> Variant | None:
    """Returns the variant that a checkpoint of srsweep names, with its weights. Returns None for any other file."""
    stated = stated_architecture(path)
    if stated is None:
        return None
    found, scale = stated
    train = validated(TrainSettings, {"quantize": stated_rounding(path)}, {}, prefix=f"{path}: ")
    return Variant(architecture=found, scale=scale, weights=path, train=train)


def validated(
    kind: type[Settings], values: dict[str, Any], options: dict[str, str], prefix: str = ""
) -> Settings:
    """Returns an instance of the settings class `kind` with these `values`.

    Raises UserError with one line for each wrong value. `options` maps fields to command-line options. A line begins
    with the option of the wrong field, or with `prefix` and the name of the field if it has no option.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = explain(error, lambda path: known_keys(kind, path, ()))
        lines = []
        for (first, *rest), text in ((path or ("",), text) for path, text in faults):
            # A fault of several settings together has no path, and its sentence names them.
            where = ".".join((options.get(first, prefix + first).strip(), *rest))
            lines.append(f"{where}: {text}")
        raise UserError("\n".join(lines)) from None


def data_of(
    variant: Variant,
    train_set: str | None,
    root: str | None,
    changes: Mapping[str, Any] | None = None,
) -> DataSettings:
    """Returns the settings for a variant's images.

    If the options --data (`train_set`) and --root (`root`) are given, they replace the variant's own settings.
    `changes` maps settings to the values that the option --set gives them.
    """
    data = variant.data or DataSettings()
    changes = dict(changes or {})
    named: dict[str, Any] = {"train": None if train_set is None else _names("--data", train_set)}
    given = named | {"root": root}
    given = {name: value for name, value in given.items() if value is not None}
    if twice := sorted(given.keys() & changes.keys()):
        option = {"train": "--data", "root": "--root"}[twice[0]]
        raise UserError(f"--set {twice[0]}: is given by {option} too; leave one of them out")
    if "train" in given or "train" in changes:
        data = DataSettings(root=data.root, degradation=data.degradation)
    options = {name: f"--set {name}" for name in DataSettings.model_fields}
    options |= {"train": "--data"} if train_set is not None else {}
    options |= {"root": "--root"} if root is not None else {}
    changed, faults = expand_data(given | changes)
    if faults:
        raise UserError("\n".join(f"{options[path[0]]}: {text}" for path, text in faults))
    return validated(DataSettings, data.model_dump() | changed, options)


def _names(option: str, text: str) -> str | list[Any]:
    try:
        return read_names(text)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None


def split_of(data: DataSettings, scale: int, aside: Path | None = None) -> DataSplit:
    """Returns the training and validation images that `data` names, decoded into the image cache.

    Prints a line about each set on stderr, once per command. With `aside`, nothing is written to the image cache:
    images that it lacks are decoded into the folder `aside`.
    """
    split = open_data(data, scale, image_cache(), aside)
    say_once(split.lines)
    return split


def say_once(lines: Iterable[str]) -> None:
    """Prints lines on stderr, except for those that the command has printed before."""
    context = click.get_current_context(silent=True)
    said: set[str] = (
        set() if context is None else context.meta.setdefault(f"{__name__}.said", set())
    )
    for line in lines:
        if line not in said:
            said.add(line)
            say(line, err=True)


def image_cache() -> Path:
    """Returns the absolute path of the image cache, the folder `cache` in the current folder."""
    return Path("cache").absolute()


def remember(trial: TrialReference, measurements: Sequence[tuple[str, str, float]]) -> bool:
    """Stores measurements (name, dataset, value) of a trial.

    Returns False if a newer attempt at the trial has begun. A new value replaces the old one, because the old one may
    have been measured on a busy machine. The latency that the sweep uses as an objective or as a budget is never
    replaced.
    """
    own = load_sweeps(trial.url, [trial.sweep]).get(FACT, pd.Series([""])).iloc[0]
    rows = [
        Measurement(step=trial.step, dataset=dataset, name=name, value=value)
        for name, dataset, value in measurements
    ]
    kept = [row for row in rows if key_of(row) != own]
    if len(kept) < len(rows):
        anew = advised("latency", trial, "--replace", storage=trial.url)
        say(
            f"{own}: not stored, because the sweep measured this latency itself; `{anew}` measures it again",
            err=True,
        )
    store = Store(trial.url)
    try:
        return store.record(trial.id, trial.attempts, kept, replace=True)
    finally:
        store.close()


def remember_or_tell(trial: TrialReference, measurements: Sequence[tuple[str, str, float]]) -> None:
    """Stores measurements of a trial. If the trial is being trained again, stores nothing and prints a line on stderr."""
    if not remember(trial, measurements):
        say(f"{trial}: not stored, because the trial is being trained again", err=True)
