"""The command group `device`: times networks on a phone, and predicts the latency of others."""

from importlib import import_module

import click

COMMANDS = {
    "design": "Choose representative networks from a search space and export them for timing.",
    "push": "Copy exported files and a benchmark program to a device.",
    "run": "Time the files that `srsweep device push` copied to the device.",
    "pull": "Read the results of `srsweep device run`, and write a CSV file that `latency import` reads.",
    "model": "Fit a latency model to a device's measurements and report its error.",
    "predict": "Predict the latency of networks on a device, and store it for the trials of a sweep.",
}
"""Maps each command of the group to the first line of its help."""
MODULES = {"push": "timing", "run": "timing", "pull": "timing"}
"""Maps each command without a module of its own to the end of its module's name, `srsweep.device_...`."""


class DeviceCommands(click.Group):
    """The group of COMMANDS. It imports a command only when that command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of the commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns the command `cmd_name`. Returns None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"srsweep.device_{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the section "Commands" of the help without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=DeviceCommands)
def device() -> None:
    """Time networks on a phone, and predict the latency of other networks.

    \b
    srsweep device design sweep.yaml --to litert -o bench     choose networks that represent the search space
    srsweep device push bench --program ./benchmark_model     copy them to the phone
    srsweep device run bench --threads 4                      time them
    srsweep device pull bench --runtime "LiteRT 2.3"          read the results into a CSV file
    srsweep device model bench/latencies.csv -o pixel.json    fit a latency model and report its error
    srsweep device predict pixel.json SWEEP                   predict the sweep's trials
    srsweep select SWEEP --max "latency predicted=30ms"
    """
