"""Deletes the training states that nobody asked to keep."""

import contextlib
from pathlib import Path

from sweeps.checkpoints.object_store import Mirror


def forget_weights(folder: Path, mirror: Mirror | None = None) -> None:
    """Delete the training states in a trial's folder. Files that are gone already are ignored."""
    with contextlib.suppress(OSError):
        if mirror is not None:
            mirror.forget()
        for path in folder.glob("attempt-*.pt"):
            path.unlink(missing_ok=True)
