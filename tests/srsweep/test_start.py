"""Commands that only read the database start without torch, whose import takes longer than all of their work."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from importlib import import_module
from click.testing import CliRunner
from srsweep.cli import main

for name in ("front", "status", "select", "compare", "stop", "merge", "export_optuna", "claims", "dashboard", "schema"):
    import_module(f"srsweep.commands.{name}")
    assert "torch" not in sys.modules, name
for line in (
    "front recent-x4-100k",
    "status",
    "status recent-x4-100k",
    "select recent-x4-100k --tiers 50k",
    "compare recent-x4-100k slwsr-x4-bsds400",
    "front no-such-sweep",
):
    result = CliRunner().invoke(main, [*line.split(), "--db", "sqlite:///results.db"])
    assert result.exit_code == (2 if "no-such" in line else 0), result.output
    assert "torch" not in sys.modules, line
"""


def test_commands_that_read_the_database_do_not_import_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
