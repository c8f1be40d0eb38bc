"""Copies sweeps from another database into a store, for example from the head node of a cluster."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from sweeps.records import SWEEP_NAME
from sweeps.store import lease, migrations, notes, schema
from sweeps.store.comparability import filled
from sweeps.store.database import StoreMistake
from sweeps.store.provenance import git_state, source
from sweeps.store.row_checks import check_rows
from sweeps.store.store import Store
from sweeps.store.urls import first_line, name_of, parse_url, unusable

CHUNK = 5_000
"""Largest number of rows in one INSERT statement."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The result of copying one sweep from another database into a store."""

    name: str
    """Name of the sweep in the store."""
    trials: int
    """Number of the sweep's trials in the other database."""
    new_trials: int
    """Number of these trials that the store did not have before."""


FINALITY = {"running": 0, "paused": 0, "stopped": 1, "failed": 2, "complete": 3}
"""Rank of each state of a trial. A merge never replaces a state with a state of lower rank."""


def merge(other: str, store: Store, renamed: Mapping[str, str] | None = None) -> list[Merged]:
    """Copies every sweep of the database `other` into `store`. `opened` and `Source.copy_to` describe the details."""
    with opened(other, renamed) as source:
        return source.copy_to(store)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Another database, whose rows were checked."""

    connection: Connection
    sweeps: tuple[tuple[dict[str, Any], str], ...]
    """For each sweep of the other database: its row, and its name in the store."""

    def copy_to(self, store: Store) -> list[Merged]:
        """Copies every sweep into `store`.

        If a sweep was merged before, only the rows that `store` lacks are added, and attempts and trials that were open
        are updated. Raises StoreMistake if `store` has a different sweep of the same name, or if a driver runs the
        sweep in `store`. Nothing is written then.
        """
        for sweep, called in self.sweeps:
            _refuse_other(store, sweep, called)
        return [_merge(self.connection, store, sweep, called) for sweep, called in self.sweeps]


@contextmanager
def opened(other: str, renamed: Mapping[str, str] | None = None) -> Iterator[Source]:
    """Opens the database `other`, a URL or the path of an SQLite file, for one `with` block, and checks its rows.

    `other` never changes, even if its schema is older. `renamed` maps names of sweeps in `other` to new names in the
    store. Raises StoreMistake if `other` cannot be read, if it has a row that srsweep cannot have written, or if
    `renamed` does not fit its sweeps.
    """
    engine = _open(other)
    name = name_of(engine)
    try:
        with _newest_schema(engine, name) as connection:
            _hold_still(connection)
            check_rows(connection, name)
            sweeps = _read(connection, select(schema.Sweep.__table__).order_by(schema.Sweep.id))
            new = _new_names(sweeps, dict(renamed or {}), name)
            yield Source(connection=connection, sweeps=tuple(zip(sweeps, new, strict=True)))
    except SQLAlchemyError as error:
        raise StoreMistake(f"storage: cannot read {name}: {first_line(error)}") from None
    finally:
        engine.dispose()


def _open(other: str) -> Engine:
    """Returns an engine for a database that exists. SQLite would create a missing file instead of refusing the path."""
    url = other if "://" in other else f"sqlite:///{other}"
    try:
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise StoreMistake(f"storage: there is no file {parsed.database}")
        return create_engine(parsed)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreMistake(unusable(other, error)) from None


@contextmanager
def _newest_schema(engine: Engine, name: str) -> Iterator[Connection]:
    """Yields a connection through which the database has the newest tables, whatever its own revision is.

    An older SQLite file is copied into memory, and the copy is migrated. An older database on a server is migrated
    in a transaction that is rolled back at the end. Raises StoreMistake if the database does not belong to srsweep or
    is too new.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A view or a default value in a file from elsewhere must not call functions with side effects.
            connection.exec_driver_sql("PRAGMA trusted_schema=OFF")
        revision = schema.revision_of(connection)
        if revision is None:
            raise StoreMistake(f"storage: {name} is not a database of srsweep")
        if not schema.is_known(revision):
            raise StoreMistake(schema.too_new(name, revision))
        if revision == schema.REVISION:
            yield connection
            return
        if engine.dialect.name != "sqlite":
            connection.rollback()
            migrations.lock(connection)
            migrations.upgrade(connection)
            yield connection
            return
        copy = create_engine("sqlite://", creator=lambda: _copy(connection), poolclass=StaticPool)
        try:
            with copy.connect() as migrated:
                migrations.upgrade(migrated)
                yield migrated
        finally:
            copy.dispose()


