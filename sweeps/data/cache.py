"""Stores decoded image sets, so that each is decoded only once.

Two flat files hold the pixels and are mapped into memory. An index holds the image sizes and the digests of both files.
Readers check the digests. A cache is a folder. Its name is a hash of the source images and the scale, so a cache is
never out of date. The folder is written under a temporary name and then renamed, so several processes can write the
same cache at the same time. A damaged cache is rebuilt.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from searchspace.errors import UserError
from sweeps.data.degradation import Degradation
from sweeps.data.images import ImageSource, Pixels, is_gray, read_pair
from sweeps.files import digest_of, digest_of_file, write_text
from sweeps.machine import num_cores

FORMAT = 2
"""Version number of the cache. Increase it when the file layout changes, or the pixels that `read_pair` returns."""

logger = logging.getLogger(__name__)

INDEX, LOW_RES, HIGH_RES = "index.json", "low_res.u8", "high_res.u8"

ABANDONED_SECONDS = 86_400
"""Age in seconds after which an unfinished cache is deleted, because the process that was writing it must have died."""


class PairSet:
    """Pairs of a low-resolution and a high-resolution image, read from a cache.

    Opening a set reads only the index. A pickled PairSet contains the path of its cache and no pixels. If `degradation`
    is given, it is applied only to the patches that are cut from the set, not to the cached images.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        indices: Sequence[int] | None = None,
        degradation: Degradation | None = None,
    ) -> None:
        self.folder, self.name, self.degradation = folder, name, degradation
        index = _read_index(folder)
        self.scale: int = index["scale"]
        sizes = np.array(index["sizes"], dtype=np.int64).reshape(-1, 2)
        starts = np.concatenate([[0], np.cumsum(3 * sizes.prod(1))])
        whole = range(len(sizes))
        self._indices = tuple(whole) if indices is None else tuple(indices)
        chosen = np.array(self._indices, dtype=np.int64)
        self.names: tuple[str, ...] = tuple(index["names"][i] for i in self._indices)
        self.gray: tuple[bool, ...] = tuple(index["gray"][i] for i in self._indices)
        """For each image, whether its file is grayscale."""
        self.sizes = sizes[chosen]
        """Height and width of each low-resolution image in pixels: (images, 2)."""
        self.starts = starts[chosen]
        """Position of the first byte of each image in the flat low-resolution file: (images,)."""
        self.fingerprint: str = index["fingerprint"]
        """Sixteen hexadecimal digits that identify the chosen images: their names, their content, and the scale."""
        if self._indices != tuple(whole):
            self.fingerprint = digest(self.fingerprint, *map(str, self._indices))
        if degradation is not None:
            self.fingerprint = digest(self.fingerprint, degradation.key)

    def __len__(self) -> int:
        return len(self._indices)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.folder, self.name, self._indices, self.degradation)

    @cached_property
    def flat_low_res(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """All low-resolution pixels of the cache, read-only. Image i begins at byte `starts[i]`."""
        return np.memmap(self.folder / LOW_RES, dtype=np.uint8, mode="r")

    @cached_property
    def flat_high_res(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """All high-resolution pixels of the cache, read-only. Image i begins at byte `scale**2 * starts[i]`."""
        return np.memmap(self.folder / HIGH_RES, dtype=np.uint8, mode="r")

    def low_res(self, i: int) -> Pixels:
        """Returns low-resolution image `i`, uint8 (h, w, 3), as a read-only view."""
        height, width = self.sizes[i]
        start = self.starts[i]
        return self.flat_low_res[start : start + 3 * height * width].reshape(height, width, 3)

    def high_res(self, i: int) -> Pixels:
        """Returns high-resolution image `i`, uint8 (scale * h, scale * w, 3), as a read-only view."""
        height, width = self.sizes[i] * self.scale
        start = self.starts[i] * self.scale**2
        return self.flat_high_res[start : start + 3 * height * width].reshape(height, width, 3)

    def subset(
        self,
        indices: Sequence[int],
        *,
        name: str | None = None,
        degradation: Degradation | None = None,
    ) -> "PairSet":
        """Returns the pairs at the positions `indices`, in this order. `name` replaces the name of the set.

        `degradation` is applied to the patches that are cut from the subset.
        """
        chosen = [self._indices[i] for i in indices]
        return PairSet(self.folder, name=name or self.name, indices=chosen, degradation=degradation)


def _open(
    folder: Path, name: str, indices: tuple[int, ...], degradation: Degradation | None
) -> PairSet:
    return PairSet(folder, name=name, indices=indices, degradation=degradation)


def open_cache(
    sources: Sequence[ImageSource],
    *,
    name: str,
    scale: int,
    cache_dir: Path,
    aside: Path | None = None,
    degradation: Degradation | None = None,
) -> PairSet:
    """Returns the pairs of `sources`. If `cache_dir` has no cache for them, they are first decoded into a new cache.

    A damaged cache is rebuilt, and a line is logged. With `aside`, nothing is written to `cache_dir`. Images without a
    cache there are decoded into the folder `aside`. With `degradation`, the low-resolution images are degraded before
    they are written, to a separate cache. Raises UserError with the name of the file if a file cannot be used. Raises
    OSError with a message of one line if the cache cannot be written.
    """
    assert sources
    fingerprint = fingerprint_of(sources, scale, degradation)
    folder = cache_dir / fingerprint
    if aside is not None and fault_of(folder, fingerprint, scale):
        cache_dir, folder = aside, aside / fingerprint
    try:
        if (folder / INDEX).is_file():
            inode, fault = folder.stat().st_ino, fault_of(folder, fingerprint, scale)
            if not fault:
                return PairSet(folder, name=name)
            logger.warning("%s: the image cache is damaged (%s); it is rebuilt", folder, fault)
            _set_aside(folder, inode)
        _make(folder, sources, scale, fingerprint, degradation)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else (error.strerror or str(error))
        raise OSError(f"cannot write the image cache in {cache_dir}: {reason}") from None
    return PairSet(folder, name=name)


def _set_aside(folder: Path, inode: int) -> None:
    """Removes a damaged cache, unless another process has replaced it. `inode` is the number of the damaged folder.

    The folder is renamed first, because another process may be reading it.
    """
    aside = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        with suppress(FileNotFoundError):
            if folder.stat().st_ino == inode:
                folder.rename(aside / folder.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def fingerprint_of(
    sources: Sequence[ImageSource], scale: int, degradation: Degradation | None = None
) -> str:
    """Returns sixteen hexadecimal digits that identify the sources, the scale, the degradation and FORMAT.

    The digits depend on the name, the crop and the bytes of each source, but not on the location of its files.
    """
    parts = [str(FORMAT), str(scale)]
    for source in sources:
        low_res = content_digest(source.low_res) if source.low_res else "imresize"
        parts += [source.name, content_digest(source.high_res), low_res, str(source.crop)]
    if degradation is not None:
        parts.append(degradation.key)
    return digest(*parts)


def content_digest(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes. Raises UserError with the name of the file if it cannot be read."""
    try:
        return digest_of_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def digest(*parts: str) -> str:
    """Returns sixteen hexadecimal digits that identify the sequence of texts `parts`."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _make(
    folder: Path,
    sources: Sequence[ImageSource],
    scale: int,
    fingerprint: str,
    degradation: Degradation | None,
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        sizes = _write_pixels(unfinished, sources, scale, degradation)
        index = {"format": FORMAT, "fingerprint": fingerprint, "scale": scale, "sizes": sizes}
        index["names"] = [source.name for source in sources]
        index["gray"] = [is_gray(source.high_res) for source in sources]
        index["digests"] = {file: digest_of_file(unfinished / file) for file in (LOW_RES, HIGH_RES)}
        index["digest"] = _digest_of_index(index)
        write_text(unfinished / INDEX, json.dumps(index))
        unfinished.chmod(0o755)
        _rename_unless_there(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_pixels(
    folder: Path, sources: Sequence[ImageSource], scale: int, degradation: Degradation | None
) -> list[tuple[int, int]]:
    sizes = []
    with (folder / LOW_RES).open("wb") as low_file, (folder / HIGH_RES).open("wb") as high_file:
        for low_res, high_res in _read_pairs(sources, scale, degradation):
            low_file.write(low_res.tobytes())
            high_file.write(high_res.tobytes())
            sizes.append((low_res.shape[0], low_res.shape[1]))
        # The folder's name promises complete files, even after a power failure.
        for file in (low_file, high_file):
            file.flush()
            os.fsync(file.fileno())
    return sizes


def _read_pairs(
    sources: Sequence[ImageSource], scale: int, degradation: Degradation | None
) -> Iterator[tuple[Pixels, Pixels]]:
    """Yields the pairs in order.

    All cores decode in parallel, but only a few pairs ahead, so that the pairs fit in memory.
    """
    workers = num_cores()

    def read(source: ImageSource) -> tuple[Pixels, Pixels]:
        low_res, high_res = read_pair(source, scale)
        if degradation is not None:
            # The seed ignores the name, because sets may give the same image different names.
            seed = digest(content_digest(source.high_res), str(source.crop))
            low_res = degradation.image(low_res, seed)
        return low_res, high_res

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(sources), 2 * workers):
            batch = sources[start : start + 2 * workers]
            yield from pool.map(read, batch)


def _rename_unless_there(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        # If another process was faster, its cache has the same name and therefore the same content.
        if not (folder / INDEX).is_file():
            raise


def _remove_abandoned(cache_dir: Path) -> None:
    for path in cache_dir.glob(".making-*"):
        try:
            old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)


def _read_index(folder: Path) -> dict[str, Any]:
    """Returns the index of a cache. Raises UserError if the cache is missing or damaged."""
    if fault := fault_of(folder):
        raise UserError(
            f"{folder}: the image cache is missing or damaged; delete the folder ({fault})"
        )
    index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return index


def fault_of(folder: Path, fingerprint: str = "", scale: int = 0) -> str:
    """Returns what is wrong with a cache, as a phrase, or '' if it is intact.

    Compares the files with the digests in the index. A process reads each file only once. Caches of earlier versions
    have no digests, so only their file sizes are compared. If `fingerprint` and `scale` are given, they are also
    compared with the index.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        # Earlier versions wrote neither of the two keys. If only one exists, the index is damaged.
        stated = {"digest", "digests"} & index.keys()
        if stated and index.get("digest") != _digest_of_index(index):
            return f"{INDEX} has changed since it was written"
        if not len(index["sizes"]) == len(index["names"]) == len(index["gray"]):
            return f"{INDEX} has lists of different lengths"
        if (fingerprint and index["fingerprint"] != fingerprint) or (
            scale and index["scale"] != scale
        ):
            return f"{INDEX} describes other images"
        return _pixels_fault(folder, index)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{INDEX} cannot be read: {error}"


def _pixels_fault(folder: Path, index: dict[str, Any]) -> str:
    """Returns what is wrong with the two files of pixels, as a phrase, or '' if they are intact."""
    pixels = sum(height * width for height, width in index["sizes"])
    expected = {LOW_RES: 3 * pixels, HIGH_RES: 3 * pixels * index["scale"] ** 2}
    for file, size in expected.items():
        if (found := (folder / file).stat().st_size) != size:
            return f"{file} has {found} bytes instead of {size}"
    for file, digest in index.get("digests", {}).items():
        if digest_of_file(folder / file) != digest:
            return f"{file} has changed since it was written"
    return ""


def _digest_of_index(index: dict[str, Any]) -> str:
    """Returns the digest of the index, computed without the entry that holds this digest."""
    rest = {name: value for name, value in index.items() if name != "digest"}
    return digest_of(json.dumps(rest, sort_keys=True).encode())
