"""Registers the callbacks of the dashboard that run in the browser. `dashboard.js` holds their code."""

import dash
from dash import ALL, MATCH, ClientsideFunction, Input, Output, State

PLACES = ("top", "panel")
"""The places of figures: above the choice of views, and in the view."""


def add_browser_callbacks(app: dash.Dash) -> None:
    """Adds the callbacks that fill the cards, mark the selected trials in them and keep the address up to date."""
    own = _by_name
    app.clientside_callback(
        own("start"),
        Output("narrow", "data"),
        Output("dark", "data"),
        Output("sweep", "value", allow_duplicate=True),
        Output("picked", "data", allow_duplicate=True),
        Output("opened", "data", allow_duplicate=True),
        Output("notice", "children"),
        Output("notice", "hidden"),
        Input("tick", "id"),
        State("sweep", "options"),
        prevent_initial_call="initial_duplicate",
    )
    for place in PLACES:
        _fill(app, place)
        graphs = {"type": f"{place}-graph", "name": ALL}
        for function, event in (("clicked", "clickData"), ("boxed", "selectedData")):
            app.clientside_callback(
                own(function),
                Output(f"heard-{place}", "data", allow_duplicate=True),
                Input(graphs, event),
                prevent_initial_call=True,
            )
    app.clientside_callback(
        own("remember"),
        Output("selection", "hidden"),
        Output("chosen", "children"),
        Input("picked", "data"),
        Input("sweep", "value"),
        State("view", "value"),
    )
    app.clientside_callback(
        own("again"),
        Output("heard-row", "data", allow_duplicate=True),
        Input("page", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        own("drop"),
        Output("heard-row", "data", allow_duplicate=True),
        Input({"type": "drop", "key": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        own("leave"),
        Output("picked", "data", allow_duplicate=True),
        Input("sweep", "value"),
        State("picked", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        own("clear"),
        Output("picked", "data", allow_duplicate=True),
        Input("clear", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        own("tabs"),
        Output("view", "options"),
        Output("opened", "data"),
        Input("known-views", "data"),
        Input("picked", "data"),
        State("opened", "data"),
        State("view", "value"),
    )
    app.clientside_callback(
        own("compare"),
        Output("view", "value"),
        Input("compare", "n_clicks"),
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
        Input("narrow", "data"),
        Input("dark", "data"),
        Input("picked", "data"),
        Input("drag", "value"),
        Input("points-of", "data"),
        Input("limits-now", "data"),
        State(ids["graph"], "id"),
    )
