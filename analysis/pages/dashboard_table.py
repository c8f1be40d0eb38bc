"""The view of the dashboard with the table of all trials."""

from typing import Any

import dash
import dash_ag_grid
from dash import ClientsideFunction, Input, Output, State, dcc, html

from analysis.pages.live import Live
from analysis.pages.trial_blocks import column_definitions, table_block
from analysis.pages.watch import Watch
from searchspace.errors import UserError

HINT = "A filter of a column of numbers can compare: <50K, >=28.5 or 10K..50K. Click a row to select its trial."
THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)', "
    "headerBackgroundColor: 'var(--wash)', borderColor: 'var(--line)', accentColor: 'var(--accent)', "
    "browserColorScheme: 'inherit', fontFamily: 'inherit', fontSize: 13, spacing: 6, wrapperBorderRadius: 6})"
)
"""The look of the table, in the colours of the page."""


def trials_panel(live: Live) -> list[Any]:
    """Returns the elements of the view: the search and the table."""
    search = dcc.Input(
        id="search",
        type="text",
        placeholder="Search number, state, family, architecture",
        debounce=0.3,
    )
    box = {
        "field": "picked",
        "headerName": "",
        "headerTooltip": "selected",
        "width": 40,
        "minWidth": 40,
        "pinned": "left",
        "sortable": False,
        "filter": False,
        "resizable": False,
        "editable": True,
        "cellRenderer": "agCheckboxCellRenderer",
        "cellEditor": "agCheckboxCellEditor",
        "valueGetter": {"function": "isPicked(params)"},
        "valueSetter": {"function": "pickRow(params)"},
    }
    grid = dash_ag_grid.AgGrid(
        id="trials",
        rowModelType="infinite",
        columnDefs=[box, *column_definitions(live)],
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "filter": "agTextColumnFilter",
            "floatingFilter": True,
            "suppressHeaderMenuButton": True,
            "suppressHeaderFilterButton": True,
            "suppressFloatingFilterButton": True,
            "filterParams": {"filterOptions": ["contains"], "maxNumConditions": 1},
        },
        getRowId="params.data.key",
        rowClassRules={"picked": "isPicked(params)"},
        dashGridOptions={
            "theme": {"function": THEME},
            "cacheBlockSize": 100,
            "maxBlocksInCache": 20,
            "suppressCellFocus": False,
            "tooltipShowDelay": 600,
        },
        className="trials",
        style={"height": None, "width": "100%"},
    )
    parts = [
        html.Div(
            [html.H2("All trials"), html.Div(search, className="search")], className="head pad"
        ),
        html.P(HINT, className="quiet"),
        grid,
    ]
    return [html.Section(parts, className="card")]


def add_table(app: dash.Dash, watch: Watch) -> None:
    """Adds the callbacks that send rows to the table, read it again after a change, and select trials in it."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("trials", "getRowsResponse"),
        Input("trials", "getRowsRequest"),
        State("sweep", "value"),
        State("search", "value"),
        prevent_initial_call=True,
    )
    def rows(request: dict[str, Any] | None, sweep: str, search: str | None) -> Any:
        if not request:
            raise dash.exceptions.PreventUpdate
        try:
            return table_block(watch.last(sweep), request, search)
        except UserError:
            return {"rowData": [], "rowCount": 0}  # the line above the figure says what is wrong

    # News also reach the view that is open: two callbacks with one input and one output would be the same to Dash.
    for function, given in (
        ("news", Input("shown", "data")),
        ("refresh", Input("search", "value")),
    ):
        app.clientside_callback(
            ClientsideFunction(namespace="srsweep", function_name=function),
            Output("heard", "data", allow_duplicate=True),
            given,
            prevent_initial_call=True,
        )
    app.clientside_callback(
        ClientsideFunction(namespace="srsweep", function_name="row"),
        Output("heard", "data", allow_duplicate=True),
        Input("trials", "cellClicked"),
        prevent_initial_call=True,
    )
