"""Opens read-only connections to the database, and holds the queries that other modules share.

No function here can create, change or lock a database. Each reading function opens a connection and closes it again. A
page that is open in a browser therefore never holds a connection to the database of a running sweep.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from sqlalchemy import Connection, Engine, create_engine, func, select
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from analysis.tables import SPREAD
from searchspace.errors import UserError
from searchspace.synonyms import nearest
from sweeps.advice import command
from sweeps.messages import HIDDEN
from sweeps.store.row_checks import check_rows
from sweeps.store.schema import (
    OLDEST_READABLE,
    Measurement,
    Sweep,
    Trial,
    is_known,
    revision_of,
    too_new,
)
from sweeps.store.urls import first_line, name_of, parse_url, unusable

VALIDATION = "validation"
"""Name under which the database stores the validation split, whose PSNR and SSIM a sweep optimises."""
QUALITIES = ("psnr_y", "ssim_y", "psnr_rgb", "psnr_y_int8")
"""Measurements of the quality of upscaled images: PSNR and SSIM of the luma, PSNR of RGB, and PSNR of the luma after
INT8 quantisation."""
PER_IMAGE = "image_"
"""Prefix of the names of measurements of one test image. Their dataset has the form SET/IMAGE, as in 'Set5/baby'."""
LATENCY = "latency_ms"
"""Prefix of the names of latencies. The dataset of a latency is the name of the device."""
TEXTS = (
    "sweep",
    "state",
    "family",
    "label",
    "architecture",
    "error",
    "train_data",
    "data_fingerprint",
    "training",
    "predicted_by",
)
"""Columns of trials that hold text. All others hold numbers."""
ON = " on "
"""Text that joins a latency's name and its device in the name of a data frame column."""


class TooOld(UserError):  # noqa: N818 - reads as what happened
    """Raised for a database whose schema is too old for the readers.

    Any command that writes to the database migrates it.
    """


@contextmanager
def open_database(url: str) -> Iterator[Connection]:
    """Opens a read-only connection to the database at `url`, and closes it at the end of the `with` block.

    Raises UserError if the database does not exist, cannot be read, is not a database of srsweep, or has a schema
    that is too old or too new.
    """
    engine = _engine(url)
    name = name_of(engine)
    try:
        before = _stamp(engine)
        with engine.connect() as connection:
            _check_schema(connection, name)
            _check_rows_once(connection, name)
            yield connection
        if before != _stamp(engine):
            raise UserError(f"storage: {name} was changed while it was read; run the command again")
    except SQLAlchemyError as error:
        raise UserError(f"storage: cannot read {name}: {first_line(error)}") from None
    finally:
        engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The numbers of sweeps and trials in a database, and its schema revision."""

    revision: str
    """The revision of the schema, such as '0002'."""
    sweeps: int
    trials: int


def load_contents(url: str) -> Contents:
    """Returns the contents of the database at `url`. Raises UserError as `open_database` does."""
    with open_database(url) as connection:
        counts = [connection.scalar(select(func.count(each.id))) or 0 for each in (Sweep, Trial)]
        revision = str(revision_of(connection))
    return Contents(revision=revision, sweeps=counts[0], trials=counts[1])


def _engine(url: str) -> Engine:
    try:
        parsed = parse_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, execution_options={"postgresql_readonly": True})
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UserError(unusable(url, error)) from None
    path = Path(parsed.database or ":memory:")
    if not path.is_file():
        raise UserError(
            f"storage: there is no database {path}; run a sweep first or name another database"
        )
    # To read a database with a write-ahead log, SQLite makes two files beside it, which a reader cannot delete. While
    # there is no such log, no driver has the database open, so the file may be declared immutable.
    sealed = not Path(f"{path}-wal").exists() and (
        not os.access(path.parent, os.W_OK) or _has_write_ahead_log(path)
    )
    uri = f"file:{quote(str(path))}?" + ("immutable=1" if sealed else "mode=ro")
    return create_engine(
        parsed,
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=30),
        execution_options={"srsweep_sealed": path if sealed else None},
    )


def _has_write_ahead_log(path: Path) -> bool:
    """Returns whether an SQLite file uses a write-ahead log, according to its header."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\2\2"
    except OSError:
        return False  # SQLite will say what is wrong


def _stamp(engine: Engine) -> tuple[int, int, int] | None:
    """Returns a value that changes when a driver writes to the SQLite file.

    Returns None unless the file was opened as immutable.
    """
    path = engine.get_execution_options().get("srsweep_sealed")
    found = None if path is None else path.stat()
    return found and (found.st_ino, found.st_mtime_ns, found.st_size)


def _check_schema(connection: Connection, name: str) -> None:
    """Raises UserError if the queries of `analysis` do not fit the schema. Readers never migrate a database."""
    revision = revision_of(connection)
    if revision is None:
        raise UserError(f"storage: {name} is not a database of srsweep")
    if not is_known(revision):
        raise UserError(too_new(name, revision))
    if revision < OLDEST_READABLE:
        copy = command("merge", "URL" if HIDDEN in name else name, storage="sqlite:///new.db")
        raise TooOld(
            f"storage: {name} has schema {revision}, and reports need {OLDEST_READABLE} or newer; "
            f"`srsweep run` on it migrates it, `{copy}` migrates a copy"
        )


_checked: set[object] = set()
"""The states of the databases that this process has already checked."""


