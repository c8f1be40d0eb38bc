"""Builds the page of the dashboard: its style, its layout, and the elements for cards and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from dash import dcc, html

from analysis.choose.select import selection_table
from analysis.figures.cards import Card, pieces
from analysis.figures.theme import FIT, SCROLL
from analysis.pages.live import Live, front_rows
from analysis.pages.overlay import Overlay
from analysis.tables import NO_REASON, cell, headings, notes_on
from sweeps.messages import reason_of, visible

HERE = Path(__file__).parent
STYLE = (HERE / "dashboard.css").read_text(encoding="utf-8")
SCRIPT = FIT.read_text(encoding="utf-8") + (HERE / "dashboard.js").read_text(encoding="utf-8")
"""The script of the page, besides the scripts of Dash."""
PAGE = (
    '<!doctype html><html lang="en"><head>{%metas%}<title>{%title%}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="data:,">{%css%}<style>'
    + SCROLL
    + STYLE
    + "</style><script>"
    + SCRIPT
    + "</script></head><body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
)
CONFIG: dict[str, Any] = {"displaylogo": False, "displayModeBar": False, "responsive": True}
BLANK: dict[str, Any] = {
    "data": [],
    "layout": {
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    },
}
"""What a card shows before its figure arrives. By default, plotly.js would draw empty axes on white."""


def page_layout(names: list[str], seconds: float, limits: html.Section) -> html.Main:
    """Returns the page, with the card of the `limits` above the figure. The browser chooses one of the sweeps `names`: the one in its address, or the first.

    The page asks for changes every `seconds` seconds.
    """
    sweeps = dcc.Dropdown(id="sweep", options=names, value=None, clearable=False)
    # All names at first: Dash drops a value, such as one from the address, that is no option.
    over = dcc.Dropdown(id="over", options=names, value=[], multi=True, placeholder="None")
    axes = {
        "cost": ("Horizontal axis", ["params", "multadds"]),
        "quality": ("Vertical axis", ["psnr_y"]),
    }
    choices = [
        html.Div(
            [
                html.Label(label),
                dcc.Dropdown(
                    id=axis,
                    options=options(columns),
                    value=columns[0],
                    clearable=False,
                    searchable=False,
                ),
            ],
            className="control axis",
        )
        for axis, (label, columns) in axes.items()
    ]
    return html.Main(
        [
            html.H1("srsweep"),
            html.P(id="notice", hidden=True),
            html.Div(
                [
                    html.Div([html.Label("Sweep"), sweeps], className="control"),
                    html.Div(
                        [html.Label("Sweeps drawn over it"), over],
                        className="control",
                        id="over-control",
                        hidden=True,
                    ),
                    *choices,
                ],
                className="controls",
            ),
            html.P("No sweep yet." * (not names), id="sentence", className="quiet"),
            html.Div(id="over-notes"),
            limits,
            html.Div(skeleton("top", ["pareto"], tools=[_drag()]), id="pareto"),
            dcc.RadioItems(
                id="view",
                options=[{"label": "Front", "value": "front"}],
                value="front",
                inline=True,
                className="views",
            ),
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
            _selection(),
            dcc.Interval(id="tick", interval=round(1000 * seconds)),
            *(dcc.Store(id=name) for name in STORES),
            dcc.Store(id="page", data=0),
            dcc.Store(id="picked", data=[]),
        ]
    )


STORES = (
    "shown",
    "top-cards",
    "panel-cards",
    "built",
    "known-views",
    "limit-steps",
    "limits-now",
    "asked",
    "best-key",
    "heard",
    "beat",
)
"""Names of the values that the page keeps in the browser, empty at first."""


def _drag() -> dcc.RadioItems:
    """Returns the switch that says what dragging the mouse over a figure does."""
    return dcc.RadioItems(
        id="drag",
        options=[
            {"label": "Drag selects", "value": "select"},
            {"label": "Drag zooms", "value": "zoom"},
        ],
        value="select",
        inline=True,
        className="small views",
    )


def _selection() -> html.Div:
    """Returns the bar at the lower edge of the window, which names the selected trials."""
    parts = [
        html.Span(id="chosen"),
        html.Button("Compare", id="compare", className="strong"),
        html.Button("Clear", id="clear"),
    ]
    return html.Div(html.Div(parts), id="selection", hidden=True)


def options(columns: Sequence[str]) -> list[dict[str, str]]:
    """Returns the options of a control that chooses one of `columns` for an axis."""
    return [{"label": shown, "value": name} for name, shown in headings(columns).items()]


def view_choices(names: Sequence[str]) -> list[dict[str, str]]:
    """Returns the options of the control that chooses one of the views `names`."""
    return [
        {"label": name.capitalize() if name.islower() else name, "value": name} for name in names
    ]


def skeleton(
    place: str, names: Sequence[str], low: Sequence[str] = (), tools: Sequence[Any] = ()
) -> list[html.Section]:
    """Returns empty cards with these `names`. The browser fills them from the store of `place`: 'top' or 'panel'.

    Cards whose names are in `low` have a lower figure than the others. `tools` stand beside each title.
    """
    return [
        html.Section(
            [
                html.Div(
                    [html.H2(id={"type": f"{place}-title", "name": name}), *tools], className="head"
                ),
                html.P(id={"type": f"{place}-text", "name": name}, className="quiet"),
                html.Div(
                    dcc.Graph(
                        id={"type": f"{place}-graph", "name": name},
                        figure=BLANK,
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


def paragraph(note: str, look: str = "quiet") -> html.P:
    """Returns `note` as a paragraph of the class `look`, in which text between backticks is shown as code."""
    parts = [html.Code(text) if code else text for text, code in pieces(visible(note))]
    return html.P(parts, className=look)


def over_notes(drawn: Overlay) -> list[html.P]:
    """Returns the lines about sweeps that are not drawn over the chosen one, and about qualities that cannot be
    compared.
    """
    return [paragraph(text, "trouble") for text in (*drawn.doubts, *drawn.left_out)]


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