def _hold_still(connection: Connection) -> None:
    """Makes all further queries see the database as it is now, so that the rows that are copied were checked."""
    if connection.dialect.name == "sqlite":
        file: Any = connection.connection.driver_connection
        if not file.in_transaction:
            connection.exec_driver_sql("BEGIN")


def _copy(connection: Connection) -> sqlite3.Connection:
    """Returns a copy, in memory, of an SQLite database."""
    file: Any = connection.connection.driver_connection
    copy = sqlite3.connect(":memory:")
    file.backup(copy)
    return copy


def _new_names(
    sweeps: list[dict[str, Any]], renamed: Mapping[str, str], database: str
) -> list[str]:
    """Returns the names of `sweeps` in the store. `database` is the name of the other database in messages."""
    unknown = sorted(renamed.keys() - {sweep["name"] for sweep in sweeps})
    if unknown:
        raise StoreMistake(f"--rename: {database} has no sweep {unknown[0]!r}")
    for called in renamed.values():
        if not re.fullmatch(SWEEP_NAME, called):
            raise StoreMistake(
                f"--rename: must be letters, digits and . _ - and begin with a letter or a digit, got {called!r}"
            )
    new = [renamed.get(sweep["name"], sweep["name"]) for sweep in sweeps]
    twice = [called for called in new if new.count(called) > 1]
    if twice:
        raise StoreMistake(
            f"--rename: two sweeps of {database} would be called {twice[0]!r}; give each a name of its own"
        )
    return new


def _refuse_other(store: Store, sweep: Mapping[str, Any], called: str) -> None:
    """Raises StoreMistake if `called` is the name of a different sweep in `store`, or of a sweep that a driver runs."""

    def work(session: Session) -> schema.Sweep | None:
        return session.scalar(select(schema.Sweep).where(schema.Sweep.name == called))

    here = store.transaction(work)
    if here is None:
        return
    same_settings = filled(here.settings) == filled(sweep["settings"])
    if here.created_at != sweep["created_at"] or not same_settings:
        raise StoreMistake(
            f"name: {store.name} has a different sweep {called!r} (made {here.created_at:%Y-%m-%d %H:%M}; the one to "
            f"merge was made {sweep['created_at']:%Y-%m-%d %H:%M}); to merge it under a new name, add "
            f"--rename {sweep['name']}=NEW"
        )
    if lease.seconds_left(store.database, here.id) > 0:
        raise StoreMistake(
            f"name: sweep {called!r} is being driven in {store.name}; merge again after it has ended"
        )


def _merge(source: Connection, store: Store, sweep: Mapping[str, Any], called: str) -> Merged:
    """Copies one sweep in one transaction. Its name in `store` is `called`."""
    own = _read(source, select(schema.Trial.__table__).where(schema.Trial.sweep_id == sweep["id"]))
    parts = {
        table: _read(source, select(table.__table__).where(table.sweep_id == sweep["id"]))
        for table in (schema.SweepFact, schema.Life)
    }
    children = {
        table: _read(
            source,
            select(table.__table__)
            .join(schema.Trial, schema.Trial.id == table.trial_id)
            .where(schema.Trial.sweep_id == sweep["id"]),
        )
        for table in (schema.TrialKnob, schema.Attempt, schema.Measurement, schema.TrialNote)
    }

    def work(session: Session) -> int:
        sweep_id = _sweep(session, sweep, called)
        _add(session, schema.SweepFact, parts[schema.SweepFact], ("name",), sweep_id)
        lives = [with_commit(row) for row in parts[schema.Life]]
        _add(session, schema.Life, lives, ("started_at", "host"), sweep_id)
        trials, new = _trials(session, own, sweep_id, called)
        ids = {there: trial.id for there, trial in trials.items()}
        noted = children[schema.TrialNote]
        before = notes.of_trials(session, ids.values()) if noted else {}
        for table, rows in children.items():
            # Trials that were added while the tables were read are copied by the next merge.
            known = [row for row in rows if row["trial_id"] in ids]
            moved = [{**row, "trial_id": ids[row["trial_id"]]} for row in known]
            keys = tuple(column.name for column in table.__table__.primary_key)
            _add(session, table, moved, keys, sweep_id)
        _bring_up_to_date(session, own, children[schema.Attempt], trials, sweep_id)
        notes.unite(session, before, noted, ids)
        return new

    return Merged(name=called, trials=len(own), new_trials=store.transaction(work))


