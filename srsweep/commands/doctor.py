"""The command `doctor`: reports what srsweep found on this machine."""

from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd

from analysis.tables import Format
from srsweep.doctor import examine
from srsweep.errors import RunFailed, say
from srsweep.options import DATABASE_ALONE, ExpandedPath, locate, print_table, tabular

MARKS = {"ok": "ok", "missing": "-", "problem": "!!"}
"""Maps each state to its mark in the table."""


@click.command()
@click.option(
    "--root",
    type=ExpandedPath(path_type=Path),
    default="data",
    show_default=True,
    help="Folder of the image sets.",
)
@DATABASE_ALONE
@tabular
def doctor(root: Path, db: str | None, form: Format | None) -> None:
    """Show what srsweep found on this machine.

    The command shows Python, torch, cores, GPUs, optional packages, image sets, the database and the terminal. It says
    how to install optional packages that are missing. It changes nothing. "ok" means usable, "-" means optional and
    missing, and "!!" means a problem.

    \b
    Exit codes:
      0  There is no problem.
      1  There is a problem. The last line names it.
    """
    _, url = locate([], db)
    findings = []
    for finding in examine(url, root):
        findings.append(finding)
        if form is None:  # at once, because a server may answer late
            say(f"{MARKS[finding.state]:2} {finding.part:17} {finding.detail}")
    if form is not None:
        print_table(pd.DataFrame([asdict(finding) for finding in findings]), form)
    problems = [finding for finding in findings if finding.state == "problem"]
    if problems:
        raise RunFailed("\n".join(f"{each.part}: {each.detail}" for each in problems))
