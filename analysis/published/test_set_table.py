"""Builds the table that papers print: PSNR and SSIM on test sets, for published networks and for ours."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from analysis.published.published import TEST_SETS, load_published, published_points
from analysis.tables import Format, as_markdown, cell, render
from searchspace.quantity import format_quantity
from sweeps.messages import visible

TableFormat = Literal["table", "json", "csv", "markdown", "latex"]
SIZE_CLASS = 1.35
"""Two networks count as equally large if their numbers of parameters differ by at most this factor."""
UNKNOWN = "as in its paper"
"""Text shown if published.csv does not name the training set."""


def published_rows(scale: int, params: float, sets: Sequence[str]) -> pd.DataFrame:
    """Returns one row per test set in `sets` and per published network with about `params` parameters.

    Their numbers of parameters differ from `params` by at most the factor SIZE_CLASS. The columns are origin, network,
    params, multadds, train_data, set, scale, psnr_y and ssim_y, as in the rows of our own networks. If one of our
    families builds the network, its costs are our own counts. Otherwise they are the printed costs.
    """
    parts = []
    for name in sets:
        points = published_points(scale, name, "params")
        near = points["cost"].between(params / SIZE_CLASS, params * SIZE_CLASS)
        multadds = published_points(scale, name, "multadds").set_index("network")["cost"]
        own = points[near].sort_values("train_data", ascending=False).drop_duplicates("network")
        parts.append(
            pd.DataFrame(
                {
                    "origin": "published",
                    "network": own["network"],
                    "params": own["cost"],
                    "multadds": own["network"].map(multadds[~multadds.index.duplicated()]),
                    "train_data": own["train_data"].where(own["train_data"] != "", UNKNOWN),
                    "set": name,
                    "scale": scale,
                    "psnr_y": own["psnr_db"],
                    "ssim_y": own["ssim"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def published_bicubic(scale: int, sets: Sequence[str]) -> pd.DataFrame:
    """Returns the printed results of bicubic, one row per test set in `sets` for which a paper prints them.

    If several papers print them, the first row of published.csv is used.
    """
    frame = load_published(scale)
    own = frame[(frame["network"] == "Bicubic") & frame["dataset"].isin(list(sets))]
    own = own.drop_duplicates("dataset")
    return pd.DataFrame(
        {
            "origin": "published",
            "network": "Bicubic",
            "params": float("nan"),
            "multadds": float("nan"),
            "train_data": "",
            "set": own["dataset"],
            "scale": scale,
            "psnr_y": own["psnr_db"],
            "ssim_y": own["ssim"],
        }
    )


def wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per network: origin, network, costs, training set, then 'PSNR / SSIM' on every test set.

    For sets other than TEST_SETS, such as DIV2K's validation images, the PSNR of RGB follows, because papers report it
    there. `rows` has one row per network and test set. Our networks come last, as in papers.
    """
    order = {name: index for index, name in enumerate(dict.fromkeys(rows["set"]))}
    table = []
    filled = rows.assign(
        params=rows["params"].astype(float), multadds=rows["multadds"].astype(float)
    )
    for _, own in filled.groupby(["origin", "network", "train_data"], sort=False):
        first = own.iloc[0]
        row = {
            "origin": first["origin"],
            "network": first["network"],
            "order": first["params"],
            "params": _quantity(first["params"]),
            "multadds": _quantity(first["multadds"]),
            "train_data": first["train_data"] or "-",
        }
        scores = own.set_index("set")
        for name in order:
            known = name in scores.index
            measures = ["psnr_y", "ssim_y"]
            if name not in TEST_SETS and "psnr_rgb" in scores:
                measures.append("psnr_rgb")
            title = name if len(measures) == 2 else f"{name} (Y, SSIM, RGB)"
            shown = " / ".join(cell(m, scores.loc[name, m]) for m in measures) if known else "-"
            row[title] = shown
        table.append(row)
    frame = pd.DataFrame(table)
    frame["ours"] = frame["origin"] == "ours"
    frame = frame.sort_values(["ours", "order"], kind="stable", na_position="first")
    return frame.drop(columns=["order", "ours"]).rename(columns={"train_data": "trained on"})


def show(rows: pd.DataFrame, form: TableFormat, *, width: int | None = None) -> str:
    """Returns `rows` as text. They hold one row per network and test set.

    JSON and CSV show these rows with all digits. The other formats show one row per network with rounded numbers, as
    papers do. `width` is the width of a terminal table in characters. None means the width of the terminal.
    """
    if form in ("json", "csv"):
        plain: Format = "json" if form == "json" else "csv"
        return render(rows, plain)
    table = wide(rows)
    if form == "markdown":
        return markdown(table)
    return latex(table) if form == "latex" else render(table, "table", width=width)


def markdown(table: pd.DataFrame) -> str:
    """Returns `table` as a Markdown table."""
    lines = [" | ".join(map(as_markdown, table.columns)), " | ".join("---" for _ in table)]
    lines += [" | ".join(as_markdown(_cell(value)) for value in row) for row in _values(table)]
    return "\n".join(f"| {line} |" for line in lines)


def latex(table: pd.DataFrame) -> str:
    """Returns `table` as a LaTeX tabular that needs the package booktabs.

    A horizontal rule separates published networks from ours.
    """
    head = " & ".join(_escaped(str(name)) for name in table.columns)
    lines = [
        f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        "\\toprule",
        f"{head} \\\\",
        "\\midrule",
    ]
    before = None
    for origin, row in zip(table["origin"], _values(table), strict=True):
        if before is not None and origin != before:
            lines.append("\\midrule")
        before = origin
        lines.append(" & ".join(_escaped(_cell(value)) for value in row) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _values(table: pd.DataFrame) -> list[list[object]]:
    return [list(row) for row in table.itertuples(index=False)]


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _quantity(value: float) -> str:
    return "-" if pd.isna(value) else format_quantity(value)


LATEX = {character: f"\\{character}" for character in "&%#_{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
"""The LaTeX code for each character that LaTeX would otherwise interpret as a command."""


def _escaped(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in " ".join(visible(text).split()))
