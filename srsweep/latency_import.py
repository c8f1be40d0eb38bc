"""The command `latency import`: stores latencies that were measured on another device, such as a phone."""

import re
from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from analysis.export.files import named
from analysis.read.database import column
from analysis.read.frames import load_trials
from analysis.tables import Format
from searchspace.errors import UserError, shown
from srsweep.choice import REFERENCE
from srsweep.errors import say
from srsweep.options import DATABASE, ExpandedPath, locate, print_table, tabular
from srsweep.phone_csv import Row, read_rows
from sweeps.measure.latency_names import LOWER, PREFIX, RELIABLE
from sweeps.records import Measurement
from sweeps.store.store import Store

KEPT = (
    (LOWER, "quartiles", "lower_ms and upper_ms"),
    (RELIABLE, "a mark of reliability", "reliable"),
)
"""First word of the name of each measurement that would stay beside a new median, in words, and the columns that replace
it."""
KEY = re.compile(r"[0-9a-f]{8,16}")
"""Matches the key of an architecture, or the beginning of a key."""


@click.command(name="import")
@click.argument("file", type=ExpandedPath(path_type=Path, dir_okay=False))
@click.option("--device", metavar="NAME", help="Name of the device, such as 'Pixel 9'.")
@click.option("--runtime", metavar="NAME", help="Runtime and its version, such as 'LiteRT 2.3'.")
@click.option(
    "--delegate",
    metavar="NAME",
    help="Backend (delegate), as the runtime names it, such as cpu, xnnpack, gpu or npu.",
)
@click.option("--dtype", metavar="NAME", help="Precision of the files, such as float32 or int8.")
@click.option("--size", metavar="WxH", help="Width and height of the input image in pixels.")
@click.option("--threads", metavar="N", help="Number of CPU threads.")
@click.option(
    "--sweep",
    "sweeps",
    metavar="NAME",
    multiple=True,
    help="Store the latencies for trials of this sweep only. Default: all sweeps. Repeat the option for "
    "several sweeps.",
)
@click.option(
    "--replace", is_flag=True, help="Replace stored latencies of the same device and conditions."
)
@DATABASE
@tabular
def import_latency(  # noqa: PLR0913 - one parameter an option
    file: Path,
    device: str | None,
    runtime: str | None,
    delegate: str | None,
    dtype: str | None,
    size: str | None,
    threads: str | None,
    sweeps: tuple[str, ...],
    replace: bool,
    db: str | None,
    form: Format | None,
) -> None:
    """Store latencies that were measured on another device, such as a phone.

    FILE is a CSV file with a header row. The column `latency_ms` holds the median in milliseconds. One of these columns
    names the network: `file` (a file from `srsweep export`), `trial` (SWEEP#NUMBER) or `architecture` (the network's key
    in the database). The columns `lower_ms` and `upper_ms` (the quartiles), `runs` and `reliable` (yes or no) are
    optional.

    Give device, runtime, delegate, dtype, size and threads either as a column or as an option. With the column
    `file`, the dtype and a fixed input size are read from the name of the file. All six become part of the stored
    latency's name, so that different measurements never mix. A latency is stored for each complete trial of the
    network. Refer to it in `srsweep front` and `srsweep select` by words from its name.

    If any row is wrong, nothing is stored. If a trial already has a different value, nothing is stored unless
    you give --replace.

    \b
    srsweep latency import pixel.csv --device "Pixel 9" --runtime "LiteRT 2.3" --delegate gpu --threads 1
    srsweep front SWEEP --objectives "psnr_y,latency Pixel gpu int8"
    """
    given = {"device": device, "runtime": runtime, "delegate": delegate, "dtype": dtype}
    rows = read_rows(file, given | {"size": size, "threads": threads})
    names, url = locate(sweeps, db)
    trials = load_trials(url, names or None)
    complete = complete_of(trials)
    found = [(row, trials_of(row, complete, file)) for row in rows]
    _refuse_twice(found, file)
    _refuse_stored(found, file, replace=replace)
    shown_rows = []
    store = Store(url)
    try:
        for row, own in found:
            for trial in own.to_dict("records"):
                measured = [
                    Measurement(step=int(trial["step"]), dataset=dataset, name=name, value=value)
                    for name, dataset, value in row.latency.rows()
                ]
                reference = f"{trial['sweep']}#{trial['number']}"
                if not store.record(
                    int(trial["id"]), int(trial["attempts"]), measured, replace=True
                ):
                    say(f"{reference}: not stored, because it is being trained again", err=True)
                    continue
                shown_rows.append({"trial": reference, **_shown(row)})
    finally:
        store.close()
    print_table(pd.DataFrame(shown_rows), form)


