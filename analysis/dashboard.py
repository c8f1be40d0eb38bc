"""The dashboard: a sweep's figures live in a browser, from the database, read only.

Every question opens a read-only connection of its own and closes it, so that a page left open can neither
change nor lock the database of a sweep that runs. All scripts come from the installed packages.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

import dash
from dash import Input, Output, State, dcc, html

from analysis.live import (
    Live,
    cost_choices,
    curves_figure,
    front_rows,
    load_live,
    pareto_figure,
    sentence,
    volume_figure,
)
from analysis.load import load_sweeps
from analysis.load_points import load_pulse, load_reasons
from analysis.look import Figure
from analysis.tables import cell, heading

ROWS = 100
"""Rows of the front's table at most."""
STYLE = """
:root { --ink: #1d2733; --muted: #5d6874; --line: #dfe3e7; --wash: #f5f6f8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--wash); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 20px 24px 48px; }
h1 { font-size: 1.4rem; margin: 0 0 12px; }
h2 { font-size: 1.02rem; margin: 0 0 4px; }
.controls { display: flex; flex-wrap: wrap; gap: 12px 20px; align-items: end; margin-bottom: 8px; }
.controls label { color: var(--muted); font-size: 0.85rem; }
.control { min-width: min(100%, 260px); }
.quiet { color: var(--muted); font-size: 0.9rem; margin: 4px 0 14px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; margin: 16px 0; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 12px 12px 6px; min-width: 0; }
.scroll { overflow: auto; max-height: 460px; }
table { border-collapse: collapse; width: 100%; font-size: 0.86rem; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { position: sticky; top: 0; background: #fff; }
th:last-child, td:last-child { text-align: left; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; }
input[type=radio] { accent-color: #0072b2; }
@media (max-width: 600px) { #pareto .textpoint { display: none; } main { padding: 12px 10px 40px; } .card { padding: 8px 4px 4px; } .card h2 { padding: 0 8px; } }
"""
PAGE = (
    '<!doctype html><html lang="en"><head>{%metas%}<title>{%title%}</title>'
    '<link rel="icon" href="data:,">{%css%}<style>'
    + STYLE
    + "</style></head><body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
)
CONFIG: dict[str, Any] = {"displaylogo": False, "displayModeBar": False, "responsive": True}


class Watch:
    """The newest reading of each sweep, read again only when trials have changed state."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.readings: dict[str, Live] = {}

    def names(self) -> list[str]:
        """Sweeps in the database, the newest first."""
        return [str(name) for name in load_sweeps(self.url)["name"]][::-1]

    def live(self, sweep: str) -> Live:
        """The sweep as it stands now."""
        with self.lock:
            known = self.readings.get(sweep)
            if known is None or dict(known.pulse) != load_pulse(self.url, sweep):
                known = self.readings[sweep] = load_live(self.url, sweep)
            return known


def make_app(url: str, *, seconds: float = 5.0) -> dash.Dash:
    """The dashboard of the database at `url`, which looks for news every so many `seconds`.

    Raises ValueError where the database cannot be read.
    """
    watch = Watch(url)
    watch.names()  # a database that cannot be read is refused now and not in the browser
    app = dash.Dash(
        __name__, title="srsweep", update_title="", serve_locally=True, index_string=PAGE
    )
    app.layout = lambda: _layout(watch.names(), seconds)
    _connect(app, watch)
    return app


def serve(url: str, *, host: str, port: int) -> None:
    """Run the dashboard until it is interrupted."""
    app = make_app(url)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run(host=host, port=port, debug=False)


def _layout(names: list[str], seconds: float) -> html.Main:
    first = names[0] if names else None
    sweeps = dcc.Dropdown(id="sweep", options=names, value=first, clearable=False)
    cost = dcc.RadioItems(
        id="cost", options=_options(["params", "multadds"]), value="params", inline=True
    )
    return html.Main(
        [
            html.H1("srsweep"),
            html.Div(
                [
                    html.Div([html.Label("Sweep"), sweeps], className="control"),
                    html.Div([html.Label("Cost"), cost], className="control"),
                ],
                className="controls",
            ),
            html.P(id="sentence", className="quiet"),
            _card("PSNR against cost", "pareto", 480),
            html.Div(
                [
                    _card("How the front grew", "volume", 320),
                    _card("Learning curves of the front", "curves", 320),
                ],
                className="grid",
            ),
            html.Section(
                [html.H2("The front"), html.Div(id="front", className="scroll")], className="card"
            ),
            html.Div(id="failures"),
            dcc.Interval(id="tick", interval=round(1000 * seconds)),
            dcc.Store(id="shown"),
        ]
    )


def _card(title: str, name: str, height: int) -> html.Section:
    graph = dcc.Graph(id=name, config=CONFIG, style={"height": f"{height}px"})
    return html.Section([html.H2(title), graph], className="card")


def _options(costs: list[str]) -> list[dict[str, str]]:
    return [{"label": f" {heading(cost)}", "value": cost} for cost in costs]


def _connect(app: dash.Dash, watch: Watch) -> None:
    """The callbacks: a change of sweep or cost, or news, draws anew; nothing else does."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("pareto", "figure"),
        Output("sentence", "children"),
        Output("cost", "options"),
        Output("shown", "data"),
        Input("sweep", "value"),
        Input("cost", "value"),
        Input("tick", "n_intervals"),
        State("shown", "data"),
    )
    def draw(sweep: str | None, cost: str, _tick: int, shown: Any) -> Any:
        if sweep is None:
            return dash.no_update, "No sweep yet.", dash.no_update, dash.no_update
        live = watch.live(sweep)
        now = [sweep, cost, sorted(live.pulse.items())]
        if _same(now, shown):
            raise dash.exceptions.PreventUpdate
        return pareto_figure(live, cost), sentence(live), _options(cost_choices(live)), now

    def follow(output: str, make: Callable[[Live], Any]) -> None:
        """Draw `output` after the first figure is there."""

        @app.callback(Output(*output.split(".")), Input("shown", "data"))  # type: ignore[untyped-decorator]
        def again(shown: Any) -> Any:
            if not shown:
                raise dash.exceptions.PreventUpdate
            return make(watch.live(shown[0]))

    figures: dict[str, Callable[[Live], Figure]] = {
        "volume.figure": volume_figure,
        "curves.figure": curves_figure,
    }
    for name, make in figures.items():
        follow(name, make)
    follow("front.children", _table)
    follow("failures.children", _failures)


def _same(now: list[Any], shown: Any) -> bool:
    """Whether what is shown is what would be drawn; JSON has turned tuples into lists."""
    return bool(shown) and [*now[:2], [list(pair) for pair in now[2]]] == shown


def _table(live: Live) -> html.Table:
    rows = front_rows(live).head(ROWS)
    head = html.Tr([html.Th(heading(str(name))) for name in rows])
    body = [
        html.Tr([html.Td(cell(str(name), value)) for name, value in row.items()])
        for row in rows.to_dict("records")
    ]
    return html.Table([html.Thead(head), html.Tbody(body)])


def _failures(live: Live) -> Any:
    failed = load_reasons(live.url, live.sweep)
    if failed.empty:
        return []
    parts = [
        html.Details(
            [
                html.Summary(f"trial {row['number']}, {row['label']}: {_last_line(row['error'])}"),
                html.Pre(row["error"]),
            ]
        )
        for row in failed.to_dict("records")
    ]
    return html.Section([html.H2("Newest failures"), *parts], className="card")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was stored"])[-1]
