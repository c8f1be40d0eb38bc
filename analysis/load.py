"""results.db as pandas frames, read only: nothing here can create, change or lock a database.

Every function takes the database's URL and opens it for itself, so that a page or a command that is
left open never holds a connection to a sweep that runs.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from sqlalchemy import Connection, Engine, create_engine, func, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from analysis.pareto import Direction, front_mask
from searchspace.spec import nearest
from sweeps.schema import (
    SCHEMA_VERSION,
    Attempt,
    Life,
    Measurement,
    SchemaVersion,
    Sweep,
    SweepFact,
    Trial,
    TrialKnob,
)

VALIDATION = "validation"
"""Dataset name of the split that sweeps optimise on."""
QUALITIES = ("psnr_y", "ssim_y")
DETAILS = (
    Trial.id,
    Trial.number,
    Trial.family,
    Trial.label,
    Trial.architecture,
    Trial.seed,
)


@contextmanager
def open_database(url: str) -> Iterator[Connection]:
    """A read-only connection to the database at `url`.

    Raises ValueError with one line where there is none, it cannot be reached, or it is of another schema.
    """
    engine = _engine(url)
    name = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            _check_schema(connection, name)
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ValueError(f"storage: cannot read {name}: {cause}") from None
    finally:
        engine.dispose()


def load_sweeps(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a sweep, oldest first: name, scale, settings, created_at and its facts as columns."""
    with open_database(url) as connection:
        chosen = _sweep_ids(connection, sweeps)
        frame = _read(
            connection, select(Sweep).where(Sweep.id.in_(chosen.values())).order_by(Sweep.id)
        ).set_index("id")
        query = select(SweepFact).where(SweepFact.sweep_id.in_(chosen.values()))
        facts = _read(connection, query).pivot(index="sweep_id", columns="name", values="value")
    for name in ("validation_bicubic_psnr_y", "train_data", "data_fingerprint"):
        if name not in facts:
            facts[name] = None
    facts["validation_bicubic_psnr_y"] = pd.to_numeric(facts["validation_bicubic_psnr_y"])
    return frame.join(facts).reset_index(names="sweep_id")


