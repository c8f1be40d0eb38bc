"""Finds the stored low-resolution images of a folder of high-resolution images.

Public code and archives spell these folders and files as follows:

- `HR/NAME.png` with `LR_bicubic/X4/NAMEx4.png`: sanghyun-son/EDSR-PyTorch, src/data/srdata.py and benchmark.py;
- `DIV2K_train_HR` with `DIV2K_train_LR_bicubic/X4`: EDSR-PyTorch, src/data/div2k.py, and as the archives unpack,
  `DIV2K_train_LR_bicubic_X4`; `DIV2K_train_HR_sub` with `X4_sub`: XPixelGroup/BasicSR,
  scripts/data_preparation/extract_subimages.py;
- `GTmod12` and `original` with `LRbicx4`: the test sets that BasicSR's docs/DatasetPreparation.md links to;
- `HR/train/0001000/NAME.png` with `X4/train/0001000/NAMEx4.png`: ofsoundof/LSDIR, README.md and data/train.json;
- `DIV2K_LSDIR_valid_HR` with `DIV2K_LSDIR_valid_LR/NAMEx4.png`: Amazingren/NTIRE2024_ESR, README.md.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from searchspace.errors import UserError
from sweeps.data.folders import contents, listing, shown
from sweeps.data.pixels import read_header

HIGH_NAME = re.compile(
    r"(?P<prefix>.*?)(?:HR|GT(?:mod\d+)?|original|high(?:[_-]?res)?)(?P<tail>[_-].*)?", re.I
)
"""Pattern for a folder of high-resolution images. The names of the corresponding low-resolution folders begin with the
same prefix."""

LOW_NAME = re.compile(
    r"(?P<low>LR|LQ|low(?:[_-]?res)?)?[_-]?(?P<kind>[a-z]*?)[_-]?(?:X(?P<scale>\d+)|(?P<times>\d+)X)?",
    re.I,
)
"""Pattern for a folder of low-resolution images, without the prefix."""

BICUBIC = ("bicubic", "bic", "bi")
"""Names of bicubic degradation, for which the networks are designed. A folder that names no degradation counts as
bicubic."""

LOW_SUFFIX = r"(?:[_-]?(?:LR|LQ|bic|bicubic|BI|LRBI|LRbic|bicLR))*[_-]?(?:X{scale}|{scale}X)"
HIGH_SUFFIX = re.compile(r"[_-](?:HR|GT)(?:[_-]?X\d+)?$", re.I)
SUSPICIOUS = re.compile(r"X\d+$|\dX$|^X\d+|[_-](?:LR|LQ)$", re.I)
"""Pattern for names that low-resolution images often have."""

LARGEST_SCALE = 16


@dataclass(frozen=True, kw_only=True)
class LowRes:
    """The stored low-resolution images of a folder of high-resolution images."""

    files: dict[str, Path]
    """The low-resolution files, by the name of the high-resolution image. Empty if the set has none for the scale."""
    folder: Path | None = None
    """The folder of `files`."""
    other_scales: tuple[int, ...] = ()
    """Other scales for which the set has files. Given only if `files` is empty."""
    degraded: tuple[Path, ...] = ()
    """Folders with images for the scale that were degraded in another way, such as `LR_unknown/X4`. They are not read."""
    spare: tuple[Path, ...] = ()
    """Further folders with bicubic images for the scale. They are not read either."""
    belonging: frozenset[Path] = frozenset()
    """Folders beside the high-resolution images that hold low-resolution images."""


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A folder of low-resolution images."""

    folder: Path
    kind: str
    scale: int | None
    """Upscaling factor in the folder's name. None if the name contains none."""


def find_low_res(high_folder: Path, high: Mapping[str, Path], scale: int) -> LowRes:
    """Returns the stored low-resolution images at `scale` of the high-resolution images `high` in `high_folder`.

    If a folder for the scale does not match the high-resolution images one to one, raises UserError with the name of
    the first image without a partner.
    """
    leaves, belonging = _leaves(high_folder)
    usable = [leaf for leaf in leaves if not leaf.kind or leaf.kind in BICUBIC]
    degraded = [
        leaf.folder for leaf in leaves if leaf not in usable and leaf.scale in (None, scale)
    ]
    spare = []
    found: LowRes | None = None
    scales: set[int] = set()
    for leaf in sorted(usable, key=_preference):
        if leaf.scale is not None and leaf.scale != scale:
            scales.add(leaf.scale)
            continue
        files = contents(_innermost(leaf.folder)).images
        if leaf.scale is None:
            held = _scales_of(files, high, scale)
            scales |= held - {scale}
            if scale not in held:
                continue
            files = {n: f for n, f in files.items() if _suffix_scale(n, high) in (None, scale)}
        if found is not None:
            spare.append(leaf.folder)
            continue
        matched = _matched(files, high, scale, leaf.folder)
        found = LowRes(files=matched, folder=leaf.folder)
    return LowRes(
        files=found.files if found else {},
        folder=found.folder if found else None,
        other_scales=() if found else tuple(sorted(scales)),
        degraded=tuple(degraded),
        spare=tuple(spare),
        belonging=belonging,
    )