def _shown(row: Row) -> dict[str, object]:
    reliable = row.latency.reliable
    return {
        "latency_ms": row.latency.median,
        **({} if reliable is None else {"reliable": "yes" if reliable else "no"}),
        "measurement": row.latency.setting.name,
        "device": row.latency.setting.device,
    }


def complete_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the trials that can have an imported latency."""
    return trials[(trials["state"] == "complete") & (trials["attempts"] > 0)]


def trials_of(row: Row, complete: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Returns the complete trials with the network that `row` names. Raises UserError if there are none."""
    where = f"{file}, line {row.line}: {row.kind}"
    if row.kind == "trial":
        match = REFERENCE.fullmatch(row.network)
        if match is None:
            raise UserError(f"{where} must read SWEEP#NUMBER, got {shown(row.network)}")
        own = complete[
            (complete["sweep"] == match["sweep"]) & (complete["number"] == int(match["number"]))
        ]
    elif row.kind == "file":
        told = named(Path(row.network))
        if told is None:
            raise UserError(
                f"{where} must have the name that `srsweep export` gave it, got {shown(row.network)}"
            )
        own = complete[
            complete["architecture"].str.startswith(told.key)
            & (complete["family"] == told.family)
            & (complete["scale"] == told.scale)
        ]
    else:
        if KEY.fullmatch(row.network) is None:
            raise UserError(f"{where} must be 8 to 16 hexadecimal digits, got {shown(row.network)}")
        own = complete[complete["architecture"].str.startswith(row.network)]
    if own.empty:
        raise UserError(f"{where}: no complete trial has the network {shown(row.network)}")
    return own


def _refuse_twice(found: Sequence[tuple[Row, pd.DataFrame]], file: Path) -> None:
    """Raises UserError if two rows give the same kind of latency for the same trial."""
    seen: dict[tuple[int, str, str], int] = {}
    for row, own in found:
        name, device, _ = row.latency.rows()[0]
        for trial in own["id"]:
            line = seen.setdefault((int(trial), name, device), row.line)
            if line != row.line:
                raise UserError(
                    f"{file}, line {row.line}: is the same measurement of the same network as line {line}"
                )


def _refuse_stored(found: Sequence[tuple[Row, pd.DataFrame]], file: Path, *, replace: bool) -> None:
    """Raises UserError if other values of a latency are stored, unless `replace` is True.

    Even with `replace`, raises UserError if quartiles or a mark of reliability are stored and the row has none.
    Otherwise, those of the old latency would stay beside the new median.
    """
    for row, own in found:
        where = f"{file}, line {row.line}: {shown(row.network)}"
        latency = row.latency.rows()
        name, device, _ = latency[0]
        for each, _, value in latency:
            stored = _stored(own, each, device)
            other = stored[stored != value]
            if len(other) and not replace:
                what = f"{other.iloc[0]:g} ms" if each == name else "other quartiles or reliability"
                raise UserError(f"{where} has {what} for this already; add --replace")
        given = {each for each, _, _ in latency}
        for word, what, columns in KEPT:
            each = name.replace(PREFIX, word, 1)
            if each not in given and len(_stored(own, each, device)):
                raise UserError(f"{where} has {what} stored for this; give {columns} too")


def _stored(own: pd.DataFrame, name: str, device: str) -> "pd.Series[float]":
    known = column(name, device)
    return own[known].dropna() if known in own else pd.Series(dtype=float)
