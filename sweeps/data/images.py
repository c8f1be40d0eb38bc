"""Finds an image set: its folders, its high-resolution images, and the low-resolution images stored for them.

A set is a folder of images, or a folder with one of the following layouts of public archives. Letter case does not
matter.

- `<set>/HR`, or `<set>/<set>_train_HR`, as DIV2K (sanghyun-son/EDSR-PyTorch, src/data/srdata.py and div2k.py);
- `Flickr2K/Flickr2K_HR` (EDSR-PyTorch, README.md), or `Flickr2K/Flickr2K` as some copies unpack;
- DF2K, which is DIV2K and Flickr2K: `DF2K/DF2K_HR` (qpchen/RepECN, src/data/df2k.py), `DF2K/DF2K_train_HR`
  (MingSun-Tse/ASSL, src/data/df2k.py), both sets inside `DF2K` (BasicSR and Real-ESRGAN), or both sets beside each other;
- `LSDIR/HR/train/0001000/0000001.png` (ofsoundof/LSDIR, data/train.json), and its subfolders without `HR` or `train`;
- `Set5/GTmod12` and `Set5/original`, the test sets of BasicSR (docs/DatasetPreparation.md);
- `Set5/image_SRF_4/img_001_SRF_4_HR.png`, the test sets of jbhuang0604/SelfExSR.

`sweeps.data.low_res` finds the low-resolution images.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from searchspace.errors import UserError
from sweeps.data.folders import (
    Listing,
    contents,
    expanded,
    is_folder,
    listing,
    resolve,
    shown,
    some,
)
from sweeps.data.low_res import LowRes, find_low_res, refuse_unmatched, split_same_folder
from sweeps.data.pixels import (
    SUFFIXES,
    Header,
    ImageSource,
    Pixels,
    check_pair,
    is_gray,
    read_header,
    read_image,
    read_pair,
)

__all__ = [
    "ImageSet",
    "ImageSource",
    "Pixels",
    "SetNotFound",
    "find_folders",
    "find_images",
    "is_gray",
    "read_image",
    "read_pair",
    "read_set",
    "search_folders",
]

JOINED = {"df2k": ("DIV2K", "Flickr2K")}
"""Image sets that are composed of other sets."""

HIGH_FOLDERS = ("HR", "{name}_train_HR", "{name}_HR", "train_HR")
"""Names, in order of preference, of the folder of high-resolution images inside the folder of a set."""

TEST_FOLDERS = (
    "GT",
    "original",
    "HR_x{scale}",
    "image_SRF_{scale}",
    "high_res",
    "highres",
    "high",
    "{name}",
)
"""Further names of the folder of high-resolution images. They count only if the folder of the set itself has no images."""

OTHER_NAMES = (re.compile(r".+_train_HR", re.I), re.compile(r".+_HR", re.I))
"""Patterns for the name of the folder of high-resolution images. They count only if exactly one folder matches."""

CROPPED = re.compile(r"GTmod(\d+)", re.I)
"""Pattern for a folder of high-resolution images whose sides were cropped to multiples of a number."""

SPLIT_NAME = re.compile(r"(?P<set>.+?)_(?:train_|valid_|test_)?HR(?:_sub)?", re.I)
"""Pattern for a folder of high-resolution images inside the folder of its set, such as DIV2K_valid_HR."""

HEADER_FACTS: dict[str, Callable[[Header], bool]] = {
    "transparency is dropped": lambda header: header.alpha,
    "EXIF orientation is not applied": lambda header: header.orientation != 1,
    "only the first frame is read": lambda header: header.frames > 1,
}
"""Notes about images, each with a function that selects the images to which the note applies."""


class SetNotFound(UserError):  # noqa: N818 - reads as what happened
    """The error for a name under which no image set was found."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """The images of a set at one scale."""

    sources: tuple[ImageSource, ...]
    """The images, sorted by name."""
    folders: tuple[Path, ...]
    """The folders of the high-resolution images."""
    note: str
    """A line about the images that were found, the low-resolution images that will be made, and the files that are not
    read."""


def read_set(root: Path, name: str, scale: int) -> ImageSet:
    """Returns the images of the set `name` under `root`.

    Raises SetNotFound if there is no such set, and UserError if its images cannot be used.
    """
    return _image_set(find_folders(root, name), shown(name), scale)


def find_images(folder: Path, scale: int) -> list[ImageSource]:
    """Returns the images of the set in `folder`, sorted by name.

    A source's `low_res` is set if the image set stores a low-resolution image for `scale`. Raises UserError if the
    folder is missing, contains no image, or contains two images with the same name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: folder does not exist")
    return list(_image_set([folder], folder.name, scale).sources)


