"""The tables of results.db. They are long: a new metric, cost or knob is a row, never a column.

A row is written once. Only the state of a trial, the end of an attempt and a lease change later. Times are UTC.

A change of a table needs two edits: this file, and a new file in `migrations/versions/` that brings older
databases to the same tables. `sweeps/store/migrations/__init__.py` shows how.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Connection,
    Double,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REVISION = "0002"
"""The revision of the tables below: the newest file in `migrations/versions/`."""

OLDEST_READABLE = "0001"
"""The oldest revision that `analysis` can read without a migration."""

OLD_MARK = "schema_version"
"""The table that held the version, a whole number, before Alembic's table replaced it."""


def utc_now() -> datetime:
    """Returns the time as it is stored: UTC without a zone, to the microsecond."""
    return datetime.now(UTC).replace(tzinfo=None)


def revision_of(connection: Connection) -> str | None:
    """Returns the revision of a database, such as '0002'; None if it has none.

    A database has no revision if it is empty, if it belongs to another program, or if the process that made its
    tables died half way. A database from before Alembic has the number of its version: version 1 is '0001'.
    """
    tables = set(inspect(connection).get_table_names())
    # Other programs use Alembic too.
    if {AlembicVersion.__tablename__, Sweep.__tablename__} <= tables:
        found = connection.scalar(select(AlembicVersion.version_num))
        if found is not None:
            return found
    if OLD_MARK in tables:
        version = connection.scalar(text(f"SELECT version FROM {OLD_MARK}"))
        return None if version is None else f"{version:04}"
    return None


def is_known(revision: str) -> bool:
    """Whether this srsweep has the migrations up to `revision`."""
    return revision.isdecimal() and revision <= REVISION


def too_new(name: str, revision: str) -> str:
    """Returns the line that refuses the database `name`, whose `revision` is not known here."""
    return (
        f"storage: {name} has schema {revision}, and this srsweep knows schemas up to {REVISION}; "
        "update srsweep, or name another database"
    )


class Base(DeclarativeBase):
    """The base class of all tables."""

    # SQLAlchemy 2.0 would make a float FLOAT, and 2.1 makes it DOUBLE.
    type_annotation_map = {float: Double}  # noqa: RUF012


class AlembicVersion(Base):
    """Alembic's own table. Its one row holds the revision of the database."""

    __tablename__ = "alembic_version"
    __table_args__ = (PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),)
    version_num: Mapped[str] = mapped_column(String(32))


class Sweep(Base):
    """One sweep: what all of its trials have in common."""

    __tablename__ = "sweeps"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    scale: Mapped[int]
    settings: Mapped[dict[str, object]] = mapped_column(JSON)
    """What makes trials comparable: scale, seed, objectives, training and data settings. A setting that is newer than
    the sweep is missing here and has its default (see `comparability.filled`)."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class SweepFact(Base):
    """One fact about a sweep, such as the fingerprint of its images or the PSNR of bicubic enlargement."""

    __tablename__ = "sweep_facts"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Life(Base):
    """One run of a driver: the host, the sweep file, the commit and the versions of packages."""

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
    """One architecture, trained with one seed. `number` identifies it within its sweep."""

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
    """One of `sweeps.records.State`."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class TrialKnob(Base):
    """One knob of a trial with its suggested value in JSON."""

    __tablename__ = "trial_knobs"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Attempt(Base):
    """One stretch of a trial's training on one machine. Only the newest attempt may write results."""

    __tablename__ = "attempts"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    """Number within the trial, from 1."""
    until_step: Mapped[int]
    """Optimiser step at which the attempt ends."""
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    step: Mapped[int] = mapped_column(default=0)
    """Optimiser step reached."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Duration of the attempt."""
    host: Mapped[str] = mapped_column(String(200), default="")
    device: Mapped[str] = mapped_column(String(100), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    """Traceback or one line; empty if the attempt ended well."""


class Measurement(Base):
    """One number about a trial. A cost has step 0 and an empty dataset."""

    __tablename__ = "measurements"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(50), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float]


Index("measurements_by_name", Measurement.name, Measurement.dataset, Measurement.trial_id)


class Lease(Base):
    """The right of one driver to run a sweep. It ends at `expires_at` unless the driver renews it."""

    __tablename__ = "leases"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    holder: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[datetime]
