"""Training states on disk. A state is written whole, and only the training that it belongs to resumes from it."""

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
"""The training settings, besides the device, at the time when training states held a digest of them."""


class CheckpointFailed(Exception):  # noqa: N818 - reads as what happened
    """The training state cannot be written. The network is not at fault."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that the weights of a training depend on. Two trainings resume from each other's states only if
    all of it is equal; the device may differ.
    """

    architecture: str
    """Key of the architecture."""
    scale: int
    seed: int
    settings: TrainSettings
    images: str
    """Fingerprint of the training and validation images."""

    def stored(self) -> dict[str, Any]:
        """The same as plain values, for the file."""
        return {
            "architecture": self.architecture,
            "scale": self.scale,
            "seed": self.seed,
            "settings": _plain(self.settings),
            "images": self.images,
        }

    def owns(self, state: Mapping[str, Any]) -> bool:
        """Whether `state` is of this training. A setting that the file lacks had its default."""
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
        """The digest that stood in place of `stored` until then, over the settings that there were.

        Every setting that came later had its default in those trainings.
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
    """The settings that weights depend on, as plain values: all but those that say where the training runs."""
    return settings.model_dump(mode="json", exclude=PLACES["train"])


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Where a trial's training state is read from and written to."""

    write: Path
    read: tuple[Path, ...] = ()
    """Files to resume from, the newest first. A file that is unreadable or of another training is passed over."""
    training: Training | None = None
    """The training that the states belong to. None: states are written without one, and only such states are read."""
    computed: str = ""
    """How numbers are rounded here. It is written down and does not keep a state from being resumed."""


def checkpoint_path(folder: Path, attempt: int) -> Path:
    """The file of one attempt. Each attempt has its own: an attempt that was given up may still be running."""
    return folder / f"attempt-{attempt}.pt"


def newest_state(checkpoints: Checkpoints, device: torch.device | str) -> dict[str, Any] | None:
    """The newest state that the training can resume from, or None."""
    training = checkpoints.training
    for path in checkpoints.read:
        state = read_checkpoint(path, device)
        if state is None:
            continue
        if training.owns(state) if training is not None else state.get("training") is None:
            return state
    return None


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """The training state in a file (network, optimizer, step, seconds, history), or None if it holds none."""
    # A truncated file is not a zip archive. torch would take it for its old format and fail in odd ways.
    if not zipfile.is_zipfile(path):
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
        return None
    return state if isinstance(state, dict) and "step" in state else None


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write `state` under a temporary name first, so that a crash leaves the old file whole.

    Raises CheckpointFailed if the file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In memory first: on a full disk torch itself would say "unexpected pos 139968 vs 139864".
        whole = io.BytesIO()
        torch.save(state, whole)
        temporary.write_bytes(whole.getbuffer())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointFailed(f"the checkpoint {path} cannot be written: {error}") from error
