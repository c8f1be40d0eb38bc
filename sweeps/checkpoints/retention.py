"""Deletes training states that the setting `search.keep_weights` does not keep."""

import contextlib
from pathlib import Path

from sweeps.checkpoints.object_store import Mirror
from sweeps.files import remove_unfinished


def forget_weights(folder: Path, mirror: Mirror | None = None) -> None:
    """Deletes all training states in a trial's folder and in its copy in an object store.

    File system errors are ignored.
    """
    with contextlib.suppress(OSError):
        if mirror is not None:
            mirror.forget()
        for path in folder.glob("attempt-*.pt"):
            path.unlink(missing_ok=True)
        remove_unfinished(folder, "attempt-*.pt")
