"""Runs the dashboard, which shows the figures of a sweep in a browser while the sweep runs.

Each reading opens its own read-only connection to the database and closes it. An open page can therefore neither
change nor lock the database of a running sweep. The only thing that is written is a note on a trial, when a person
saves it. All scripts come from the installed packages, none from the internet.
"""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import dash
from dash import Input, Output, State, html, no_update
from werkzeug.serving import make_server

from analysis.pages.dashboard_compare import compare_panel
from analysis.pages.dashboard_limits import add_limits, limits_card
from analysis.pages.dashboard_notes import SaveNote, add_notes
from analysis.pages.dashboard_page import (
    PAGE,
    SCRIPT,
    failures_panel,
    figures_panel,
    front_panel,
    options,
    over_notes,
    page_layout,
    paragraph,
    store_of,
    view_choices,
)
from analysis.pages.dashboard_pictures import add_pictures
from analysis.pages.dashboard_script import add_browser_callbacks
from analysis.pages.dashboard_table import add_table, trials_panel
from analysis.pages.limits import known_limits
from analysis.pages.live import (
    ROWS,
    VIEWS,
    Live,
    cost_choices,
    live_cards,
    sentence,
)
from analysis.pages.overlay import over_options, overlaid_card, overlay
from analysis.pages.pictures import FindTrained
from analysis.pages.policy import Guard, hash_of, policy
from analysis.pages.progress import progress_of
from analysis.pages.side_by_side import compared
from analysis.pages.trial_blocks import table_columns
from analysis.pages.watch import Watch, read_with_the_page
from analysis.read.points import load_reasons
from searchspace.errors import UserError
from sweeps.messages import visible

NO_PAGER = (True, "", True, True)
"""The outputs for the pager of a view without pages: hidden, no text, both buttons disabled."""


def make_app(
    url: str,
    *,
    seconds: float = 5.0,
    host: str = "127.0.0.1",
    save: SaveNote | None = None,
    find: FindTrained | None = None,
) -> dash.Dash:
    """Returns the dashboard of the database at `url`. An open page asks for changes every `seconds` seconds.

    `save` stores notes on trials. If it is None, nobody can write notes. `find` returns the trained network of a trial,
    for pictures of selected trials. If it is None, no pictures are shown. The dashboard answers only requests that name
    `host`, the address on which its server will listen. Raises UserError if the database cannot be read.
    """
    watch = Watch(url)  # raises now, and not in the browser, if the database cannot be read
    app = dash.Dash(
        __name__,
        title="srsweep",
        update_title="",
        serve_locally=True,
        index_string=PAGE,
        suppress_callback_exceptions=True,  # the table is on the page only while it is looked at
    )
    app.layout = lambda: page_layout(watch.names(), seconds, limits_card())
    read_with_the_page(app.server, watch)
    _choose(app, watch)
    _draw(app, watch)
    _open(app, watch, save is None)
    if save is not None:
        add_notes(app, save)
    if find is not None:
        add_pictures(app, find)
    add_browser_callbacks(app)
    add_table(app, watch)
    add_limits(app, watch)
    allowed = policy([hash_of(SCRIPT), *app.csp_hashes()], served=True)
    app.server.wsgi_app = Guard(app.server.wsgi_app, host=host, policy=allowed)
    return app


def serve(
    url: str,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None],
    save: SaveNote | None = None,
    find: FindTrained | None = None,
) -> None:
    """Runs the dashboard until it is interrupted.

    `save` and `find` mean the same as for `make_app`. `announce` is called with the address of the dashboard as soon as
    a browser can open it. Raises UserError if the database cannot be read, or if the server cannot listen on `host` and
    `port`.
    """
    app = make_app(url, host=host, save=save, find=find)
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
        Input("beat", "data"),
        State("sweep", "options"),
        State("sweep", "value"),
        prevent_initial_call=True,
    )
    def refresh(_beat: int, known: list[str], chosen: str | None) -> Any:
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
    """Adds the callback that draws the first figure again if the sweep, the cost or the database has changed."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("top-cards", "data"),
        Output("sentence", "children"),
        Output("cost", "options"),
        Output("cost", "value"),
        Output("quality", "options"),
        Output("quality", "value"),
        Output("shown", "data"),
        Output("known-views", "data"),
        Output("over", "options"),
        Output("over", "value"),
        Output("over-control", "hidden"),
        Output("over-notes", "children"),
        Input("sweep", "value"),
        Input("cost", "value"),
        Input("quality", "value"),
        Input("over", "value"),
        Input("beat", "data"),
        State("shown", "data"),
    )
    def draw(  # noqa: PLR0913 - one parameter an input
        sweep: str | None, cost: str, quality: str, over: Any, _beat: int, shown: Any
    ) -> Any:
        if sweep is None:
            raise dash.exceptions.PreventUpdate
        try:
            live = watch.live(sweep)
            cost, quality = _axes(live, cost, quality)
            drawn = overlay(watch, live, over, (cost, quality))
        except UserError as error:
            kept = [no_update] * 4
            return no_update, visible(str(error)), *kept, [str(error)], no_update, *kept
        costs, qualities = _axis_choices(live)
        stamps = [each.stamp for each in (live, *drawn.lives)]
        now = [cost, quality, stamps, watch.sweeps["name"].tolist()]
        if now == shown and (over or []) == drawn.names:
            raise dash.exceptions.PreventUpdate
        card = overlaid_card(live, drawn.lives, cost, quality)
        points = {k: v for each in (live, *drawn.lives) for k, v in each.points_of.items()}
        top = {
            "pareto": store_of([card])[card.name],
            "pointsOf": points,
            "over": drawn.names,
        }
        controls = [options([*costs, *qualities]), cost, options([*qualities, *costs]), quality]
        choices = over_options(watch.sweeps, sweep)
        layers = [choices, drawn.names, not choices, over_notes(drawn)]
        return top, summary(live), *controls, now, view_options(live), *layers


def _axes(live: Live, cost: str, quality: str) -> tuple[str, str]:
    """Returns the names on the two axes, which always differ. A person's choice is used if the sweep has it."""
    costs, qualities = _axis_choices(live)
    known = [*costs, *qualities]
    cost = cost if cost in known else costs[0]
    quality = quality if quality in known else qualities[0]
    if cost != quality:
        return cost, quality
    other = next(name for name in (*qualities, *costs) if name != cost)
    # The axis that was not touched gives way.
    return (cost, other) if dash.ctx.triggered_id == "cost" else (other, quality)


