import errno
import json
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from searchspace.errors import UserError
from sweeps.data import cache
from sweeps.data.cache import PairSet, fingerprint_of, open_cache
from sweeps.data.images import find_images, read_pair

MakeSet = Callable[..., Path]


def opened(folder: Path, cache_dir: Path, scale: int = 2) -> PairSet:
    return open_cache(find_images(folder, scale), name="set", scale=scale, cache_dir=cache_dir)


@pytest.fixture
def folder(make_set: MakeSet) -> Path:
    make_set("set", ("a", "c"), size=(20, 14))
    return make_set("set", ("b",), size=(9, 30), seed=1)


def test_returns_what_the_files_hold(folder: Path, tmp_path: Path) -> None:
    pairs = opened(folder, tmp_path / "cache")
    assert (pairs.names, pairs.scale, len(pairs)) == (("a", "b", "c"), 2, 3)
    for i, source in enumerate(find_images(folder, 2)):
        low_res, high_res = read_pair(source, 2)
        assert np.array_equal(pairs.low_res(i), low_res)
        assert np.array_equal(pairs.high_res(i), high_res)


def test_decodes_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(folder, tmp_path / "cache")
    monkeypatch.setattr(cache, "read_pair", None)  # calling it would now raise
    assert opened(folder, tmp_path / "cache").fingerprint == first.fingerprint


def test_fingerprint_depends_on_names_bytes_and_scale_but_not_on_the_place(
    folder: Path, tmp_path: Path
) -> None:
    def fingerprint(scale: int = 2) -> str:
        return fingerprint_of(find_images(folder, scale), scale)

    original = fingerprint()
    assert len(original) == 16
    assert fingerprint(scale=3) != original
    folder = folder.rename(tmp_path / "elsewhere")
    assert fingerprint() == original
    a = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(a + b" ")
    assert fingerprint() != original
    (folder / "a.png").write_bytes(a)
    assert fingerprint() == original
    (folder / "a.png").rename(folder / "d.png")
    assert fingerprint() != original


def test_a_subset_has_its_own_order_and_fingerprint(folder: Path, tmp_path: Path) -> None:
    pairs = opened(folder, tmp_path / "cache")
    subset = pairs.subset([2, 1])
    assert subset.names == ("c", "b")
    assert np.array_equal(subset.high_res(0), pairs.high_res(2))
    assert subset.subset([1]).names == ("b",)
    prints = [p.fingerprint for p in (pairs, subset, pairs.subset([1, 2]), pairs.subset([0]))]
    assert len(set(prints)) == 4
    assert pairs.subset([0, 1, 2]).fingerprint == pairs.fingerprint


def test_is_pickled_by_path(make_set: MakeSet, tmp_path: Path) -> None:
    pairs = opened(make_set("big", ("a", "b"), size=(200, 200)), tmp_path / "cache").subset([1])
    pairs.low_res(0)
    content = pickle.dumps(pairs)
    assert len(content) < 1000
    copied = pickle.loads(content)
    assert (copied.names, copied.fingerprint) == (pairs.names, pairs.fingerprint)
    assert np.array_equal(copied.low_res(0), pairs.low_res(0))


