"""Disks that are full, read-only or slow: one line, the right exit code, and the next run goes on with what was stored.

Each test mounts a small tmpfs, which needs a root account or user namespaces.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.run import run_sweep
from tests.cluster.rows import rows
from tests.disks.disk import Disk, mounted
from tests.disks.warm import Warm
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import small_config, sweep_file

SEARCH = {"sampler": "random", "trials": 3, "keep_weights": "all"}
PLACES = {
    "database": ("storage", "sqlite:///{}/results.db"),
    "checkpoints": ("checkpoints", "{}/runs"),
    "cache": ("cache", "{}/cache"),
}

FREE = {"database": (0, 40_960, 122_880), "checkpoints": (0, 8_192), "cache": (0, 1_000_000)}
"""Free bytes with which the sweep cannot end: too few for the first write, or for a later one."""


# One group, because all tests share the warm process and the undisturbed sweep.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("disks")]


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    started = Warm()
    yield started
    started.close()


@pytest.fixture
def disk(tmp_path: Path, warm: Warm) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", size="48m") as found:
        if isinstance(found, str):
            pytest.skip(found)
        found.warm = warm
        yield found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    config = small_config(tmp_path_factory.mktemp("undisturbed"), search=SEARCH)
    run_sweep(config)
    return rows(config.storage, "tiny")


def sweep_on(disk: Disk, place: str) -> tuple[Path, str]:
    """Returns a sweep file with one of PLACES on the disk, and the URL of the database."""
    key, pattern = PLACES[place]
    file = sweep_file(disk.folder.parent, search=SEARCH, **{key: pattern.format(disk.folder)})
    folder = disk.folder if place == "database" else disk.folder.parent
    return file, f"sqlite:///{folder / 'results.db'}"


def stored(disk: Disk, place: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the rows of the sweep. A database on the disk is copied first, because SQLite resolves its path."""
    folder = disk.folder.parent
    if place == "database":
        folder = folder / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        disk.shell(f"cp '{disk.folder}'/results.db* '{folder}'")
    return rows(f"sqlite:///{folder / 'results.db'}", "tiny")


def failed(disk: Disk, file: Path, place: str) -> None:
    done = disk.run("run", file)
    lines = done.stderr.strip().splitlines()
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert lines[0].startswith("Error: ")
    assert str(disk.folder) in lines[0], "the place is named"


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_ends_a_sweep_on_one_line_and_the_next_run_goes_on(
    disk: Disk, place: str, undisturbed: Any
) -> None:
    file, _ = sweep_on(disk, place)
    for free in FREE[place]:
        disk.fill(free)
        failed(disk, file, place)
        disk.empty()
    done = disk.run("run", file)
    assert done.returncode == 0, done.stderr
    assert stored(disk, place) == undisturbed


@pytest.mark.parametrize("place", PLACES)
def test_a_read_only_disk_ends_a_sweep_on_one_line_and_loses_nothing(
    disk: Disk, place: str, undisturbed: Any
) -> None:
    file, url = sweep_on(disk, place)
    assert disk.run("run", file, "--trials", "1").returncode == 0
    before = stored(disk, place)
    if place == "cache":
        disk.shell(f"rm -r '{disk.folder}'/*")
    disk.remount("ro")
    failed(disk, file, place)
    shown = disk.run("status", "tiny", "--db", url)
    assert shown.returncode == 0, shown.stderr
    assert "complete" in shown.stdout
    disk.remount("rw")
    assert (
        stored(disk, place)["measurements"][: len(before["measurements"])] == before["measurements"]
    )
    done = disk.run("run", file)
    assert done.returncode == 0, done.stderr
    assert stored(disk, place) == undisturbed


def test_a_slow_disk_changes_nothing(disk: Disk, undisturbed: Any) -> None:
    """Each flush to a disk, for whatever file, takes a twentieth of a second longer, as on a network disk."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace, which delays the system calls")
    file, _ = sweep_on(disk, "database")
    calls = "fsync,fdatasync"
    slow = (
        "strace",
        "--seccomp-bpf",  # all other system calls run undisturbed
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:delay_enter=50000",
    )
    done = disk.run("run", file, before=slow)
    assert done.returncode == 0, done.stderr
    assert stored(disk, "database") == undisturbed


OUTPUTS = {
    "report": (["report", "small", "-o", "disk/page.html"], "page.html"),
    "train": (["train", "slwsr", "n_feats=2", "n_blocks=2", "local_blocks=2", "--steps", "2", "--set", "patch_size=8",
               "--set", "batch_size=2", "--scale", "2", "-o", "disk/out"], "out"),
    "export-optuna": (["export-optuna", "small", "-o", "disk/study.db"], "study.db"),
}  # fmt: skip


@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize("how", ["full", "ro"])
def test_an_output_that_cannot_be_written_is_named_and_the_old_one_stays(
    disk: Disk, small: Database, command: str, how: str
) -> None:
    """Once, such an error left a truncated page in place of the old one."""
    words, name = OUTPUTS[command]
    if command != "train":
        small.store.close()
        words = [*words, "--db", small.url]
    old = disk.seen / name
    if command == "report":
        assert disk.run(*words).returncode == 0
        assert "</html>" in old.read_text()
    before = old.read_bytes() if old.is_file() else b""
    if how == "full":
        disk.fill()
    else:
        disk.remount("ro")
    done = disk.run(*words)
    assert done.returncode == 1, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert name in line
    assert ("No space left on device" if how == "full" else "Read-only file system") in line
    assert (old.read_bytes() if old.is_file() else b"") == before
    left = {path.name for path in disk.seen.iterdir()} - {"ballast", "out"}
    assert left == ({name} if command == "report" else set())
    disk.remount("rw")
    disk.empty()
    assert disk.run(*words).returncode == 0


def test_a_full_terminal_pipe_is_answered(disk: Disk, small: Database) -> None:
    """The shell redirects a table to a file on a full disk."""
    small.store.close()
    for form in ((), ("--csv",), ("--json",)):
        done = disk.run("status", "small", *form, "--db", small.url, out=Path("/dev/full"))
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert "No space left on device" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
