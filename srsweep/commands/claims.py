"""The command `claims`: says which claims of the papers hold in the trainings of a database."""

import click

from analysis.published.claims import load_claims
from analysis.published.paper_claims import CLAIMS
from analysis.tables import Format
from searchspace.errors import UserError
from srsweep.options import DATABASE_ALONE, locate, print_table, tabular


@click.command()
@click.argument("names", metavar="[CLAIM]...", nargs=-1)
@DATABASE_ALONE
@tabular
def claims(names: tuple[str, ...], db: str | None, form: Format | None) -> None:
    """Say which claims of the papers hold in your trainings.

    CLAIM is the name of a claim, such as pool. Without it, the command lists all claims. Each row compares the
    design that a paper prefers with another design, seed by seed. It shows the mean difference of PSNR-Y (in dB,
    on the validation images) and the 95 % interval of this difference. A claim holds if the interval lies above 0, and does not hold if it
    lies below 0. Otherwise the trainings cannot decide, and seeds_needed estimates how many seeds could.

    The sweep files in configs/claims train the designs.
    """
    known = {claim.name: claim for claim in CLAIMS}
    for name in names:
        if name not in known:
            raise UserError(f"CLAIM: must be one of {', '.join(known)}, got {name}")
    _, url = locate([], db)
    frame = load_claims(url, [known[name] for name in names or known])
    print_table(frame if form else frame.drop(columns="source"), form)
