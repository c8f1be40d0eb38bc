"""Pauses all other computations of the same user on this machine while a time is measured.

Two lock files, `busy` and `turn`, coordinate all processes of a user on a machine, across sweeps and commands. A
process that computes holds a shared lock on `busy`. A measurement first takes an exclusive lock on `turn`, which asks
the other processes to pause. Then it waits for an exclusive lock on `busy`, which is free once all others have paused.
A process that computes checks `turn` between two steps, at most once in LOOK_SECONDS. If a measurement holds `turn`,
the process releases `busy` and waits.

The kernel frees the locks of a process that dies. All waits are bounded, because a process may be stopped (SIGSTOP)
while it holds a lock. `clock` does not count the time that a process has spent waiting.
"""

import fcntl
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.2
"""Seconds of computation between two checks for a measurement that wants the machine."""
POLL_SECONDS = 0.02
"""Seconds between two attempts to take a lock that another process holds."""
PAUSE_SECONDS = 60.0
"""Maximum time, in seconds, that a measurement waits for the other processes to pause. A training step or the
evaluation of one image rarely takes longer."""
STALE_SECONDS = 180.0
"""Seconds without a sign of life after which a measurement counts as stopped. Other processes then continue."""


LOCKS_VARIABLE = "SRSWEEP_LOCKS"
"""Environment variable that overrides the folder of the lock files."""


def runtime_folder() -> Path:
    """Returns the folder of the lock files, which all processes of this user on this machine share.

    The folder does not depend on environment variables such as TMPDIR, because they may differ between the processes.
    Only LOCKS_VARIABLE changes it. Set it for jobs that are pinned to different cores and need not wait for each other.
    """
    if chosen := os.environ.get(LOCKS_VARIABLE):
        return Path(chosen).expanduser().absolute()
    shared = Path("/tmp")  # noqa: S108 - `_Lock` checks the owner of the folder
    parent = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"srsweep-{os.getuid()}"


class _Lock:
    """A lock file. Several processes can hold the lock at the same time if all of them hold it shared."""

    def __init__(self, path: Path) -> None:
        self.path, self.file, self.held = path, -1, False

    def take(self, *, shared: bool) -> bool:
        """Takes the lock if it is free. Returns whether this object now holds it.

        Raises OSError if lock files cannot be used.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        while True:
            self._open()
            try:
                fcntl.flock(self.file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self.held = False  # a failed conversion also loses the old lock
                return False
            self.held = True
            # If another process deleted the file in the meantime, other processes lock a new file.
            if self.is_current():
                return True
            self.close()

    def free(self) -> None:
        """Releases the lock."""
        if self.held:
            fcntl.flock(self.file, fcntl.LOCK_UN)
            self.held = False

    def is_current(self) -> bool:
        """Returns whether the locked file is still the file that other processes would open now."""
        try:
            return self.held and os.path.samestat(os.fstat(self.file), self.path.stat())
        except OSError:
            return False

    def stamp(self, text: str) -> None:
        """Writes `text` into the file as the holder's sign of life."""
        os.pwrite(self.file, text.ljust(40).encode(), 0)

    def read(self) -> bytes:
        """Returns the last sign of life that was written to the file."""
        self._open()
        return os.pread(self.file, 40, 0)

    def close(self) -> None:
        """Closes the file, which releases the lock."""
        if self.file >= 0:
            os.close(self.file)
        self.file, self.held = -1, False

    def _open(self) -> None:
        if self.file >= 0:
            return
        folder = self.path.parent
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(f"{folder} must be a folder of this user")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.file = os.open(self.path, flags, 0o600)


Around = Callable[[], AbstractContextManager[object]]
"""A function that returns a context manager. A computation waits inside this context, which may stop clocks or let a
GPU finish its work."""


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A measurement's hold on the machine."""

    beat: Callable[[], None]
    """Signals to the waiting processes that the measurement is alive. A measurement calls this function every few
    seconds."""
    why_not: str = ""
    """Why other computations of this user may run during the measurement; '' if none runs."""


