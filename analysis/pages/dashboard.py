"""Runs the dashboard, which shows the figures of a sweep in a browser while the sweep runs.

Each reading opens its own read-only connection to the database and closes it. An open page can therefore neither
change nor lock the database of a running sweep. All scripts come from the installed packages, none from the internet.
"""

import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import dash
from dash import MATCH, Input, Output, State, no_update
from werkzeug.serving import make_server

from analysis.pages.dashboard_page import (
    PAGE,
    SCRIPT,
    failures_panel,
    figures_panel,
    front_panel,
    options,
    page_layout,
    paragraph,
    store_of,
)
from analysis.pages.live import (
    ROWS,
    VIEWS,
    Live,
    cost_choices,
    live_cards,
    live_pareto,
    load_live,
    sentence,
)
from analysis.pages.policy import Guard, hash_of, policy
from analysis.read.frames import load_sweeps
from analysis.read.points import load_reasons
from searchspace.errors import UserError
from sweeps.messages import visible

FILL = """
(cards, narrow, id) => {
  const card = (cards ?? {})[id.name];
  if (!card) return Array(3).fill(dash_clientside.no_update);
  return [fitted(card.figure, narrow ? 400 : 1000), card.title, card.text];
}
"""
WATCH_WIDTH = """
() => {
  const narrow = () => window.innerWidth < 500;
  window.addEventListener("resize", () => dash_clientside.set_props("narrow", {data: narrow()}));
  return narrow();
}
"""
NO_PAGER = (True, "", True, True)
"""The outputs for the pager of a view without pages: hidden, no text, both buttons disabled."""


class Watch:
    """Keeps the newest state of each sweep, so that points are not read twice."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.readings: dict[str, Live] = {}

    def names(self) -> list[str]:
        """Returns the names of the sweeps in the database, the newest first."""
        return [str(name) for name in load_sweeps(self.url)["name"]][::-1]

    def live(self, sweep: str) -> Live:
        """Reads and returns the current state of `sweep`."""
        with self.lock:
            now = load_live(self.url, sweep, self.readings.get(sweep))
            self.readings[sweep] = now
            return now

    def last(self, sweep: str) -> Live:
        """Returns the state of `sweep` at its last reading, and reads it only if there was none."""
        return self.readings.get(sweep) or self.live(sweep)


def make_app(url: str, *, seconds: float = 5.0, host: str = "127.0.0.1") -> dash.Dash:
    """Returns the dashboard of the database at `url`. An open page asks for changes every `seconds` seconds.

    The dashboard answers only requests that name `host`, the address on which its server will listen. Raises UserError
    if the database cannot be read.
    """
    watch = Watch(url)
    watch.names()  # raises now, and not in the browser, if the database cannot be read
    app = dash.Dash(
        __name__, title="srsweep", update_title="", serve_locally=True, index_string=PAGE
    )
    app.layout = lambda: page_layout(watch.names(), seconds)
    _choose(app, watch)
    _draw(app, watch)
    _open(app, watch)
    _fill(app)
    allowed = policy([hash_of(SCRIPT), *app.csp_hashes()], served=True)
    app.server.wsgi_app = Guard(app.server.wsgi_app, host=host, policy=allowed)
    return app


def serve(url: str, *, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Runs the dashboard until it is interrupted.

    `announce` is called with the address of the dashboard as soon as a browser can open it. Raises UserError if the
    database cannot be read, or if the server cannot listen on `host` and `port`.
    """
    app = make_app(url, host=host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno not in (
            errno.EADDRINUSE,
            errno.EACCES,
        ):  # errors that another port avoids
            raise UserError(
                f"--host: must be an address of this machine, such as 127.0.0.1, got {host!r}"
            ) from None
        raise UserError(
            f"--port: the dashboard cannot listen on {host}:{port} ({error.strerror}); choose another port"
        ) from None
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with taken:
        server = make_server(host, port, app.server, threaded=True, fd=taken.fileno())
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        announce(f"http://{shown}:{port}")
        server.serve_forever()


def _choose(app: dash.Dash, watch: Watch) -> None:
    """Adds callbacks that list new sweeps as choices and turn the pages of the table of the front.

    If the chosen sweep no longer exists, or none was chosen, the first sweep is chosen. A new choice shows the first
    page.
    """

    @app.callback(  # type: ignore[untyped-decorator]
        Output("sweep", "options"),
        Output("sweep", "value"),
        Input("tick", "n_intervals"),
        State("sweep", "options"),
        State("sweep", "value"),
        prevent_initial_call=True,
    )
    def refresh(_tick: int, known: list[str], chosen: str | None) -> Any:
        try:
            names = watch.names()
        except UserError:
            return no_update, no_update  # the line above the figure says what is wrong
        if names == known:
            return no_update, no_update
        return names, no_update if chosen in names else next(iter(names), None)

    @app.callback(  # type: ignore[untyped-decorator]
        Output("page", "data"),
        Input("previous", "n_clicks"),
        Input("next", "n_clicks"),
        Input("sweep", "value"),
        State("page", "data"),
        prevent_initial_call=True,
    )
    def turn(_previous: int, _next: int, _sweep: str, page: int) -> int:
        step = {"previous": -1, "next": 1}.get(str(dash.ctx.triggered_id))
        return 0 if step is None else max(page + step, 0)


def _draw(app: dash.Dash, watch: Watch) -> None:
    """Adds the callback that draws the first figure: only if the sweep, the cost or the database has changed."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("top-cards", "data"),
        Output("sentence", "children"),
        Output("cost", "options"),
        Output("cost", "value"),
        Output("quality", "options"),
        Output("quality", "value"),
        Output("qualities", "hidden"),
        Output("shown", "data"),
        Input("sweep", "value"),
        Input("cost", "value"),
        Input("quality", "value"),
        Input("tick", "n_intervals"),
        State("shown", "data"),
    )
    def draw(sweep: str | None, cost: str, quality: str, _tick: int, shown: Any) -> Any:
        controls = [no_update] * 5
        if sweep is None:
            return no_update, "No sweep yet.", *controls, no_update
        try:
            live = watch.live(sweep)
        except UserError as error:
            return no_update, visible(str(error)), *controls, [str(error)]
        costs = cost_choices(live) or ["params", "multadds"]
        cost = cost if cost in costs else costs[0]
        qualities = live.facts.qualities
        quality = quality if quality in qualities else qualities[0]
        now = [cost, quality, live.stamp]
        if now == shown:
            raise dash.exceptions.PreventUpdate
        card = live_pareto(live, cost, quality)
        top = {"pareto": store_of([card])[card.name]}
        controls = [options(costs), cost, options(qualities), quality, len(qualities) == 1]
        return top, sentence(live), *controls, now


def _open(app: dash.Dash, watch: Watch) -> None:
    """Adds the callback that fills the panel with the chosen view. The other views are neither read nor computed."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("panel", "children"),
        Output("panel-cards", "data"),
        Output("built", "data"),
        Output("pager", "hidden"),
        Output("place", "children"),
        Output("previous", "disabled"),
        Output("next", "disabled"),
        Input("shown", "data"),
        Input("view", "value"),
        Input("page", "data"),
        State("sweep", "value"),
        State("built", "data"),
    )
    def panel(shown: Any, view: str, page: int, sweep: str, built: Any) -> Any:
        if not shown:
            raise dash.exceptions.PreventUpdate
        try:
            return _panel(watch.last(sweep), view, page, built)
        except UserError as error:
            return [paragraph(str(error))], {}, [], *NO_PAGER


