"""Training states on disk.

A state and the digest of its content are written to the file completely or not at all. A training run resumes only from
its own states, and skips damaged ones.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from sweeps.checkpoints.seal import Damaged, intact, seal
from sweeps.files import write_bytes
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
"""The training settings, except the device, that existed when state files still held a digest instead of the settings
themselves."""


PLAIN = (str, int, float, type(None))
"""The types that a single value may have in the training settings of a state file."""

DEEPEST = 10
"""Maximum nesting depth of lists and mappings in the training settings of a state file."""


class CheckpointFailed(Exception):  # noqa: N818 - reads as what happened
    """The error for a training state that cannot be written. The network is not at fault."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that determines the weights of a training run, except the device.

    A training run resumes from a state only if all these values are equal.
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
        """Returns whether `state` belongs to this training. A setting that the state lacks counts with its default."""
        stored = state.get("training")
        if stored is None:
            return state.get("identity") == self._digest_before_2026_11_26()
        if not isinstance(stored, dict) or not isinstance(stored.get("settings"), dict):
            return False
        # Values that are not plain, such as tensors, must not reach pydantic, because it would convert them.
        if not _is_plain(stored["settings"]):
            return False
        try:
            settings = type(self.settings).model_validate(stored["settings"])
            theirs = {**stored, "settings": _plain(settings)}
        except (KeyError, TypeError, ValidationError):
            return False
        # Compared as text, because values of other types, such as tensors, define their own equality.
        mine = self.stored()
        return theirs.keys() == mine.keys() and all(repr(theirs[n]) == repr(mine[n]) for n in mine)

    def _digest_before_2026_11_26(self) -> str:
        """Returns the digest that state files held before that day, when they did not hold the result of `stored`.

        The digest covers the settings that existed then. Settings that were added later had their defaults in those
        training runs. If one of these settings has another value here, this training has no old states. The result is
        then a text that equals no digest.
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


def _is_plain(value: object, levels: int = DEEPEST) -> bool:
    """Returns whether a value is plain, or consists of lists and mappings of plain values, nested at most `levels`
    deep.

    A list in a damaged file may be nested deeply, or may contain itself.
    """
    if isinstance(value, Mapping):
        names = all(isinstance(name, str) for name in value)
        return levels > 0 and names and all(_is_plain(v, levels - 1) for v in value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_plain(each, levels - 1) for each in value)
    return isinstance(value, PLAIN)


def _plain(settings: TrainSettings) -> dict[str, Any]:
    """Returns the settings that determine the weights, in JSON types. The device is left out."""
    return settings.model_dump(mode="json", exclude=PLACES["train"])


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The files from which a training run resumes, and the file to which it writes its state."""

    write: Path
    read: tuple[Path, ...] = ()
    """Files to resume from, newest first. Files that are unreadable or belong to another training are skipped."""
    training: Training | None = None
    """The training that the states belong to. None: states are written without this information, and only such states
    are read."""
    variant: Mapping[str, Any] | None = None
    """Family, knobs and scale of the network, in JSON types. They are recorded in the state file to identify its
    network."""
    computed: str = ""
    """What determines rounding errors on this machine, such as '2 threads, float32'. The state file records this text.
    A training run can also resume from a state with a different text."""


def checkpoint_path(folder: Path, attempt: int) -> Path:
    """Returns the path of the state file of one attempt.

    Each attempt has a separate file, because an older attempt may still be running after the driver has given it up.
    """
    return folder / f"attempt-{attempt}.pt"


def newest_state(
    checkpoints: Checkpoints,
    device: torch.device | str,
    *,
    fault: Callable[[Mapping[str, Any]], str] = lambda state: "",
    say: Callable[[str], object] = lambda line: None,
) -> dict[str, Any] | None:
    """Returns the newest state from which the training can resume, on `device`, or None if there is none.

    `fault` takes a state and returns why it cannot be used, or ''. `say` is called with one line for each skipped file.
    The line gives the reason and names the state from which the training continues.
    """
    passed: list[str] = []
    found, goes_on = None, "the training starts from the beginning"
    for path in checkpoints.read:
        reasons: list[str] = []
        state = read_checkpoint(path, device, say=reasons.append)
        if state is not None:
            reasons.append(_other_training(state, checkpoints.training) or fault(state))
        if not any(reasons) and state is not None:
            found, goes_on = (
                state,
                f"the training continues from step {state['step']} in {path.name}",
            )
            break
        passed += [f"checkpoints: {path} is skipped: {reason}" for reason in reasons]
    for line in passed:
        say(f"{line}; {goes_on}")
    return found


def _other_training(state: Mapping[str, Any], training: Training | None) -> str:
    own = training.owns(state) if training is not None else state.get("training") is None
    return "" if own else "it belongs to another training"


def read_checkpoint(
    path: Path,
    device: torch.device | str = "cpu",
    *,
    say: Callable[[str], object] = lambda reason: None,
) -> dict[str, Any] | None:
    """Returns the training state in a file: a dict with the network, the optimizer, the step and the history.

    Returns None if there is no such file. If the file cannot be read, has changed since it was written, or holds no
    training state, calls `say` with the reason and returns None.
    """
    try:
        content = intact(path)
    except FileNotFoundError:
        return None
    except Damaged as damage:
        say(str(damage))
        return None
    try:
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # torch and its unpickler have no common base class for errors
        reason = str(error).strip().splitlines() or [type(error).__name__]
        say(f"it cannot be read as a training state ({reason[0]})")
        return None
    if not isinstance(state, dict) or "step" not in state:
        say("it holds no training state")
        return None
    return state


def write_state(state: dict[str, Any], path: Path) -> None:
    """Writes `state` with its digest to `path`. If writing fails, the old file is unchanged.

    Raises CheckpointFailed if the file cannot be written.
    """
    # Serialised in memory first, because on a full disk torch itself would report "unexpected pos 139968 vs 139864".
    whole = io.BytesIO()
    torch.save(state, whole)
    seal(whole)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, whole.getbuffer())
    except OSError as error:
        where = "" if str(path) == error.filename else f"{error.filename}: "
        raise CheckpointFailed(
            f"the checkpoint {path} cannot be written: {where}{error.strerror or error}"
        ) from error
