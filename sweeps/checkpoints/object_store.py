"""Checkpoints in an object store (s3://, gs://, ...). Training writes to the local disk and copies to the store."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchspace.errors import UserError

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""The package that fsspec needs for each kind of store."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The folder of one trial in the store."""

    url: str

    def fetch(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files to this machine unless they are here already. Files that the store lacks are passed over."""
        store, root = self._open()
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (folder / name).exists() and store.exists(f"{root}/{name}"):
                # Under another name first, so that a crash leaves no half of a checkpoint.
                partial = folder / f"{name}.partial"
                store.get_file(f"{root}/{name}", str(partial))
                partial.replace(folder / name)

    def push(self, path: Path) -> None:
        """Copy a file to the store, where it appears only once it is whole. Does nothing if there is no file yet."""
        if not path.exists():
            return  # a resumed training repeats its measurements before it writes
        store, root = self._open()
        store.makedirs(root, exist_ok=True)
        store.put_file(str(path), f"{root}/{path.name}")

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Delete the named files in the store, or the whole folder. Files that are gone already are ignored."""
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
        # fsspec caches listings. A cached one would miss files that other machines have written since.
        store.invalidate_cache()
        return store, str(root)


def is_url(checkpoints: str) -> bool:
    """Whether `checkpoints` names an object store rather than a folder."""
    return "://" in checkpoints


def check_store(checkpoints: str) -> None:
    """Raise UserError, naming the package to install, if this machine cannot reach the kind of store."""
    scheme = checkpoints.partition("://")[0]
    try:
        importlib.import_module("fsspec").get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        package = PACKAGES.get(scheme)
        advice = f"pip install {package}" if package else "name a folder, s3:// or gs://"
        raise UserError(
            f"checkpoints: {checkpoints} cannot be reached: {error}; {advice}"
        ) from None
