"""The command `srsweep`. Its arguments choose the action and the files. Settings belong in the sweep file."""

from importlib import import_module

import click
from click.shell_completion import CompletionItem

from srsweep.errors import OneLineErrors

COMMANDS = {
    "run": "Run the sweep that FILE describes, or resume it.",
    "resume": "Resume a sweep after a stop or a crash.",
    "init": "Write a sweep file from the answers to five questions.",
    "schema": "Print the JSON schema of sweep files.",
    "check": "Check a sweep file and show what the sweep would do.",
    "pack": "Measure how many trials to run in parallel on this machine.",
    "families": "List all network families, or the knobs of one family.",
    "claims": "Report which claims of four papers hold in your training runs.",
    "cost": "Count the costs of a network.",
    "front": "Print the Pareto front of a sweep.",
    "compare": "Compare the fronts of two or more sweeps.",
    "select": "Choose variants for deployment and explain the choice.",
    "report": "Write an HTML report about one or more sweeps.",
    "status": "List all sweeps, or the trials of one sweep.",
    "evaluate": "Measure PSNR and SSIM of a network on the test sets.",
    "train": "Train one network, from scratch or from existing weights.",
    "export": "Export a variant for a device and verify the file.",
    "int8": "Compare the PSNR of networks in float32 and as INT8 files.",
    "upscale": "Upscale images with a trained network or an exported file.",
    "inspect": "Look inside networks while they upscale one image.",
    "plate": "Compare a crop of one image across several networks.",
    "device": "Time networks on a phone, and predict the latency of other networks.",
    "latency": "Measure how long a network takes for one image.",
    "ntire": "Rank the variants of a sweep by NTIRE's efficiency score.",
    "stop": "Stop a sweep that runs on this machine, as Ctrl-C does.",
    "rename": "Rename a sweep and the folder of its checkpoints.",
    "delete": "Delete a sweep with its trials and checkpoints.",
    "doctor": "Show what srsweep found on this machine.",
    "merge": "Copy all sweeps from another database into yours.",
    "dashboard": "Show the sweeps live in a browser.",
    "export-optuna": "Write a sweep as an Optuna study.",
}
"""Maps each command to the first line of its help.

Each command is a function in a module of the same name: `export-optuna` is `export_optuna` in
`srsweep/commands/export_optuna.py`. A command is imported only when it is called, because importing all commands takes
seconds.
"""

SUBCOMMANDS = {"latency import": "Store latencies that were measured on another device."}
"""Commands below a command that is not a group. The lists of commands in the help texts do not show them."""

EPILOG = """
\b
A sweep from beginning to end:
  srsweep init                                write sweep.yaml from five answers
  srsweep check sweep.yaml                    size of the space, costs, expected time
  srsweep run sweep.yaml                      train; after Ctrl-C, the same command resumes
  srsweep front NAME                          the Pareto front as a table
  srsweep report NAME                         a page with figures
  srsweep select NAME --tiers 50k,150k,600k   choose variants for deployment
  srsweep train NAME#11 -o best               train a chosen variant for longer
  srsweep export best --to onnx -o out        write a checked file for a device

NAME is the name of a sweep, or a sweep file.
"""


class Commands(OneLineErrors):
    """The group of all COMMANDS. It imports a command only when that command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands in alphabetical order, for the help."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns the command `cmd_name`. Returns None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"srsweep.commands.{name}"), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Returns the commands and options that begin with `incomplete`, without importing any command."""
        found = [
            CompletionItem(name, help=COMMANDS[name])
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the section "Commands" of the help without importing any command."""
        with formatter.section("Commands"):
            rows = {name: COMMANDS[name] for name in self.list_commands(ctx)} | SUBCOMMANDS
            formatter.write_dl(sorted(rows.items()))


@click.group(cls=Commands, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="srsweep")
def main() -> None:
    """Design lightweight super-resolution networks by sweeping their architecture."""
