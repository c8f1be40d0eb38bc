"""The read-only connection to results.db, and what every query about it needs.

Nothing here can create, change or lock a database. A connection lasts for one question, so that a page
that is left open never holds one to a sweep that runs.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from sqlalchemy import Connection, Engine, create_engine, func, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from searchspace.spec import nearest
from sweeps.messages import without_password
from sweeps.store.schema import SCHEMA_VERSION, Measurement, SchemaVersion, Sweep, Trial

VALIDATION = "validation"
"""Dataset name of the split that sweeps optimise on."""
QUALITIES = ("psnr_y", "ssim_y", "psnr_y_int8")
PER_IMAGE = "image_"
"""How the names of qualities of single test images begin; their dataset is SET/IMAGE."""
LATENCY = "latency_ms"
"""How the names of latencies begin; their dataset is the device."""
ON = " on "
"""Between a latency's name and its device in the name of a column."""


@contextmanager
def open_database(url: str) -> Iterator[Connection]:
    """A read-only connection to the database at `url`.

    Raises ValueError with one line where there is none, it cannot be reached, or it is of another schema.
    """
    engine = _engine(url)
    name = without_password(engine.url.render_as_string(hide_password=True))
    try:
        with engine.connect() as connection:
            _check_schema(connection, name)
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ValueError(f"storage: cannot read {name}: {cause}") from None
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, execution_options={"postgresql_readonly": True})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(
            f"storage: must be a database URL such as sqlite:///results.db, got {without_password(url)!r} "
            f"({without_password(str(error))})"
        ) from None
    path = Path(parsed.database or ":memory:")
    if not path.is_file():
        raise ValueError(
            f"storage: there is no database {path}; run a sweep first, or name another"
        )
    # A database with a write-ahead log needs a folder that can be written to, even to be read, unless
    # nobody can be writing.
    sealed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    uri = f"file:{quote(str(path))}?" + ("immutable=1" if sealed else "mode=ro")
    return create_engine(parsed, creator=lambda: sqlite3.connect(uri, uri=True, timeout=30))


def _check_schema(connection: Connection, name: str) -> None:
    if "schema_version" not in inspect(connection).get_table_names():
        raise ValueError(f"storage: {name} is no database of srsweep")
    version = connection.scalar(select(SchemaVersion.version))
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"storage: {name} has schema {version}, this srsweep reads schema {SCHEMA_VERSION}; "
            "use the srsweep that made it"
        )


def sweep_ids(connection: Connection, names: Sequence[str] | None) -> dict[str, int]:
    """Ids of the sweeps called `names`, of all where None."""
    query = select(Sweep.name, Sweep.id).order_by(Sweep.id)
    known: dict[str, int] = {row.name: row.id for row in connection.execute(query)}
    for name in names or ():
        if name not in known:
            raise ValueError(f"sweep: there is none called {name!r}; {nearest(name, known)}")
    return known if names is None else {name: known[name] for name in names}


def measured(connection: Connection) -> list[tuple[str, str]]:
    """Every (name, dataset) that was ever measured, single images left out.

    Hops along the index from one value to the next: DISTINCT would read all of it.
    """
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
    """A subquery for the value at the largest step, one look-up in the primary key a trial."""
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
    """Trials with these columns, and before them what tells one from another and the step of the newest PSNR."""
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
    """For `trials_query`: the newest value of every cost, latency and quality, under its column's name."""
    return [
        newest(name, dataset).label(column(name, dataset))
        for name, dataset in measured(connection)
        if dataset == "" or name in QUALITIES or name.startswith(LATENCY)
    ]


def filled(trials: pd.DataFrame) -> pd.DataFrame:
    """Rows of `trials_query` with seconds: psnr_y and ssim_y NaN where unknown, step and seconds 0."""
    for name in ("psnr_y", "ssim_y"):
        trials[name] = pd.to_numeric(trials[name]) if name in trials else float("nan")
    return trials.fillna({"seconds": 0.0, "step": 0}).astype({"seconds": float, "step": int})


def chunks(ids: Sequence[int], most: int = 500) -> Iterator[list[int]]:
    """The ids in parts that a query takes; one empty part where there are none."""
    for start in range(0, max(len(ids), 1), most):
        yield list(ids[start : start + most])


def column(name: str, dataset: str) -> str:
    """What a measurement is called as a column: its own name, with the test set or the device."""
    if name.startswith(LATENCY):
        return f"{name}{ON}{dataset}"
    return name if dataset in ("", VALIDATION) else f"{dataset}_{name}"


def measurement(column: str) -> tuple[str, str]:
    """(name, dataset) of a cost, a latency or a quality on the validation split, by its column."""
    if column.startswith(LATENCY):
        name, _, device = column.partition(ON)
        return name, device
    return column, VALIDATION if column in QUALITIES else ""


def read(connection: Connection, query: Any) -> pd.DataFrame:
    """The rows of `query` as a frame."""
    result = connection.execute(query)
    # Plain tuples: pandas asks every SQLAlchemy row for attributes, which takes longer than the query.
    return pd.DataFrame([tuple(row) for row in result.fetchall()], columns=list(result.keys()))