def _axis_choices(live: Live) -> tuple[list[str], list[str]]:
    """Returns the costs and the qualities that the axes of the first figure can show."""
    return cost_choices(live) or ["params", "multadds"], live.facts.qualities


def _open(app: dash.Dash, watch: Watch, read_only: bool) -> None:
    """Adds the callback that fills the panel with the chosen view. The other views are neither read nor computed."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("panel", "children"),
        Output("panel-cards", "data"),
        Output("built", "data"),
        Output("pager", "hidden"),
        Output("place", "children"),
        Output("previous", "disabled"),
        Output("next", "disabled"),
        Input("view", "value"),
        Input("asked", "data"),
        State("shown", "data"),
        State("page", "data"),
        State("picked", "data"),
        State("limits-now", "data"),
        State("sweep", "value"),
        State("built", "data"),
    )
    def panel(  # noqa: PLR0913 - one parameter an input
        view: str,
        _asked: Any,
        shown: Any,
        page: int,
        picked: Any,
        limits: Any,
        sweep: str,
        built: Any,
    ) -> Any:
        if not shown:
            raise dash.exceptions.PreventUpdate
        try:
            if view == "compare":
                own = known_limits(watch.last(sweep), limits)
                return _compare(watch.url, picked, own, built, read_only)
            return _panel(watch.last(sweep), view, page, built)
        except UserError as error:
            return [paragraph(str(error))], {}, [], *NO_PAGER


def _compare(
    url: str, picked: Any, limits: dict[str, float], built: Any, read_only: bool
) -> tuple[Any, ...]:
    """Returns the outputs for the view of the selected trials. What the page already has is not sent again."""
    comparison = compared(url, picked if isinstance(picked, list) else [], limits)
    building = ["compare", hash_of(repr(comparison))]
    if building == built:
        raise dash.exceptions.PreventUpdate
    cards = [] if comparison is None or comparison.curves is None else [comparison.curves]
    return compare_panel(comparison, read_only=read_only), store_of(cards), building, *NO_PAGER


def _panel(live: Live, view: str, page: int, built: Any) -> tuple[Any, ...]:
    """Returns the outputs for a view. If the page has its elements already, only their contents are sent."""
    if view == "front":
        page, pager = _pager(live, page)
        return front_panel(live, page), {}, [view], *pager
    if view == "failed":
        total = live.pulse.get("failed", 0)
        panel = failures_panel(load_reasons(live.url, live.sweep), total)
        return panel, {}, [view], *NO_PAGER
    if view == "trials":
        building = [view, table_columns(live)]
        parts = no_update if building == built else trials_panel(live)
        return parts, {}, building, *NO_PAGER
    if view not in VIEWS:
        raise dash.exceptions.PreventUpdate
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


def view_options(live: Live) -> list[dict[str, str]]:
    """Returns the options of the control that chooses what is shown below the first figure: the views that have something to show."""
    exist = {
        "trials": bool(live.pulse),
        "knobs": len(live.points) > 1,
        "training": bool(live.pulse),
        "test sets": live.has_late("test sets"),
        "INT8": live.has_late("INT8"),
        "failed": bool(live.pulse.get("failed")),
    }
    return view_choices(["front", *(name for name, exists in exist.items() if exists)])


def summary(live: Live) -> list[Any]:
    """Returns the line about the state of the sweep and, until all trials have ended, a progress bar."""
    progress = progress_of(live)
    if progress is None:
        return [sentence(live)]
    share = f"{100 * progress.share:.1f}%"
    bar = html.Span(html.Span(style={"width": share}), className="bar", role="presentation")
    return [sentence(live), html.Br(), progress.text, bar]