def find_folders(root: Path, name: str) -> list[Path]:
    """Returns the folder of the set `name`, in any letter case.

    The first of these that exists is used: `root/name`, `root/benchmark/name`, and `name` as a path. For DF2K, the
    result may be the folders of DIV2K and Flickr2K. Raises SetNotFound if none exists. The message lists the folders
    that were searched and the sets that exist.
    """
    if found := search_folders(root, name):
        return found
    root = expanded(root)
    missing = [part for part in JOINED.get(name.casefold(), ()) if not search_folders(root, part)]
    what = f"{name!r}" + (f", because {' and '.join(missing)} is missing" if missing else "")
    looked = ", ".join(shown(place) for place in _places(root, expanded(name)))
    if not root.is_dir():
        raise SetNotFound(
            f"no image set {what} (searched {looked}): folder {shown(root)} does not exist"
        )
    there = ", ".join(known_sets(root)) or "none"
    raise SetNotFound(f"no image set {what} (searched {looked}); sets in {shown(root)}: {there}")


def search_folders(root: Path, name: str) -> list[Path]:
    """Returns the folders of the set `name`, like `find_folders`. Returns [] if there is no such set."""
    root = expanded(root)
    places = _places(root, expanded(name))
    if "/" not in name:
        places += [root / f"{name}_train_HR", root / f"{name}_HR"]
        if inside := SPLIT_NAME.fullmatch(name):
            places.append(root / inside["set"] / name)
    for place in places:
        if (found := resolve(place)) is not None:
            return [found]
    parts = [search_folders(root, part) for part in JOINED.get(name.casefold(), ())]
    return [folder for folders in parts for folder in folders] if all(parts) else []


def _places(root: Path, path: Path) -> list[Path]:
    return list(dict.fromkeys((root / path, root / "benchmark" / path, path)))


def known_sets(root: Path) -> list[str]:
    """Returns the names of the folders under `root` and `root/benchmark` that contain images."""
    folders = [
        folder
        for parent in (root, root / "benchmark")
        if parent.is_dir()
        for folder in listing(parent).folders
    ]
    return [shown(folder.name) for folder in folders if _may_be_set(folder)]


def _may_be_set(folder: Path) -> bool:
    try:
        return any(contents(high).images for high in _high_folders(folder, 1))
    except UserError:
        return True  # reading the set will report what is wrong with it


