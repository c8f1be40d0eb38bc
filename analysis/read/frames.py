"""Loads sweeps, trials, learning curves and knobs from the database as pandas data frames.

Every `load_*` function takes the URL of the database and opens its own connection. The argument `sweeps` names the
sweeps to read; None means all of them. An unknown name raises UserError. Functions that must stay fast with 100,000
trials are in `analysis.read.points` and `analysis.read.live_rows`.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from analysis.read.database import (
    LATENCY,
    PER_IMAGE,
    VALIDATION,
    TooOld,
    column,
    filled,
    measured,
    measured_columns,
    open_database,
    read,
    sweep_ids,
    trials_query,
)
from analysis.tables import spread_columns
from searchspace.errors import UserError
from sweeps.measure.latency_model import model_in
from sweeps.store.comparability import training_of
from sweeps.store.schema import Attempt, Life, Measurement, Sweep, SweepFact, Trial, TrialKnob

BICUBIC = "validation_bicubic_psnr_y"
"""Name of the sweep fact that holds the PSNR of bicubic on the validation images [dB]."""
OF_IMAGES = ("train_data", "data_fingerprint")
"""Names of the sweep facts that identify the images on which a sweep was trained and measured."""


def load_comparable(url: str, name: str) -> tuple[dict[str, Any], str] | None:
    """Returns the settings of a sweep, exactly as stored, and the fingerprint of its images ('' if none is stored).

    Returns None if the database has no such sweep, or if its schema is too old for readers (`TooOld`).
    """
    with suppress(TooOld), open_database(url) as connection:
        own = select(Sweep.id, Sweep.settings).where(Sweep.name == name)
        stored = connection.execute(own).first()
        if stored is None:
            return None
        is_known = (SweepFact.sweep_id == stored.id) & (SweepFact.name == "data_fingerprint")
        return stored.settings, connection.scalar(select(SweepFact.value).where(is_known)) or ""
    return None


def load_sweeps(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns one row per sweep, oldest first: sweep_id, name, scale, settings, created_at, and one column per fact.

    A fact is a value that is stored once per sweep. A missing train_data or data_fingerprint is ''. A missing PSNR of
    bicubic is NaN.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
        frame = read(
            connection, select(Sweep).where(Sweep.id.in_(chosen.values())).order_by(Sweep.id)
        ).set_index("id")
        query = select(SweepFact).where(SweepFact.sweep_id.in_(chosen.values()))
        facts = read(connection, query).pivot(index="sweep_id", columns="name", values="value")
    frame = frame.join(facts).reset_index(names="sweep_id")
    _fill_facts(frame, BICUBIC)
    frame["settings"] = [
        _named(s, facts.get("latency", {}).get(i))
        for s, i in zip(frame["settings"], frame["sweep_id"], strict=True)
    ]
    return frame


def _fill_facts(frame: pd.DataFrame, bicubic: str) -> None:
    """Adds the facts that every reader needs, if they are missing: '' for a text, NaN for the PSNR."""
    for name in OF_IMAGES:
        frame[name] = frame[name].fillna("") if name in frame else ""
    frame[bicubic] = pd.to_numeric(frame[bicubic]) if bicubic in frame else float("nan")


def _named(settings: Any, latency: object) -> Any:
    """Returns `settings` with the objective `latency` renamed to its data frame column, whose name includes the device."""
    if not isinstance(settings, dict) or not isinstance(latency, str):
        return settings
    objectives = settings.get("objectives") or {}
    return settings | {
        "objectives": {latency if n == "latency" else n: w for n, w in objectives.items()}
    }


def load_lives(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns one row per run of a driver: sweep, started_at, host, git_commit, git_dirty, versions, text.

    A driver is the process that runs a sweep. text is the sweep file as that run read it.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
        query = (
            select(Sweep.name.label("sweep"), Life)
            .join(Life, Life.sweep_id == Sweep.id)
            .where(Sweep.id.in_(chosen.values()))
        )
        frame = read(connection, query.order_by(Life.id))
    return frame.drop(columns=["id", "sweep_id"])


def load_trials(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns one row per trial, ordered by sweep and number.

    Columns that describe the trial:

    - id, sweep, scale, number, state, family, label, architecture, seed,
    - step: the largest step at which the trial was evaluated,
    - psnr_y, ssim_y, psnr_rgb and psnr_y_int8 on the validation split; `<set>_psnr_y` and `<set>_ssim_y` on each test set,
    - one column per cost and per measured latency, and columns for the quartiles and the reliability of a latency
      (`spread_columns`),
    - seconds and attempts: the training time of all attempts together [s], and the number of attempts,
    - error: the error of the newest attempt; '' if there is none.

    Columns that describe the sweep: train_data, data_fingerprint, training (the training settings as text), predicted_by
    (digest of the model of predicted_latency; '' if there is none) and bicubic (PSNR of bicubic on the validation images
    [dB]; NaN if unknown).
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
        query = trials_query(*measured_columns(connection)).where(Sweep.id.in_(chosen.values()))
        trials = read(connection, query.order_by(Sweep.id, Trial.number))
        attempts = _attempts(connection, chosen)
        facts = read(
            connection,
            select(SweepFact).where(SweepFact.name.in_((*OF_IMAGES, BICUBIC))),
        ).pivot(index="sweep_id", columns="name", values="value")
        settings = read(connection, select(Sweep.id, Sweep.settings)).set_index("id")["settings"]
    frame = trials.join(attempts, on="id").join(facts, on="sweep_id")
    frame["training"] = frame["sweep_id"].map(settings.map(training_of))
    frame["predicted_by"] = frame["sweep_id"].map(settings.map(model_in))
    frame = frame.rename(columns={BICUBIC: "bicubic"})
    _fill_facts(frame, "bicubic")
    frame = filled(frame).fillna({"attempts": 0, "error": ""}).astype({"attempts": int})
    return frame.drop(columns=["sweep_id"])


def load_curves(
    url: str,
    sweeps: Sequence[str] | None = None,
    *,
    name: str = "psnr_y",
    dataset: str = VALIDATION,
    trial_ids: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Returns one row per evaluation of a trial, ordered by trial and step: id, sweep, number, step, value.

    id and number identify the trial. value is the measurement `name` on `dataset`. If `trial_ids` are given, only these
    trials are read.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
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
        return read(connection, query.order_by(Trial.id, Measurement.step))


def load_images(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns one row per trial and test image: sweep, number, set, image, psnr_y, ssim_y.

    If an image was measured at several steps, the scores at the largest step are returned.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
        query = (
            select(
                Sweep.name.label("sweep"),
                Trial.number,
                Measurement.name,
                Measurement.dataset,
                Measurement.value,
            )
            .join(Trial, Trial.id == Measurement.trial_id)
            .join(Sweep, Sweep.id == Trial.sweep_id)
            .where(Sweep.id.in_(chosen.values()))
            .where(Measurement.name.in_([f"{PER_IMAGE}psnr_y", f"{PER_IMAGE}ssim_y"]))
            .order_by(Measurement.step)
        )
        rows = read(connection, query)
    keys = ["sweep", "number", "dataset"]
    rows = rows.assign(name=rows["name"].str.removeprefix(PER_IMAGE))
    frame = rows.drop_duplicates([*keys, "name"], keep="last")
    frame = frame.pivot(index=keys, columns="name", values="value").reset_index()
    frame = frame.reindex(columns=[*keys, "psnr_y", "ssim_y"])
    parts = frame["dataset"].str.partition("/")
    frame = (
        frame.assign(set=parts[0], image=parts[2]) if len(frame) else frame.assign(set="", image="")
    )
    frame.columns.name = None
    return frame[["sweep", "number", "set", "image", "psnr_y", "ssim_y"]]


def load_cost_names(url: str) -> list[str]:
    """Returns the names of the columns of `load_trials` that hold a cost or a measured latency."""
    with open_database(url) as connection:
        return [
            column(name, dataset)
            for name, dataset in measured(connection)
            if dataset == "" or name.startswith(LATENCY)
        ]


def load_spread_names(url: str, names: Iterable[str]) -> list[str]:
    """Returns the columns of `load_trials` with the quartiles and the reliability of the latencies among `names`.

    Only columns that the database has are returned.
    """
    wanted = spread_columns(names)
    if not wanted:
        return []
    with open_database(url) as connection:
        known = {column(name, dataset) for name, dataset in measured(connection)}
    return [name for name in wanted if name in known]


def load_knobs(url: str, sweeps: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns one row per trial, indexed by the trial's id, with one column per knob. Values have JSON types."""
    with open_database(url) as connection:
        chosen = sweep_ids(connection, sweeps)
        query = (
            select(TrialKnob)
            .join(Trial, Trial.id == TrialKnob.trial_id)
            .where(Trial.sweep_id.in_(chosen.values()))
        )
        frame = read(connection, query)
    return knob_columns(frame)


