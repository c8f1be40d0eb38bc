"""The command `srsweep`. It takes verbs and paths; settings belong in the sweep file."""

from importlib import import_module

import click

from srsweep.errors import OneLineErrors

COMMANDS = {
    "run": "Run the sweep in FILE, or resume it.",
    "resume": "Resume a sweep after a stop or a crash.",
    "check": "Check FILE and show what the sweep would do.",
    "pack": "Measure how many trials to run at once on this machine.",
    "families": "List all families, or the knobs of one FAMILY.",
    "cost": "Count the costs of a network.",
    "front": "Print the Pareto front of a sweep.",
    "select": "Choose variants for deployment and explain the choice.",
    "report": "Write an HTML page about sweeps.",
    "status": "List all sweeps, or the trials of one sweep.",
    "evaluate": "Measure PSNR and SSIM of a network on the test sets.",
    "train": "Train one network from scratch.",
    "export": "Export a variant for a device and verify the file.",
    "latency": "Measure how long a network takes for one image.",
    "merge": "Copy all sweeps of the database OTHER into this one.",
    "dashboard": "Show the sweeps live in a browser.",
    "export-optuna": "Write a sweep as an Optuna study.",
}
"""Maps each command to the first line of its help.

The command `export-optuna` is the function `export_optuna` of `srsweep/commands/export_optuna.py`. A command is
imported when it is called, because importing all of them takes seconds.
"""

EPILOG = """
\b
A sweep from beginning to end:
  srsweep check sweep.yaml                    size, costs, expected time
  srsweep run sweep.yaml                      train; after Ctrl-C, run it again
  srsweep front NAME                          the Pareto front as a table
  srsweep report NAME                         a page with figures
  srsweep select NAME --tiers 50k,150k,600k   variants for deployment
"""


class Commands(OneLineErrors):
    """The group of all COMMANDS, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns all names in the order of the help."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command with that name, or None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"srsweep.commands.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the section "Commands" without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="srsweep")
def main() -> None:
    """Design lightweight super-resolution networks by sweeping their architecture."""
