"""The command `claims`: reports which claims of the papers hold in the training runs of a database."""

import click

from analysis.published.claims import load_claims
from analysis.published.paper_claims import CLAIMS
from analysis.tables import Format
from searchspace.errors import UserError
from srsweep.errors import say
from srsweep.options import DATABASE_ALONE, locate, print_table, tabular

LEFT_OUT = ["source", "steps", "printed_db", "seeds_for_printed", "claim_verdict"]
"""Columns that only --csv and --json show, because the table would be too wide."""


@click.command()
@click.argument("names", metavar="[CLAIM]...", nargs=-1)
@DATABASE_ALONE
@tabular
def claims(names: tuple[str, ...], db: str | None, form: Format | None) -> None:
    """Report which claims of four papers hold in your training runs.

    The papers are those on s-LWSR, MSSN, global-guided attention and SwiseNet. CLAIM is the name of a claim, such as
    pool. Without CLAIM, the command reports on all claims. A claim consists of one or more comparisons, and each row of
    the table is one of them: the design that the paper prefers against another design, seed by seed. The row shows the
    mean difference of PSNR-Y (in dB, on the validation images) and the 95 % interval of this difference. The claim
    holds in a comparison if the interval lies above 0, and does not hold if it lies below 0. Otherwise the verdict is
    "undecided". The column seeds_needed then estimates how many seeds would settle the comparison with a probability of
    80 %. Below the table, the command prints a line for each claim.

    The source code of srsweep has sweep files that train these designs. Its page about claims explains what short
    training runs can show.
    """
    known = {claim.name: claim for claim in CLAIMS}
    for name in names:
        if name not in known:
            raise UserError(f"CLAIM: must be one of {', '.join(known)}, got {name}")
    _, url = locate([], db)
    frame = load_claims(url, [known[name] for name in names or known])
    if form:
        print_table(frame, form)
        return
    print_table(frame.drop(columns=LEFT_OUT), None)
    say("")
    for row in frame.drop_duplicates("claim").to_dict("records"):
        say(f"{row['claim']} ({row['source']}): {row['claim_verdict']}")
