"""How a command ends: exit code 2 for a user's mistake, 1 and a log for a fault of the program."""

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from searchspace.errors import UserError
from srsweep.errors import Mistake, RunFailed, as_expected
from sweeps.engine.outcomes import SweepFailed
from sweeps.store.lease import SweepTaken
from sweeps.store.store import StoreError
from tests.srsweep.calls import invoke, mistake
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file


def deep_fault(*_: object, **__: object) -> None:
    """Fails like a fault in our own code that happens to be a ValueError."""
    list(zip([1], [1, 2], strict=True))


def told_and_logged(log: Path, *words: object) -> str:
    """Returns the log of a command that must end in a fault of the program."""
    result = invoke(*words)
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ValueError: zip() argument 2 is longer than argument 1; ")
    assert line.endswith(f"the traceback is in {log}")
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert re.search(r"in deep_fault\n.*zip", text)
    return text


def test_a_fault_of_ours_leaves_a_traceback_beside_the_database(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command first: if it is imported now, it must import the real function, which is put back afterwards.
    monkeypatch.setattr("srsweep.commands.status.load_states", deep_fault)
    monkeypatch.setattr("analysis.read.points.load_states", deep_fault)
    text = told_and_logged(tmp_path / "results.log", "status", "--db", small.url)
    assert "srsweep/commands/status.py" in text


def test_a_fault_while_a_sweep_file_is_checked_or_run_is_no_mistake_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sweep_file(tmp_path)  # decodes images, so it comes before the fault
    monkeypatch.setattr("sweeps.data.split._evenly", deep_fault)
    monkeypatch.setattr("sweeps.data.split.embedded_validation", deep_fault)
    for command in ("check", "run", "pack"):
        told_and_logged(tmp_path / "results.log", command, file)
    assert (tmp_path / "results.log").read_text().count("Traceback") == 3


def test_a_command_without_a_database_logs_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("srsweep.commands.cost.costs", deep_fault)
    told_and_logged(Path("srsweep.log"), "cost", "slwsr")


def test_without_a_log_the_traceback_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("srsweep.log").mkdir()
    monkeypatch.setattr("srsweep.commands.cost.costs", deep_fault)
    result = invoke("cost", "slwsr")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("because srsweep.log cannot be written\n")


def test_values_that_no_boundary_has_converted_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def invalid(*_: object) -> None:
        TypeAdapter(int).validate_python("x")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("srsweep.commands.cost.costs", invalid)
    result = invoke("cost", "slwsr")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ValidationError: 1 validation error for int; ")


def test_no_password_is_shown_or_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leak(*_: object) -> None:
        raise RuntimeError("no route to postgresql://me:secret@host/sweeps")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("srsweep.commands.cost.costs", leak)
    result = invoke("cost", "slwsr")
    assert "postgresql://me:***@host/sweeps" in result.stderr
    assert "secret" not in result.output + Path("srsweep.log").read_text()


def test_an_error_of_the_system_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        (tmp_path / "gone").read_text()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("srsweep.commands.cost.costs", missing)
    result = invoke("cost", "slwsr")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {tmp_path / 'gone'}: No such file or directory\n",
    )
    assert not Path("srsweep.log").exists()


def test_errors_of_click_keep_their_exit_code() -> None:
    assert "No such command" in mistake("nothing")
    assert invoke("cost", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserError("x"), Mistake),
        (StoreError("x"), RunFailed),
        (SweepTaken("x"), RunFailed),
        (SweepFailed("x"), RunFailed),
        (OSError("x"), RunFailed),
        (ValueError("x"), type(None)),
        (AssertionError("x"), type(None)),
        (ModuleNotFoundError(name="onnxruntime"), Mistake),
        (ModuleNotFoundError(name="searchspace.nothing"), type(None)),
    ],
)
def test_every_kind_of_error_has_its_answer(error: Exception, kind: type) -> None:
    assert type(as_expected(error)) is kind
