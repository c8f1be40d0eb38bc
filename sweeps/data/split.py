"""What a network is trained on and what it is compared on: two sets without a common image.

The benchmark sets are neither: they are for networks that have been chosen already.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sweeps.data.cache import PairSet, content_digest, digest, open_cache
from sweeps.data.embedded import embedded_train, embedded_validation
from sweeps.data.images import ImageSource, find_images, find_set
from sweeps.data.settings import EMBEDDED, TEST_SETS, DataSettings, set_names

BSDS_VALIDATION = ("B100", "BSD100", "BSDS100")
"""Names under which the 100 pictures of BSDS500's val go as a test set."""


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """The pairs to train on and the pairs to validate on."""

    train: PairSet
    validation: PairSet
    fingerprint: str
    """Sixteen hexadecimal digits of both."""
    description: str
    """One line for people: sets, numbers of images, how they were split."""


def open_split(settings: DataSettings, scale: int, cache_dir: Path) -> DataSplit:
    """Both sets at `scale`, decoded into `cache_dir` unless they are there.

    Raises ValueError with one line that begins with the setting at fault.
    """
    train, validation, how = _split(settings, scale)
    _refuse_shared(train, validation, Path(settings.root))
    # One cache for both, so that another split of the same images decodes nothing again.
    together = sorted((*train, *validation), key=lambda source: source.name)
    with _located("data"):
        cache = open_cache(together, name=settings.train, scale=scale, cache_dir=cache_dir)
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
    """All pairs of a benchmark set (or any other), for networks that have been chosen already."""
    folder = find_set(root, name)
    return open_cache(find_images(folder, scale), name=name, scale=scale, cache_dir=cache_dir)


def _split(settings: DataSettings, scale: int) -> tuple[list[ImageSource], list[ImageSource], str]:
    """Images to train on, images to validate on, and how they were told apart."""
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
        raise ValueError(
            f"data.validation: must name training sets or other sets, not both, got {held_from!r}"
        )
    held = _evenly([s for part in set_names(held_from) for s in sets[part]], settings.hold_out)
    rest, copies = _not_held(train, held)
    if not rest:
        raise ValueError(
            f"data.hold_out: must leave images to train on, got {settings.hold_out} of {len(train)}"
        )
    how = f"evenly spaced among the sorted names of {held_from}"
    return rest, held, f"{how}; left out as copies of them: {_some(copies)}" if copies else how


def _gather(
    text: str, root: Path, scale: int, embedded: Callable[[], list[ImageSource]]
) -> dict[str, list[ImageSource]]:
    """The images of every set named in `text`; joined sets put their name before the images'."""
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
    """`count` of the images, one from the middle of each of `count` equal runs of the sorted names."""
    total = len(sources)
    if count >= total:
        return sources
    ordered = sorted(sources, key=lambda source: source.name)
    return [ordered[(2 * i + 1) * total // (2 * count)] for i in range(count)]


def _not_held(
    train: Sequence[ImageSource], held: Sequence[ImageSource]
) -> tuple[list[ImageSource], list[str]]:
    """What is left to train on, and the names of images that only repeat one held out: T91 has a picture twice."""
    chosen, contents = set(held), {content_digest(source.high_res) for source in held}
    others = [source for source in train if source not in chosen]
    copies = [source for source in others if content_digest(source.high_res) in contents]
    return [source for source in others if source not in copies], [copy.name for copy in copies]


def _refuse_shared(
    train: Sequence[ImageSource], validation: Sequence[ImageSource], root: Path
) -> None:
    """ValueError if an image is both trained and validated on, or belongs to a test set beside."""
    seen = {content_digest(source.high_res): source.name for source in train}
    both = [source.name for source in validation if content_digest(source.high_res) in seen]
    if both:
        raise ValueError(
            f"data.validation: must share no image with data.train, but {_some(both)} are in both"
        )
    for where, sources in (("data.train", train), ("data.validation", validation)):
        for name in TEST_SETS:
            _refuse_test_images(where, sources, name, root)


def _refuse_test_images(
    where: str, sources: Sequence[ImageSource], test_set: str, root: Path
) -> None:
    try:
        tested = find_images(find_set(root, test_set), 1)
    except ValueError:
        return  # not here, so nothing can be compared with it
    contents = {content_digest(source.high_res) for source in tested}
    # B100 is BSDS500's val under the same file names, often saved in another format.
    names = {s.high_res.stem for s in tested} if test_set in BSDS_VALIDATION else set()
    common = [
        source.name
        for source in sources
        if source.high_res.stem in names or content_digest(source.high_res) in contents
    ]
    if common:
        raise ValueError(
            f"{where}: must hold no image of the test set {test_set}, but {_some(common)} are in it"
        )


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


@contextmanager
def _located(where: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


_open_splits: dict[tuple[DataSettings, int, Path], DataSplit] = {}


def open_data(settings: DataSettings, scale: int, cache: Path) -> DataSplit:
    """The data of a sweep, opened once a process."""
    key = (settings, scale, cache)
    if key not in _open_splits:
        _open_splits[key] = open_split(settings, scale, cache)
    return _open_splits[key]
