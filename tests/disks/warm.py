"""A process that has imported srsweep. For each command it forks a child, which need not import anything again.

It reads one order a line from stdin, as JSON, and answers one line: the exit code.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IMPORTED = (
    "srsweep.cli",
    "sweeps.run",
    "sweeps.train.segment",
    "analysis.export.optuna_study",
    "analysis.pages.report",
)
WAIT = 500
"""Seconds that one command may take."""


class Warm:
    """The other end of the process, in the tests."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = os.environ | threads | {"PYTHONPATH": str(ROOT)}
        environment.pop("SRSWEEP_DB", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.disks.warm"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, words: list[str], folder: Path, inside: int, notes: Path, out: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `srsweep` in `folder`, in the namespaces of the process `inside`. Its output goes through files in `notes`.

        If `out` is given, stdout goes there instead and is not returned.
        """
        answer, err = out or notes / "stdout", notes / "stderr"
        order = {"words": words, "folder": str(folder), "inside": inside}
        order |= {"out": str(answer), "err": str(err)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        said = "" if out else answer.read_text()
        return subprocess.CompletedProcess(words, code, said, err.read_text())

    def close(self) -> None:
        self.process.communicate()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _enter(process: int) -> None:
    """Enters the mount namespace of a process, and its user namespace where that is another one."""
    for kind in ("user", "mnt"):
        path = Path(f"/proc/{process}/ns/{kind}")
        if path.stat().st_ino == Path(f"/proc/self/ns/{kind}").stat().st_ino:
            continue
        file = os.open(path, os.O_RDONLY)
        if _libc().setns(file, 0):
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
        os.close(file)


def _obey(order: dict[str, Any]) -> int:
    """Runs one command as `python -m srsweep` does, and returns its exit code."""
    signal.alarm(WAIT)
    for stream, path in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    _enter(order["inside"])
    os.chdir(order["folder"])
    sys.argv = ["srsweep", *order["words"]]
    code: object = 0
    try:
        runpy.run_module("srsweep", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


def main() -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_obey(json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    main()
