"""A file is written completely or not at all, whatever happens meanwhile."""

import errno
import os
import stat
from pathlib import Path

import pytest

from sweeps import files
from sweeps.files import (
    naming_full_disk,
    remove_unfinished,
    write_bytes,
    write_text,
    written_beside,
)


def test_a_text_arrives_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "ä")
    write_text(path, "ö")
    assert path.read_bytes() == "ö".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some disks report that they are full only when the content is flushed."""
    path = tmp_path / "page.html"
    write_text(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write_text(path, "new")
    assert (told.value.filename, told.value.errno) == (str(path), errno.ENOSPC)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "old")

    def interrupted() -> None:
        with written_beside(path) as beside:
            beside.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        write_text(tmp_path / "missing" / "a.txt", "new")
    assert told.value.filename == str(tmp_path / "missing" / "a.txt")


def test_permissions_stay_and_a_secret_is_never_readable(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_text(path, "one", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    write_text(path, "two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "real" / "page.html")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "page.html").read_text() == "new"


def test_a_device_is_written_directly() -> None:
    write_text(Path("/dev/null"), "new")
    assert Path("/dev/null").is_char_device()


def test_the_longest_names_are_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "ä" * 127):
        write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / "attempt-1.pt.0123abcd.tmp", tmp_path / "attempt-2.pt.0123abcd.tmp"
    for path in (left, other, tmp_path / "attempt-1.pt"):
        path.touch()
    remove_unfinished(tmp_path, "attempt-1.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attempt-1.pt", other.name]


def test_the_odd_errors_of_libraries_on_a_full_disk_name_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError), naming_full_disk(tmp_path / "a.onnx"):
        raise RuntimeError("unexpected pos 64")
    monkeypatch.setattr(files, "NEARLY_FULL", 1 << 62)
    with (
        pytest.raises(OSError, match="No space left") as told,
        naming_full_disk(tmp_path / "a.onnx"),
    ):
        raise RuntimeError("unexpected pos 64")
    assert told.value.filename == str(tmp_path / "a.onnx")


def test_a_digest_is_computed_again_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = files.digest_of_file(path)
    assert first == files.digest_of(b"one")
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))
    assert files.digest_of_file(path) == files.digest_of(b"two")
