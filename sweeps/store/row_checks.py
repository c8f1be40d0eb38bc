"""Checks the rows of a database that another machine or another person wrote, before anything relies on them.

SQLite stores any value in any column, and a file from elsewhere may have been edited. Each row is compared with what
srsweep writes. The first row that differs is named, by its table and its number.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, MetaData, Table, inspect, select
from sqlalchemy.types import NullType

from searchspace.errors import shown
from sweeps.messages import is_control
from sweeps.records import State
from sweeps.store import schema
from sweeps.store.database import StoreMistake

Check = Callable[[Any], str]
"""A function that checks a value. It returns '' if the value is right, else the requirement, such as 'a number'."""

LARGEST = 2**31 - 1
"""Largest whole number that a column can hold, because PostgreSQL uses 32 bits."""
SHORT, LONG = 1_000, 1_000_000
"""Maximum number of characters in a name, and in a text such as a sweep file or a traceback."""

NAME = re.compile(r"[\w][\w.+ ()-]{0,199}")
"""A name of a sweep. The rule for a new sweep is stricter than this pattern, because earlier versions accepted more names."""
DIRECTIONS = ("maximize", "minimize")


def _whole(least: int, largest: int = LARGEST) -> Check:
    def check(value: Any) -> str:
        right = type(value) is int and least <= value <= largest
        return "" if right else f"a whole number from {least:,} to {largest:,}"

    return check


def _number(value: Any) -> str:
    right = type(value) in (int, float) and not math.isnan(value)
    return "" if right else "a number"


def _seconds(value: Any) -> str:
    right = not _number(value) and 0 <= value < math.inf
    return "" if right else "a number of seconds, at least 0"


def _flag(value: Any) -> str:
    return "" if value in (0, 1) and type(value) in (int, bool) else "0 or 1"


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return ""
    try:
        # SQLAlchemy stores times in exactly this form in SQLite.
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f")
    except (TypeError, ValueError):
        return "a time such as 2026-11-21 12:00:00.000000"
    return ""


def _line(value: Any) -> str:
    if not isinstance(value, str):
        return "text"
    if len(value) > SHORT:
        return f"at most {SHORT:,} characters long"
    clean = value.isprintable() or not any(map(is_control, value))
    return "" if clean else "without control characters"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return "text"
    if len(value) > LONG:
        return f"at most {LONG:,} characters long"
    # An error may hold colours of a terminal, which are not shown as they are. No text holds a NUL.
    return "without NUL characters" if "\0" in value else ""


def _sweep_name(value: Any) -> str:
    right = isinstance(value, str) and NAME.fullmatch(value)
    return (
        "" if right else "a name of letters, digits and . _ - that begins with a letter or a digit"
    )


def _some(pattern: str, what: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: "" if isinstance(value, str) and compiled.fullmatch(value) else what


def _state(value: Any) -> str:
    return "" if value in get_args(State) else f"one of {', '.join(get_args(State))}"


def _or_none(check: Check) -> Check:
    return lambda value: "" if value is None else check(value)


def parsed(value: Any) -> Any:
    """Returns the value of a JSON column, which a driver may have decoded. Raises ValueError if it is not valid JSON."""
    if isinstance(value, bytes):
        raise ValueError("is not text")
    if not isinstance(value, str):
        return value
    if len(value) > LONG:
        raise ValueError(f"is longer than {LONG:,} characters")
    try:
        return json.loads(value, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}")


def _json(check: Check = lambda value: "") -> Check:
    def checked(value: Any) -> str:
        try:
            return check(parsed(value))
        except ValueError:
            return "valid JSON"

    return checked


def _settings(value: Any) -> str:
    if not isinstance(value, dict):
        return "a JSON object"
    for section in ("train", "data"):
        if section in value and not isinstance(value[section], dict):
            return f"a JSON object whose {section!r} is an object"
    objectives = value.get("objectives", {})
    if not isinstance(objectives, dict) or not all(
        not _line(name) and way in DIRECTIONS for name, way in objectives.items()
    ):
        return "a JSON object whose 'objectives' are maximize or minimize by name"
    return ""


def _versions(value: Any) -> str:
    right = isinstance(value, dict) and not any(map(_line, (*value, *value.values())))
    return "" if right else "a JSON object of texts"


_IDENTIFIER = _some(r"\w{1,100}", "letters, digits and _")
_ID = _whole(-(2**63), 2**63 - 1)

CHECKS: dict[str, dict[str, Check]] = {
    "sweeps": {
        "id": _ID,
        "name": _sweep_name,
        "scale": _whole(1, 1_000),
        "settings": _json(_settings),
        "created_at": _time,
    },
    "sweep_facts": {"sweep_id": _ID, "name": _line, "value": _text},
    "lives": {
        "id": _ID,
        "sweep_id": _ID,
        "started_at": _time,
        "text": _text,
        "host": _line,
        "git_commit": _some(r"[0-9a-f]{0,64}", "a commit of hexadecimal digits"),
        "git_dirty": _flag,
        "versions": _json(_versions),
    },
    "trials": {
        "id": _ID,
        "sweep_id": _ID,
        "number": _whole(0),
        "architecture": _some(r"\w{1,64}", "letters and digits"),
        "family": _IDENTIFIER,
        "label": _line,
        "seed": _ID,
        "state": _state,
        "created_at": _time,
    },
    "trial_knobs": {
        "trial_id": _ID,
        "name": _some(
            r"(train\.)?\w{1,100}", "letters, digits and _, with or without train. before"
        ),
        "value": _json(),
    },
    "attempts": {
        "trial_id": _ID,
        "attempt": _whole(1),
        "until_step": _whole(0),
        "started_at": _time,
        "ended_at": _or_none(_time),
        "step": _whole(0),
        "seconds": _seconds,
        "host": _line,
        "device": _line,
        "error": _text,
    },
    "measurements": {
        "trial_id": _ID,
        "name": _line,
        "dataset": _line,
        "step": _whole(0),
        "value": _number,
    },
    "trial_notes": {
        "trial_id": _ID,
        "is_starred": _flag,
        "text": _text,
        "changed_at": _time,
    },
}
"""What each column must hold, by table and column. The lease of a sweep is not copied, so it is not checked."""

NUMERIC_FACTS = re.compile(r"validation_bicubic_\w+")
"""Names of sweep facts whose value is a number."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?|inf")
"""A number as srsweep writes it. The PSNR of an image of one colour is infinite."""

