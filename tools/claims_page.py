"""Writes the part of docs/claims.md that comes from recorded training runs: the verdicts, the comparisons and the
designs.

    python -m tools.claims_page

Run the script after rows were merged into configs/claims/recorded.db. It replaces the text between the two markers in
the page. The text outside the markers stays. A test compares the page with the rows.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.published.claims import UNTRAINED, compare, load_trainings, of_design, trained
from analysis.published.paper_claims import CLAIMS, Claim

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "claims.md"
URL = f"sqlite:///{ROOT / 'configs' / 'claims' / 'recorded.db'}"
BEGIN, END = "<!-- verdicts: written by python -m tools.claims_page -->", "<!-- end of verdicts -->"


def written(url: str = URL) -> str:
    """Returns the Markdown between the markers, made from the rows of the database at `url`."""
    trials = load_trainings(url, CLAIMS)
    frame = compare(trials, CLAIMS)
    parts = ["\n".join(_summary(frame))]
    for claim in CLAIMS:
        own = frame[frame["claim"] == claim.name]
        parts.append("\n\n".join(_section(claim, own, trained(claim, trials))))
    return "\n\n".join(parts)


def _summary(frame: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of all claims."""
    yield "| claim | paper | comparisons | seeds | steps | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for claim in CLAIMS:
        own = frame[frame["claim"] == claim.name]
        seeds, steps = int(own["seeds"].min()), _number(own["steps"].max(), ",.0f")
        verdict = own["claim_verdict"].iloc[0]
        link = f"[{claim.name}](#{claim.name})"
        yield f"| {link} | {claim.source} | {len(own)} | {seeds} | {steps} | {verdict} |"


def _section(claim: Claim, rows: pd.DataFrame, trials: pd.DataFrame) -> Iterator[str]:
    """Yields the paragraphs about one claim."""
    yield f"### {claim.name}"
    yield f"> {claim.sentence}"
    verdict = rows["claim_verdict"].iloc[0]
    yield f"{claim.source}. **{verdict[0].upper()}{verdict[1:]}**{_reason(rows)}. {claim.cost}"
    if claim.remark:
        yield claim.remark
    if claim.trained_by:
        yield f"The trainings are those of [{claim.trained_by}](#{claim.trained_by})."
    if verdict == UNTRAINED:
        designs = "; ".join(claim.designs)
        yield f"Designs: {designs}. The files are `configs/claims/claim-{claim.trainings}-seed*.yaml`."
        return
    yield "\n".join(_comparisons(claim, rows))
    if not claim.trained_by:
        yield "\n".join(_designs(claim, trials))


def _reason(rows: pd.DataFrame) -> str:
    """Returns how many comparisons have each verdict, as in ': 1 of 2 does not hold', or '' without training runs."""
    counts = rows["verdict"].value_counts(sort=False)
    if rows["claim_verdict"].iloc[0] == UNTRAINED:
        return ""
    return ": " + ", ".join(f"{number} of {len(rows)} {name}" for name, number in counts.items())


def _comparisons(claim: Claim, rows: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of comparisons."""
    preferred = next(iter(claim.designs))
    yield (
        f"| {preferred} against | Mult-Adds ratio | difference dB | 95 % interval | verdict | seeds that would tell | found by "
        "these seeds | printed dB |"
    )
    yield "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
    for row in rows.to_dict("records"):
        words = [row["against"], _number(row["multadds_ratio"], ".3f")]
        words += [_number(row["difference_db"], "+.3f"), _range(row["low_db"], row["high_db"])]
        words += [_with(row["verdict"], row["note"]), _seeds(row)]
        words += [_number(row["detectable_db"], ".3f"), _printed(row)]
        yield f"| {' | '.join(words)} |"
    if claim.printed_on:
        yield ""
        yield f"Printed: {claim.printed_on}."


def _range(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"


def _with(verdict: str, note: str) -> str:
    return f"{verdict} ({note})" if note else verdict


def _seeds(row: Mapping[Any, Any]) -> str:
    """Returns the number of seeds that would settle the comparison, 'over 1,000' if it is larger, or '-' if none is
    needed.
    """
    undecided = row["verdict"] == "undecided" and not row["note"]
    needed = row["seeds_needed"]
    if math.isnan(needed):
        return "over 1,000" if undecided else "-"
    return f"{needed:.0f}"


def _printed(row: Mapping[Any, Any]) -> str:
    """Returns the printed difference, with a remark if it lies outside the interval."""
    if math.isnan(row["printed_db"]):
        return "-"
    inside = row["low_db"] <= row["printed_db"] <= row["high_db"]
    known = not math.isnan(row["low_db"]) and not inside
    return f"{row['printed_db']:+.2f}{', outside the interval' if known else ''}"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"


def _designs(claim: Claim, trials: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of designs: their costs, and the mean PSNR with its standard deviation over seeds."""
    yield "| design | Mult-Adds | parameters | seeds | PSNR-Y dB | above bicubic dB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, network in claim.networks().items():
        own = of_design(network.key, trials)
        if own.empty:
            continue
        first, scores = own.iloc[0], own["psnr_y"]
        spread = f" ± {scores.std():.3f}" if len(scores) > 1 else ""
        gain = scores.mean() - first["bicubic"]
        costs = f"{first['multadds'] / 1e9:.3f}G | {first['params'] / 1e3:.1f}K"
        yield f"| {name} | {costs} | {len(own)} | {scores.mean():.3f}{spread} | {gain:+.3f} |"


def main() -> None:
    """Replaces the verdicts in the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{written()}\n\n{END}{after}")
    print(PAGE)


if __name__ == "__main__":
    main()
