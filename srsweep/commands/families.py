"""The command `families`: lists the families, their knobs, and the costs that papers print."""

import shutil
import textwrap
from collections import Counter
from typing import Any, get_args

import click
import pandas as pd

from analysis.tables import Format
from searchspace.discover import FAMILIES, find_family
from searchspace.published import RULES, Agreement, published_table
from searchspace.spec import knobs
from srsweep.options import print_table, tabular, text_width

PRINTED = ("params", "multadds")
AGREEMENTS = get_args(Agreement)
SHORT = {"rounded twice": "twice", "not printed": "-"}
EXPLANATION = """\
params and Mult-Adds are as printed in the paper; "here" is counted from the network. A note names a paper's own rule
of counting, which is then used here too. equal: yes = equal after rounding; twice = equal only if the count is first
rounded to one more digit; no = see the notes; - = not printed."""


@click.command()
@click.argument("family", required=False)
@click.option(
    "--published",
    is_flag=True,
    help="Compare the counts of srsweep with the counts that the papers print.",
)
@tabular
def families(family: str | None, published: bool, form: Format | None) -> None:
    """List all network families, or the knobs of one family.

    \b
    srsweep families              all families
    srsweep families slwsr        the knobs of s-LWSR, with their meaning, defaults, and the values that `auto` tries
    srsweep families --published  parameters and Mult-Adds, as printed in papers and as counted
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
    """Prints the table. In the form for people, numbered notes below it hold the caveats and counting rules."""
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
