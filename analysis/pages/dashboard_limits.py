"""The sliders of the dashboard that limit costs, and the line that names the best network within the limits."""

from typing import Any

import dash
from dash import ALL, ClientsideFunction, Input, Output, State, dcc, html

from analysis.pages.limits import best_inside, known_limits, limit_steps
from analysis.pages.live import Live
from analysis.pages.watch import Watch
from analysis.tables import headings
from searchspace.errors import UserError
from searchspace.quantity import format_quantity
from sweeps.messages import visible


def limits_card() -> html.Section:
    """Returns the empty card of the limits. It is hidden until a sweep has complete trials."""
    line = html.Div(
        [
            html.Span(id="best"),
            html.Button("Select it", id="select-best", hidden=True),
        ],
        className="head best-line",
    )
    parts = [html.H2("Limits"), html.Div(id="limits", className="limits"), line]
    return html.Section(parts, className="card", id="limits-card", hidden=True)


def add_limits(app: dash.Dash, watch: Watch) -> None:
    """Adds the callbacks that make the sliders of a sweep, read them, and find the best network within them."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("limits", "children"),
        Output("limit-steps", "data"),
        Output("limits-card", "hidden"),
        Input("shown", "data"),
        State("sweep", "value"),
        State("limit-steps", "data"),
        prevent_initial_call=True,
    )
    def sliders(_shown: Any, sweep: str, before: Any) -> Any:
        try:
            live = watch.last(sweep)
        except UserError:
            raise dash.exceptions.PreventUpdate from None
        steps: dict[str, dict[str, list[Any]]] = {
            name: {"values": values, "texts": [format_quantity(value) for value in values]}
            for name, values in limit_steps(live).items()
        }
        now = {"sweep": sweep, "costs": steps}
        if now == before:
            raise dash.exceptions.PreventUpdate
        return _sliders(steps), now, not steps

    @app.callback(  # type: ignore[untyped-decorator]
        Output("best", "children"),
        Output("select-best", "hidden"),
        Output("best-key", "data"),
        Input("limits-now", "data"),
        Input("shown", "data"),
        State("sweep", "value"),
        prevent_initial_call=True,
    )
    def best(limits: Any, _shown: Any, sweep: str) -> Any:
        try:
            live: Live = watch.last(sweep)
            found = best_inside(live, known_limits(live, limits))
        except UserError as error:
            return visible(str(error)), True, None
        return found.text, not found.key, found.key

    app.clientside_callback(
        ClientsideFunction(namespace="srsweep", function_name="limit"),
        Output({"type": "limit-text", "cost": ALL}, "children"),
        Input({"type": "limit", "cost": ALL}, "value"),
        State({"type": "limit", "cost": ALL}, "id"),
        State("limit-steps", "data"),
    )
    app.clientside_callback(
        ClientsideFunction(namespace="srsweep", function_name="selectBest"),
        Output("heard", "data", allow_duplicate=True),
        Input("select-best", "n_clicks"),
        State("best-key", "data"),
        prevent_initial_call=True,
    )


def _sliders(steps: dict[str, dict[str, list[Any]]]) -> list[html.Div]:
    shown = headings(steps)
    return [
        html.Div(
            [
                html.Div(
                    [
                        html.Span(visible(shown[name])),
                        html.B("no limit", id={"type": "limit-text", "cost": name}),
                    ],
                    className="label",
                ),
                dcc.Slider(
                    id={"type": "limit", "cost": name},
                    min=0,
                    max=len(own["values"]),
                    step=1,
                    value=len(own["values"]),
                    marks=None,
                    included=True,
                    updatemode="drag",
                    allow_direct_input=False,
                ),
            ],
            className="limit",
        )
        for name, own in steps.items()
    ]