def _image_set(folders: Sequence[Path], name: str, scale: int) -> ImageSet:
    highs = {folder: _high_folders(folder, scale) for folder in folders}
    parts = [_part(high, scale) for several in highs.values() for high in several]
    names = [source.name for part in parts for source in part.sources]
    if len(set(names)) < len(names):
        parts = [_prefixed(part) for part in parts]
    sources = [source for part in parts for source in part.sources]
    used = {path for part in parts for path in (part.folder, *part.folder.parents)}
    used |= {path for part in parts for path in part.low.belonging}
    skipped = [path for part in parts for path in part.skipped]
    for folder in folders:
        around = listing(folder)
        if folder not in highs[folder]:
            skipped += [*around.folders, *around.images, *around.others]
    left = list(dict.fromkeys(path for path in skipped if path not in used))
    return ImageSet(
        sources=tuple(sorted(sources, key=lambda source: source.name)),
        folders=tuple(part.folder for part in parts),
        note=_note(name, parts, left, scale),
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The images of one folder of high-resolution images."""

    folder: Path
    sources: tuple[ImageSource, ...]
    low: LowRes
    skipped: tuple[Path, ...]


def _prefixed(part: _Part) -> _Part:
    """Returns the part with the name of its folder added in front of the names of the images.

    This is necessary if two folders of a set have images with the same name.
    """
    names = [f"{part.folder.name}/{source.name}" for source in part.sources]
    renamed = [replace(s, name=name) for s, name in zip(part.sources, names, strict=True)]
    return replace(part, sources=tuple(renamed))


def _part(folder: Path, scale: int) -> _Part:
    found = contents(folder)
    if not found.images:
        inner = [path.name for path in listing(folder).folders]
        hint = f"; name one of its subfolders: {some(inner)}" if inner else ""
        raise UserError(
            f"{shown(folder)}: must contain images ({', '.join(SUFFIXES)}), got none{hint}"
        )
    high, beside = split_same_folder(found.images, scale)
    low = find_low_res(folder, high, scale)
    if not low.files and scale in beside:
        refuse_unmatched(beside[scale], high, folder)
        low = replace(low, files=beside[scale], folder=folder, other_scales=())
    elif not low.files:
        low = replace(low, other_scales=tuple(sorted({*low.other_scales, *beside})))
    sources = tuple(
        ImageSource(name=name, high_res=high[name], low_res=low.files.get(name))
        for name in sorted(high)
    )
    for source in sources:
        read_header(source.high_res)
        check_pair(source, scale)
    unread = (
        () if low.folder == folder else (p for files in beside.values() for p in files.values())
    )
    return _Part(folder=folder, sources=sources, low=low, skipped=(*found.skipped, *unread))


def _high_folders(folder: Path, scale: int) -> list[Path]:
    """Returns the folders of high-resolution images in the folder of a set."""
    here = listing(folder)
    if (found := _first_called(here, HIGH_FOLDERS, scale)) is not None:
        return [found]
    if both := _joined(here, JOINED.get(folder.name.casefold(), ()), scale):
        return both
    if here.images:
        return [folder]
    found = _cropped(here, scale) or _first_called(here, TEST_FOLDERS, scale)
    if found is not None:
        return [found]
    for pattern in OTHER_NAMES:
        several = [path for path in here.folders if pattern.fullmatch(path.name)]
        if len(several) == 1:
            return [_unpacked(several[0])]
    return [folder]


def _first_called(here: Listing, patterns: Sequence[str], scale: int) -> Path | None:
    names = [pattern.format(name=here.folder.name, scale=scale) for pattern in patterns]
    found = (here.folder_called(name) for name in names)
    return next((_unpacked(path) for path in found if path is not None), None)


def _unpacked(folder: Path) -> Path:
    """Returns `folder` or, if it has no images, its subfolder of the same name. Some archives unpack in this way."""
    here = listing(folder)
    inner = None if here.images else here.folder_called(folder.name)
    return folder if inner is None else inner


def _cropped(here: Listing, scale: int) -> Path | None:
    """Returns the folder of images whose sides were cropped to multiples of the scale.

    If there is none, returns a folder for another number, or None.
    """
    sizes = {int(m[1]): path for path in here.folders if (m := CROPPED.fullmatch(path.name))}
    fitting = [size for size in sizes if size % scale == 0] or list(sizes)
    # BasicSR's images for x2, x3 and x4 are made from GTmod12.
    return sizes[12 if 12 in fitting else min(fitting)] if fitting else None


def _joined(here: Listing, parts: Sequence[str], scale: int) -> list[Path]:
    """Returns the folders of high-resolution images of the sets `parts`, which lie in the folder `here`.

    Returns [] if a set is missing.
    """
    found: list[Path] = []
    for part in parts:
        if (high := _first_called(here, (f"{part}_train_HR", f"{part}_HR"), scale)) is not None:
            found.append(high)
        elif (inner := here.folder_called(part)) is not None:
            found += _high_folders(inner, scale)
        else:
            return []
    return found


def _note(name: str, parts: Sequence[_Part], skipped: Sequence[Path], scale: int) -> str:
    sources = [source for part in parts for source in part.sources]
    stored = sum(source.low_res is not None for source in sources)
    where = " and ".join(shown(part.folder) for part in parts)
    line = f"{name}: {len(sources)} images in {where}; LR: {stored} stored, {len(sources) - stored} made"
    if stored:
        line += f" ({' and '.join(shown(p.low.folder) for p in parts if p.low.folder)})"
    return "; ".join([line, *_facts(parts, skipped, scale)])


def _facts(parts: Sequence[_Part], skipped: Sequence[Path], scale: int) -> Iterator[str]:
    for part in parts:
        if part.low.other_scales:
            scales = ", ".join(f"x{k}" for k in part.low.other_scales)
            yield f"stored LR is for {scales}, not for x{scale}"
    if degraded := [path for part in parts for path in part.low.degraded]:
        yield f"LR that is not called bicubic is not used: {some(map(_short, degraded))}"
    if spare := [path for part in parts for path in part.low.spare]:
        yield f"more LR for x{scale} is not used: {some(map(_short, spare))}"
    if skipped:
        yield f"skipped: {some([f'{p.name}/' if is_folder(p) else p.name for p in skipped])}"
    sources = [source for part in parts for source in part.sources]
    headers = [(source.name, read_header(source.high_res)) for source in sources]
    for text, holds in HEADER_FACTS.items():
        if names := [name for name, header in headers if holds(header)]:
            yield f"{text}: {some(names)}"


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
