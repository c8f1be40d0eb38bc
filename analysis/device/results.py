"""Reads the result that `run.sh` wrote for each file, and builds the CSV file for `srsweep latency import`."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.device.programs import PROGRAMS, Times
from searchspace.errors import UserError
from sweeps.measure.device_latency import MOST_CHARACTERS

MARK = "srsweep "
"""Beginning of the first line of a result. JSON with the conditions follows."""
HERE = "srsweep"
"""Name of the program in results that `srsweep device run --here` wrote."""
FAILED = ".failed"
"""Suffix of the file that holds the output of a failed program."""
COLUMNS = ("file", "latency_ms", "lower_ms", "upper_ms", "runs")
CONDITIONS = ("device", "runtime", "delegate", "size", "threads")
RELIABLE = "reliable"
"""Column after COLUMNS with `Result.reliable`. It is written if at least one result has a value for it."""
MEAN = " (mean)"
"""Suffix of the runtime's name if its program reports the mean instead of the median. The suffix keeps means and
medians apart.
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The timing of one exported file on a device, as `run.sh` recorded it."""

    file: str
    delegate: str
    threads: int
    size: str
    """WIDTHxHEIGHT of the image in pixels."""
    times: Times
    device: str = ""
    """Name of the device. '' if the result does not name it."""
    runtime: str = ""
    """Name and version of the runtime. '' if the result does not name them."""
    build: str = ""
    """Digits that differ between builds of the program. '' if they are unknown."""
    doubt: str | None = None
    """Why the latency is unreliable. '' if it is reliable. None if the program does not tell whether it is."""

    @property
    def reliable(self) -> str:
        """'yes', 'no', or '' if the program does not tell."""
        return "" if self.doubt is None else "no" if self.doubt else "yes"


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results in a folder."""

    read: list[Result]
    faults: list[str]
    """One line for each file that was not timed, with the reason."""


def read_results(folder: Path, build: str | None = None) -> Results:
    """Returns the results in `folder`, the folder `results` that `run.sh` wrote.

    If `build` is given, a result of another build of the program counts as a fault, because it would get the name of a
    runtime that did not measure it.

    Raises UserError if the folder holds no result at all, neither a time nor a failure.
    """
    read, faults = [], []
    for path in sorted(folder.glob("*/*.txt")):
        found = _read(path)
        if isinstance(found, Result) and build is not None and found.build != build:
            found = (
                "was timed with another build of the program; `srsweep device run` times it again"
            )
        if isinstance(found, Result):
            read.append(found)
        else:
            faults.append(f"{path.name.removesuffix('.txt')}: {found}")
    for path in sorted(folder.glob(f"*/*.txt{FAILED}")):
        name = path.name.removesuffix(f".txt{FAILED}")
        faults.append(f"{name}: {_reason(path.read_text(encoding='utf-8', errors='replace'))}")
    if not read and not faults:
        raise UserError(f"{folder}: has no results; run run.sh on the device first")
    return Results(read=read, faults=faults)


def _read(path: Path) -> Result | str:
    """Returns the result in a file, or the reason why the file has no result."""
    text = path.read_text(encoding="utf-8", errors="replace")
    head, _, output = text.partition("\n")
    try:
        stated = json.loads(head.removeprefix(MARK)) if head.startswith(MARK) else None
        assert isinstance(stated, dict)
        times = _times(stated["program"], output)
        if isinstance(times, str):
            return times
        return Result(
            file=path.name.removesuffix(".txt"),
            delegate=str(stated["delegate"]),
            threads=int(stated["threads"]),
            size=str(stated["size"]),
            times=times,
            doubt=None if "doubt" not in stated else str(stated["doubt"]),
            **{name: str(stated.get(name, "")) for name in ("device", "runtime", "build")},
        )
    except (ValueError, TypeError, KeyError, AssertionError):
        return "its result was not written by run.sh, or was changed"


def _times(name: str, output: str) -> Times | str:
    """Returns the times in the output of the program `name`, or the reason why there are none."""
    if name == HERE:
        return Times(**json.loads(output))
    program = PROGRAMS[name]
    if program.fell_back and program.fell_back in output:
        return "the delegate did not run it, so the time is that of another part of the device"
    times = program.parse(output)
    return times or f"the output of {name} has no time ({_reason(output)})"


def _reason(output: str) -> str:
    """Returns a program's exit code, followed by the line of its output that most likely explains the failure."""
    lines = [line.strip() for line in output.splitlines()[-50:] if line.strip()]
    lines = [line for line in lines if not line.startswith(MARK)]
    telling = [line for line in lines if re.search(r"error|fail|abort|killed", line, re.I)]
    chosen = (telling or lines or ["it printed nothing"])[-1][:200]
    code = re.search(rf"^{MARK}exit code (\d+)$", output, re.M)
    return f"exit code {code[1]}: {chosen}" if code and code[1] != "0" else chosen


def words_of(model: str) -> str:
    """Returns the name of a device without the characters that `DeviceSetting.device` forbids."""
    words = " ".join(re.sub(r"[^\w.+()-]", " ", model).split())
    return words[: MOST_CHARACTERS // 2].strip()


def as_csv(results: Sequence[Result], device: str, runtime: str) -> str:
    """Returns the results as the CSV text that `srsweep latency import` reads.

    `device` is the name of the device, and `runtime` the name and version of the runtime. If either is '', it is read
    from each result. Raises UserError if a name is missing or too long, and if one name is given for several runtimes.
    """
    stated = sorted({each.runtime for each in results if each.runtime})
    if runtime and len(stated) > 1:
        raise UserError(
            f"--runtime: must be left out, because the results name several runtimes: {', '.join(stated)}"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    tells = any(each.reliable for each in results)
    writer.writerow((*COLUMNS, *([RELIABLE] if tells else []), *CONDITIONS))
    for each in results:
        times, own = each.times, (device or each.device, runtime or each.runtime)
        for option, name in zip(("--device", "--runtime"), own, strict=True):
            if not name:
                raise UserError(f"{option}: must be given, because the results do not state it")
        named = own[1] + (MEAN if times.is_mean else "")
        if len(named) > MOST_CHARACTERS // 2:
            raise UserError(f"--runtime: must be shorter, because it becomes {named!r}")
        measured = (times.typical, times.lower, times.upper)
        writer.writerow(
            (
                each.file,
                *("" if value is None else f"{value:.6g}" for value in measured),
                "" if times.runs is None else times.runs,
                *([each.reliable] if tells else []),
                *(own[0], named, each.delegate, each.size, each.threads),
            )
        )
    return text.getvalue()
