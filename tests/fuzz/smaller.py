"""Reduces a failing text file: removes lines, then pieces of lines, as long as the cause stays."""

from collections.abc import Callable
from pathlib import Path

TRIES = 400


def smaller(path: Path, fails: Callable[[Path], bool]) -> str:
    """Returns the smallest text that was found for which `fails` returns True. The file stays as it is."""
    trial = path.with_name(f"smaller-{path.name}")
    tries = 0

    def still(pieces: list[str], joint: str) -> bool:
        nonlocal tries
        tries += 1
        trial.write_bytes(joint.join(pieces).encode("utf-8", "surrogateescape"))
        return tries <= TRIES and fails(trial)

    text = path.read_bytes().decode("utf-8", "surrogateescape")
    lines = _fewer(text.split("\n"), lambda pieces: still(pieces, "\n"))
    trial.unlink(missing_ok=True)
    return "\n".join(lines)


def _fewer(pieces: list[str], still: Callable[[list[str]], bool]) -> list[str]:
    size = max(1, len(pieces) // 2)
    while size:
        start = 0
        while start < len(pieces):
            left = pieces[:start] + pieces[start + size :]
            if left and still(left):
                pieces = left
            else:
                start += size
        size //= 2
    return pieces
