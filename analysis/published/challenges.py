"""Loads the printed results of NTIRE's challenges on efficient super-resolution.

They are kept apart from the results of papers. `challenges.csv` holds the table results.txt of Amazingren/NTIRE2026_ESR
(commit f839501) as printed. Its PSNR is measured on the challenge's images, its Mult-Adds are those of a 256x256 input,
and its times are averages on one GPU of the organisers. We compare none of these numbers with our own measurements.
"""

from pathlib import Path

import pandas as pd

from analysis.choose.ntire import GATE
from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from sweeps.measure.ntire import CHALLENGES, Use, scores

FILE = Path(__file__).with_name("challenges.csv")
"""Path of the printed results. The first entry of each year is the baseline."""


def challenge_table(year: int, gate: float = GATE) -> pd.DataFrame:
    """Returns the printed entries of a year with their scores, the best score first. Entries below the gate are left out.

    The scores are relative to the baseline in the same table. The gate applies to the PSNR on DIV2K-LSDIR validation.
    Raises UserError if there is no table of that year.
    """
    frame = pd.read_csv(FILE, dtype={"params": str, "multadds": str})
    frame = frame[frame["year"] == year].drop(columns="year")
    if frame.empty:
        raise UserError(f"--published: there is no table of {year}")
    for name in ("params", "multadds"):
        frame[name] = frame[name].map(parse_quantity)
    uses = [
        Use(latency=row["latency_ms"], multadds=row["multadds"], params=row["params"])
        for row in frame.to_dict("records")
    ]
    scored = pd.DataFrame([scores(use, uses[0], CHALLENGES[year]) for use in uses])
    table = pd.concat([frame.reset_index(drop=True), scored], axis=1)
    table = table[table["psnr_valid"] >= gate]
    return table.sort_values("score", kind="stable", ignore_index=True)
