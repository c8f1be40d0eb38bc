"""A small disk of its own for a test: a tmpfs in a mount namespace, so that nothing outside the test sees it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.disks.warm import Warm

ROOT = Path(__file__).parents[2]


class Disk:
    """A tmpfs at `folder`. Only commands that `run` starts see it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], enter: list[str]) -> None:
        self.folder, self.process, self.enter = folder, process, enter
        self.warm: Warm | None = None

    @property
    def inside(self) -> int:
        """The process whose mount namespace has the disk."""
        return self.process.pid

    @property
    def seen(self) -> Path:
        """The path under which this process sees the content of the disk."""
        return Path(f"/proc/{self.process.pid}/root{self.folder}")

    def shell(self, script: str) -> None:
        subprocess.run([*self.enter, "sh", "-ec", script], check=True)

    def remount(self, options: str) -> None:
        self.shell(f"mount -o remount,{options} '{self.folder}'")

    def fill(self, free: int = 0) -> None:
        """Leaves `free` bytes, in whole pages."""
        fill = self.folder / "ballast"
        self.shell(f"dd if=/dev/zero of='{fill}' bs=4k 2>/dev/null || true")
        if free:
            self.shell(f"truncate -s -{free} '{fill}'")

    def empty(self) -> None:
        self.shell(f"rm -f '{self.folder / 'ballast'}'")

    def run(
        self, *words: object, before: tuple[str, ...] = (), out: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `srsweep` with the disk in place, in the folder that holds the disk.

        Without a program `before` it, a child of the process `warm` runs it, which saves seconds of imports. The child
        then writes its stdout to `out`, if that is given.
        """
        if self.warm is not None and not before:
            inside, given = self.folder.parent, [str(word) for word in words]
            notes = inside / "notes"
            notes.mkdir(exist_ok=True)
            return self.warm.run(given, inside, self.inside, notes, out)
        command = [*before, sys.executable, "-m", "srsweep", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment.pop("SRSWEEP_DB", None)
        inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(self.folder.parent), *command]
        return subprocess.run(
            [*self.enter, *inside],
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )


@contextmanager
def mounted(folder: Path, size: str = "8m") -> Iterator[Disk | str]:
    """Yields a disk at `folder`, or the reason why this account cannot mount one."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        yield "needs unshare and nsenter (util-linux)"
        return
    folder.mkdir(parents=True, exist_ok=True)
    is_root = os.geteuid() == 0
    script = f"mount -t tmpfs -o size={size} tmpfs '{folder}' && echo mounted && exec sleep 900"
    process = subprocess.Popen(
        ["unshare", "-m" if is_root else "-rm", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if said != "mounted":
            yield f"this account must not mount a tmpfs: {said}"
            return
        user = [] if is_root else ["-U", "--preserve-credentials"]
        yield Disk(folder, process, ["nsenter", "-t", str(process.pid), "-m", *user])
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