PARENTS = {"sweep_id": "sweeps", "trial_id": "trials"}
KEYS = {
    "sweeps": (("id",), ("name",)),
    "trials": (("id",), ("sweep_id", "number"), ("sweep_id", "architecture", "seed")),
    "lives": (("id",),),
    "sweep_facts": (("sweep_id", "name"),),
    "trial_knobs": (("trial_id", "name"),),
    "attempts": (("trial_id", "attempt"),),
    "measurements": (("trial_id", "name", "dataset", "step"),),
    "trial_notes": (("trial_id",),),
}
"""Columns whose values together must differ between the rows of a table. The first key sorts the rows."""
NEWER = {"trial_notes": "0004"}
"""Tables that older databases lack, with the first revision of the schema that has them."""
SMALL = ("sweeps", "sweep_facts", "lives")
"""The tables with a few rows for each sweep."""


def check_rows(
    connection: Connection, database: str, *, small: bool = False, any_name: bool = False
) -> None:
    """Raises StoreMistake, which names the table and the row, for the first row that srsweep cannot have written.

    `database` names the database in the message. With `small`, only the tables SMALL and the states of trials are read,
    which takes milliseconds. With `any_name`, the name of a sweep may be any line of text: a page shows it as text.
    """
    tables = _tables(connection, database)
    known: dict[str, set[Any]] = {}
    for name in KEYS:
        if name in tables and (not small or name in SMALL):
            for number, fault in _faults(connection, tables[name], known, any_name):
                raise StoreMistake(f"storage: {database}: table {name}, row {number}: {fault}")
    if small:
        trials = tables["trials"]
        wrong = select(trials.c.id, trials.c.state).where(
            trials.c.state.not_in(get_args(State)) | trials.c.state.is_(None)
        )
        for number, state in connection.execute(wrong.order_by(trials.c.id).limit(1)):
            fault = _told("state", state, _state(state))
            raise StoreMistake(f"storage: {database}: table trials, row {number}: {fault}")


