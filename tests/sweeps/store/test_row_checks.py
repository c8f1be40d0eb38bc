"""A row that srsweep cannot have written is refused with its table and number, before anything relies on it."""

import sqlite3
from pathlib import Path

import pytest

from sweeps.store.merge import merge
from sweeps.store.store import Store, StoreMistake
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database

WRONG = {
    "state": (
        "update trials set state='weird' where id=2",
        "table trials, row 2: state: must be one of running, ",
    ),
    "no state": (
        "update trials set state=x'00' where id=2",
        "table trials, row 2: state: must be one of",
    ),
    "settings are a list": (
        "update sweeps set settings='[1,2]'",
        "table sweeps, row 1: settings: must be a JSON object",
    ),
    "settings are cut": (
        "update sweeps set settings='{'",
        "table sweeps, row 1: settings: must be valid JSON",
    ),
    "settings are null": (
        "update sweeps set settings='null'",
        "row 1: settings: must be a JSON object",
    ),
    "settings are nested": (
        f"update sweeps set settings='{'[' * 90_000}'",
        "table sweeps, row 1: settings: must be valid JSON",
    ),
    "objectives": (
        """update sweeps set settings='{"objectives": {"params": "up"}}'""",
        "row 1: settings: must be a JSON object whose 'objectives'",
    ),
    "training": (
        """update sweeps set settings='{"train": 3}'""",
        "row 1: settings: must be a JSON object whose 'train'",
    ),
    "versions": (
        "update lives set versions='[1]'",
        "table lives, row 1: versions: must be a JSON object of texts",
    ),
    "versions hold numbers": (
        """update lives set versions='{"torch": 2}'""",
        "lives, row 1: versions",
    ),
    "the name is a path": (
        "update sweeps set name='../../x'",
        "table sweeps, row 1: name: must be a name of letters",
    ),
    "the name is hidden": ("update sweeps set name='.x'", "table sweeps, row 1: name"),
    "the name moves the cursor": (
        "update sweeps set name='a'||char(27)||'[2J'",
        r"table sweeps, row 1: name: must be a name of letters, digits and . _ - that begins with a letter or a "
        r"digit, got 'a\x1b[2J'",
    ),
    "the name is a number": ("update sweeps set name=x'41'", "table sweeps, row 1: name"),
    "the label moves the cursor": (
        "update trials set label=char(27)||'[31m' where id=3",
        "table trials, row 3: label: must be without control characters",
    ),
    "the label turns round": (
        "update trials set label=char(8238)||'x' where id=3",
        "trials, row 3: label",
    ),
    "the label is huge": (
        "update trials set label=hex(zeroblob(500000)) where id=1",
        "table trials, row 1: label: must be at most 1,000 characters long, got '000",
    ),
    "the number is text": (
        "update trials set number='x' where id=1",
        "table trials, row 1: number: must be a whole",
    ),
    "the number is negative": (
        "update trials set number=-1 where id=1",
        "table trials, row 1: number",
    ),
    "the number is huge": (
        "update trials set number=1<<40 where id=1",
        "table trials, row 1: number",
    ),
    "the number is a fraction": (
        "update trials set number=0.5 where id=1",
        "table trials, row 1: number",
    ),
    "the family is a path": (
        "update trials set family='../x' where id=1",
        "table trials, row 1: family",
    ),
    "a trial without a sweep": (
        "update trials set sweep_id=9 where id=4",
        "table trials, row 4: sweep_id: must be the id of a row in sweeps, got 9",
    ),
    "a value without a trial": (
        "update measurements set trial_id=99 where trial_id=1 and name='params'",
        "trial_id: must be the id of a row in trials, got 99",
    ),
    "the scale": (
        "update sweeps set scale='four'",
        "table sweeps, row 1: scale: must be a whole number",
    ),
    "a score is text": (
        "update measurements set value='best' where trial_id=1 and name='params'",
        "table measurements, row 2: value: must be a number, got 'best'",
    ),
    "a score is a blob": (
        "update measurements set value=x'ff' where trial_id=1",
        "measurements, row 1: value",
    ),
    "a step is text": (
        "update measurements set step='x' where trial_id=1 and name='params'",
        "step: must be a whole",
    ),
    "a knob is no JSON": (
        "update trial_knobs set value='{' where trial_id=2",
        "table trial_knobs, row",
    ),
    "a knob is not a number of JSON": (
        "update trial_knobs set value='NaN' where trial_id=2",
        "must be valid JSON",
    ),
    "a knob's name": (
        "update trial_knobs set name='a b' where trial_id=2 and name='n_feats'",
        "name: must be letters",
    ),
    "a time": (
        "update trials set created_at='yesterday' where id=5",
        "table trials, row 5: created_at: must be a time",
    ),
    "the time of a sweep": (
        "update sweeps set created_at=3",
        "table sweeps, row 1: created_at: must be a time",
    ),
    "seconds": (
        "update attempts set seconds='long' where trial_id=1",
        "attempts, row 1: seconds: must be a number of",
    ),
    "negative seconds": (
        "update attempts set seconds=-5 where trial_id=1",
        "attempts, row 1: seconds",
    ),
    "a host": (
        "update attempts set host='a'||char(7) where trial_id=1",
        "attempts, row 1: host: must be without",
    ),
    "a commit": (
        "update lives set git_commit='; rm -rf'",
        "table lives, row 1: git_commit: must be a commit",
    ),
    "a flag": ("update lives set git_dirty='no'", "table lives, row 1: git_dirty: must be 0 or 1"),
    "an error with a NUL": (
        "update attempts set error='a'||char(0)||'b' where trial_id=1",
        "attempts, row 1: error",
    ),
    "a fact that float() reads and pandas does not": (
        "update sweep_facts set value='nan' where name='validation_bicubic_psnr_y'",
        "value: must be a number, because the fact is validation_bicubic_psnr_y, got 'nan'",
    ),
    "a fact": (
        "update sweep_facts set value='good' where name='validation_bicubic_psnr_y'",
        "value: must be a number, because the fact is validation_bicubic_psnr_y, got 'good'",
    ),
}
"""What is done to a database, and a part of the line that refuses it."""