class _Turns(threading.local):
    """The state of the current thread. Threads of one process treat each other like separate processes."""

    def __init__(self) -> None:
        folder = runtime_folder()
        self.turn, self.busy = _Lock(folder / "turn"), _Lock(folder / "busy")
        self.depth = 0
        """Nesting depth of `computing` blocks."""
        self.is_measuring = False
        """Whether the thread makes a measurement or takes part in one."""
        self.around: Around = nullcontext
        self.looked = 0.0
        self.waited = 0.0
        """Seconds that this thread has waited for others so far."""
        self.ignored: bytes | None = None
        """The last sign of life of a measurement that has stopped. None if no measurement has stopped."""

    def look(self) -> None:
        """Waits until no measurement holds `turn`. Returns immediately if none does."""
        try:
            if not self._admitted():
                self._wait()
        except OSError:  # without lock files, nobody can be waited for
            self.busy.close()
        self.looked = time.perf_counter()

    def _admitted(self) -> bool:
        """Takes a shared lock on `busy` unless a measurement holds `turn`. Returns whether it has taken the lock."""
        if not self.turn.take(shared=True):
            return False
        try:
            return self.busy.is_current() or self.busy.take(shared=True)
        finally:
            self.turn.free()

    def _wait(self) -> None:
        """Releases `busy` and waits until no measurement holds `turn`, or until that measurement counts as stopped."""
        if self.turn.read() == self.ignored:
            return
        with self._waiting():
            self.busy.free()
            if not self._polled(self._admitted):
                self.ignored = self.turn.read()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Counts the seconds of the block as waiting time."""
        began = time.perf_counter()
        try:
            with self.around():
                yield
        finally:
            self.waited += time.perf_counter() - began

    def _polled(self, ready: Callable[[], bool]) -> bool:
        """Calls `ready` until it returns True, and returns True.

        Returns False if the holder of `turn` gives no more signs of life.
        """
        seen, since = self.turn.read(), time.perf_counter()
        while not ready():
            time.sleep(POLL_SECONDS)
            if (stamp := self.turn.read()) != seen:
                seen, since = stamp, time.perf_counter()
            elif time.perf_counter() - since > STALE_SECONDS:
                return False
        return True

    def beat(self) -> None:
        if self.turn.held:
            self.turn.stamp(f"{os.getpid()} {time.monotonic_ns()}")

    def take_machine(self) -> str:
        """Takes both locks. Returns why other computations may still run, or '' if none can."""
        try:
            with self._waiting():
                self.busy.free()
                if not self._polled(lambda: self.turn.take(shared=False)):
                    return "another measurement has stopped without an end"
                self.beat()
                until = time.perf_counter() + PAUSE_SECONDS
                while not self.busy.take(shared=False):
                    if time.perf_counter() > until:
                        return f"{_named(self.busy)} did not pause within {PAUSE_SECONDS:g} s"
                    self.beat()
                    time.sleep(POLL_SECONDS)
                return ""
        except OSError as error:
            return f"the lock files cannot be used: {error}"

    def give_machine(self) -> None:
        self.busy.free()
        self.turn.free()
        if self.depth:
            self.look()


_turns = _Turns()


@contextmanager
def computing(around: Around = nullcontext) -> Iterator[None]:
    """Marks the block as a computation that pauses for measurements.

    The block begins when no measurement is running. Within the block, `give_way` must be called often. Each wait
    happens inside the context manager that `around` returns. Blocks may be nested; an inner block has no effect. Within
    a measurement, the block has no effect either.
    """
    turns = _turns
    if turns.is_measuring:
        yield
        return
    if not turns.depth:
        turns.around = around
        turns.look()
    turns.depth += 1
    try:
        yield
    finally:
        turns.depth -= 1
        if not turns.depth:
            turns.busy.free()
            turns.around = nullcontext


def give_way() -> None:
    """Waits while a measurement runs on this machine. Does nothing outside a block of `computing`.

    A call usually takes less than a microsecond. Once in LOOK_SECONDS, it takes a few microseconds.
    """
    turns = _turns
    if not turns.depth or turns.is_measuring:
        return
    if time.perf_counter() - turns.looked >= LOOK_SECONDS:
        turns.look()


@contextmanager
def alone() -> Iterator[Alone]:
    """Runs the block while all other computations of this user on this machine are paused.

    Measurements take turns. If the other computations do not pause within PAUSE_SECONDS, the block begins anyway, and
    `Alone.why_not` gives the reason. A nested block is part of the outer measurement.
    """
    turns = _turns
    if turns.is_measuring:
        yield Alone(beat=turns.beat)
        return
    try:
        why_not = turns.take_machine()
        turns.is_measuring = True
        yield Alone(beat=turns.beat, why_not=why_not)
    finally:
        turns.is_measuring = False
        turns.give_machine()


def join_measurement() -> None:
    """Makes this thread part of a measurement that another process has begun. From then on, the thread never waits."""
    _turns.is_measuring = True


def clock() -> float:
    """Returns `time.perf_counter()` minus the seconds that this thread has spent waiting for measurements."""
    return time.perf_counter() - _turns.waited


def _named(lock: _Lock) -> str:
    """Returns a phrase for the processes that hold a lock, such as 'process 12 (stopped)' if the kernel names them."""
    try:
        inode = os.fstat(lock.file).st_ino
        lines = Path("/proc/locks").read_text().splitlines()
        fields = [line.split() for line in lines if "FLOCK" in line and "->" not in line]
        pids = sorted({int(f[4]) for f in fields if f[5].endswith(f":{inode}")} - {os.getpid()})
        known = [f"process {pid}{' (stopped)' * _is_stopped(pid)}" for pid in pids]
    except (OSError, ValueError, IndexError):
        known = []
    return ", ".join(known) or "another process of srsweep"


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False
