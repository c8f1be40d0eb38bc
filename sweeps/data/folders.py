"""Lists folders of images and resolves their paths. Listings also name the files that are not read."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchspace.errors import UserError
from sweeps import paths
from sweeps.data.pixels import SUFFIXES

SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
"""Files that file managers leave behind. Notes about a folder do not mention them."""

SHARD = re.compile(r"\d+")
"""Pattern for the name of a subfolder that holds a part of a set, as in LSDIR: `HR/train/0001000/0000001.png`."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files and subfolders of one folder, sorted by name."""

    folder: Path
    images: tuple[Path, ...]
    """Files with a suffix of an image format."""
    folders: tuple[Path, ...]
    others: tuple[Path, ...]

    def by_name(self) -> dict[str, Path]:
        """Returns the image files by name without suffix.

        Raises UserError if a file is a broken link or not a regular file, or if two files have the same name.
        """
        named: dict[str, Path] = {}
        for path in self.images:
            _refuse_irregular(path)
            if path.stem in named:
                raise _same_name(self.folder, named[path.stem], path)
            named[path.stem] = path
        return named

    def folder_called(self, name: str) -> Path | None:
        """Returns the subfolder `name`.

        If there is none, returns the only one whose name differs only in letter case. Raises UserError if several
        subfolders qualify.
        """
        return _one_of(self.folder, [path.name for path in self.folders], name)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The images of a folder and of the subfolders that hold parts of the same set."""

    images: dict[str, Path]
    """Image files by name without suffix."""
    skipped: tuple[Path, ...]
    """Files and subfolders that are not read."""


def listing(folder: Path) -> Listing:
    """Lists the files and subfolders of `folder`. Raises UserError if the folder cannot be read.

    SYSTEM_FILES are left out. Hidden files are left out too, unless they have a suffix of an image format.
    """
    images, folders, others = [], [], []
    for path in _entries(folder):
        hidden, is_image = path.name.startswith("."), path.suffix.lower() in SUFFIXES
        if path.name.startswith("._") or path.name.casefold() in SYSTEM_FILES:
            continue
        if is_folder(path):
            folders += [] if hidden else [path]
        elif is_image and not hidden:
            images.append(path)
        elif is_image or not hidden:
            others.append(path)
    return Listing(
        folder=folder, images=tuple(images), folders=tuple(folders), others=tuple(others)
    )


def contents(folder: Path) -> Contents:
    """Returns the images of `folder`.

    If the folder itself has no images, the function reads its subfolder `train`, or all of its subfolders whose names
    are numbers.
    """
    here = listing(folder)
    if here.images:
        return Contents(images=here.by_name(), skipped=(*here.folders, *here.others))
    inner = here.folder_called("train")
    found = contents(inner) if inner is not None else None
    if found is not None and found.images:
        rest = [path for path in here.folders if path != inner]
        return Contents(images=found.images, skipped=(*rest, *here.others, *found.skipped))
    images: dict[str, Path] = {}
    skipped = list(here.others)
    for each in here.folders:
        if not SHARD.fullmatch(each.name):
            skipped.append(each)
            continue
        shard = listing(each)
        part = shard.by_name()
        if twice := sorted(images.keys() & part.keys()):
            raise _same_name(folder, images[twice[0]], part[twice[0]])
        images |= part
        skipped += [*shard.folders, *shard.others]
    return Contents(images=images, skipped=tuple(skipped))


def resolve(path: Path) -> Path | None:
    """Finds the folder `path`, ignoring letter case, and returns it as it is spelled on the disk.

    Returns None if there is no such folder. Raises UserError if several folders differ only in case.
    """
    if is_folder(path):
        return path
    current = Path(path.anchor)
    for part in path.parts[len(current.parts) :]:
        exact = current / part
        if is_folder(exact):
            current = exact
            continue
        found = _one_of(current, [entry.name for entry in _entries(current)], part)
        if found is None or not is_folder(found):
            return None
        current = found
    return current


def expanded(text: str | Path) -> Path:
    """Returns a path with `~` and environment variables replaced, as `sweeps.paths.expanded` does."""
    return Path(paths.expanded(str(text)))


def is_folder(path: Path) -> bool:
    """Returns whether `path` is a folder. Raises UserError if this user has no permission to find out."""
    try:
        return path.is_dir()
    except PermissionError:
        raise UserError(f"{shown(path)}: cannot be read (permission denied)") from None
    except (OSError, ValueError):
        return False


def subfolders(folder: Path) -> list[Path]:
    """Returns the subfolders of `folder`, or an empty list if `folder` cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []


def shown(text: object) -> str:
    """Returns `text` with unprintable characters replaced by escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in str(text)
    )


def some(names: Iterable[object], most: int = 3) -> str:
    """Returns the number of `names` and the first `most` of them, such as '5 (a, b, c, ...)'."""
    known: Sequence[str] = [shown(name) for name in names]
    return f"{len(known)} ({', '.join(known[:most])}{', ...' if len(known) > most else ''})"


def _one_of(folder: Path, names: Sequence[str], wanted: str) -> Path | None:
    if wanted in names:
        return folder / wanted
    alike = [name for name in names if name.casefold() == wanted.casefold()]
    if len(alike) > 1:
        raise UserError(
            f"{shown(folder)}: must contain only one folder {shown(wanted)}, got {', '.join(map(shown, alike))}"
        )
    return folder / alike[0] if alike else None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{shown(folder)}: folder cannot be read ({reason})") from None


def _refuse_irregular(path: Path) -> None:
    """Raises UserError if `path` cannot be read as a file: a broken link, a FIFO, a socket or a device."""
    try:
        path.stat()
    except OSError as error:
        if path.is_symlink():
            raise UserError(
                f"{shown(path)}: is a link to {shown(path.readlink())}, which cannot be read "
                f"({(error.strerror or str(error)).lower()})"
            ) from None
        raise UserError(f"{shown(path)}: cannot be read ({error.strerror})") from None
    if not path.is_file():
        raise UserError(f"{shown(path)}: must be a file, got a FIFO, a socket or a device")


def _same_name(folder: Path, first: Path, second: Path) -> UserError:
    names = " and ".join(shown(path.relative_to(folder)) for path in (first, second))
    return UserError(f"{shown(folder)}: images must have different names, got {names}")