def with_commit(life: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the row to be stored for `life`, a row of the table `lives` in the other database, without its id.

    A cluster often has the code without its git history, so that the commit is missing. If the digest of the code in
    the row equals the digest of this checkout, the returned row has the commit of this checkout.
    """
    row = {name: value for name, value in life.items() if name != "id"}
    if not row["git_commit"] and row["versions"].get("source") == source():
        row["git_commit"], row["git_dirty"] = git_state()
    return row


def _sweep(session: Session, sweep: Mapping[str, Any], called: str) -> int:
    stored = session.scalar(select(schema.Sweep).where(schema.Sweep.name == called))
    if stored is None:
        stored = schema.Sweep(**{k: v for k, v in sweep.items() if k != "id"} | {"name": called})
        session.add(stored)
        session.flush()
    return stored.id


def _trials(
    session: Session, own: list[dict[str, Any]], sweep_id: int, called: str
) -> tuple[dict[int, schema.Trial], int]:
    """Adds the trials that the store lacks. Raises StoreMistake if trials with equal numbers differ.

    Returns the trials in the store by the ids in the other database, and the number of trials that were added.
    """
    query = select(schema.Trial).where(schema.Trial.sweep_id == sweep_id)
    present = {trial.number: trial for trial in session.scalars(query)}
    trials, new = {}, 0
    for row in own:
        trial = present.get(row["number"])
        if trial is None:
            copied = {k: v for k, v in row.items() if k != "id"} | {"sweep_id": sweep_id}
            trial = schema.Trial(**copied)
            session.add(trial)
            new += 1
        elif (trial.architecture, trial.seed) != (row["architecture"], row["seed"]):
            raise StoreMistake(
                f"name: sweep {called!r} was continued separately in the two databases: trial {row['number']} is "
                f"{trial.label!r} in this one and {row['label']!r} in the other"
            )
        trials[row["id"]] = trial
    session.flush()
    return trials, new


def _bring_up_to_date(
    session: Session,
    own: list[dict[str, Any]],
    attempts: list[dict[str, Any]],
    trials: Mapping[int, schema.Trial],
    sweep_id: int,
) -> None:
    """Updates the attempts and trials that were still open when the sweep was last merged.

    `trials` are those of the store by the ids in the other database.
    """
    ended = {
        (trials[row["trial_id"]].id, row["attempt"]): row
        for row in attempts
        if row["ended_at"] is not None and row["trial_id"] in trials
    }
    of_sweep = select(schema.Trial.id).where(schema.Trial.sweep_id == sweep_id)
    is_open = schema.Attempt.ended_at.is_(None)
    # Nearly all attempts have ended in both databases, so only the open ones are looked up.
    opened_here = select(schema.Attempt.trial_id, schema.Attempt.attempt).where(
        schema.Attempt.trial_id.in_(of_sweep), is_open
    )
    for trial_id, number in session.execute(opened_here).all():
        if row := ended.get((trial_id, number)):
            new = {k: v for k, v in row.items() if k not in ("trial_id", "attempt")}
            here = (schema.Attempt.trial_id == trial_id) & (schema.Attempt.attempt == number)
            session.execute(update(schema.Attempt).where(here & is_open).values(**new))
    for row in own:
        trial = trials[row["id"]]
        # The other driver may continue a trial that was stopped here. A complete trial stays complete.
        if FINALITY[row["state"]] >= FINALITY[trial.state]:
            trial.state = row["state"]


def _add(
    session: Session,
    table: Any,
    rows: list[dict[str, Any]],
    keys: tuple[str, ...],
    sweep_id: int,
) -> None:
    """Inserts the rows of a sweep whose keys are not stored yet."""
    if not rows:
        return
    query = select(*(table.__table__.c[name] for name in keys))
    if "trial_id" in keys:
        trials = select(schema.Trial.id).where(schema.Trial.sweep_id == sweep_id)
        query = query.where(table.trial_id.in_(trials))
    else:
        query = query.where(table.sweep_id == sweep_id)
        rows = [{**row, "sweep_id": sweep_id} for row in rows]
    present = {tuple(row) for row in session.execute(query)}
    new = [row for row in rows if tuple(row[name] for name in keys) not in present]
    for start in range(0, len(new), CHUNK):
        session.execute(insert(table.__table__), new[start : start + CHUNK])


def _read(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]
