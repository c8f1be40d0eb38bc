"""Splits images into a training set and a validation set that share no image.

Images of test sets are in neither of them, because test sets judge networks that have been chosen already.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from searchspace.errors import UserError
from sweeps.data.cache import PairSet, content_digest, digest, open_cache
from sweeps.data.embedded import embedded_train, embedded_validation
from sweeps.data.images import ImageSource, find_images, find_set
from sweeps.data.settings import EMBEDDED, TEST_SETS, DataSettings, set_names

BSDS_VALIDATION = ("B100", "BSD100", "BSDS100")
"""Three names of the same test set, the 100 validation images of BSDS500."""


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """The image pairs to train on and the image pairs to validate on."""

    train: PairSet
    validation: PairSet
    fingerprint: str
    """Sixteen hexadecimal digits that identify both sets."""
    description: str
    """One line for people: the names of the sets, the numbers of images, and how the images were split.

    It is stored with a sweep, and sweeps with different descriptions are not compared. Do not change its wording.
    """


def open_split(
    settings: DataSettings, scale: int, cache_dir: Path, aside: Path | None = None
) -> DataSplit:
    """Returns the training set and the validation set at `scale`.

    Images that are not in `cache_dir` yet are decoded into it, or into the folder `aside` if it is given. Raises UserError with one line, which begins with the
    name of the wrong setting.
    """
    train, validation, how = _split(settings, scale)
    _refuse_shared(train, validation, Path(settings.root))
    # One cache holds both sets, so that another split of the same images needs no decoding.
    together = sorted((*train, *validation), key=lambda source: source.name)
    with _located("data"):
        cache = open_cache(
            together, name=settings.train, scale=scale, cache_dir=cache_dir, aside=aside
        )
    place = {source: i for i, source in enumerate(together)}
    train_set = cache.subset([place[source] for source in train])
    held_from = settings.validation or settings.train
    validation_set = cache.subset([place[source] for source in validation], name=held_from)
    return DataSplit(
        train=train_set,
        validation=validation_set,
        fingerprint=digest(train_set.fingerprint, validation_set.fingerprint),
        description=f"{settings.train} x{scale}: {len(train)} images to train on, "
        f"{len(validation)} to validate on ({how})",
    )


def open_test_set(root: Path, name: str, scale: int, cache_dir: Path) -> PairSet:
    """Returns all pairs of a test set at `scale`. Raises UserError if `root` does not contain it."""
    folder = find_set(root, name)
    return open_cache(find_images(folder, scale), name=name, scale=scale, cache_dir=cache_dir)


def _split(settings: DataSettings, scale: int) -> tuple[list[ImageSource], list[ImageSource], str]:
    """Returns the training images, the validation images, and a phrase that says how they were split."""
    root = Path(settings.root)
    with _located("data.train"):
        sets = _gather(settings.train, root, scale, embedded_train)
    train = [source for sources in sets.values() for source in sources]
    held_from = settings.validation or settings.train
    if held_from == EMBEDDED:
        return train, embedded_validation(), "the photographs that embedded keeps for it"
    shared = set(set_names(held_from)) & set(sets)
    if not shared:
        with _located("data.validation"):
            others = _gather(held_from, root, scale, embedded_validation)
        return train, [s for sources in others.values() for s in sources], f"all of {held_from}"
    if shared != set(set_names(held_from)):
        raise UserError(
            f"data.validation: must name either training sets or other sets, got {held_from!r}"
        )
    held = _evenly([s for part in set_names(held_from) for s in sets[part]], settings.hold_out)
    rest, copies = _not_held(train, held)
    if not rest:
        raise UserError(
            f"data.hold_out: must leave images to train on, got {settings.hold_out} of {len(train)}"
        )
    how = f"evenly spaced among the sorted names of {held_from}"
    return (
        rest,
        held,
        f"{how}; left out as copies of them: {_some(copies)}" if copies else how,
    )


def _gather(
    text: str, root: Path, scale: int, embedded: Callable[[], list[ImageSource]]
) -> dict[str, list[ImageSource]]:
    """Returns the images of each set in `text`. If there are several sets, the name of an image begins with its set."""
    parts = set_names(text)
    sets = {
        part: embedded() if part == EMBEDDED else find_images(find_set(root, part), scale)
        for part in parts
    }
    if len(parts) == 1:
        return sets
    return {
        part: [replace(source, name=f"{part}/{source.name}") for source in sources]
        for part, sources in sets.items()
    }


def _evenly(sources: list[ImageSource], count: int) -> list[ImageSource]:
    """Returns `count` images: the middle one of each of `count` equal parts of the sorted names."""
    total = len(sources)
    if count >= total:
        return sources
    ordered = sorted(sources, key=lambda source: source.name)
    return [ordered[(2 * i + 1) * total // (2 * count)] for i in range(count)]


def _not_held(
    train: Sequence[ImageSource], held: Sequence[ImageSource]
) -> tuple[list[ImageSource], list[str]]:
    """Returns the images to train on, and the names of excluded copies of held-out images.

    T91, for example, contains one image twice.
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
            f"data.validation: must not share images with data.train, but {_some(both)} are in both"
        )
    for where, sources in (("data.train", train), ("data.validation", validation)):
        for name in TEST_SETS:
            _refuse_test_images(where, sources, name, root)


def _refuse_test_images(
    where: str, sources: Sequence[ImageSource], test_set: str, root: Path
) -> None:
    try:
        tested = find_images(find_set(root, test_set), 1)
    except UserError:
        return  # without the set there is nothing to compare
    contents = {content_digest(source.high_res) for source in tested}
    # B100 has the file names of BSDS500's validation images, but is often saved in another format.
    names = {s.high_res.stem for s in tested} if test_set in BSDS_VALIDATION else set()
    common = [
        source.name
        for source in sources
        if source.high_res.stem in names or content_digest(source.high_res) in contents
    ]
    if common:
        raise UserError(
            f"{where}: must not contain images of the test set {test_set}, but {_some(common)} are in it"
        )


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


@contextmanager
def _located(where: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


_open_splits: dict[tuple[DataSettings, int, Path], DataSplit] = {}


def open_data(settings: DataSettings, scale: int, cache: Path) -> DataSplit:
    """Returns the split of a sweep's images, as `open_split` does. A process opens each split only once."""
    key = (settings, scale, cache)
    if key not in _open_splits:
        _open_splits[key] = open_split(settings, scale, cache)
    return _open_splits[key]
