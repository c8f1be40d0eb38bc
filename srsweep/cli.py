"""The command `srsweep`: verbs and paths; the knobs belong in sweep.yaml."""

from importlib import import_module

import click

from srsweep.errors import OneLineErrors

COMMANDS = {
    "run": ("srsweep.commands.run:run", "Run the sweep in FILE, or resume it."),
    "resume": ("srsweep.commands.run:resume", "Carry on a sweep after a stop or a crash."),
    "check": ("srsweep.commands.run:check", "Check FILE and say what it would do."),
    "pack": ("srsweep.commands.pack:pack", "Measure how many trials at once are best here."),
    "families": (
        "srsweep.commands.families:families",
        "List the families, or the knobs of one FAMILY.",
    ),
    "cost": ("srsweep.commands.families:cost", "Count the costs of one network."),
    "front": (
        "srsweep.commands.front:front",
        "Print the Pareto front of the sweep NAME (or of a sweep file).",
    ),
    "select": ("srsweep.commands.select:select", "Choose variants for deployment and say why."),
    "report": ("srsweep.commands.front:report", "Write one HTML page about sweeps."),
    "status": (
        "srsweep.commands.front:status",
        "List all sweeps, or the trials of the sweep NAME (or of a sweep file).",
    ),
    "evaluate": (
        "srsweep.commands.evaluate:evaluate_command",
        "Measure a network on the test sets, as papers do.",
    ),
    "train": ("srsweep.commands.train:train", "Train one network alone, from the beginning."),
    "export": ("srsweep.commands.export:export", "Write a variant for devices, and check it."),
    "latency": (
        "srsweep.commands.export:latency",
        "Measure how long one image takes, here and now.",
    ),
    "merge": (
        "srsweep.commands.merge:merge_command",
        "Bring all sweeps of the database OTHER (a file or an URL) into this one.",
    ),
    "dashboard": ("srsweep.commands.dashboard:dashboard", "Show the sweeps live in a browser."),
    "export-optuna": (
        "srsweep.commands.dashboard:export_optuna",
        "Write a sweep as an Optuna study.",
    ),
}
"""Name -> where it is and its help in one line. A command is imported when it is called: importing all takes seconds."""

EPILOG = """
\b
A sweep from beginning to end:
  srsweep check sweep.yaml                     what it will do, and how long it takes
  srsweep run sweep.yaml                       trains; Ctrl-C and the same line again resumes
  srsweep front NAME; srsweep report NAME      the Pareto front, as a table and as a page
  srsweep select NAME --tiers 50k,150k,600k    variants for deployment
"""


class Commands(OneLineErrors):
    """The group of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, as the help shows them."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The lines under "Commands", without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="srsweep")
def main() -> None:
    """Design lightweight super-resolution networks by sweeping their architecture."""