def load_lives(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a run of a driver: sweep, started_at, host, git_commit, git_dirty, versions, text."""
    with open_database(url) as connection:
        chosen = _sweep_ids(connection, sweeps)
        query = (
            select(Sweep.name.label("sweep"), Life)
            .join(Life, Life.sweep_id == Sweep.id)
            .where(Sweep.id.in_(chosen.values()))
        )
        frame = _read(connection, query.order_by(Life.id))
    return frame.drop(columns=["id", "sweep_id"])


def load_trials(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a trial, in order of sweep and number.

    Columns: sweep, scale, number, state, family, label, architecture, seed, step (the largest one
    evaluated), psnr_y and ssim_y on the validation split at that step, `<set>_psnr_y` for every test
    set, every cost by its name, seconds and attempts (sums over attempts), error (the newest
    attempt's, '' where it has none), and train_data and data_fingerprint of its sweep.
    """
    with open_database(url) as connection:
        chosen = _sweep_ids(connection, sweeps)
        names = _measured(connection)
        columns = [
            _newest(name, dataset).label(_column(name, dataset))
            for name, dataset in names
            if dataset == "" or name in QUALITIES
        ]
        step = _newest("psnr_y", VALIDATION, Measurement.step).label("step")
        trials = _read(connection, _trials_query(chosen, step, *columns))
        attempts = _attempts(connection, chosen)
        facts = _read(
            connection,
            select(SweepFact).where(SweepFact.name.in_(("train_data", "data_fingerprint"))),
        ).pivot(index="sweep_id", columns="name", values="value")
    frame = trials.join(attempts, on="id").join(facts, on="sweep_id")
    for name in ("train_data", "data_fingerprint"):
        frame[name] = frame[name].fillna("") if name in frame else ""
    for name in QUALITIES:
        frame[name] = pd.to_numeric(frame[name]) if name in frame else float("nan")
    frame["error"] = frame["error"].fillna("")
    frame = frame.fillna({"seconds": 0.0, "attempts": 0, "step": 0})
    frame = frame.astype({"attempts": int, "step": int})
    return frame.drop(columns=["sweep_id"])


def load_front_points(
    url: str, sweep: str, objectives: Sequence[str], states: Sequence[str] = ("complete",)
) -> pd.DataFrame:
    """One row a trial in `states`: id, number, family, label, architecture, seed and the `objectives`.

    Reads nothing but the objectives' newest values, one index look-up each, so that a database of a
    million measurements answers within a second. psnr_y and ssim_y are those of the validation split.
    """
    with open_database(url) as connection:
        query = _objectives_query(connection, sweep, objectives, DETAILS).where(
            Trial.state.in_(states)
        )
        return _read(connection, query).astype(dict.fromkeys(objectives, float))


def load_front(
    url: str, sweep: str, objectives: Mapping[str, Direction], extra: Sequence[str] = ()
) -> pd.DataFrame:
    """The Pareto front of a sweep's complete trials over `objectives`: load_front_points' columns.

    `extra` names more costs to read. Texts are read for the front alone, which matters from 100,000 trials on.
    """
    names = list(dict.fromkeys([*objectives, *extra]))
    with open_database(url) as connection:
        query = _objectives_query(connection, sweep, names, [Trial.id])
        points = _read(connection, query.where(Trial.state == "complete"))
        values = points[list(objectives)].to_numpy(float)
        front = points[front_mask(values, list(objectives.values()))]
        ids = front["id"].tolist()
        parts = [
            _read(connection, select(*DETAILS).where(Trial.id.in_(ids[start : start + 500])))
            for start in range(0, max(len(ids), 1), 500)
        ]
    frame = pd.concat(parts).merge(front, on="id").sort_values("number", ignore_index=True)
    return frame.astype(dict.fromkeys(names, float))


def _objectives_query(
    connection: Connection, sweep: str, names: Sequence[str], columns: Sequence[Any]
) -> Any:
    """Trials of a sweep with these columns and the newest value of each of `names`."""
    chosen = _sweep_ids(connection, [sweep])
    known = dict.fromkeys(
        name for name, dataset in _measured(connection) if dataset in ("", VALIDATION)
    )
    for name in names:
        if known and name not in known:
            raise ValueError(
                f"objectives: nothing stored is called {name!r}; {nearest(name, known)}"
            )
    values = [_newest(n, VALIDATION if n in QUALITIES else "").label(n) for n in names]
    query = select(*columns, *values).where(Trial.sweep_id == chosen[sweep])
    return query.order_by(Trial.number)


def load_curves(
    url: str,
    sweeps: Sequence[str] | None = None,
    *,
    name: str = "psnr_y",
    dataset: str = VALIDATION,
    trial_ids: Sequence[int] | None = None,
) -> pd.DataFrame:
    """One row an evaluation, in order of trial and step: id (of the trial), sweep, number, step, value."""
    with open_database(url) as connection:
        chosen = _sweep_ids(connection, sweeps)
        query = (
            select(
                Trial.id,
                Sweep.name.label("sweep"),
                Trial.number,
                Measurement.step,
                Measurement.value,
            )
            .join(Sweep, Sweep.id == Trial.sweep_id)
            .join(Measurement, Measurement.trial_id == Trial.id)
            .where(Sweep.id.in_(chosen.values()))
            .where(Measurement.name == name, Measurement.dataset == dataset)
        )
        if trial_ids is not None:
            query = query.where(Trial.id.in_(list(trial_ids)))
        return _read(connection, query.order_by(Trial.id, Measurement.step))


def load_knobs(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a trial, indexed by its id, one column a knob, values in JSON types."""
    with open_database(url) as connection:
        chosen = _sweep_ids(connection, sweeps)
        query = (
            select(TrialKnob)
            .join(Trial, Trial.id == TrialKnob.trial_id)
            .where(Trial.sweep_id.in_(chosen.values()))
        )
        frame = _read(connection, query)
    frame["value"] = frame["value"].map(json.loads)
    return frame.pivot(index="trial_id", columns="name", values="value")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, execution_options={"postgresql_readonly": True})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(
            f"storage: must be a database URL such as sqlite:///results.db, got {url!r} ({error})"
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


def _sweep_ids(connection: Connection, names: Sequence[str] | None) -> dict[str, int]:
    """Ids of the sweeps called `names`, of all where None."""
    query = select(Sweep.name, Sweep.id).order_by(Sweep.id)
    known: dict[str, int] = {row.name: row.id for row in connection.execute(query)}
    for name in names or ():
        if name not in known:
            raise ValueError(f"sweep: there is none called {name!r}; {nearest(name, known)}")
    return known if names is None else {name: known[name] for name in names}


def _measured(connection: Connection) -> list[tuple[str, str]]:
    """Every (name, dataset) that was ever measured.

    Hops along the index from one value to the next: DISTINCT would read all of it.
    """
    found: list[tuple[str, str]] = []
    name: str | None = ""
    while (name := _next(connection, Measurement.name, Measurement.name > name)) is not None:
        dataset: str | None = _next(connection, Measurement.dataset, Measurement.name == name)
        while dataset is not None:
            found.append((name, dataset))
            later = (Measurement.name == name) & (Measurement.dataset > dataset)
            dataset = _next(connection, Measurement.dataset, later)
    return found


def _next(connection: Connection, column: Any, condition: Any) -> str | None:
    return connection.scalar(select(func.min(column)).where(condition))


def _newest(name: str, dataset: str, column: Any = Measurement.value) -> Any:
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


def _column(name: str, dataset: str) -> str:
    return name if dataset in ("", VALIDATION) else f"{dataset}_{name}"


def _trials_query(chosen: dict[str, int], *columns: Any) -> Any:
    return (
        select(
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
            *columns,
        )
        .join(Sweep, Sweep.id == Trial.sweep_id)
        .where(Sweep.id.in_(chosen.values()))
        .order_by(Sweep.id, Trial.number)
    )


def _attempts(connection: Connection, chosen: dict[str, int]) -> pd.DataFrame:
    """By trial id: seconds and number of its attempts, the error of the newest."""
    query = (
        select(Attempt.trial_id, Attempt.seconds, Attempt.error)
        .join(Trial, Trial.id == Attempt.trial_id)
        .where(Trial.sweep_id.in_(chosen.values()))
        .order_by(Attempt.trial_id, Attempt.attempt)
    )
    groups = _read(connection, query).groupby("trial_id")
    return pd.DataFrame(
        {
            "seconds": groups["seconds"].sum(),
            "attempts": groups.size(),
            "error": groups["error"].last(),
        }
    )


def _read(connection: Connection, query: Any) -> pd.DataFrame:
    result = connection.execute(query)
    # Plain tuples: pandas asks every SQLAlchemy row for attributes, which takes longer than the query.
    return pd.DataFrame([tuple(row) for row in result.fetchall()], columns=list(result.keys()))
