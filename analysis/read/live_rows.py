"""Loads rows for the dashboard: only rows that are new, and all columns only for the few trials that are shown.

That keeps the dashboard fast with 100,000 trials.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Select, String, cast, func, select

from analysis.read.database import (
    LATENCY,
    QUALITIES,
    VALIDATION,
    chunks,
    column,
    filled,
    measured,
    measured_columns,
    open_database,
    read,
    sweep_ids,
    trials_query,
)
from analysis.read.frames import knob_columns
from sweeps.store.schema import Attempt, Measurement, Trial, TrialKnob

Ids = NDArray[np.int64]


def load_late(url: str) -> dict[str, int]:
    """Returns, by column name, how many values of each late measurement the database stores, over all sweeps.

    Late measurements are usually made after training: qualities on test sets, PSNR after INT8 quantisation, latencies.
    Replacing a stored value leaves the number unchanged. The dashboard then shows the new value only after another
    value is added.
    """
    with open_database(url) as connection:
        return {
            column(name, dataset): connection.scalar(
                select(func.count()).where(Measurement.name == name, Measurement.dataset == dataset)
            )
            or 0
            for name, dataset in measured(connection)
            if _is_late(name, dataset)
        }


def _is_late(name: str, dataset: str) -> bool:
    of_test_set = name in QUALITIES and dataset != VALIDATION
    return of_test_set or name == "psnr_y_int8" or name.startswith(LATENCY)


def load_complete_ids(url: str, sweep: str) -> Ids:
    """Returns the ids of all complete trials of `sweep`."""
    with open_database(url) as connection:
        # All ids as one text, because SQLAlchemy takes ten times as long for 100,000 rows of one number.
        joined = connection.scalar(
            select(func.aggregate_strings(cast(Trial.id, String), ","))
            .where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
            .where(Trial.state == "complete")
        )
    return np.array(joined.split(","), np.int64) if joined else np.zeros(0, np.int64)


def load_sample_ids(url: str, sweep: str, step: int, states: Iterable[str] = ()) -> Ids:
    """Returns the ids of every `step`-th trial of `sweep`, and of the 100 newest trials whose state is in `states`."""
    sampled = _ids(url, sweep, select(Trial.id).where(Trial.number % step == 0))
    newest_first = select(Trial.id).where(Trial.state.in_(states)).order_by(Trial.number.desc())
    return np.union1d(sampled, _ids(url, sweep, newest_first.limit(100)))


def load_late_ids(url: str, sweep: str, names: Iterable[str], most: int) -> Ids:
    """Returns the ids of trials of `sweep` that have a value of at least one late measurement in `names`.

    `names` are column names as `load_late` returns them. For each name, only the `most` newest trials count.
    """
    with open_database(url) as connection:
        wanted = set(names)
        pairs = [pair for pair in measured(connection) if column(*pair) in wanted]
    found = [
        _ids(
            url,
            sweep,
            select(Trial.id)
            .join(Measurement, Measurement.trial_id == Trial.id)
            .where(Measurement.name == name, Measurement.dataset == dataset)
            .order_by(Trial.number.desc())
            .limit(most),
        )
        for name, dataset in pairs
    ]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))


def _ids(url: str, sweep: str, query: Select[int]) -> Ids:
    with open_database(url) as connection:
        own = query.where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
        return np.array(connection.execute(own).scalars().all(), np.int64)


def load_ids(url: str, sweep: str, numbers: Iterable[int]) -> Ids:
    """Returns the ids of the trials of `sweep` with these `numbers`."""
    return _ids(url, sweep, select(Trial.id).where(Trial.number.in_(list(numbers))))


def load_rows(url: str, ids: Ids) -> pd.DataFrame:
    """Returns the rows of `load_trials` for the trials `ids`, ordered by number.

    The columns attempts, error, train_data, data_fingerprint, training and bicubic are left out.
    """
    with open_database(url) as connection:
        seconds = select(func.sum(Attempt.seconds)).where(Attempt.trial_id == Trial.id)
        spent = seconds.correlate(Trial).scalar_subquery().label("seconds")
        query = trials_query(spent, *measured_columns(connection))
        parts = [read(connection, query.where(Trial.id.in_(part))) for part in chunks(ids.tolist())]
    frame = filled(pd.concat(parts, ignore_index=True)).drop(columns=["sweep_id"])
    return frame.sort_values("number", ignore_index=True)


def load_knobs_of(url: str, ids: Ids) -> pd.DataFrame:
    """Returns the rows of `load_knobs` for the trials `ids`."""
    with open_database(url) as connection:
        parts = [
            read(connection, select(TrialKnob).where(TrialKnob.trial_id.in_(part)))
            for part in chunks(ids.tolist())
        ]
    return knob_columns(pd.concat(parts, ignore_index=True))


def load_ends(url: str, sweep: str, most: int) -> "pd.Series[Any]":
    """Returns the end times (UTC) of the `most` newest trials of `sweep` that have ended."""
    ended = ("complete", "stopped", "failed")
    newest = func.max(Attempt.ended_at)
    with open_database(url) as connection:
        query = (
            select(newest.label("at"))
            .join(Trial, Trial.id == Attempt.trial_id)
            .where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
            .where(Trial.state.in_(ended), Attempt.ended_at.is_not(None))
            .group_by(Trial.id)
            .order_by(Trial.number.desc())
            .limit(most)
        )
        return pd.to_datetime(read(connection, query)["at"])


def load_seconds(url: str, sweep: str) -> float:
    """Returns the total training time in seconds of all attempts at the trials of `sweep`."""
    with open_database(url) as connection:
        sweep_id = sweep_ids(connection, [sweep])[sweep]
        query = (
            select(func.sum(Attempt.seconds))
            .join(Trial, Trial.id == Attempt.trial_id)
            .where(Trial.sweep_id == sweep_id)
        )
        return float(connection.scalar(query) or 0.0)
