"""Loads what scatter plots of up to 100,000 trials need: the costs and scores of every trial, and the texts of a few.

Texts, such as labels and errors, take most of the reading time. Callers read them only for the trials that they show.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from analysis.read.database import (
    LATENCY,
    QUALITIES,
    VALIDATION,
    chunks,
    column,
    measured,
    measurement,
    newest,
    open_database,
    read,
    sweep_ids,
)
from analysis.tables import SPREAD
from searchspace.errors import UserError
from searchspace.synonyms import nearest
from sweeps.store.schema import Attempt, Sweep, Trial

DETAILS = (
    Trial.id,
    Trial.number,
    Trial.family,
    Trial.label,
    Trial.architecture,
    Trial.seed,
)
"""Columns that identify a trial and its network."""


def load_objectives(url: str, sweep: str, names: Sequence[str]) -> pd.DataFrame:
    """Returns one row per complete trial of `sweep`, ordered by number: id, and one column per measurement in `names`.

    psnr_y and ssim_y are measured on the validation split. Each value was measured at the largest step. The text
    columns, such as family and label, are not read, which saves much time with 100,000 trials. Raises UserError if a
    name in `names` is not the name of a measurement.
    """
    with open_database(url) as connection:
        query = _objectives_query(connection, sweep, names, [Trial.id])
        return read(connection, query.where(Trial.state == "complete"))


def _objectives_query(
    connection: Connection, sweep: str, names: Sequence[str], columns: Sequence[Any]
) -> Any:
    """Returns a query for the trials of `sweep`: `columns`, and the newest value of each measurement in `names`."""
    chosen = sweep_ids(connection, [sweep])
    # Without the test sets, because selection never looks at them.
    known = dict.fromkeys(
        column(name, dataset)
        for name, dataset in measured(connection)
        if dataset in ("", VALIDATION) or name.startswith((LATENCY, *SPREAD))
    )
    for name in names:
        # A quality is stored nowhere before the first evaluation, and asking for it is still correct.
        if known and name not in (*known, *QUALITIES):
            raise UserError(
                f"objectives: no measurement is called {name!r}; {nearest(name, known)}"
            )
    values = [newest(*measurement(name)).label(name) for name in names]
    query = select(*columns, *values).where(Trial.sweep_id == chosen[sweep])
    return query.order_by(Trial.number)


def load_points(
    url: str, sweep: str, names: Sequence[str], ids: Sequence[int] | None = None
) -> pd.DataFrame:
    """Returns one row per complete trial of `sweep`, ordered by number: the columns DETAILS and `names`.

    A value that was not measured is NaN. If `ids` are given, only these trials are read.
    """
    wanted = [Trial.state == "complete"]
    if ids is not None:
        wanted.append(Trial.id.in_(list(ids)))
    return _points(url, sweep, names, DETAILS, wanted)


def load_others(url: str, sweep: str, names: Sequence[str]) -> pd.DataFrame:
    """Returns rows like those of `load_points`, plus the column state, for the trials of `sweep` that are not complete."""
    return _points(url, sweep, names, (*DETAILS, Trial.state), [Trial.state != "complete"])


def _points(
    url: str, sweep: str, names: Sequence[str], columns: Sequence[Any], wanted: Sequence[Any]
) -> pd.DataFrame:
    with open_database(url) as connection:
        known = {column(name, dataset) for name, dataset in measured(connection)}
        found = [name for name in names if name in known]
        query = _objectives_query(connection, sweep, found, columns)
        points = read(connection, query.where(*wanted))
    missing = [name for name in names if name not in found]
    return points.assign(**dict.fromkeys(missing, float("nan"))).astype(dict.fromkeys(names, float))


def load_has_seeds(url: str, sweep: str) -> bool:
    """Returns whether `sweep` has trials with different seeds, as a sweep with several seeds per architecture has."""
    with open_database(url) as connection:
        query = select(func.min(Trial.seed) != func.max(Trial.seed))
        own = query.where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
        return bool(connection.scalar(own))


def load_details(url: str, ids: Sequence[int]) -> pd.DataFrame:
    """Returns one row per trial in `ids`: id, number, family, label, architecture, seed."""
    with open_database(url) as connection:
        parts = [
            read(connection, select(*DETAILS).where(Trial.id.in_(part))) for part in chunks(ids)
        ]
    return pd.concat(parts, ignore_index=True)


def load_pulse(url: str, sweep: str) -> dict[str, int]:
    """Returns the number of trials of `sweep` by state. States without trials are left out.

    The numbers change whenever a trial starts or ends, so they show whether a sweep has new results.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, [sweep])
        query = (
            select(Trial.state, func.count())
            .where(Trial.sweep_id == chosen[sweep])
            .group_by(Trial.state)
        )
        return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def load_states(url: str) -> pd.DataFrame:
    """Returns the number of trials in each state: one row per sweep that has trials, one column per state.

    The index is the name of the sweep.
    """
    with open_database(url) as connection:
        query = (
            select(Sweep.name.label("sweep"), Trial.state, func.count().label("trials"))
            .join(Sweep, Sweep.id == Trial.sweep_id)
            .group_by(Sweep.name, Trial.state)
        )
        rows = read(connection, query)
    return rows.pivot(index="sweep", columns="state", values="trials").fillna(0).astype(int)


def load_reasons(url: str, sweep: str, most: int = 20) -> pd.DataFrame:
    """Returns the `most` newest failed trials of `sweep`: number, label, and the error of the newest attempt.

    A missing error is ''.
    """
    newest_first = select(Attempt.error).where(Attempt.trial_id == Trial.id)
    newest_first = newest_first.order_by(Attempt.attempt.desc()).limit(1).correlate(Trial)
    with open_database(url) as connection:
        query = (
            select(Trial.number, Trial.label, newest_first.scalar_subquery().label("error"))
            .where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
            .where(Trial.state == "failed")
            .order_by(Trial.number.desc())
            .limit(most)
        )
        return read(connection, query).fillna({"error": ""})
