"""Registers the callbacks of the dashboard that run in the browser. `dashboard.js` holds their code."""

from typing import Any

import dash
from dash import ALL, MATCH, ClientsideFunction, Input, Output, State

PLACES = ("top", "panel")
"""The places of figures: above the choice of views, and in the view."""


def add_browser_callbacks(app: dash.Dash) -> None:
    """Adds the callbacks that fill the cards, mark the selected trials in them and keep the address up to date."""
    own = _by_name
    app.clientside_callback(
        own("start"),
        Output("sweep", "value", allow_duplicate=True),
        Output("over", "value", allow_duplicate=True),
        Output("notice", "children"),
        Output("notice", "hidden"),
        Input("tick", "id"),
        State("sweep", "options"),
        prevent_initial_call="initial_duplicate",
    )
    for place in PLACES:
        _fill(app, place)
    heard: dict[str, Any] = {
        "tick": Input("tick", "n_intervals"),
        "sweep": Input("sweep", "value"),
        "view": Input("view", "value"),
        "views": Input("known-views", "data"),
        "drag": Input("drag", "value"),
        "again": Input("page", "data"),
        "drop": Input({"type": "drop", "key": ALL}, "n_clicks"),
        "clear": Input("clear", "n_clicks"),
        "compare": Input("compare", "n_clicks"),
    }
    for function, event in heard.items():
        _hear(app, function, event)
    for place in PLACES:
        graphs = {"type": f"{place}-graph", "name": ALL}
        _hear(app, "clicked", Input(graphs, "clickData"))
        _hear(app, "boxed", Input(graphs, "selectedData"))


def _hear(app: dash.Dash, function: str, event: Input) -> None:
    """Adds a callback that tells the browser's `function` of an `event`. Dash demands an output, which never changes."""
    app.clientside_callback(
        _by_name(function),
        Output("heard", "data", allow_duplicate=True),
        event,
        prevent_initial_call=True,
    )


def _by_name(function: str) -> ClientsideFunction:
    return ClientsideFunction(namespace="srsweep", function_name=function)


def _fill(app: dash.Dash, place: str) -> None:
    """Adds the callback that puts the cards of `place` into their elements, fitted to the width of the screen."""
    ids = {part: {"type": f"{place}-{part}", "name": MATCH} for part in ("graph", "title", "text")}
    app.clientside_callback(
        _by_name("fill"),
        Output(ids["graph"], "figure"),
        Output(ids["title"], "children"),
        Output(ids["text"], "children"),
        Input(f"{place}-cards", "data"),
        State(ids["graph"], "id"),
    )
