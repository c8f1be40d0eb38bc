"""Commands about networks that need no training: families, cost."""

import shutil
import textwrap
from collections import Counter
from typing import Any, get_args

import click
import pandas as pd

from analysis.tables import Format, records
from searchspace.cost import COSTS, costs
from searchspace.discover import FAMILIES, find_family
from searchspace.published import RULES, Agreement, published_table
from searchspace.spec import knobs
from srsweep.options import parse_architectures, print_table, tabular, text_width

PRINTED = ("params", "multadds")
AGREEMENTS = get_args(Agreement)
SHORT = {"rounded twice": "twice", "not printed": "-"}
EXPLANATION = """\
params, Mult-Adds: as printed; here: counted from the network, by the paper's rule where a note names one.
equal: yes, after rounding; twice: only if rounded to one digit more first; no: see the notes; -: not printed."""


@click.command()
@click.argument("family", required=False)
@click.option("--published", is_flag=True, help="The papers' counts beside our own, row by row.")
@tabular
def families(family: str | None, published: bool, form: Format | None) -> None:
    """List the families, or the knobs of one FAMILY.

    \b
    srsweep families                 all families
    srsweep families slwsr           its knobs: default, values searched under `auto`, meaning
    srsweep families --published     parameters and Mult-Adds as printed and as counted here
    """
    if published:
        names = [find_family(family).name] if family else list(FAMILIES)
        _print_published([row for name in names for row in published_table(FAMILIES[name])], form)
    elif family is None:
        rows = [_family_row(name) for name in FAMILIES]
        print_table(pd.DataFrame(rows), form)
    else:
        rows = [
            {
                "knob": knob.name,
                "default": str(knob.default),
                "auto": " ".join(map(str, knob.search)),
                "meaning": knob.description,
            }
            for knob in knobs(find_family(family).spec).values()
        ]
        print_table(pd.DataFrame(rows), form)


def _print_published(rows: list[dict[str, Any]], form: Format | None) -> None:
    """The table; for people with caveats and rules of counting as numbered notes below it, each once."""
    if form is not None:
        print_table(pd.DataFrame(rows), form)
        return
    notes: dict[str, int] = {}
    shown = []
    for row in rows:
        texts = [row["caveat"], *(RULES.get(row[f"{cost}_rule"], "") for cost in PRINTED)]
        numbers = [notes.setdefault(text, len(notes) + 1) for text in texts if text]
        shown.append(
            {
                "network": row["network"],
                "scale": row["scale"],
                "params": row["params_printed"] or "-",
                "params here": f"{row['params_counted']:,}",
                "Mult-Adds": row["multadds_printed"] or "-",
                "Mult-Adds here": f"{row['multadds_counted'] / 1e9:,.3f}G",
                "equal": SHORT.get(row["equal"], row["equal"]),
                "notes": " ".join(map(str, sorted(numbers))),
                "source": row["source"],
            }
        )
    print_table(pd.DataFrame(shown), None)
    width = text_width() or shutil.get_terminal_size().columns
    for text, number in notes.items():
        click.echo(textwrap.fill(f"{number}: {text}", width, subsequent_indent="    "))
    equal = Counter(row["equal"] for row in rows)
    click.echo(", ".join(f"{equal[value]} {value}" for value in AGREEMENTS if equal[value]))
    click.echo(EXPLANATION)


def _family_row(name: str) -> dict[str, Any]:
    family = FAMILIES[name]
    return {
        "family": name,
        "scales": " ".join(f"x{scale}" for scale in family.scales),
        "upstream_range": f"0..{family.upstream_range:g}",
        "knobs": " ".join(knobs(family.spec)),
        "source": family.source,
    }


@click.command()
@click.argument("family")
@click.argument("knob_values", metavar="[KNOB=VALUE]...", nargs=-1)
@click.option("--scale", type=int, default=4, show_default=True, help="Upscaling factor.")
@tabular
def cost(family: str, knob_values: tuple[str, ...], scale: int, form: Format | None) -> None:
    """Count the costs of one network.

    Exactly, and without training.

    Knobs left out keep the published default. With alternatives (in quotes, for the shell) there is a
    row for each; --json prints one object for one network, a list for several.

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
        import json

        click.echo(json.dumps(records(frame)[0], indent=2))
        return
    print_table(frame, form)