def _check_rows_once(connection: Connection, name: str) -> None:
    """Raises UserError if srsweep cannot have written the state of a trial or a row of one of the small tables.

    A process checks a database only once, but checks an SQLite file again after the file has changed.
    """
    path = Path(connection.engine.url.database or "")
    files = (path, Path(f"{path}-wal"))
    found = [
        f.stat() if connection.dialect.name == "sqlite" and f.exists() else None for f in files
    ]
    state = (name, *((s.st_ino, s.st_mtime_ns, s.st_size) if s else None for s in found))
    if state not in _checked:
        check_rows(connection, name, small=True, any_name=True)
        _checked.add(state)


def check_database(url: str) -> None:
    """Raises UserError if the database has a row that srsweep cannot have written. The message names the table and the
    row.
    """
    with open_database(url) as connection:
        check_rows(connection, name_of(connection.engine), any_name=True)


def sweep_ids(connection: Connection, names: Sequence[str] | None) -> dict[str, int]:
    """Returns the database ids of the sweeps `names`, by name. If `names` is None, returns those of all sweeps.

    Raises UserError if one of `names` is not the name of a sweep in the database.
    """
    query = select(Sweep.name, Sweep.id).order_by(Sweep.id)
    known: dict[str, int] = {row.name: row.id for row in connection.execute(query)}
    for name in names or ():
        if name not in known:
            raise UserError(f"sweep: there is none called {name!r}; {nearest(name, known)}")
    return known if names is None else {name: known[name] for name in names}


def measured(connection: Connection) -> list[tuple[str, str]]:
    """Returns the distinct (name, dataset) of all stored measurements, except measurements of single images."""
    # Jumps along the index from one value to the next. DISTINCT would read the whole index.
    found: list[tuple[str, str]] = []
    name: str | None = ""
    while (name := _next(connection, Measurement.name, Measurement.name > name)) is not None:
        if name.startswith(PER_IMAGE):
            continue
        dataset: str | None = _next(connection, Measurement.dataset, Measurement.name == name)
        while dataset is not None:
            found.append((name, dataset))
            later = (Measurement.name == name) & (Measurement.dataset > dataset)
            dataset = _next(connection, Measurement.dataset, later)
    return found


def _next(connection: Connection, column: Any, condition: Any) -> str | None:
    return connection.scalar(select(func.min(column)).where(condition))


def newest(name: str, dataset: str, column: Any = Measurement.value) -> Any:
    """Returns a subquery for `column` of a trial's measurement `name` on `dataset` at the largest step.

    The subquery needs one look-up of the primary key per trial.
    """
    return (
        select(column)
        .where(Measurement.trial_id == Trial.id)
        .where(Measurement.name == name, Measurement.dataset == dataset)
        .order_by(Measurement.step.desc())
        .limit(1)
        .correlate(Trial)
        .scalar_subquery()
    )


def trials_query(*columns: Any) -> Any:
    """Returns a query with one row per trial. The extra `columns` come last.

    The other columns are id, sweep_id, sweep (its name), scale, number, state, family, label, architecture, seed and
    step. step is the largest step at which the PSNR on the validation split was measured.
    """
    return select(
        Trial.id,
        Trial.sweep_id,
        Sweep.name.label("sweep"),
        Sweep.scale,
        Trial.number,
        Trial.state,
        Trial.family,
        Trial.label,
        Trial.architecture,
        Trial.seed,
        newest("psnr_y", VALIDATION, Measurement.step).label("step"),
        *columns,
    ).join(Sweep, Sweep.id == Trial.sweep_id)


def measured_columns(connection: Connection) -> list[Any]:
    """Returns columns for `trials_query`: every cost, latency and quality, as measured at the largest step."""
    return [
        newest(name, dataset).label(column(name, dataset))
        for name, dataset in measured(connection)
        if dataset == "" or name in QUALITIES or name.startswith((LATENCY, *SPREAD))
    ]


def filled(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns `trials` with missing values filled in. `trials` are rows of `trials_query` with a column seconds.

    A missing psnr_y or ssim_y becomes NaN. A missing step or seconds becomes 0. Raises ValueError if a column of
    numbers holds a text.
    """
    for name in ("psnr_y", "ssim_y"):
        trials[name] = trials[name] if name in trials else float("nan")
    for name in trials.columns.difference(list(TEXTS)):
        trials[name] = pd.to_numeric(trials[name])
    return trials.fillna({"seconds": 0.0, "step": 0}).astype({"seconds": float, "step": int})


def chunks(ids: Sequence[int], most: int = 500) -> Iterator[list[int]]:
    """Yields the `ids` in lists of at most `most`, short enough for one query. Without `ids`, yields one empty list."""
    for start in range(0, max(len(ids), 1), most):
        yield list(ids[start : start + most])


def column(name: str, dataset: str) -> str:
    """Returns the name of the data frame column that holds a measurement.

    A latency's column also names the device ('NAME on DEVICE'), and a test set's column names the set ('SET_NAME').
    """
    if name.startswith((LATENCY, *SPREAD)):
        return f"{name}{ON}{dataset}"
    return name if dataset in ("", VALIDATION) else f"{dataset}_{name}"


def measurement(column: str) -> tuple[str, str]:
    """Returns the (name, dataset) under which the database stores the values of a data frame column.

    `column` names a cost, a latency, its spread, or a quality on the validation split.
    """
    if column.startswith((LATENCY, *SPREAD)):
        name, _, device = column.partition(ON)
        return name, device
    return column, VALIDATION if column in QUALITIES else ""


def read(connection: Connection, query: Any) -> pd.DataFrame:
    """Runs `query` and returns its rows as a data frame."""
    result = connection.execute(query)
    # Plain tuples, because pandas asks every SQLAlchemy row for attributes, which takes longer than the query.
    return pd.DataFrame([tuple(row) for row in result.fetchall()], columns=list(result.keys()))
