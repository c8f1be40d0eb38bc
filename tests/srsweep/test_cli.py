"""The command line from end to end, and the help of every command."""

import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

import srsweep
from srsweep.cli import COMMANDS, main
from tests.srsweep.calls import invoke
from tests.sweeps.sweeps_for_tests import sweep_file

NOT_INSTALLED = re.compile(r"\b(docs|configs|benchmarks)/")
"""Folders of the repository that an installed wheel does not have."""


def test_every_command_has_help() -> None:
    context = click.Context(main)
    for name, line in COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert (command.name, command.get_short_help_str(200)) == (name, line)
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert len(command.get_short_help_str(60)) > 10
        assert not NOT_INSTALLED.search(result.output), name


@pytest.mark.parametrize("name", srsweep.__all__)
def test_the_help_of_python_names_no_page_that_is_not_installed(name: str) -> None:
    found = getattr(srsweep, name)
    texts = [pydoc.plain(pydoc.render_doc(found)), sys.modules[found.__module__].__doc__ or ""]
    assert found.__name__ in texts[0]
    assert [text for text in (*texts, srsweep.__doc__ or "") if NOT_INSTALLED.search(text)] == []


def test_the_shell_completes_commands_and_options() -> None:
    shell = BashComplete(main, {}, "srsweep", "_SRSWEEP_COMPLETE")
    found = shell.get_completions([], "re")
    assert [(item.value, item.help) for item in found] == [
        (name, COMMANDS[name]) for name in ("rename", "report", "resume")
    ]
    assert [item.value for item in shell.get_completions(["status"], "--js")] == ["--json"]


def test_the_shell_completes_commands_without_importing_them() -> None:
    script = (
        "import sys; from click.shell_completion import BashComplete; from srsweep.cli import main\n"
        "found = BashComplete(main, {}, 'srsweep', 'x').get_completions([], '')\n"
        "print(len(found), [n for n in sys.modules if n.startswith(('torch', 'srsweep.commands.'))])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert ran.stdout == f"{len(COMMANDS)} []\n"


def test_a_sweep_from_check_to_report(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    checked = invoke("check", file)
    assert checked.exit_code == 0, checked.output
    assert "architectures          12" in checked.output
    ran = invoke("run", file)
    assert ran.exit_code == 0, ran.output
    assert "4 of 4 trials complete" in ran.output
    front = json.loads(invoke("front", file, "--json").stdout)
    assert 1 <= len(front) <= 4
    chosen = invoke("select", file, "--tiers", "1k,2k", "--json")
    assert len(json.loads(chosen.output)) == 2
    page = tmp_path / "report.html"
    assert invoke("report", file, "-o", page).exit_code == 0
    assert "</html>" in page.read_text()
    status = json.loads(invoke("status", file, "--json").output)
    assert [row["state"] for row in status] == ["complete"] * 4
    again = invoke("resume", "tiny", "--db", f"sqlite:///{tmp_path / 'results.db'}")
    assert again.exit_code == 0
    assert "4 of 4 trials complete" in again.output
