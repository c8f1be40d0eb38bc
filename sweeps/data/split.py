"""Splits images into a training set and a validation set that share no image.

Neither set contains images of test sets, because test sets are used to judge the chosen networks.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from searchspace.errors import UserError
from sweeps.data.cache import PairSet, content_digest, digest, open_cache
from sweeps.data.degradation import Degradation
from sweeps.data.embedded import embedded_train, embedded_validation
from sweeps.data.folders import expanded, shown, some, subfolders
from sweeps.data.images import (
    ImageSet,
    ImageSource,
    SetNotFound,
    read_set,
    search_folders,
)
from sweeps.data.pixels import SUFFIXES
from sweeps.data.settings import (
    DEFAULT_HOLD_OUT,
    EMBEDDED,
    TEST_SETS,
    DataSettings,
    SetNames,
    set_names,
    sets_label,
)

BSDS_VALIDATION = ("B100", "BSD100", "BSDS100")
"""Three names of one test set: the 100 validation images of BSDS500."""


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """The image pairs to train on and the image pairs to validate on."""

    train: PairSet
    validation: PairSet
    fingerprint: str
    """Sixteen hexadecimal digits that identify both sets."""
    description: str
    """For people, one line: the names of the sets, the numbers of images, and how the images were split.

    The description is stored with a sweep, and sweeps with different descriptions are not compared. Its wording must
    therefore not change.
    """
    notes: tuple[str, ...] = ()
    """For people, one line about each set: the images found, the low-resolution images stored or made, and the files
    not read."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines about the images: the notes, then the description."""
        return (*self.notes, self.description)


def open_split(
    settings: DataSettings, scale: int, cache_dir: Path, aside: Path | None = None
) -> DataSplit:
    """Returns the training set and the validation set at `scale`.

    Images that are not in `cache_dir` yet are decoded into it, or into the folder `aside` if it is given. Raises
    UserError with a message of one line that begins with the name of the wrong setting.
    """
    train, validation, how, notes = _split(settings, scale)
    _refuse_shared(train, validation, expanded(settings.root))
    # One cache holds both sets, so that another split of the same images needs no decoding.
    together = sorted((*train, *validation), key=lambda source: source.name)
    with _located("data"):
        cache = open_cache(
            together, name=sets_label(settings.train), scale=scale, cache_dir=cache_dir, aside=aside
        )
    place = {source: i for i, source in enumerate(together)}
    held_from = sets_label(settings.validation or settings.train)
    if settings.degradation is None:
        train_set = cache.subset([place[source] for source in train])
        validation_set = cache.subset([place[source] for source in validation], name=held_from)
    else:
        degradation = Degradation(settings.degradation)
        train_set = cache.subset([place[source] for source in train], degradation=degradation)
        how += f"; degraded by {settings.degradation.label}"
        with _located("data"):
            validation_set = open_cache(
                validation,
                name=held_from,
                scale=scale,
                cache_dir=cache_dir,
                aside=aside,
                degradation=degradation,
            )
    return DataSplit(
        train=train_set,
        validation=validation_set,
        fingerprint=digest(train_set.fingerprint, validation_set.fingerprint),
        description=f"{sets_label(settings.train)} x{scale}: {len(train)} images to train on, "
        f"{len(validation)} to validate on ({how})",
        notes=tuple(notes),
    )


def open_test_set(root: Path, name: str, scale: int, cache_dir: Path) -> PairSet:
    """Returns all pairs of a test set at `scale`. Raises UserError if `root` does not contain it."""
    return open_test_images(read_set(root, name, scale), name, scale, cache_dir)


def open_test_images(found: ImageSet, name: str, scale: int, cache_dir: Path) -> PairSet:
    """Returns all pairs of a test set whose images were found at `scale`."""
    return open_cache(found.sources, name=name, scale=scale, cache_dir=cache_dir)