def spoil(database: Database, *statements: str) -> Path:
    path = Path(database.url.removeprefix("sqlite:///"))
    database.store.close()
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize(("statement", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_on_merging(
    small: Database, tmp_path: Path, statement: str, told: str
) -> None:
    path = spoil(small, "pragma ignore_check_constraints=on", statement)
    here = Store(f"sqlite:///{tmp_path / 'here.db'}")
    with pytest.raises(StoreMistake) as refused:
        merge(str(path), here)
    message = str(refused.value)
    assert told in message
    assert message.startswith(f"storage: sqlite:///{path}: table ")
    assert message.isprintable(), "one line without control characters"
    assert len(message) < 400
    assert here.sweep_names() == []
    here.close()


def rebuilt(name: str) -> tuple[str, ...]:
    """Statements that make a table anew without its constraints."""
    return (
        f"create table copied as select * from {name}",
        f"drop table {name}",
        f"alter table copied rename to {name}",
    )


DOUBLED = {
    "trials": (
        "update trials set number=0 where id=2",
        "table trials, row 2: sweep_id, number: must be unique",
    ),
    "sweeps": (
        "insert into sweeps select * from sweeps",
        "table sweeps, row 1: id: must be unique, got 1 again",
    ),
    "attempts": (
        "insert into attempts select * from attempts",
        "trial_id, attempt: must be unique",
    ),
    "measurements": ("insert into measurements select * from measurements", "must be unique"),
}


@pytest.mark.parametrize("table", DOUBLED)
def test_rows_that_contradict_each_other_are_refused(
    small: Database, tmp_path: Path, table: str
) -> None:
    statement, told = DOUBLED[table]
    path = spoil(small, *rebuilt(table), statement)
    with pytest.raises(StoreMistake) as refused:
        merge(str(path), Store(f"sqlite:///{tmp_path / 'here.db'}"))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("drop table attempts", "has no table attempts"),
        ("alter table attempts drop column host", "table attempts has no column host"),
        ("update alembic_version set version_num=x'ff'", "this srsweep knows schemas up to"),
        ("update alembic_version set version_num=char(27)||'[31m'", r"has schema '\x1b[31m', and"),
    ],
)
def test_tables_of_another_shape_are_refused(
    small: Database, tmp_path: Path, statement: str, told: str
) -> None:
    path = spoil(small, statement)
    with pytest.raises(StoreMistake) as refused:
        merge(str(path), Store(f"sqlite:///{tmp_path / 'here.db'}"))
    assert told in str(refused.value)