def test_views_are_read_only(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        opened(folder, tmp_path / "cache").low_res(0)[0, 0, 0] = 1


def _open_at_once(folder: Path, cache_dir: Path, barrier: object, results: object) -> None:
    sources = find_images(folder, 2)
    barrier.wait()  # type: ignore[attr-defined]
    pairs = open_cache(sources, name="set", scale=2, cache_dir=cache_dir)
    results.put(int(pairs.high_res(0).sum()))  # type: ignore[attr-defined]


def test_processes_may_make_the_same_cache_at_once(folder: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (folder, tmp_path / "cache", barrier, results)
    processes = [context.Process(target=_open_at_once, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    sums = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sums[0] == sums[1]
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"^cannot write the image cache in .*: the disk is full$"):
        opened(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_image_leaves_no_cache(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:300])
    with pytest.raises(UserError, match=r"b\.png: cannot be read as an image"):
        opened(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def pixels(pairs: PairSet) -> list[list[int]]:
    return [
        image.ravel().tolist()
        for i in range(len(pairs))
        for image in (pairs.low_res(i), pairs.high_res(i))
    ]


def spoil(path: Path, change: Callable[[bytearray], object]) -> None:
    """Changes a file as a bad disk does."""
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))  # a test may be quicker than the clock of the disk


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (cache.HIGH_RES, flip),
        (cache.LOW_RES, flip),
        (cache.HIGH_RES, lambda content: content.pop()),
        (cache.LOW_RES, lambda content: content.clear()),
        (cache.INDEX, lambda content: content.clear()),
        (cache.INDEX, lambda content: content.__setitem__(slice(None), b"[1, 2]")),
        (cache.INDEX, lambda content: content.__setitem__(slice(None), b'{"sizes": 3}')),
        (cache.INDEX, lambda content: content.__setitem__(content.index(b'"gray"') + 2, 0x47)),
        (cache.INDEX, lambda content: content.__setitem__(content.index(b'"digest"') + 2, 0x47)),
        (cache.INDEX, lambda content: content.__setitem__(content.index(b"false") + 4, 0x20)),
    ],
)
def test_a_damaged_cache_is_made_anew_and_said(
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
    change: Callable[[bytearray], object],
) -> None:
    """Once, one flipped bit of a cached image changed all scores without a message."""
    pairs = opened(folder, tmp_path / "cache")
    before = pixels(pairs)
    spoil(pairs.folder / file, change)
    assert pixels(opened(folder, tmp_path / "cache")) == before
    assert "the image cache is damaged" in caplog.text
    assert "it is rebuilt" in caplog.text
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [pairs.folder.name]
    caplog.clear()
    opened(folder, tmp_path / "cache")
    assert not caplog.messages


def test_a_worker_that_gets_a_damaged_cache_refuses_it(folder: Path, tmp_path: Path) -> None:
    content = pickle.dumps(opened(folder, tmp_path / "cache"))
    (made,) = (tmp_path / "cache").iterdir()
    spoil(made / cache.HIGH_RES, flip)
    with pytest.raises(UserError, match="image cache is missing or damaged; delete the folder"):
        pickle.loads(content)


def test_a_cache_of_an_earlier_version_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index has no digests."""
    pairs = opened(folder, tmp_path / "cache")
    index = json.loads((pairs.folder / cache.INDEX).read_text())
    del index["digest"], index["digests"]
    (pairs.folder / cache.INDEX).write_text(json.dumps(index))
    monkeypatch.setattr(cache, "read_pair", None)  # calling it would now raise
    assert opened(folder, tmp_path / "cache").fingerprint == pairs.fingerprint


def test_with_a_folder_aside_nothing_is_written_to_the_cache(folder: Path, tmp_path: Path) -> None:
    sources = find_images(folder, 2)
    both = {"cache_dir": tmp_path / "cache", "aside": tmp_path / "aside"}
    first = open_cache(sources, name="set", scale=2, **both)
    assert not (tmp_path / "cache").exists()
    made = opened(folder, tmp_path / "cache")
    assert pixels(made) == pixels(first)
    assert open_cache(sources, name="set", scale=2, **both).folder == made.folder
    spoil(made.folder / cache.HIGH_RES, flip)
    damaged = (made.folder / cache.HIGH_RES).read_bytes()
    assert pixels(open_cache(sources, name="set", scale=2, **both)) == pixels(first)
    assert (made.folder / cache.HIGH_RES).read_bytes() == damaged


def test_what_a_dead_process_left_is_removed_after_a_day(folder: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "cache/.making-old", tmp_path / "cache/.making-new"
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (0, 0))
    opened(folder, tmp_path / "cache")
    assert (old.exists(), new.exists()) == (False, True)
