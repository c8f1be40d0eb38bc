"""Every command that srsweep prints works when it is pasted into a shell."""

import ast
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from analysis.pages.report import report_page
from srsweep.cli import main
from sweeps.advice import STORAGE_VARIABLE, command, folder_for
from tests.srsweep.calls import invoke
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file

ROOT = Path(__file__).parents[2]
SECRET = "postgresql://bob:S3cr%40tPW@h/x"


@pytest.fixture(autouse=True)
def _no_database_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORAGE_VARIABLE, raising=False)


def parsed(line: str) -> click.Context:
    """Returns what click parses from a command line. Raises UsageError if a part is missing or unknown."""
    program, name, *words = shlex.split(line)
    assert program == "srsweep", line
    found = main.get_command(click.Context(main), name)
    assert found is not None, line
    return found.make_context(name, words)


@pytest.mark.parametrize(
    ("words", "storage", "line"),
    [
        (["resume", "t"], "sqlite:///results.db", "srsweep resume t"),
        (["resume", "t"], "sqlite:///t.db", "srsweep resume t --db sqlite:///t.db"),
        (["train", "t#1"], "sqlite:///a b.db", "srsweep train 't#1' --db 'sqlite:///a b.db'"),
        (["run", Path("a b.yaml")], None, "srsweep run 'a b.yaml'"),
        (["run", Path("-a.yaml")], None, "srsweep run ./-a.yaml"),
        (["front", "a$(rm x)`y`"], None, "srsweep front 'a$(rm x)`y`'"),
        (["resume", "t"], SECRET, "SRSWEEP_DB=... srsweep resume t"),
    ],
)
def test_a_command_is_quoted_and_finds_its_database(
    words: list[object], storage: str | None, line: str
) -> None:
    assert command(*words, storage=storage) == line
    if "..." not in line:
        found = shlex.split(line)
        expected = [str(w) if w != Path("-a.yaml") else "./-a.yaml" for w in words]
        assert found[1 : 1 + len(words)] == expected


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, SECRET)
    assert command("resume", "t", storage=SECRET) == "srsweep resume t"
    own = command("resume", "t", storage="sqlite:///results.db")
    assert own == "srsweep resume t --db sqlite:///results.db"


def test_a_new_folder_has_a_plain_name() -> None:
    assert folder_for("first#12") == "first-12"
    assert folder_for("../../etc/x y#1") == "etc-x-y-1"
    assert folder_for("--#") == "network"


def literals(path: Path) -> Iterator[str]:
    """The texts in a source file that can be printed, with X for each value that is filled in."""
    tree = ast.parse(path.read_text())
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if id(node) in inside or id(node) in docstrings:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "X" for p in node.values)


@pytest.mark.slow
def test_a_command_that_is_written_in_a_message_is_complete() -> None:
    """Once, a message recommended `srsweep export SWEEP#NUMBER --to int8` without the option -o."""
    found = [
        line
        for package in ("searchspace", "sweeps", "analysis", "srsweep")
        for path in (ROOT / package).rglob("*.py")
        for text in literals(path)
        for line in re.findall(r"`(srsweep [a-z-]+ [^`]+)`", text)
    ]
    assert found  # the pattern still finds commands
    wrong = []
    for line in found:
        try:
            params = parsed(re.sub(r"\bN\b", "1", line)).params
        except click.UsageError as error:
            wrong.append(f"{line}: {error.message}")
            continue
        if "db" in params:
            wrong.append(f"{line}: must come from `advised`, which names the database")
    assert wrong == []


def test_commands_of_messages_and_pages_name_the_database(small: Database, tmp_path: Path) -> None:
    row = ["--objectives", "psnr_y_int8"]
    texts = [
        invoke("front", "small", *row, "--db", small.url).output,
        invoke("front", "small", "--int8", "--db", small.url).output,
    ]
    page = report_page(small.url, find=lambda sweep, number: "gone", path=tmp_path / "a b.html")
    listed = re.findall(r"<pre>(srsweep [^<]*)</pre>", page)[0].replace("&#39;", "'").splitlines()
    lines = [line for text in texts for line in re.findall(r"`(srsweep [^`]+)`", text)]
    assert len(lines) == 2
    assert len(listed) == 4
    for line in (*lines, *listed):
        assert parsed(line).params["db"] == small.url, line
    assert parsed(listed[-1]).params["output"] == tmp_path / "a b.html"
    assert parsed(listed[-1]).params["tier_limits"] is None


@pytest.mark.slow
def test_an_interrupted_sweep_is_resumed_by_the_command_that_it_prints(tmp_path: Path) -> None:
    """Once, the printed command looked in results.db even with `storage: sqlite:///t.db`."""
    home = tmp_path / "a b"
    home.mkdir()
    train = {"steps": 300, "patch_size": 8, "batch_size": 2, "evaluate_every": 100}
    # On a busy machine the signal arrives late. The trials after the first one train long enough for it.
    search = {"sampler": "random", "trials": 4}
    file = sweep_file(home, train=train, search=search, storage="sqlite:///my results.db")
    run = [sys.executable, "-m", "srsweep", "run", file.name]
    process = subprocess.Popen(
        run,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a script has inherited that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("#"):  # a trial has ended
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    lines = re.findall(r"`(.+?)`", said)
    assert len(lines) == 1
    assert "resume tiny --db 'sqlite:///my results.db'" in lines[0]
    for line in lines:
        done = subprocess.run(
            line, shell=True, cwd=home, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert "4 of 4 trials complete" in done.stdout
    assert not (home / "results.db").exists()
