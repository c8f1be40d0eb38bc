"""Text from a database is never interpreted as markup by rich, HTML, plotly.js or a terminal."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from analysis.figures.theme import base_layout, escaped
from analysis.pages.live import VIEWS, live_cards, load_live, sentence
from analysis.pages.report import report_page
from analysis.tables import render
from tests.analysis.pages.test_report import figures
from tests.srsweep.calls import invoke, succeed
from tests.stored import Database

HOSTILE = [
    "ValueError: cannot read [/data/DIV2K]",
    "[red]red[/red] [link=https://evil.example]x[/link] [/] [",
    "\x1b[31mred\x1b]0;title\x07 \x9b31m",
    "<script>alert(1)</script><b onload=x>&amp;",
    "%{x} $\\alpha$ \u202eabc",
]


def spoil(path: Path, text: str) -> None:
    """Puts `text` wherever the database holds text that a foreign database may hold.

    Facts and hosts with control characters are refused when the database is opened.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET label = ? || number, family = ?", (text, text[:40]))
        connection.execute("UPDATE attempts SET error = ? WHERE error <> ''", (text,))
        if text.isprintable():
            connection.execute(
                "UPDATE sweep_facts SET value = ? WHERE name = 'train_data'", (text,)
            )
            connection.execute("UPDATE lives SET host = ?", (text,))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_for_people_shows_text_as_it_is(text: str) -> None:
    shown = render(pd.DataFrame({"label": [text], text: [1.0]}), width=300)
    head, row = shown.splitlines()
    plain = text.replace("\x1b", r"\x1b").replace("\x07", r"\x07").replace("\x9b", r"\x9b")
    plain = plain.replace("\u202e", r"\u202e")
    assert plain in row
    assert plain.replace("_", " ") in head


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_commands_show_it_and_obey_nothing(
    small: Database, tmp_path: Path, text: str, form: tuple[str, ...]
) -> None:
    spoil(tmp_path / "results.db", text)
    for words in (
        ("status", "small"),
        ("status",),
        ("front", "small"),
        ("select", "small"),
        ("select", "small", "--knee"),
    ):
        output = succeed(*words, "--db", small.url, *form).output
        assert not any(char in output for char in "\x1b\x07\x9b\u202e"), words
        if text.startswith("ValueError") and words == ("status", "small"):
            assert "[/data/DIV2K]" in output
        if form == ("--json",):
            json.loads(output)
    names = invoke("front", text.replace("\n", ""), "--db", small.url)
    assert names.exit_code == 2
    assert "\x1b" not in names.output


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_pages_show_it_and_obey_nothing(small: Database, tmp_path: Path, text: str) -> None:
    spoil(tmp_path / "results.db", text)
    page = report_page(small.url)
    assert "<script>alert" not in page
    assert "<b onload" not in page
    assert not any(char in page for char in "\x1b\x07\x9b\u202e")
    live = load_live(small.url, "small")
    sentence(live)
    drawn = [card.figure for view in VIEWS for card in live_cards(live, view)[0]]
    for figure in (*figures(page).values(), *drawn):
        written = json.dumps(figure, ensure_ascii=False)
        for raw in ("<script", "<b onload", "%{x} $", "\x1b", "\u202e", r"\u001b"):
            assert raw not in written


def test_titles_of_axes_are_plain_text() -> None:
    layout = base_layout("latency <b>", "a & b")
    assert layout["xaxis"]["title"]["text"] == "latency &lt;b&gt;"
    assert layout["yaxis"]["title"]["text"] == "a &amp; b"
    # plotly.js knows no entity for quotes.
    assert escaped('it\'s "x" %{y}') == 'it\'s "x" %&#123;y}'


def test_the_progress_display_shows_brackets_and_escapes() -> None:
    from srsweep.progress import Watcher

    file = io.StringIO()
    Watcher(Console(file=file, width=200)).say("[/data] \x1b[31m postgresql://a:S3cr@h/x")
    assert file.getvalue() == "[/data] \\x1b[31m postgresql://a:***@h/x\n"
