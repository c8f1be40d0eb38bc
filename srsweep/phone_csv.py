"""Reads the CSV file with latencies of a device for `srsweep latency import`."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.device.results import RELIABLE
from analysis.export.files import target_of
from searchspace.errors import UserError, shown
from srsweep.options import size_of
from sweeps.measure.device_latency import DeviceLatency, DeviceSetting

NETWORKS = ("trial", "file", "architecture")
"""Columns that name the network of a row. A file has exactly one of them."""
CONDITIONS = ("device", "runtime", "delegate", "dtype", "size", "threads")
"""Columns that hold the conditions of each measurement. An option can take the place of a column and give the condition
for all rows."""
VALUES = ("latency_ms", "lower_ms", "upper_ms", "runs")
"""Columns with numbers. Only the first is required."""
ANSWERS = {"": None, "yes": True, "no": False}
"""Maps each value of the column RELIABLE, which may be missing, to whether the latency is reliable. None: unknown."""
SIZED = re.compile(r"_(\d+x\d+)$")
"""Matches the end of the name, without suffix, of an exported file that accepts only one size."""
LARGEST_FILE = 10_000_000
"""Largest size of a CSV file in bytes."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the file."""

    line: int
    kind: str
    """One of NETWORKS."""
    network: str
    """The name by which the row refers to its network."""
    latency: DeviceLatency


def read_rows(path: Path, given: Mapping[str, str | None]) -> list[Row]:
    """Returns the rows of a CSV file. `given` maps each of CONDITIONS to the value of its option, or to None.

    The name of a file from `srsweep export` determines the precision, and the size if the file accepts only one. Raises
    UserError for a wrong row, for an unknown column, and for a condition that is missing or given twice. The message
    names the line.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path}: must have at most {LARGEST_FILE:,} bytes")
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        _check_columns(path, columns, given)
        reader.fieldnames = columns
        rows = [_row(path, reader.line_num, cells, given) for cells in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid CSV in UTF-8 ({error})") from None
    if not rows:
        raise UserError(f"{path}: must have at least one row below its header row")
    return rows


def _check_columns(path: Path, columns: list[str], given: Mapping[str, str | None]) -> None:
    known = (*NETWORKS, *CONDITIONS, *VALUES, RELIABLE)
    for name in columns:
        if name not in known:
            raise UserError(
                f"{path}: column {shown(name)} is unknown; the columns are {', '.join(known)}"
            )
        if columns.count(name) > 1:
            raise UserError(f"{path}: column {name} occurs twice")
        if given.get(name) is not None:
            raise UserError(f"--{name}: is given by the column {name} of {path} too; leave one out")
    if sum(name in columns for name in NETWORKS) != 1:
        raise UserError(f"{path}: must have exactly one of the columns {', '.join(NETWORKS)}")
    if VALUES[0] not in columns:
        raise UserError(f"{path}: must have the column {VALUES[0]}")


def _row(
    path: Path, line: int, cells: Mapping[str | None, str | None], given: Mapping[str, str | None]
) -> Row:
    where = f"{path}, line {line}"
    if None in cells or None in cells.values():
        raise UserError(f"{where}: must have as many cells as the header row")
    found = {str(name): (cell or "").strip() for name, cell in cells.items()}
    kind = next(name for name in NETWORKS if name in found)
    network = found[kind]
    if not network:
        raise UserError(f"{where}: {kind} must not be empty")
    stated = {name: given.get(name) or found.get(name) or "" for name in CONDITIONS}
    try:
        stated = _with_file(stated, network) if kind == "file" else stated
        for name, value in stated.items():
            if not value:
                raise UserError(f"{name}: must be given, by a column {name} or the option --{name}")
        height, width = size_of(stated["size"], 1)
        setting = DeviceSetting(
            **{name: stated[name] for name in ("device", "runtime", "delegate", "dtype")},
            width=width,
            height=height,
            threads=_whole(stated["threads"]),
        )
        numbers = [_number(name, found.get(name, "")) for name in VALUES]
        if numbers[0] is None:
            raise UserError(f"{VALUES[0]}: must not be empty")
        latency = DeviceLatency(
            setting=setting,
            median=numbers[0],
            lower=numbers[1],
            upper=numbers[2],
            runs=numbers[3],
            reliable=_answer(found.get(RELIABLE, "")),
        )
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return Row(line=line, kind=kind, network=network, latency=latency)


def _with_file(stated: dict[str, str], name: str) -> dict[str, str]:
    """Returns `stated` with the conditions in the name of an exported file added.

    Raises UserError if the two disagree.
    """
    target = target_of(Path(name))
    if target is None:
        raise UserError(f"file: must end like a file of `srsweep export`, got {shown(name)}")
    told = {"dtype": target.dtype}
    stem = Path(name).name.removesuffix(target.suffix)
    if target.fixed:
        size = SIZED.search(stem)
        if size is None:
            raise UserError(
                f"file: must have the name that `srsweep export` gave it, with its size, got {shown(name)}"
            )
        told["size"] = size[1]
    for key, value in told.items():
        if stated[key] not in ("", value):
            raise UserError(f"{key}: must be {value}, as {shown(name)} says, got {stated[key]}")
    return stated | told


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise UserError(f"threads: must be a whole number, got {shown(text)}")
    return int(text)


def _number(name: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise UserError(f"{name}: must be a number, got {shown(text)}") from None


def _answer(text: str) -> bool | None:
    if text not in ANSWERS:
        raise UserError(f"{RELIABLE}: must be yes, no or empty, got {shown(text)}")
    return ANSWERS[text]
