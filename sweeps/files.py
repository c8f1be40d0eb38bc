"""Writes each file completely or not at all, and computes digests, so that readers can verify a file.

A new file is written beside the old one under a temporary name, flushed to the disk, and then renamed. If the disk is
full or the process is killed, the old file is unchanged.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

TEMPORARY = ".tmp"
"""The suffix of a file that is still being written."""
LONGEST_NAME = 200
"""Maximum number of bytes of a file's name that are reused in the name of its temporary file."""
NEARLY_FULL = 100_000
"""If less space than this number of bytes is free, a failed write by a library is attributed to a full disk."""


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yields the path of a new file in the folder of `path`.

    At the end of the `with` block, that file replaces `path`. If the block raises an exception or the new file cannot
    be written, the new file is deleted and `path` is unchanged. An OSError from the block is raised again with the name
    of `path`. If `path` is a symbolic link, the link stays and its target is replaced. A device or a pipe is written
    directly.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with _naming(path):
            yield path
        return
    path = path.resolve() if path.is_symlink() else path
    name = os.fsencode(path.name)[:LONGEST_NAME].decode(errors="ignore")
    temporary = path.with_name(f"{name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with _naming(path):
            yield temporary
            if path.exists():
                shutil.copymode(path, temporary)
            flush(temporary)
            temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: Path, content: bytes | memoryview, *, mode: int = 0o666) -> None:
    """Writes `content` to `path` like `written_beside`.

    A new file gets the permissions `mode`, reduced by the umask. If the file cannot be written, raises an OSError that
    names `path`, and leaves the old file in place.
    """
    with written_beside(path) as temporary:
        # Created with its permissions, because a secret must not be readable for a moment.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Writes `text` to `path` as UTF-8, with `write_bytes`. An old file is replaced as a whole."""
    write_bytes(path, text.encode(), mode=mode)


def remove_unfinished(folder: Path, pattern: str = "*") -> None:
    """Deletes temporary files that killed processes left in `folder`, if the final names match `pattern`.

    Call this function only while no process is writing such a file. File system errors are ignored.
    """
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{pattern}.*{TEMPORARY}"):
            path.unlink(missing_ok=True)


def digest_of(content: bytes | memoryview) -> str:
    """Returns the SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """Returns the SHA-256 of the content of a file as 64 hexadecimal digits.

    Digests are cached for each process: a file is read again only if its size or its modification time has changed.
    Raises OSError if the file cannot be read.
    """
    found = path.stat()
    return _digest_once(path, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=100_000)
def _digest_once(path: Path, _inode: int, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Raises an OSError that names `path` if the `with` block fails while the disk of `path` is full.

    Use it around libraries that write files themselves and whose errors do not mention a full disk. An OSError from the
    block is raised again with the name of `path`. If the disk is not full, every other error passes unchanged.
    """
    try:
        with _naming(path):
            yield
    except OSError:
        raise
    except Exception as error:
        if shutil.disk_usage(path.parent).free >= NEARLY_FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raises an OSError from the `with` block again, with `path` instead of a temporary name."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not os.access(
            path.parent, os.W_OK
        ):
            reason += f" (the folder {path.parent} cannot be written)"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error


def flush(path: Path) -> None:
    """Writes the content of a file from memory to the disk. Some file systems report a full disk only at this point."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
