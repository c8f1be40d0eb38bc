"""The command `cost`: counts the parameters, Mult-Adds and other costs of networks, without training."""

import json

import click
import pandas as pd

from analysis.tables import Format, records
from searchspace.cost import COSTS, costs
from searchspace.spec import SCALES
from srsweep.options import parse_architectures, print_table, tabular


@click.command()
@click.argument("family")
@click.argument("knob_values", metavar="[KNOB=VALUE]...", nargs=-1)
@click.option(
    "--scale", type=click.Choice(SCALES), default=4, show_default=True, help="Upscaling factor."
)
@tabular
def cost(family: str, knob_values: tuple[str, ...], scale: int, form: Format | None) -> None:
    """Count the costs of a network.

    The counts are exact and need no training. A knob that you leave out keeps its published default. To compare
    networks, give alternatives in quotes, such as 'n_feats=16|32'. Each network then has its own row. With --json, one
    network is printed as an object and several networks are printed as a list.

    \b
    srsweep cost slwsr n_feats=16 --scale 4
    srsweep cost slwsr 'n_feats=16|32|64' compression=all --json
    """
    rows = [
        {"label": found.label, **{name: costs(found, scale)[name] for name in COSTS}}
        for found in parse_architectures(family, knob_values)
    ]
    frame = pd.DataFrame(rows)
    if form == "json" and len(rows) == 1:
        click.echo(json.dumps(records(frame)[0], indent=2))
    else:
        print_table(frame, form)
