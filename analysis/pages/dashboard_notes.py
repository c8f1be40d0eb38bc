"""Stars and notes on trials, which are the only thing that the dashboard writes."""

from collections.abc import Callable
from typing import Any

import dash
from dash import MATCH, Input, Output, State, dcc, html

from searchspace.errors import UserError, printed
from sweeps.messages import visible
from sweeps.store.schema import LONGEST_NOTE

SaveNote = Callable[[str, int, bool, str, str], tuple[str, str]]
"""A function that stores a note: sweep, number of the trial, star, text, and the text that the writer has seen.

It returns a message for the writer, and the text as it is stored. It raises UserError if the note cannot be stored.
"""
STARS = {True: "★", False: "☆"}


def note_cell(key: str, note: tuple[bool, str], *, read_only: bool) -> html.Td:
    """Returns the cell of the comparison with the star and the note of the trial `key`."""
    is_starred, text = note
    if read_only:
        return html.Td(
            f"{STARS[is_starred] * is_starred} {visible(text)}".strip() or "-", className="note"
        )

    def own(part: str) -> dict[str, str]:
        return {"type": part, "key": key}

    area = dcc.Textarea(
        id=own("note"),
        value=text,
        maxLength=LONGEST_NOTE,
        rows=2,
        placeholder="Note",
        # What a person is typing stays when the table is drawn again, unless the stored note has changed.
        persistence=True,
        persistence_type="memory",
    )
    buttons = [
        html.Button("Save", id=own("save")),
        html.Button(STARS[is_starred], id=own("star"), className="star", title="Star"),
        html.Span(id=own("told"), className="quiet"),
    ]
    stored = dcc.Store(id=own("seen"), data=[is_starred, text])
    return html.Td([area, html.Div(buttons, className="head start"), stored], className="note")


def add_notes(app: dash.Dash, save: SaveNote) -> None:
    """Adds the callback that stores a star or a note with `save`."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output({"type": "told", "key": MATCH}, "children"),
        Output({"type": "star", "key": MATCH}, "children"),
        Output({"type": "seen", "key": MATCH}, "data"),
        Input({"type": "save", "key": MATCH}, "n_clicks"),
        Input({"type": "star", "key": MATCH}, "n_clicks"),
        State({"type": "note", "key": MATCH}, "value"),
        State({"type": "seen", "key": MATCH}, "data"),
        prevent_initial_call=True,
    )
    def write(_saved: int, _starred: int, text: Any, seen: Any) -> Any:
        asked = dash.ctx.triggered_id
        if not isinstance(seen, list) or len(seen) != 2 or not asked:
            raise dash.exceptions.PreventUpdate
        is_starred, before = bool(seen[0]), str(seen[1])
        if asked["type"] == "star":
            is_starred, text = not is_starred, before
        sweep, _, number = str(asked["key"]).rpartition("#")
        try:
            if not (number.isascii() and number.isdecimal() and len(number) < 10):
                raise UserError(f"note: must be on a trial SWEEP#NUMBER, got {printed(sweep)}")
            told, kept = save(sweep, int(number), is_starred, str(text or ""), before)
        except UserError as error:
            return visible(str(error)), STARS[bool(seen[0])], seen
        return told, STARS[is_starred], [is_starred, kept]