def split_same_folder(
    images: Mapping[str, Path], scale: int
) -> tuple[dict[str, Path], dict[int, dict[str, Path]]]:
    """Separates low-resolution images such as `NAMEx4.png` from high-resolution images such as `NAME.png` in a folder.

    Returns the high-resolution images, and the low-resolution images of each scale by the name of their
    high-resolution image. An image counts as low-resolution only if its size fits as well.
    """
    keys = _keys(images)
    low: dict[int, dict[str, Path]] = {}
    for name, path in images.items():
        for k in _scales(scale) if SUSPICIOUS.search(name) else ():
            owner = _owner(name, keys, k)
            if owner is not None and _has_size(path, images[owner], k):
                files = low.setdefault(k, {})
                if owner in files:
                    raise _two_for(images[owner], files[owner], path)
                files[owner] = path
                break
    taken = {path for files in low.values() for path in files.values()}
    return {name: path for name, path in images.items() if path not in taken}, low


def refuse_unmatched(low: Mapping[str, Path], high: Mapping[str, Path], where: Path) -> None:
    """Raises UserError if an image of `high` has no partner in `low`. The files of `low` are in `where`."""
    missing = sorted(set(high) - set(low))
    if missing:
        raise UserError(
            f"{shown(high[missing[0]])}: has no low-resolution image in {shown(where)}, which has {len(low)} of "
            f"{len(high)}; complete the folder or move it away, so that all are made"
        )


def _leaves(high_folder: Path) -> tuple[list[_Leaf], frozenset[Path]]:
    """Returns the folders of low-resolution images for `high_folder`, and the folders beside it that contain them."""
    named = HIGH_NAME.fullmatch(high_folder.name)
    prefix, tail = (named["prefix"], named["tail"] or "") if named else ("", "")
    places = [(high_folder.parent, prefix)] if named else [(high_folder, "")]
    if high_folder.name.casefold() == high_folder.parent.name.casefold():
        # Flickr2K/Flickr2K and DIV2K_train_HR/DIV2K_train_HR, as some copies unpack
        doubled = (
            (high_folder.parent.parent, prefix)
            if named
            else (high_folder.parent, f"{high_folder.name}_")
        )
        places.append(doubled)
    if named and named["prefix"]:
        places.append((high_folder, ""))
    leaves, belonging = [], set()
    for parent, start in places:
        for folder in listing(parent).folders:
            if folder == high_folder or not folder.name.casefold().startswith(start.casefold()):
                continue
            found = list(_walk(folder, folder.name[len(start) :], tail, "", None))
            if found:
                belonging.add(folder)
                leaves += found
    return leaves, frozenset(belonging)


def _walk(folder: Path, name: str, tail: str, kind: str, scale: int | None) -> Iterator[_Leaf]:
    """Yields the folders of low-resolution images in `folder`.

    `name` is the part of the folder's name that describes its images.
    """
    if tail and name.casefold().endswith(tail.casefold()):
        name, tail = name[: -len(tail)], ""
    parsed = LOW_NAME.fullmatch(name)
    if parsed is None:
        return
    written, own_kind = parsed["scale"] or parsed["times"], parsed["kind"].casefold()
    if not (parsed["low"] or written or own_kind in BICUBIC) or own_kind in ("hr", "gt"):
        return
    kind = own_kind or kind
    scale = int(written) if written else scale
    inner = () if scale is not None else listing(folder).folders
    deeper = [leaf for each in inner for leaf in _walk(each, each.name, tail, kind, None)]
    yield from deeper
    if not tail and (not deeper or listing(folder).images):
        yield _Leaf(folder=folder, kind=kind, scale=scale)


