"""A child process that reads many inputs, under a limit on its memory, and is replaced when it hangs or dies.

All children are forks of one server, which has imported what they need: they begin in a tenth of a second.
"""

import faulthandler
import multiprocessing
import os
import re
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from unittest import mock

ROOT = Path(__file__).parents[2]
SECONDS = 1.0
"""Processor time that one input may take."""
GIVE_UP = 5.0
"""Processor time after which an input counts as a hang."""
ASLEEP = 60.0
"""Wall-clock seconds after which an input counts as a hang, whatever the processor time. Others may use the cores."""
MEMORY = 1 << 30
"""Bytes by which one input may raise the resident memory of the child."""
ADDRESSES = 4 << 30
"""Bytes of addresses that the child may ask for above what it has after its imports."""
LONGEST_LINE = 1_000
"""Characters that one line of a message may have."""


@dataclass(frozen=True)
class Result:
    """What happened to one input."""

    verdict: str
    """'read' if the input was accepted, 'refused' if one of the project's own errors came out, otherwise 'fault'."""
    cause: str = ""
    """Of a fault: the type of the error and where it was raised. Inputs of one cause share this text."""
    text: str = ""
    """The message of a refusal, or the traceback of a fault."""
    seconds: float = 0.0
    """Processor time."""
    bytes: int = 0
    """Growth of the resident memory at its peak."""


IMPORTED = [
    "tests.fuzz.served",
    "tests.fuzz.kinds",
    "sweeps.config.feasibility",
    "sweeps.checkpoints.upstream_weights",
    "sweeps.train.loop",
    "sweeps.data.split",
    "sweeps.store.merge",
    "analysis.read.frames",
]
"""What the server imports for its children."""


class Reader:
    """The child process for one kind of input. Its memory and its time are limited."""

    def __init__(self, kind: str, folder: Path, memory: int = MEMORY) -> None:
        self.kind, self.folder, self.memory = kind, folder, memory
        self.process: ForkServerProcess | None = None
        self.pipe: Connection | None = None
        self.stacks: IO[str] = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        """Where the child prints its stack when it is asked to."""
        self.started = 0
        """Number of children so far. Every hang and every death costs one."""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.stacks.close()

    def read(self, path: Path) -> Result:
        """Returns what the child made of the file at `path`."""
        process = self.process or self._start()
        assert self.pipe is not None
        try:
            self.pipe.send(path)
            answer = self._answer(GIVE_UP, ASLEEP)
        except (EOFError, ConnectionError):
            return self._died()
        return self._hangs(process) if answer is None else answer

    def stop(self) -> None:
        if self.process is None:
            return
        assert self.pipe is not None
        self.process.kill()
        self.pipe.close()
        self.process.join()
        self.process.close()
        self.process = None

    def _start(self) -> ForkServerProcess:
        self.started += 1
        self.pipe, theirs = _context().Pipe()
        work = (self.kind, self.folder, theirs, self.stacks.name, self.memory)
        self.process = _context().Process(target=serve, args=work, daemon=True)
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        with mock.patch.dict(os.environ, single | {"PYTHONPATH": str(ROOT)}):
            self.process.start()  # the first start starts the server too
        theirs.close()
        ready = self._answer(120, 300)
        assert ready == "ready", f"the child for {self.kind} does not start: {ready!r}"
        return self.process

    def _answer(self, processor: float, wall: float) -> Any:
        """Returns the next answer of the child, or None if none comes within these seconds.

        Raises EOFError if the child has died.
        """
        assert self.process is not None
        assert self.process.pid is not None
        assert self.pipe is not None
        number = self.process.pid
        used, give_up = _processor_time(number), time.monotonic() + wall
        while time.monotonic() < give_up and _processor_time(number) - used < processor:
            if self.pipe.poll(0.5):
                return self.pipe.recv()
        return None

    def _hangs(self, process: ForkServerProcess) -> Result:
        """Ends the child and returns a fault that names the place where it was."""
        before = self.stacks.seek(0, os.SEEK_END)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGUSR1)
        time.sleep(0.5)
        self.stacks.seek(before)
        stack = self.stacks.read()
        self.stop()
        frames = re.findall(r'File "(.*)", line \d+ in (\w+)', stack)
        own = [frame for frame in frames if _is_own(frame[0])]
        at = " <- ".join(f"{_short(file)}:{name}" for file, name in (frames[:1] + own[:1]))
        return Result("fault", f"hang in {at or 'unknown code'}", stack[:4_000], GIVE_UP)

    def _died(self) -> Result:
        assert self.process is not None
        self.process.join()
        code = self.process.exitcode
        self.stop()
        return Result("fault", f"the process died with exit code {code}")


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def judged(read: Callable[[Path], None], path: Path, memory: int = MEMORY) -> Result:
    """Calls `read` with `path` in this process and returns what came out. `memory` is in bytes."""
    from searchspace.errors import UserError
    from sweeps.store.store import StoreError

    before = _reset_peak()
    started = time.process_time()
    verdict, cause, text = "read", "", ""
    with warnings.catch_warnings(record=True) as warned:
        try:
            read(path)
        except (UserError, StoreError) as error:
            verdict, text = "refused", str(error)
            cause = unreadable(text)
        except BaseException as error:
            cause, text = place(error), "".join(traceback.format_exception(error)[-12:])
    seconds = time.process_time() - started
    grown = max(0, _status("VmHWM") - before)
    for one in warned:
        if not issubclass(one.category, (DeprecationWarning, ResourceWarning)):
            cause = cause or f"{one.category.__name__} at {_short(one.filename)}"
            text = text or str(one.message)
    if grown > memory:  # first, because filling a gigabyte takes a second too on a busy machine
        cause = cause or f"memory: takes more than {memory >> 20} MiB"
    if seconds > SECONDS:
        cause = cause or "slow: takes more than a second"
    return Result("fault" if cause else verdict, cause, text[:8_000], seconds, grown)