def _split(
    settings: DataSettings, scale: int
) -> tuple[list[ImageSource], list[ImageSource], str, list[str]]:
    """Returns the training images, the validation images, a phrase that describes the split, and notes."""
    root = expanded(settings.root)
    with _located("data.train"):
        sets, notes = _gather(settings.train, root, scale, embedded_train)
    train = [source for sources in sets.values() for source in sources]
    held_from = settings.validation or settings.train
    if held_from == EMBEDDED:
        held = embedded_validation()
        notes.append(_embedded_note("embedded for validation", held))
        return train, held, "the photographs that embedded keeps for it", notes
    shared = set(set_names(held_from)) & set(sets)
    label = sets_label(held_from)
    if not shared:
        with _located("data.validation"):
            others, more = _gather(held_from, root, scale, embedded_validation)
        held = [source for sources in others.values() for source in sources]
        return train, held, f"all of {label}", notes + more
    if shared != set(set_names(held_from)):
        raise UserError(
            f"data.validation: must name either training sets or other sets, got {label!r}"
        )
    pool = [s for part in set_names(held_from) for s in sets[part]]
    how = f"evenly spaced among the sorted names of {label}"
    held = _evenly(pool, settings.hold_out)
    rest, copies = _not_held(train, held)
    if not rest and settings.hold_out == DEFAULT_HOLD_OUT:
        held = _evenly(pool, max(1, len(pool) // 5))
        rest, copies = _not_held(train, held)
        how += f"; a fifth of them, because {DEFAULT_HOLD_OUT} would leave none to train on"
    if not rest:
        raise UserError(
            f"data.hold_out: must leave images to train on, got {settings.hold_out} of {len(train)}"
            + (f"; copies of held-out images are left out: {some(copies)}" if copies else "")
        )
    if copies:
        how += f"; left out as copies of them: {some(copies)}"
    return rest, held, how, notes


def _gather(
    named: SetNames, root: Path, scale: int, embedded: Callable[[], list[ImageSource]]
) -> tuple[dict[str, list[ImageSource]], list[str]]:
    """Returns the images of each set, and a note for each set.

    If there are several sets, the name of each image is prefixed with the name of its set. Raises UserError if two sets
    share a folder.
    """
    parts = set_names(named)
    sets: dict[str, list[ImageSource]] = {}
    notes: list[str] = []
    owners: dict[Path, str] = {}
    for part in parts:
        if part == EMBEDDED:
            sets[part] = embedded()
            notes.append(_embedded_note(part, sets[part]))
            continue
        try:
            found = read_set(root, part, scale)
        except SetNotFound as error:
            raise SetNotFound(f"{error}{plus_hint(named, root)}") from None
        for folder in found.folders:
            other = owners.setdefault(folder.resolve(), part)
            if other != part:
                raise UserError(
                    f"must name different image sets, but {other} and {part} are in {shown(folder)}"
                )
        sets[part] = list(found.sources)
        notes.append(found.note)
    if len(parts) == 1:
        return sets, notes
    return {
        part: [replace(source, name=f"{part}/{source.name}") for source in sources]
        for part, sources in sets.items()
    }, notes


def plus_hint(named: SetNames, root: Path) -> str:
    """Returns advice, beginning with a semicolon, if `named` lists several sets but is also the name of one set.

    Otherwise ''.
    """
    one = isinstance(named, str) and "+" in named and search_folders(root, named)
    return f"; for the one set {named}, write a list: [{named}]" if one else ""


def _embedded_note(name: str, sources: Sequence[ImageSource]) -> str:
    return f"{name}: {len(sources)} images of scikit-image; LR: 0 stored, {len(sources)} made"


def _evenly(sources: list[ImageSource], count: int) -> list[ImageSource]:
    """Returns `count` images, evenly spaced in the order of their names.

    The images in this order are divided into `count` equal parts, and the middle image of each part is chosen.
    """
    total = len(sources)
    if count >= total:
        return sources
    ordered = sorted(sources, key=lambda source: source.name)
    return [ordered[(2 * i + 1) * total // (2 * count)] for i in range(count)]


def _not_held(
    train: Sequence[ImageSource], held: Sequence[ImageSource]
) -> tuple[list[ImageSource], list[str]]:
    """Returns the images to train on, and the names of excluded copies of held-out images.

    For example, T91 contains one image twice.
    """
    chosen, contents = set(held), {content_digest(source.high_res) for source in held}
    others = [source for source in train if source not in chosen]
    copies = [source for source in others if content_digest(source.high_res) in contents]
    return [source for source in others if source not in copies], [copy.name for copy in copies]


def _refuse_shared(
    train: Sequence[ImageSource], validation: Sequence[ImageSource], root: Path
) -> None:
    """Raises UserError if an image is in both sets or in a test set under `root`."""
    seen = {content_digest(source.high_res): source.name for source in train}
    both = [source.name for source in validation if content_digest(source.high_res) in seen]
    if both:
        raise UserError(
            f"data.validation: must not share images with data.train, but {some(both)} are in both"
        )
    for where, sources in (("data.train", train), ("data.validation", validation)):
        for name in TEST_SETS:
            _refuse_test_images(where, sources, name, root)


def _refuse_test_images(
    where: str, sources: Sequence[ImageSource], test_set: str, root: Path
) -> None:
    """Raises UserError if one of `sources` is a file of a test set, in any layout of that set."""
    tested = [path for folder in _test_folders(root, test_set) for path in _all_images(folder)]
    contents = {content_digest(path) for path in tested}
    # B100 has the file names of BSDS500's validation images, but is often saved in another format.
    names = {path.stem for path in tested} if test_set in BSDS_VALIDATION else set()
    common = [
        source.name
        for source in sources
        if source.high_res.stem in names or content_digest(source.high_res) in contents
    ]
    if common:
        raise UserError(
            f"{where}: must not contain images of the test set {test_set}, but {some(common)} are in it"
        )


def _test_folders(root: Path, test_set: str) -> list[Path]:
    """Returns the folders of a test set under `root`, under the folders in it and under the current folder."""
    names = {test_set.casefold(), f"{test_set}_HR".casefold()}
    parents = dict.fromkeys((root, *subfolders(root), Path()))
    return [f for parent in parents for f in subfolders(parent) if f.name.casefold() in names]


def _all_images(folder: Path) -> Iterator[Path]:
    """Yields all image files of a folder and of its subfolders."""
    for parent, _, files in os.walk(folder):
        for path in (Path(parent, name) for name in files):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


@contextmanager
def _located(where: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


_open_splits: dict[tuple[DataSettings, int, Path], DataSplit] = {}


def open_data(
    settings: DataSettings, scale: int, cache: Path, aside: Path | None = None
) -> DataSplit:
    """Returns the split of a sweep's images like `open_split`, but a process opens each split only once.

    With `aside`, images that the cache lacks are decoded into that folder instead, and each call opens the split again.
    """
    if aside is not None:
        return open_split(settings, scale, cache, aside)
    key = (settings, scale, cache)
    if key not in _open_splits:
        _open_splits[key] = open_split(settings, scale, cache)
    return _open_splits[key]
