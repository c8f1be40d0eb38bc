"""The pictures in the dashboard's comparison: a part of validation images as each selected network upscales it."""

import threading
from typing import Any

import dash
from dash import Input, Output, State, html

from analysis.pages.pictures import FindTrained, Strip, Trained, strips_of
from analysis.pages.side_by_side import KEY, MOST_COMPARED
from sweeps.messages import visible

MOST_KEPT = 8
"""Number of comparisons whose pictures are kept."""


class Pictures:
    """Makes the pictures of selected trials, one comparison at a time, and keeps those of the last comparisons."""

    def __init__(self, find: FindTrained) -> None:
        self.find = find
        self.lock = threading.Lock()
        self.kept: dict[tuple[str, ...], list[Any]] = {}

    def of(self, keys: tuple[str, ...]) -> list[Any]:
        """Returns the elements with the pictures of the trials `keys`, or a line that says why there is none."""
        with (
            self.lock
        ):  # networks that enlarge images at the same time would only slow each other down
            if keys not in self.kept:
                self.kept[keys] = self._make(keys)
                for old in list(self.kept)[:-MOST_KEPT]:
                    del self.kept[old]
            return self.kept[keys]

    def _make(self, keys: tuple[str, ...]) -> list[Any]:
        trained: dict[str, Trained] = {}
        reasons: dict[str, list[str]] = {}
        for key in keys:
            sweep, _, number = key.rpartition("#")
            found = self.find(sweep, int(number))
            if isinstance(found, str):
                reasons.setdefault(found, []).append(key)
            else:
                trained[key] = found
        lines = [
            html.P(visible(f"No picture of {', '.join(own)}: {why}."), className="quiet")
            for why, own in reasons.items()
        ]
        strips = [part for strip in strips_of(trained) for part in _strip(strip)]
        return [html.Section([html.H2("Pictures"), *strips, *lines], className="card")] * bool(keys)


def _strip(strip: Strip) -> list[Any]:
    figures = [
        html.Figure(
            [
                html.Img(src=part.url, alt=visible(part.name)),
                html.Figcaption([html.B(visible(part.name)), html.Br(), part.psnr]),
            ]
        )
        for part in strip.parts
    ]
    return [html.H3(visible(strip.name)), html.Div(figures, className="strip")]


def add_pictures(app: dash.Dash, find: FindTrained) -> None:
    """Adds the callback that makes the pictures after the rest of the comparison is shown."""
    pictures = Pictures(find)

    @app.callback(  # type: ignore[untyped-decorator]
        Output("pictures", "children"),
        Input("built", "data"),
        State("picked", "data"),
        prevent_initial_call=True,
    )
    def show(built: Any, picked: Any) -> Any:
        if not built or built[0] != "compare" or not isinstance(picked, list):
            raise dash.exceptions.PreventUpdate
        keys = [key for key in picked if isinstance(key, str) and KEY.fullmatch(key)]
        return pictures.of(tuple(keys[:MOST_COMPARED]))
