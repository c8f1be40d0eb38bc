"""Copies of checkpoints in an object store (s3://, gs://, ...). Training writes each file to the local disk first."""

import importlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchspace.errors import UserError
from sweeps.checkpoints.seal import is_damaged
from sweeps.files import written_beside

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""The Python package that fsspec needs, by URL scheme."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The copy of one trial's folder in an object store, at `url`."""

    url: str

    def fetch(self, folder: Path, names: Iterable[str]) -> None:
        """Copies the files `names` from the store to `folder` on this machine.

        Skips files that are already intact in `folder` and files that the store lacks. Replaces damaged files in
        `folder`.
        """
        store, root = self._open()
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = folder / name
            if (is_damaged(path) or not path.exists()) and store.exists(f"{root}/{name}"):
                with written_beside(path) as beside:
                    store.get_file(f"{root}/{name}", str(beside))

    def push(self, path: Path) -> None:
        """Copies a file to the store.

        The file appears in the store only when it is complete. Does nothing if `path` does not exist.
        """
        if not path.exists():
            return  # a resumed training yields its earlier evaluations before it writes a checkpoint
        store, root = self._open()
        store.makedirs(root, exist_ok=True)
        if "file" in _schemes(store):
            # fsspec would write into the old file, and a full disk would leave this file truncated.
            with written_beside(Path(root) / path.name) as beside:
                shutil.copyfile(path, beside)
        else:
            store.put_file(str(path), f"{root}/{path.name}")

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Deletes the files `names` in the store, or the whole folder if `names` is None. Skips files that do not
        exist.
        """
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
        # fsspec caches listings. A cached listing would miss files that other machines have written since.
        store.invalidate_cache()
        return store, str(root)


def _schemes(store: Any) -> tuple[str, ...]:
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def is_url(checkpoints: str) -> bool:
    """Returns True if `checkpoints` is the URL of an object store, and False if it is a folder."""
    return "://" in checkpoints


def check_store(checkpoints: str) -> None:
    """Raises UserError if fsspec on this machine cannot open the kind of store at `checkpoints`.

    The message names the package to install.
    """
    scheme = checkpoints.partition("://")[0]
    try:
        importlib.import_module("fsspec").get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        package = PACKAGES.get(scheme)
        advice = f"pip install {package}" if package else "name a folder, s3:// or gs://"
        raise UserError(
            f"checkpoints: {checkpoints} cannot be reached: {error}; {advice}"
        ) from None