def _panel(live: Live, view: str, page: int, built: Any) -> tuple[Any, ...]:
    """Returns the outputs for a view. If the page has its elements already, only their contents are sent."""
    if view == "front":
        page, pager = _pager(live, page)
        return front_panel(live, page), {}, [view], *pager
    if view == "failed":
        total = live.pulse.get("failed", 0)
        panel = failures_panel(load_reasons(live.url, live.sweep), total)
        return panel, {}, [view], *NO_PAGER
    assert view in VIEWS
    cards, note = live_cards(live, view)
    building = [view, [card.name for card in cards], note]
    parts = no_update if building == built else figures_panel(cards, note)
    return parts, store_of(cards), building, *NO_PAGER


def _pager(live: Live, page: int) -> tuple[int, tuple[bool, str, bool, bool]]:
    """Returns the number of the page of the front to show, at most that of the last page, and the pager's outputs."""
    total = len(live.front)
    last = max((total - 1) // ROWS, 0)
    page = min(page, last)
    place = f"{page * ROWS + 1:,} to {min((page + 1) * ROWS, total):,} of {total:,} on the front"
    return page, (last == 0, place, page == 0, page == last)


def _fill(app: dash.Dash) -> None:
    """Adds callbacks in the browser that put the cards into their elements, fitted to the width of the screen."""
    app.clientside_callback(WATCH_WIDTH, Output("narrow", "data"), Input("tick", "id"))
    for place in ("top", "panel"):
        ids = {
            part: {"type": f"{place}-{part}", "name": MATCH} for part in ("graph", "title", "text")
        }
        app.clientside_callback(
            FILL,
            Output(ids["graph"], "figure"),
            Output(ids["title"], "children"),
            Output(ids["text"], "children"),
            Input(f"{place}-cards", "data"),
            Input("narrow", "data"),
            State(ids["graph"], "id"),
        )
