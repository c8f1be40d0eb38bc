"""Checkpoints in an object store (s3://, gs://, ...): training writes to the machine's disk, copies lie in the store."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""What fsspec needs besides itself."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A trial's folder in the store."""

    url: str

    def fetch(self, folder: Path, names: Iterable[str]) -> None:
        """Bring files to this machine, unless they are here; those that are not in the store are passed over."""
        store, root = self._open()
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (folder / name).exists() and store.exists(f"{root}/{name}"):
                # Under another name first: whoever dies here leaves no half of a checkpoint.
                partial = folder / f"{name}.partial"
                store.get_file(f"{root}/{name}", str(partial))
                partial.replace(folder / name)

    def push(self, path: Path) -> None:
        """Copy a file into the store, where it appears when it is whole; nothing where there is none yet."""
        if not path.exists():
            return  # a resumed training repeats what it measured before it writes
        store, root = self._open()
        store.makedirs(root, exist_ok=True)
        store.put_file(str(path), f"{root}/{path.name}")

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Delete files in the store, or all of the folder; what is gone already is no fault."""
        store, root = self._open()
        if names is None:
            if store.exists(root):
                store.rm(root, recursive=True)
            return
        for name in names:
            if store.exists(f"{root}/{name}"):
                store.rm_file(f"{root}/{name}")

    def _open(self) -> tuple[Any, str]:
        import fsspec

        store, root = fsspec.core.url_to_fs(self.url)
        # A listing that was kept from an earlier look would miss what other machines have written.
        store.invalidate_cache()
        return store, str(root)


def is_url(checkpoints: str) -> bool:
    """Whether `checkpoints` names a store rather than a folder."""
    return "://" in checkpoints


def check_store(checkpoints: str) -> None:
    """Raise ValueError, with what to install, where this machine cannot speak to the store."""
    scheme = checkpoints.partition("://")[0]
    try:
        importlib.import_module("fsspec").get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        package = PACKAGES.get(scheme)
        advice = f"pip install {package}" if package else "name a folder, s3:// or gs://"
        raise ValueError(
            f"checkpoints: {checkpoints} cannot be reached: {error}; {advice}"
        ) from None
