"""Tables of results.db. Long: a new metric, cost or knob is a row, never a column.

Rows are written once; only a trial's state, an attempt's end and a lease change. Times are UTC.
"""

from datetime import UTC, datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 1
"""Raised with every change of a table; a database of another version is refused."""


def utc_now() -> datetime:
    """The time as it is stored: UTC without a zone, to the microsecond."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Base of all tables."""


class SchemaVersion(Base):
    """One row: the version of the tables."""

    __tablename__ = "schema_version"
    version: Mapped[int] = mapped_column(primary_key=True)


class Sweep(Base):
    """One sweep: what all of its trials have in common."""

    __tablename__ = "sweeps"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    scale: Mapped[int]
    settings: Mapped[dict[str, object]] = mapped_column(JSON)
    """What makes trials comparable: scale, seed, objectives, training and data settings."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class SweepFact(Base):
    """A fact about a sweep as a whole: its data's fingerprint and description, bicubic's PSNR."""

    __tablename__ = "sweep_facts"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Life(Base):
    """One run of a driver: who ran the sweep, with which text, code and versions."""

    __tablename__ = "lives"
    id: Mapped[int] = mapped_column(primary_key=True)
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    text: Mapped[str] = mapped_column(Text)
    """The sweep's part of the YAML file, word for word."""
    host: Mapped[str] = mapped_column(String(200))
    git_commit: Mapped[str] = mapped_column(String(40))
    git_dirty: Mapped[bool]
    versions: Mapped[dict[str, str]] = mapped_column(JSON)


class Trial(Base):
    """One architecture trained with one seed; `number` is its identity within the sweep."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("sweep_id", "number"),
        UniqueConstraint("sweep_id", "architecture", "seed"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"))
    number: Mapped[int]
    architecture: Mapped[str] = mapped_column(String(16), index=True)
    """Key of the canonical architecture."""
    family: Mapped[str] = mapped_column(String(50))
    label: Mapped[str] = mapped_column(Text)
    seed: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default="running")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class TrialKnob(Base):
    """One knob of a trial as it was suggested, its value in JSON."""

    __tablename__ = "trial_knobs"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Attempt(Base):
    """One stretch of training of a trial on one machine; only the newest may write results."""

    __tablename__ = "attempts"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    until_step: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    step: Mapped[int] = mapped_column(default=0)
    """Optimiser step reached."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    host: Mapped[str] = mapped_column(String(200), default="")
    device: Mapped[str] = mapped_column(String(100), default="")
    error: Mapped[str] = mapped_column(Text, default="")


class Measurement(Base):
    """One number about a trial. Costs stand at step 0 with no dataset."""

    __tablename__ = "measurements"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(50), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float]


Index("measurements_by_name", Measurement.name, Measurement.dataset, Measurement.trial_id)


class Lease(Base):
    """Who may drive a sweep, and until when unless renewed."""

    __tablename__ = "leases"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    holder: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[datetime]