def unreadable(message: str) -> str:
    """Returns what is wrong with the text of a refusal, or ''."""
    if not message.strip():
        return "a message without text"
    for line in message.split("\n"):
        if not line.isprintable():
            return "a message with a control character"
        if len(line) > LONGEST_LINE:
            return f"a message with a line of more than {LONGEST_LINE} characters"
    return ""


def place(error: BaseException) -> str:
    """Returns the type of an error and where it came from: the last line of our code, and the last of any code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    shown = [f"{_short(f.filename)}:{f.name}" for f in (own[-1:] + frames[-1:])]
    return f"{type(error).__name__} in {' -> '.join(dict.fromkeys(shown))}"


def _is_own(file: str) -> bool:
    return file.startswith(str(ROOT)) and "/tests/" not in file and "/.venv/" not in file


def _processor_time(process: int) -> float:
    """Returns the seconds of processor time of a process, 0 if it has died."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _short(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT) and ".venv" not in path.parts:
        return str(path.relative_to(ROOT))
    return "/".join(path.parts[-2:])


def _reset_peak() -> int:
    """Makes the kernel forget the peak of this process's memory. Returns the resident memory in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def serve(kind: str, folder: Path, answers: Connection, stacks: str, memory: int) -> None:
    """Runs in the child. Reads paths from `answers` and sends a Result for each. Its output goes to the file `stacks`."""
    from tests.fuzz.kinds import KINDS, PROBE

    os.chdir(ROOT)
    output = os.open(stacks, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    faulthandler.register(signal.SIGUSR1)
    chosen = KINDS.get(kind, PROBE)
    read = chosen.reader(folder)
    for base in chosen.bases(folder):  # what is imported late is imported now
        judged(read, base)
    most = _status("VmSize") + ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    answers.send("ready")
    while True:
        try:
            path = answers.recv()
        except EOFError:
            return
        answers.send(judged(read, path, memory))