def _tables(connection: Connection, database: str) -> dict[str, Table]:
    """Returns the tables with columns that have no types, so that the values are read as they are stored.

    A table that is newer than the database is left out. Raises StoreMistake if another table or a column is missing.
    """
    found = inspect(connection)
    present = set(found.get_table_names())
    tables: dict[str, Table] = {}
    revision = schema.revision_of(connection) or schema.OLDEST
    for name, columns in CHECKS.items():
        if revision < NEWER.get(name, schema.OLDEST):
            continue
        if name not in present:
            raise StoreMistake(f"storage: {database}: has no table {name}")
        missing = sorted(columns.keys() - {column["name"] for column in found.get_columns(name)})
        if missing:
            raise StoreMistake(f"storage: {database}: table {name} has no column {missing[0]}")
        own = schema.Base.metadata.tables[name]
        tables[name] = own.to_metadata(MetaData())
        for column in tables[name].columns:
            column.type = NullType()
    return tables


def _faults(
    connection: Connection, table: Table, known: dict[str, set[Any]], any_name: bool
) -> Iterator[tuple[int, str]]:
    """Yields the number of each wrong row and what is wrong in it. A table without ids counts its rows from 1."""
    name, checks = table.name, CHECKS[table.name]
    if any_name and name == "sweeps":
        checks = {**checks, "name": _line}
    keys = KEYS[name]
    # The rows are sorted by the first key, so that equal values follow each other.
    before: Any = None
    seen: list[set[Any]] = [set() for _ in keys[1:]]
    ids: set[Any] = set()
    query = select(*(table.c[column] for column in checks)).order_by(
        *(table.c[column] for column in keys[0])
    )
    for position, values in enumerate(connection.execute(query), start=1):
        row = dict(zip(checks, values, strict=True))
        number = row["id"] if type(row.get("id")) is int else position
        fault = _fault(name, checks, row, known)
        if fault:
            yield number, fault
            continue
        first, *others = [tuple(row[column] for column in key) for key in keys]
        for key, value, earlier in zip(keys, (first, *others), ({before}, *seen), strict=True):
            if value in earlier:
                yield number, f"{', '.join(key)}: must be unique, got {_shown(value)} again"
        for value, earlier in zip(others, seen, strict=True):
            earlier.add(value)
        before = first
        if "id" in row:
            ids.add(row["id"])
    known[name] = ids


def _fault(
    table: str,
    checks: Mapping[str, Check],
    row: Mapping[str, Any],
    known: Mapping[str, set[Any]],
) -> str:
    for column, check in checks.items():
        if must := check(row[column]):
            return _told(column, row[column], must)
        parent = PARENTS.get(column)
        if parent and row[column] not in known[parent]:
            return _told(column, row[column], f"the id of a row in {parent}")
    numeric = table == "sweep_facts" and NUMERIC_FACTS.fullmatch(row["name"])
    if numeric and not NUMBER.fullmatch(row["value"]):
        return _told("value", row["value"], f"a number, because the fact is {row['name']}")
    return ""


def _told(column: str, value: Any, must: str) -> str:
    return f"{column}: must be {must}, got {_shown(value)}"


def _shown(value: Any) -> str:
    return shown(value[0] if isinstance(value, tuple) and len(value) == 1 else value)
