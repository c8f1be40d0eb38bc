"""The seal of a state file: a digest of the content. It is checked before anything in the file is used.

torch writes a zip archive. The seal is the comment at the end of this archive, which torch ignores. The seal is part of
the file, so no crash or copy can separate the two. The digest covers every byte before the seal.
"""

import io
import zipfile
from pathlib import Path

from searchspace.errors import UserError
from sweeps.files import digest_of

MARK = b"srsweep sha256 "
"""The beginning of the seal. It is followed by 64 hexadecimal digits."""
LENGTH = len(MARK) + 64
END = b"PK\x05\x06"
"""The first bytes of the last record of a zip archive. The record has 22 bytes and ends with the length of the comment."""


class Damaged(Exception):  # noqa: N818 - reads as what happened
    """The error for a file that differs from what srsweep wrote. The message is a phrase without the file's name."""


def seal(archive: io.BytesIO) -> None:
    """Adds the seal to a zip archive that has no comment yet."""
    assert _has_no_comment(archive.getbuffer()), "must be a zip archive without a comment"
    archive.seek(-2, io.SEEK_END)
    archive.write(LENGTH.to_bytes(2, "little"))
    digest = digest_of(archive.getbuffer())
    archive.write(MARK + digest.encode())


def check_seal(content: bytes) -> None:
    """Raises Damaged if the content of a file of srsweep has changed since it was written.

    Earlier versions wrote no seal. For their files, the checksums (CRC-32) of the archive's parts are compared instead.
    """
    whole = memoryview(content)
    if _has_no_comment(whole):
        _check_parts(content)
        return
    body, found = whole[:-LENGTH], bytes(whole[-LENGTH:])
    if not found.startswith(MARK):
        raise Damaged("it is cut off, or it is not a training state")
    if found != MARK + digest_of(body).encode():
        raise Damaged("its content has changed since it was written (wrong digest)")


def is_sealed(content: bytes) -> bool:
    """Returns whether a file ends with a seal. Also recognises a seal in which one byte is damaged."""
    found = content[-LENGTH : len(MARK) - LENGTH]
    return sum(a == b for a, b in zip(found, MARK, strict=False)) >= len(MARK) - 1


def intact(path: Path) -> bytes:
    """Returns the content of a training state of srsweep.

    Raises FileNotFoundError if there is no such file. Raises Damaged if it cannot be read or has changed since it was
    written.
    """
    content = _content(path)
    check_seal(content)
    return content


def is_damaged(path: Path) -> bool:
    """Returns whether a file exists but is not an intact training state of srsweep."""
    try:
        intact(path)
    except FileNotFoundError:
        return False
    except Damaged:
        return True
    return False


def refuse_damaged(path: Path) -> None:
    """Raises UserError if a training state of srsweep has changed since it was written.

    Files of other programs have no digest, so they are not checked.
    """
    try:
        content = _content(path)
        if is_sealed(content):
            check_seal(content)
    except FileNotFoundError:
        return
    except Damaged as damage:
        raise UserError(
            f"{path}: {damage}; train the network again, or name other weights"
        ) from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"it cannot be read ({error.strerror or error})") from None


def _has_no_comment(whole: memoryview) -> bool:
    last = bytes(whole[-22:])
    return last.startswith(END) and last.endswith(b"\0\0")


def _check_parts(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wrong = archive.testzip()
    except (
        Exception
    ) as error:  # zipfile has no common base class for the errors of a broken archive
        raise Damaged(f"it is not a whole archive ({error})") from None
    if wrong is not None:
        raise Damaged(f"its content has changed since it was written (wrong checksum of {wrong})")
