"""Builds the page of the dashboard: its style, its layout, and the elements for cards and tables."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from dash import dcc, html

from analysis.choose.select import selection_table
from analysis.figures.cards import Card, pieces
from analysis.figures.theme import FIT, SCROLL
from analysis.pages.live import VIEWS, Live, front_rows
from analysis.tables import NO_REASON, cell, headings, notes_on
from sweeps.messages import reason_of, visible

STYLE = """
:root { --ink: #1d2733; --muted: #5d6874; --line: #dfe3e7; --wash: #f5f6f8; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--wash); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 20px 24px 48px; }
h1 { font-size: 1.4rem; margin: 0 0 12px; }
h2 { font-size: 1.02rem; margin: 0 0 4px; }
.controls { display: flex; flex-wrap: wrap; gap: 12px 20px; align-items: end; margin-bottom: 8px; }
.controls label { color: var(--muted); font-size: 0.85rem; }
.control { min-width: min(100%, 260px); }
.control[hidden] { display: none; }
.quiet { color: var(--muted); font-size: 0.9rem; margin: 4px 0 10px; max-width: 90ch; }
.card .quiet { font-size: 0.85rem; margin: 0 0 2px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; margin: 12px 0; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 12px 12px 6px; min-width: 0; margin: 12px 0; }
.grid .card { margin: 0; }
.figure { height: 440px; }
.figure.low { height: 330px; }
.views { display: flex; flex-wrap: wrap; gap: 6px; margin: 18px 0 4px; }
.views label { border: 1px solid var(--line); border-radius: 999px; background: #fff; padding: 4px 14px; cursor: pointer; }
.views label:has(input:checked) { background: var(--accent); border-color: var(--accent); }
.views label:has(input:checked), .views label:has(input:checked) * { color: #fff; }
.views label:has(input:focus-visible) { outline: 2px solid var(--ink); outline-offset: 2px; }
.views input { position: absolute; opacity: 0; width: 0; height: 0; margin: 0; }
.pager { display: flex; gap: 10px; align-items: center; margin: 8px 0; color: var(--muted); font-size: 0.9rem; }
.pager[hidden] { display: none; }
.pager button { font: inherit; padding: 3px 12px; border: 1px solid var(--line); border-radius: 6px; background: #fff; cursor: pointer; }
.pager button:disabled { opacity: 0.4; cursor: default; }
.scroll { max-height: 480px; }
table { border-collapse: collapse; width: 100%; font-size: 0.86rem; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { position: sticky; top: 0; background: #fff; }
th.text, td.text { text-align: left; }
ul { margin: 8px 0; padding-left: 1.2em; font-size: 0.9rem; }
li { max-width: 90ch; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; }
input[type=radio] { accent-color: var(--accent); }
@media (max-width: 600px) {
  main { padding: 12px 10px 40px; }
  .card { padding: 8px 4px 4px; }
  .card h2, .card .quiet { padding: 0 8px; }
  .figure { height: 400px; }
}
"""
SCRIPT = FIT.read_text(encoding="utf-8")
"""The script of the page, besides the scripts of Dash."""
PAGE = (
    '<!doctype html><html lang="en"><head>{%metas%}<title>{%title%}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="data:,">{%css%}<style>'
    + STYLE
    + SCROLL
    + "</style><script>"
    + SCRIPT
    + "</script></head><body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
)
CONFIG: dict[str, Any] = {"displaylogo": False, "displayModeBar": False, "responsive": True}


def page_layout(names: list[str], seconds: float) -> html.Main:
    """Returns the page, with the first of the sweeps `names` chosen.

    The page asks for changes every `seconds` seconds.
    """
    sweeps = dcc.Dropdown(
        id="sweep", options=names, value=names[0] if names else None, clearable=False
    )
    cost = dcc.RadioItems(
        id="cost", options=options(["params", "multadds"]), value="params", inline=True
    )
    quality = dcc.RadioItems(id="quality", options=options(["psnr_y"]), value="psnr_y", inline=True)
    views = dcc.RadioItems(
        id="view",
        options=[
            {"label": name.capitalize() if name.islower() else name, "value": name}
            for name in ("front", *VIEWS, "failed")
        ],
        value="front",
        inline=True,
        className="views",
    )
    return html.Main(
        [
            html.H1("srsweep"),
            html.Div(
                [
                    html.Div([html.Label("Sweep"), sweeps], className="control"),
                    html.Div([html.Label("Cost"), cost], className="control"),
                    html.Div(
                        [html.Label("Quality"), quality],
                        className="control",
                        id="qualities",
                        hidden=True,
                    ),
                ],
                className="controls",
            ),
            html.P(id="sentence", className="quiet"),
            html.Div(skeleton("top", ["pareto"]), id="pareto"),
            views,
            html.Div(id="panel"),
            html.Div(
                [
                    html.Button("Previous", id="previous", disabled=True),
                    html.Span(id="place"),
                    html.Button("Next", id="next", disabled=True),
                ],
                id="pager",
                className="pager",
                hidden=True,
            ),
            dcc.Interval(id="tick", interval=round(1000 * seconds)),
            *(
                dcc.Store(id=name)
                for name in ("shown", "top-cards", "panel-cards", "built", "narrow")
            ),
            dcc.Store(id="page", data=0),
        ]
    )


def options(columns: Sequence[str]) -> list[dict[str, str]]:
    """Returns the options of a control that chooses one of `columns` for an axis."""
    return [{"label": f" {shown}", "value": name} for name, shown in headings(columns).items()]


def skeleton(place: str, names: Sequence[str], low: Sequence[str] = ()) -> list[html.Section]:
    """Returns empty cards with these `names`. The browser fills them from the store of `place`: 'top' or 'panel'.

    Cards whose names are in `low` have a lower figure than the others.
    """
    return [
        html.Section(
            [
                html.H2(id={"type": f"{place}-title", "name": name}),
                html.P(id={"type": f"{place}-text", "name": name}, className="quiet"),
                html.Div(
                    dcc.Graph(
                        id={"type": f"{place}-graph", "name": name},
                        config=CONFIG,
                        style={"height": "100%"},
                    ),
                    className="figure low" if name in low else "figure",
                    id=name if place == "panel" else f"{place}-{name}",
                ),
            ],
            className="card",
        )
        for name in names
    ]


def store_of(cards: Sequence[Card]) -> dict[str, dict[str, Any]]:
    """Returns the title, text and figure of each card, with which the browser fills the card, by the card's name."""
    return {c.name: {"title": c.title, "text": c.text, "figure": c.figure} for c in cards}


def figures_panel(cards: Sequence[Card], note: str) -> list[Any]:
    """Returns the elements of a view: its cards side by side, still empty, and the note on how to read them."""
    low = [card.name for card in cards if card.low]
    grid = html.Div(skeleton("panel", [card.name for card in cards], low), className="grid")
    return [grid] * bool(cards) + [paragraph(note)] * bool(note)


def paragraph(note: str) -> html.P:
    """Returns `note` as a paragraph, in which text between backticks is shown as code."""
    parts = [html.Code(text) if code else text for text, code in pieces(visible(note))]
    return html.P(parts, className="quiet")


def front_panel(live: Live, page: int) -> list[Any]:
    """Returns the elements that show the chosen variants and page number `page` (from 0) of the front."""
    if live.front.empty:
        return [html.P("No trial is complete yet.", className="quiet")]
    rows = front_rows(live, page)
    front = html.Section([html.H2("The front"), table(rows)], className="card")
    return [*_chosen(live), front]


def _chosen(live: Live) -> list[Any]:
    if live.chosen is None:
        return []
    chosen = selection_table(live.chosen.frame, live.chosen.selections)
    columns = ["rule", "number", "psnr_y", "params", "multadds", "label"]
    parts: list[Any] = [html.H2("Chosen variants"), table(chosen[columns])]
    if live.explained:
        parts.append(html.Ul([html.Li(visible(s.sentence)) for s in live.chosen.selections]))
    else:
        text = "The report and `srsweep select` say why each variant was chosen and what the alternatives are."
        parts.append(paragraph(text))
    return [html.Section(parts, className="card")]


def table(rows: pd.DataFrame) -> html.Div:
    """Returns `rows` as a table in which numbers are aligned right, and lines below that say how latencies were measured."""
    looks = {str(n): "" if pd.api.types.is_numeric_dtype(rows[n]) else "text" for n in rows}
    shown = headings(looks)
    head = html.Tr([html.Th(visible(shown[n]), className=look) for n, look in looks.items()])
    body = [
        html.Tr([html.Td(visible(cell(n, row[n])), className=look) for n, look in looks.items()])
        for row in rows.to_dict("records")
    ]
    scroll = html.Div(html.Table([html.Thead(head), html.Tbody(body)]), className="scroll")
    return html.Div([scroll, *map(paragraph, notes_on(looks))])


def failures_panel(failed: pd.DataFrame, total: int) -> list[Any]:
    """Returns the elements that show the failed trials and their reasons.

    `failed` is a data frame that `load_reasons` returned. `total` is the number of all failed trials of the sweep.
    """
    if failed.empty:
        return [html.P("No trial has failed.", className="quiet")]
    parts = [
        html.Details(
            [
                html.Summary(
                    visible(
                        f"trial {row['number']}, {row['label']}: {reason_of(row['error']) or NO_REASON}"
                    )
                ),
                html.Pre(visible(row["error"])),
            ]
        )
        for row in failed.to_dict("records")
    ]
    noun = "trial" if total == 1 else "trials"
    title = f"{total:,} failed {noun}"
    if len(failed) < total:
        title = f"The newest {len(failed)} of {title}"
    return [html.Section([html.H2(title), *parts], className="card")]