def _innermost(folder: Path) -> Path:
    """Follows folders that contain only one subfolder, such as `LR_bicubic_X4/X4`, and returns the innermost.

    Some archives unpack in this way.
    """
    here = listing(folder)
    while not here.images and len(here.folders) == 1:
        here = listing(here.folders[0])
    return here.folder


def _preference(leaf: _Leaf) -> tuple[bool, bool, bool, str]:
    """Returns a sort key. Folders with more precise names come first."""
    exact = leaf.folder.parent.name.endswith("LR_bicubic") and leaf.folder.name.startswith("X")
    return not exact, not leaf.kind, leaf.scale is None, str(leaf.folder)


def _scales_of(low: Mapping[str, Path], high: Mapping[str, Path], scale: int) -> set[int]:
    """Returns the scales of the images in a folder whose name contains no scale.

    The scales are derived from the images' names or sizes.
    """
    if not low:
        return set()
    suffixes = {_suffix_scale(name, high) for name in low}
    named = {each for each in suffixes if each is not None}
    if None not in suffixes:
        return named
    keys = _keys(high)
    for name, path in low.items():
        owner = name if name in high else _owner(name, keys, scale)
        if owner is None:
            continue
        for k in _scales(scale):
            if _has_size(path, high[owner], k):
                return named | {k}
    return named | {scale}  # the mismatch will be named


def _suffix_scale(name: str, high: Mapping[str, Path]) -> int | None:
    """Returns the scale at the end of `name`, such as 4 for `0001x4`.

    Returns None if `name` ends with no scale, or if a high-resolution image has this name.
    """
    found = re.search(r"x(\d+)$|(\d+)x$", name, re.I)
    return int(found[1] or found[2]) if found and name not in high else None


def _has_size(low: Path, high: Path, scale: int) -> bool:
    small, large = read_header(low), read_header(high)
    size = (large.width // scale, large.height // scale)
    return scale > 1 and (small.width, small.height) == size


def _matched(
    low: Mapping[str, Path], high: Mapping[str, Path], scale: int, where: Path
) -> dict[str, Path]:
    """Returns the file in `low` for each image in `high`.

    Raises UserError with the name of the first image without a partner.
    """
    keys = _keys(high)
    matched: dict[str, Path] = {}
    strangers = []
    for name, path in low.items():
        owner = name if name in high else _owner(name, keys, scale)
        if owner is None:
            strangers.append(path)
        elif owner in matched:
            raise _two_for(high[owner], matched[owner], path)
        else:
            matched[owner] = path
    if strangers and not matched:
        first = min(high)
        raise UserError(
            f"{shown(where)}: must name its images like the high-resolution images, {shown(first)} or "
            f"{shown(first)}x{scale}, got {shown(strangers[0].name)}"
        )
    refuse_unmatched(matched, high, where)
    if strangers:
        raise UserError(
            f"{shown(strangers[0])}: has no high-resolution image; {len(high)} high-resolution images have "
            f"{len(low)} low-resolution images"
        )
    return matched


def _two_for(high: Path, first: Path, second: Path) -> UserError:
    return UserError(
        f"{shown(first.parent)}: must have one low-resolution image for {shown(high.name)}, got "
        f"{shown(first.name)} and {shown(second.name)}"
    )


def _owner(name: str, keys: Mapping[str, str], scale: int) -> str | None:
    """Returns the name of the high-resolution image to which the low-resolution image `name` belongs.

    `name` may have a suffix or prefix that marks low-resolution images.
    """
    suffix = LOW_SUFFIX.format(scale=scale)
    shorter = (
        re.sub(f"{suffix}$", "", name, flags=re.I),
        re.sub(f"^(?:X{scale}|{scale}X)[_-]?", "", name, flags=re.I),
        re.sub(r"[_-](?:LR|LQ)$", "", name, flags=re.I),
        name,
    )
    owners = (keys.get(_folded(each)) for each in shorter)
    return next((owner for owner in owners if owner not in (None, name)), None)


def _keys(high: Mapping[str, Path]) -> dict[str, str]:
    """Maps each base name that a low-resolution image may have to the name of its high-resolution image."""
    without = {_folded(HIGH_SUFFIX.sub("", name)): name for name in high}
    return without | {_folded(name): name for name in high}


def _folded(name: str) -> str:
    """Returns a name in lower case and with accents in one encoding. macOS and Linux encode accents differently."""
    return unicodedata.normalize("NFC", name).casefold()


def _scales(first: int) -> tuple[int, ...]:
    return (first, *(k for k in range(2, LARGEST_SCALE + 1) if k != first))
