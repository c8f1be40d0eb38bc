"""The queries of a driver. Each function runs in the caller's session. `analysis.read` has the queries for reports."""

import json
from collections.abc import Collection, Iterable
from typing import Any, TypeVar, get_args

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sweeps.records import Measurement, State, TrialRow, is_counted
from sweeps.store import schema
from sweeps.store.database import StoreMistake

T = TypeVar("T")


def last_life(session: Session, name: str) -> schema.Life | None:
    """Returns the row of the newest run of the sweep called `name`, or None if the sweep never ran."""
    query = (
        select(schema.Life)
        .join(schema.Sweep, schema.Sweep.id == schema.Life.sweep_id)
        .where(schema.Sweep.name == name)
        .order_by(schema.Life.started_at.desc())
    )
    return session.scalars(query).first()


def facts(session: Session, sweep_id: int) -> dict[str, str]:
    """Returns the facts about a sweep in the table `sweep_facts`, by name, such as the PSNR of bicubic upscaling."""
    query = select(schema.SweepFact).where(schema.SweepFact.sweep_id == sweep_id)
    return {row.name: row.value for row in session.scalars(query)}


def sweep_names(session: Session) -> list[str]:
    """Returns the names of all sweeps, the oldest sweep first."""
    return list(session.scalars(select(schema.Sweep.name).order_by(schema.Sweep.id)))


def others(session: Session, sweep_id: int) -> list[int]:
    """Returns the ids of all other sweeps with the scale of sweep `sweep_id`, the newest sweep first."""
    own = select(schema.Sweep.scale).where(schema.Sweep.id == sweep_id).scalar_subquery()
    query = select(schema.Sweep.id).where(schema.Sweep.scale == own)
    query = query.where(schema.Sweep.id != sweep_id).order_by(schema.Sweep.id.desc())
    return list(session.scalars(query))


def newest_attempt(session: Session, trial_id: int) -> int | None:
    """Returns the number of a trial's newest attempt, or None if there is none. Only the newest attempt may write."""
    newest = func.max(schema.Attempt.attempt)
    return session.scalar(select(newest).where(schema.Attempt.trial_id == trial_id))


def trials(session: Session, sweep_id: int, ids: Collection[int] | None = None) -> list[TrialRow]:
    """Returns the trials of a sweep with their measurements, sorted by number. With `ids`, only the trials with these ids."""
    own = schema.Trial.sweep_id == sweep_id
    if ids is not None:
        own &= schema.Trial.id.in_(ids)
    # One query per table. Queries per trial would make the start of a large sweep slow.
    knobs = _by_trial(
        (trial_id, (name, json.loads(value)))
        for trial_id, name, value in _rows(session, schema.TrialKnob, own, "name", "value")
    )
    attempts = _by_trial(
        (trial_id, (until_step, error, seconds))
        for trial_id, _, until_step, error, seconds in _rows(
            session, schema.Attempt, own, "attempt", "until_step", "error", "seconds"
        )
    )
    measurements = _by_trial(
        (trial_id, Measurement(step=step, dataset=dataset, name=name, value=value))
        for trial_id, step, dataset, name, value in _rows(
            session, schema.Measurement, own, "step", "dataset", "name", "value"
        )
    )
    query = select(schema.Trial).where(own)
    wrong = (
        session.execute(query.where(schema.Trial.state.not_in(get_args(State)))).scalars().first()
    )
    if wrong is not None:
        raise StoreMistake(
            f"storage: table trials, row {wrong.id}: state: must be one of {', '.join(get_args(State))}, "
            f"got {wrong.state!r}"
        )
    return [
        TrialRow(
            id=trial.id,
            number=trial.number,
            family=trial.family,
            knobs=dict(knobs.get(trial.id, [])),
            architecture=trial.architecture,
            label=trial.label,
            seed=trial.seed,
            state=trial.state,  # type: ignore[arg-type]
            attempts=len(attempts.get(trial.id, [])),
            errors=sum(is_counted(error) for _, error, _ in attempts.get(trial.id, [])),
            until_step=attempts[trial.id][-1][0] if trial.id in attempts else 0,
            error=attempts[trial.id][-1][1] if trial.id in attempts else "",
            seconds=sum(seconds for _, _, seconds in attempts.get(trial.id, [])),
            measurements=measurements.get(trial.id, []),
        )
        for trial in session.scalars(query.order_by(schema.Trial.number))
    ]


def _rows(session: Session, table: Any, own: Any, *columns: str) -> Iterable[Any]:
    """Returns (trial_id, *columns) of those rows in `table` whose trial satisfies the condition `own`.

    The rows are sorted by the first of `columns`.
    """
    chosen = [getattr(table, name) for name in columns]
    trials = select(schema.Trial.id).where(own)
    query = select(table.trial_id, *chosen).where(table.trial_id.in_(trials))
    return session.execute(query.order_by(chosen[0]))


def _by_trial(pairs: Iterable[tuple[int, T]]) -> dict[int, list[T]]:
    """Groups the values in `pairs` by trial id, in the order of `pairs`."""
    found: dict[int, list[T]] = {}
    for trial_id, value in pairs:
        found.setdefault(trial_id, []).append(value)
    return found
