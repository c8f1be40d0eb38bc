"""The view of the dashboard that compares the selected trials."""

from typing import Any

from dash import html

from analysis.pages.dashboard_notes import note_cell
from analysis.pages.dashboard_page import skeleton
from analysis.pages.side_by_side import MOST_COMPARED, Comparison, Row

WHAT = ("train", "export", "select")
"""What the commands of a trial do, in the order of `Comparison.commands`."""


def compare_panel(comparison: Comparison | None, *, read_only: bool) -> list[Any]:
    """Returns the elements of the view: a table of the trials side by side, curves, pictures and commands.

    Unless `read_only`, each trial has fields for a star and a note.
    """
    if comparison is None:
        return [
            html.P(
                "No trial is selected. Click a point of a figure or a row of the table.",
                className="quiet",
            )
        ]
    parts: list[Any] = []
    if comparison.unknown:
        names = ", ".join(comparison.unknown)
        parts.append(html.P(f"The database has no trial {names}.", className="trouble"))
    if not comparison.keys:
        return parts
    title = "Selected trial" if len(comparison.keys) == 1 else "Selected trials side by side"
    table = [html.H2(title), _table(comparison, read_only)]
    if comparison.left_out:
        table.append(
            html.P(
                f"The first {MOST_COMPARED} trials are shown. {comparison.left_out:,} more are selected.",
                className="quiet",
            )
        )
    parts.append(html.Section(table, className="card"))
    if comparison.curves is not None:
        parts += skeleton("panel", [comparison.curves.name], [comparison.curves.name])
    parts.append(html.Div(id="pictures"))
    parts.append(_commands(comparison))
    return parts


def _table(comparison: Comparison, read_only: bool) -> html.Div:
    count = len(comparison.keys)
    heads = [
        html.Th(
            [
                html.Span(key),
                html.Button(
                    "×",
                    id={"type": "drop", "key": key},
                    title="Remove from the selection",
                    className="drop",
                ),
            ]
        )
        for key in comparison.keys
    ]
    notes = zip(comparison.keys, comparison.notes, strict=True)
    rows = [_row(row) for row in comparison.properties]
    rows.append(
        html.Tr(
            [html.Th("note"), *(note_cell(key, note, read_only=read_only) for key, note in notes)]
        )
    )
    if comparison.knobs:
        rows.append(_heading("Knobs" if count == 1 else "Knobs that differ", count))
        rows += [_row(row) for row in comparison.knobs]
    table = html.Table(
        [html.Thead(html.Tr([html.Th(), *heads])), html.Tbody(rows)], className="compare"
    )
    parts: list[Any] = [html.Div(table, className="scroll tall")]
    if comparison.common:
        parts.append(html.P(f"The same in all: {', '.join(comparison.common)}.", className="quiet"))
    return html.Div(parts)


def _heading(text: str, count: int) -> html.Tr:
    return html.Tr([html.Th(text), html.Td(colSpan=count)], className="section")


def _row(row: Row) -> html.Tr:
    cells = [
        html.Td(text, className="best" if index in row.best else "")
        for index, text in enumerate(row.texts)
    ]
    return html.Tr([html.Th(row.name), *cells])


def _commands(comparison: Comparison) -> html.Section:
    groups: list[Any] = [html.H2("Commands")]
    for index, (key, commands) in enumerate(zip(comparison.keys, comparison.commands, strict=True)):
        lines = [_command(what, text) for what, text in zip(WHAT, commands, strict=True)]
        several = len(comparison.keys) > 1
        groups += [html.Details([html.Summary(key), *lines], open=index == 0)] if several else lines
    return html.Section(groups, className="card commands")


def _command(what: str, text: str) -> html.Div:
    return html.Div(
        [
            html.Code(text),
            html.Button("Copy", className="copy", title=f"Copy the command: {what}"),
        ],
        className="command",
    )