def test_a_view_is_no_table(small: Database, tmp_path: Path) -> None:
    path = spoil(
        small, "alter table trials rename to old", "create view trials as select * from old"
    )
    with pytest.raises(StoreMistake, match="has no table trials"):
        merge(str(path), Store(f"sqlite:///{tmp_path / 'here.db'}"))


@pytest.mark.parametrize("file", ["results.db", "configs/claims/recorded.db"])
def test_the_recorded_sweeps_pass(file: str, tmp_path: Path) -> None:
    """The rows that earlier versions wrote are right."""
    here = Store(f"sqlite:///{tmp_path / 'here.db'}")
    assert merge(str(Path(__file__).parents[3] / file), here)


@pytest.mark.parametrize("new", ["../x", "a b", "", ".x", "a\x1b[2J"])
def test_a_new_name_must_be_a_name_of_a_sweep(small: Database, tmp_path: Path, new: str) -> None:
    with pytest.raises(StoreMistake, match="^--rename: must be letters") as refused:
        merge(small.url, Store(f"sqlite:///{tmp_path / 'here.db'}"), {"small": new})
    assert str(refused.value).isprintable()


COMMANDS = {
    "status": ["status", "--db", "URL"],
    "trials": ["status", "small", "--db", "URL"],
    "front": ["front", "small", "--db", "URL"],
    "select": ["select", "small", "--max", "params=1M", "--db", "URL"],
    "report": ["report", "small", "--db", "URL", "-o", "page.html"],
    "export-optuna": ["export-optuna", "small", "--db", "URL", "-o", "study.db"],
}
READ = (
    "state",
    "settings are a list",
    "settings are cut",
    "objectives",
    "training",
    "versions",
    "the name moves the cursor",
    "the time of a sweep",
    "a flag",
    "a fact",
    "the scale",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", READ)
def test_a_database_that_is_opened_directly_is_answered_on_one_line(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str
) -> None:
    """The line has no control characters, and no log with a traceback is written."""
    statement, told = WRONG[wrong]
    path = spoil(small, statement)
    monkeypatch.chdir(tmp_path)
    line = mistake(*[word.replace("URL", small.url) for word in COMMANDS[command]])
    assert told.split(" must be ")[0] in line
    assert line.isprintable()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize(
    ("wrong", "command"),
    [
        ("a knob is no JSON", "report"),
        ("a knob is no JSON", "export-optuna"),
        ("a score is text", "front"),
        ("a score is text", "trials"),
        ("seconds", "report"),
    ],
)
def test_a_wrong_row_that_only_some_commands_read_is_answered_on_one_line(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, command: str
) -> None:
    statement, told = WRONG[wrong]
    spoil(small, statement)
    monkeypatch.chdir(tmp_path)
    line = mistake(*[word.replace("URL", small.url) for word in COMMANDS[command]])
    assert told.split(" must be ")[0] in line


def test_control_characters_are_shown_as_escapes(small: Database) -> None:
    """Control characters in an error or a label of such a database have no effect on a terminal."""
    spoil(
        small,
        "update trials set label='a'||char(27)||'[2Jb' where id=1",
        "update attempts set error='bad '||char(27)||']0;title'||char(7) where trial_id=6",
    )
    printed = succeed("status", "small", "--db", small.url).output
    assert r"a\x1b[2Jb" in printed
    assert r"bad \x1b]0;title\x07" in printed
    assert "\x1b" not in printed
