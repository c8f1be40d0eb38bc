"""Opens read-only connections to the database, and holds the queries that other modules share.

Nothing here can create, change or lock a database. Each reading function opens a connection and closes it again.
A page that is open in a browser therefore never holds a connection to the database of a running sweep.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from sqlalchemy import Connection, Engine, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from searchspace.errors import UserError
from searchspace.spec import nearest
from sweeps.messages import without_password
from sweeps.store.schema import (
    OLDEST_READABLE,
    Measurement,
    Sweep,
    Trial,
    is_known,
    revision_of,
    too_new,
)

VALIDATION = "validation"
"""Name under which the database stores the validation split, whose PSNR and SSIM a sweep optimises."""
QUALITIES = ("psnr_y", "ssim_y", "psnr_y_int8")
"""Measurements that rate the images that a network enlarges: PSNR, SSIM, and PSNR after INT8 quantisation."""
PER_IMAGE = "image_"
"""Prefix of the names of measurements of one test image. Their dataset has the form SET/IMAGE, as in 'Set5/baby'."""
LATENCY = "latency_ms"
"""Prefix of the names of latencies. The dataset of a latency is the name of the device."""
ON = " on "
"""Text between the latency's name and its device in the name of a data frame column."""


@contextmanager
def open_database(url: str) -> Iterator[Connection]:
    """Opens a read-only connection to the database at `url`, and closes it at the end of the `with` block.

    Raises UserError if the database does not exist, cannot be read, is not a database of srsweep, or has a schema
    that is too old or too new.
    """
    engine = _engine(url)
    name = without_password(engine.url.render_as_string(hide_password=True))
    try:
        with engine.connect() as connection:
            _check_schema(connection, name)
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(f"storage: cannot read {name}: {cause}") from None
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, execution_options={"postgresql_readonly": True})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise UserError(
            f"storage: must be a database URL such as sqlite:///results.db, got {without_password(url)!r} "
            f"({without_password(str(error))})"
        ) from None
    path = Path(parsed.database or ":memory:")
    if not path.is_file():
        raise UserError(
            f"storage: there is no database {path}; run a sweep first or name another database"
        )
    # SQLite reads a database with a write-ahead log only if it can write to the folder. In a read-only
    # folder without such a log nobody can be writing, so the file may be declared immutable.
    sealed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    uri = f"file:{quote(str(path))}?" + ("immutable=1" if sealed else "mode=ro")
    return create_engine(parsed, creator=lambda: sqlite3.connect(uri, uri=True, timeout=30))


def _check_schema(connection: Connection, name: str) -> None:
    """Raises UserError if the queries of `analysis` do not fit the schema. Readers never migrate a database."""
    revision = revision_of(connection)
    if revision is None:
        raise UserError(f"storage: {name} is not a database of srsweep")
    if not is_known(revision):
        raise UserError(too_new(name, revision))
    if revision < OLDEST_READABLE:
        raise UserError(
            f"storage: {name} has schema {revision}, and reports need {OLDEST_READABLE} or newer; "
            f"`srsweep run` on it migrates it, `srsweep merge {name} --db sqlite:///new.db` migrates a copy"
        )


def sweep_ids(connection: Connection, names: Sequence[str] | None) -> dict[str, int]:
    """Returns the database ids of the sweeps `names`, by name. None stands for all sweeps.

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
    """Returns a query with one row per trial and extra `columns` at the end.

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
        if dataset == "" or name in QUALITIES or name.startswith(LATENCY)
    ]


def filled(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns `trials` with missing values filled in. `trials` are rows of `trials_query` with a column seconds.

    A missing psnr_y or ssim_y becomes NaN. A missing step or seconds becomes 0.
    """
    for name in ("psnr_y", "ssim_y"):
        trials[name] = pd.to_numeric(trials[name]) if name in trials else float("nan")
    return trials.fillna({"seconds": 0.0, "step": 0}).astype({"seconds": float, "step": int})


def chunks(ids: Sequence[int], most: int = 500) -> Iterator[list[int]]:
    """Yields the `ids` in lists that are short enough for one query, or one empty list if there are no `ids`."""
    for start in range(0, max(len(ids), 1), most):
        yield list(ids[start : start + most])


def column(name: str, dataset: str) -> str:
    """Returns the name of the data frame column that holds a measurement.

    A latency's column also names the device ('NAME on DEVICE'), and a test set's column names the set ('SET_NAME').
    """
    if name.startswith(LATENCY):
        return f"{name}{ON}{dataset}"
    return name if dataset in ("", VALIDATION) else f"{dataset}_{name}"


def measurement(column: str) -> tuple[str, str]:
    """Returns the (name, dataset) under which the database stores the values of a data frame column.

    `column` names a cost, a latency, or a quality on the validation split.
    """
    if column.startswith(LATENCY):
        name, _, device = column.partition(ON)
        return name, device
    return column, VALIDATION if column in QUALITIES else ""


def read(connection: Connection, query: Any) -> pd.DataFrame:
    """Runs `query` and returns its rows as a data frame."""
    result = connection.execute(query)
    # Plain tuples, because pandas asks every SQLAlchemy row for attributes, which takes longer than the query.
    return pd.DataFrame([tuple(row) for row in result.fetchall()], columns=list(result.keys()))
