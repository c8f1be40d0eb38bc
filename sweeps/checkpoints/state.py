"""Training states on disk.

A state is written to its file completely or not at all. A training resumes only from its own states.
"""

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import ValidationError

from sweeps.store.comparability import PLACES
from sweeps.train.settings import TrainSettings

FIRST_SETTINGS = frozenset(
    [
        "steps",
        "patch_size",
        "batch_size",
        "learning_rate",
        "schedule",
        "restarts",
        "halve_every",
        "clip_gradient",
        "evaluate_every",
        "precision",
    ]
)
"""The training settings, without the device, that existed when state files held a digest of the settings instead of the
settings themselves."""


class CheckpointFailed(Exception):  # noqa: N818 - reads as what happened
    """The error for a training state that cannot be written. The network is not at fault."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that the weights of a training depend on, except the device.

    A training resumes from the state of another training only if all these values are equal.
    """

    architecture: str
    """Key of the architecture."""
    scale: int
    seed: int
    settings: TrainSettings
    images: str
    """Fingerprint of the training and validation images."""

    def stored(self) -> dict[str, Any]:
        """Returns these values in JSON types, for the state file."""
        return {
            "architecture": self.architecture,
            "scale": self.scale,
            "seed": self.seed,
            "settings": _plain(self.settings),
            "images": self.images,
        }

    def owns(self, state: Mapping[str, Any]) -> bool:
        """Returns whether `state` belongs to this training. A setting that the state lacks counts as its default."""
        stored = state.get("training")
        if stored is None:
            return state.get("identity") == self._digest_before_2026_11_26()
        try:
            settings = type(self.settings).model_validate(stored["settings"])
        except (KeyError, TypeError, ValidationError):
            return False
        theirs = {**stored, "settings": _plain(settings)}
        return theirs == self.stored()

    def _digest_before_2026_11_26(self) -> str:
        """Returns the digest that state files held before that day, instead of what `stored` returns.

        The digest covers the settings that existed then. A setting that was added later had its default in those
        trainings. With any other value, this training has no old states, and a text that equals no digest is returned.
        """
        settings = _plain(self.settings)
        later = {name: settings.pop(name) for name in settings.keys() - FIRST_SETTINGS}
        defaults = type(self.settings)().model_dump(mode="json")
        if any(value != defaults[name] for name, value in later.items()):
            return "no earlier training had these settings"
        if settings["restarts"] is None:
            del settings["restarts"]
        trained = [self.architecture, self.scale, self.seed, settings, self.images]
        return hashlib.sha256(json.dumps(trained, sort_keys=True).encode()).hexdigest()[:16]


def _plain(settings: TrainSettings) -> dict[str, Any]:
    """Returns the settings that weights depend on, in JSON types. Leaves out settings that say where a training runs."""
    return settings.model_dump(mode="json", exclude=PLACES["train"])


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The files that a training resumes from and writes its state to."""

    write: Path
    read: tuple[Path, ...] = ()
    """Files to resume from, newest first. Files that are unreadable or belong to another training are skipped."""
    training: Training | None = None
    """The training that the states belong to. None: states are written without this information, and only states
    without it are read."""
    variant: Mapping[str, Any] | None = None
    """Family, knobs and scale of the network, in JSON types. The file records them, so that it says what it holds."""
    computed: str = ""
    """How this machine rounds numbers, such as '2 threads, float32'. The state file records this text. A state that was
    computed with another rounding can still be resumed."""


def checkpoint_path(folder: Path, attempt: int) -> Path:
    """Returns the path of the state file of one attempt.

    Each attempt has its own file, because an older attempt that was given up may still be running.
    """
    return folder / f"attempt-{attempt}.pt"


def newest_state(checkpoints: Checkpoints, device: torch.device | str) -> dict[str, Any] | None:
    """Returns the newest state that the training can resume from, loaded to `device`. Returns None if there is none."""
    training = checkpoints.training
    for path in checkpoints.read:
        state = read_checkpoint(path, device)
        if state is None:
            continue
        if training.owns(state) if training is not None else state.get("training") is None:
            return state
    return None


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """Returns the training state in a file, or None if the file holds none.

    A state is a dict with the network, the optimizer, the step, the seconds and the history.
    """
    # A truncated file is not a zip archive. torch would try to read it in its old format and fail in odd ways.
    if not zipfile.is_zipfile(path):
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
        return None
    return state if isinstance(state, dict) and "step" in state else None


def write_state(state: dict[str, Any], path: Path) -> None:
    """Writes `state` to a temporary file and renames it to `path`, so that a crash leaves the old file unharmed.

    Raises CheckpointFailed if the file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Serialised in memory first, because on a full disk torch itself would say "unexpected pos 139968 vs 139864".
        whole = io.BytesIO()
        torch.save(state, whole)
        temporary.write_bytes(whole.getbuffer())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointFailed(f"the checkpoint {path} cannot be written: {error}") from error