def knob_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Converts `rows` of the table TrialKnob to one row per trial and one column per knob. Values have JSON types."""
    known = {text: json.loads(text) for text in rows["value"].unique()}  # many trials, few values
    # As objects, because pandas would turn integers into floats beside missing values.
    values = rows["value"].map(known).astype(object)
    return rows.assign(value=values).pivot(index="trial_id", columns="name", values="value")


def _attempts(connection: Connection, chosen: dict[str, int]) -> pd.DataFrame:
    """Returns a frame indexed by trial id: the seconds of all attempts, the number of attempts, and the newest error."""
    query = (
        select(Attempt.trial_id, Attempt.seconds, Attempt.error)
        .join(Trial, Trial.id == Attempt.trial_id)
        .where(Trial.sweep_id.in_(chosen.values()))
        .order_by(Attempt.trial_id, Attempt.attempt)
    )
    groups = read(connection, query).groupby("trial_id")
    return pd.DataFrame(
        {
            "seconds": groups["seconds"].sum(),
            "attempts": groups.size(),
            "error": groups["error"].last(),
        }
    )


def load_trial(url: str, sweep: str, number: int) -> dict[str, Any]:
    """Returns one trial as a dict: the columns of `trials_query`, attempts (their number) and knobs (values by name).

    step is 0 before the first evaluation. Raises UserError if there is no such sweep or the sweep has no such trial.
    """
    with open_database(url) as connection:
        chosen = sweep_ids(connection, [sweep])
        query = trials_query().where(Sweep.id == chosen[sweep], Trial.number == number)
        found = read(connection, query)
        if found.empty:
            raise UserError(f"trial: sweep {sweep!r} has no trial {number}")
        row = {str(name): value for name, value in found.iloc[0].items()}
        attempts = select(func.max(Attempt.attempt)).where(Attempt.trial_id == int(row["id"]))
        knobs = select(TrialKnob.name, TrialKnob.value).where(TrialKnob.trial_id == int(row["id"]))
        row["attempts"] = connection.scalar(attempts) or 0
        row["knobs"] = {name: json.loads(value) for name, value in connection.execute(knobs)}
    return row | {"step": int(row["step"] or 0)}
