"""The tables of results.db. They are in long format: a new metric, cost or knob is a new row, never a new column.

Most rows never change. Exceptions are the state of a trial, the end of an attempt, the lease of a sweep, and a
measurement that a command such as `srsweep export` repeats. All times are in UTC.

A change to a table needs two edits: one in this file, and a new file in `migrations/versions/` that changes the tables
of older databases in the same way. `sweeps/store/migrations/__init__.py` shows how.
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

from searchspace.errors import printed
from sweeps.store.redacted_text import RedactedText

REVISION = "0004"
"""The revision of the tables below. It equals the revision of the newest file in `migrations/versions/`."""

OLDEST_READABLE = "0001"
"""The oldest revision that `analysis` can read without a migration."""

OLDEST = "0001"
"""The first revision of the schema."""

LONGEST_NAME = 200
"""Maximum number of characters in a measurement's name, and in its dataset."""

LONGEST_NOTE = 10_000
"""Maximum number of characters in a note on a trial."""

OLD_MARK = "schema_version"
"""The table that held the version of the schema, a whole number, before Alembic's table replaced it."""


def utc_now() -> datetime:
    """Returns the current UTC time as a naive datetime with microseconds, as the database stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


def revision_of(connection: Connection) -> str | None:
    """Returns the revision of a database, such as '0002'; None if it has none.

    A database has no revision if it is empty, if it belongs to another program, or if the process that created its
    tables died before it had finished. In a database from before Alembic, version 1 of the schema is revision '0001'.
    """
    tables = set(inspect(connection).get_table_names())
    # Other programs use Alembic too.
    if {AlembicVersion.__tablename__, Sweep.__tablename__} <= tables:
        found = connection.scalar(select(AlembicVersion.version_num))
        if found is not None:
            return str(found)
    if OLD_MARK in tables:
        version = connection.scalar(text(f"SELECT version FROM {OLD_MARK}"))
        return None if version is None else str(version).zfill(4)
    return None


def is_known(revision: str) -> bool:
    """Returns whether this srsweep knows the schema `revision`, which is not newer than REVISION."""
    if not (revision.isascii() and revision.isdecimal() and len(revision) == len(REVISION)):
        return False
    return OLDEST <= revision <= REVISION


def too_new(name: str, revision: str) -> str:
    """Returns one line that refuses the database `name`, whose schema `revision` is newer than this srsweep's."""
    return (
        f"storage: {name} has schema {printed(revision)}, and this srsweep knows schemas up to {REVISION}; "
        "update srsweep, or name another database"
    )


class Base(DeclarativeBase):
    """The base class of all tables."""

    # The type of a float column would be FLOAT with SQLAlchemy 2.0 and DOUBLE with 2.1.
    type_annotation_map = {float: Double}  # noqa: RUF012


class AlembicVersion(Base):
    """Alembic's own table. Its only row holds the revision of the database."""

    __tablename__ = "alembic_version"
    __table_args__ = (PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),)
    version_num: Mapped[str] = mapped_column(String(32))


class Sweep(Base):
    """A sweep, with the settings that all of its trials share."""

    __tablename__ = "sweeps"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    scale: Mapped[int]
    settings: Mapped[dict[str, object]] = mapped_column(JSON)
    """The settings that all trials must share to be comparable: scale, seed, objectives, training and data. A setting
    that did not exist when the sweep was stored is missing here and has its default (see `comparability.filled`)."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class SweepFact(Base):
    """A fact about a sweep, such as the fingerprint of its images or the PSNR of bicubic upscaling."""

    __tablename__ = "sweep_facts"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Life(Base):
    """A run of a driver: its host, the text of its sweep, the commit of its code and the versions of its packages."""

    __tablename__ = "lives"
    id: Mapped[int] = mapped_column(primary_key=True)
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    text: Mapped[str] = mapped_column(RedactedText)
    """The part of the YAML file that describes the sweep, without the password of its database."""
    host: Mapped[str] = mapped_column(String(200))
    git_commit: Mapped[str] = mapped_column(String(40))
    """Commit of the code; '' if unknown."""
    git_dirty: Mapped[bool]
    """Whether files differed from the commit."""
    versions: Mapped[dict[str, str]] = mapped_column(JSON)
    """Digest of the code, platform and versions, as `provenance.versions` returns them."""


class Trial(Base):
    """A trial of a sweep: one architecture, trained with one seed."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("sweep_id", "number"),
        UniqueConstraint("sweep_id", "architecture", "seed"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"))
    number: Mapped[int]
    """Number of the trial within its sweep, from 0."""
    architecture: Mapped[str] = mapped_column(String(16), index=True)
    """Key of the canonical architecture, with its recipe if the sweep searches training settings."""
    family: Mapped[str] = mapped_column(String(50))
    label: Mapped[str] = mapped_column(Text)
    """Short description of the architecture for people."""
    seed: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default="running")
    """One of the states in `sweeps.records.State`."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class TrialKnob(Base):
    """A knob of a trial, with the suggested value as JSON text.

    A training setting that the search chose is stored in the same way, with `train.` before its name.
    """

    __tablename__ = "trial_knobs"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Attempt(Base):
    """An attempt to train a trial up to a step on one machine. Only the newest attempt of a trial may write results."""

    __tablename__ = "attempts"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    """Number of the attempt within its trial, from 1."""
    until_step: Mapped[int]
    """Optimiser step that the attempt trains towards."""
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    """None while the attempt is open."""
    step: Mapped[int] = mapped_column(default=0)
    """Optimiser step that the attempt reached."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Duration of the attempt in seconds."""
    host: Mapped[str] = mapped_column(String(200), default="")
    device: Mapped[str] = mapped_column(String(100), default="")
    error: Mapped[str] = mapped_column(RedactedText, default="")
    """A traceback or one line; '' if the attempt ended without an error."""


class Measurement(Base):
    """A number about a trial: a cost, score, latency or time. A cost has step 0 and the dataset ''."""

    __tablename__ = "measurements"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(LONGEST_NAME), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float]


Index("measurements_by_name", Measurement.name, Measurement.dataset, Measurement.trial_id)


class TrialNote(Base):
    """What people note about a trial. It is the only table that the dashboard writes, and no driver reads it."""

    __tablename__ = "trial_notes"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    is_starred: Mapped[bool]
    text: Mapped[str] = mapped_column(Text)
    """The note; '' if there is only a star."""
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


class Lease(Base):
    """The right of one driver to run a sweep. It ends at `expires_at` unless the driver renews it."""

    __tablename__ = "leases"
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    holder: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[datetime]
