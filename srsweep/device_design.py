"""The command `device design`: chooses networks to time on a device, and writes them as files."""

from pathlib import Path

import click
import pandas as pd

from analysis.device.design import pool_of, spread_out, written
from analysis.export.targets import TARGETS
from analysis.tables import Format
from searchspace.cost import costs
from searchspace.errors import UserError
from srsweep.errors import RunFailed, say
from srsweep.options import (
    FILE,
    INTO,
    SIZE,
    print_table,
    read_file,
    size_of,
    tabular,
)

SHOWN = ("params", "multadds")
"""Costs that the table shows."""


@click.command()
@FILE
@INTO
@click.option(
    "--to",
    "target",
    type=click.Choice(list(TARGETS)),
    default="litert",
    show_default=True,
    help="File format, as for `srsweep export`.",
)
@click.option(
    "--count",
    type=click.IntRange(2, 400),
    default=30,
    show_default=True,
    help="Number of networks.",
)
@SIZE
@tabular
def design(
    file: Path, output: Path, target: str, count: int, size: str | None, form: Format | None
) -> None:
    """Choose representative networks from a search space and export them for timing.

    FILE is a sweep file. Only networks within its limits are chosen. The command starts with the most typical network of
    each family. Then it adds, one at a time, the network whose operators differ most from those of the networks already chosen. The
    networks have random weights, because a latency does not depend on the weights.

    \b
    srsweep device design sweep.yaml --to litert --size 320x180 -o bench
    """
    config = read_file(file)
    pool = pool_of(config.space, config.limits, config.scale, config.seed)
    if not pool:
        raise UserError(f"{file}: no network of the space meets the limits; see `srsweep check`")
    low_res = size_of(size, config.scale)
    chosen = spread_out(pool, count, config.scale, low_res)
    if len(chosen) < count:
        say(f"only {len(chosen)} of {len(pool)} networks differ in their operators", err=True)
    failures: list[str] = []
    paths = written(
        chosen,
        config.scale,
        TARGETS[target],
        low_res,
        output,
        failed=lambda network, why: failures.append(f"{network.label}: {why}"),
    )
    known = {path.name.split("_x")[0]: path for path in paths}
    rows = [
        {
            "file": known[f"{each.family.name}-{each.key[:8]}"].name,
            "label": each.label,
            **{name: costs(each, config.scale)[name] for name in SHOWN},
        }
        for each in chosen
        if f"{each.family.name}-{each.key[:8]}" in known
    ]
    print_table(pd.DataFrame(rows), form)
    if failures:
        raise RunFailed("\n".join(failures))
