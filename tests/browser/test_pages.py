"""Tests report and dashboard in a real browser: they draw, log no errors, and load nothing from other hosts."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from analysis.pages.live import VIEWS
from analysis.pages.report import write_report
from analysis.read.frames import load_trials
from sweeps.records import Measurement
from tests.browser.chromium import Chromium
from tests.browser.serving import dashboard_of
from tests.stored import Database

dash = pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")
websocket = pytest.importorskip("websocket", reason="needs websocket-client")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

POINTS = """(() => {
  const plot = document.querySelector('ID .js-plotly-plot') || document.querySelector('ID');
  if (!plot || !plot.data || !plot.querySelector('.main-svg')) return -1;
  return plot.data.filter((t) => t.mode === 'markers' && !t.name.startsWith('published'))
    .reduce((sum, t) => sum + t.x.length, 0);
})()"""
HOVER = (
    "[...document.querySelectorAll('.hoverlayer .hovertext')].map((t) => t.textContent).join(' ')"
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def points(plot: str) -> str:
    return POINTS.replace("ID", plot)


def hover(browser: Chromium, plot: str, trial: int = 0) -> str:
    """Returns what is shown when the mouse rests on the trial at this place. The page may still move at first."""
    place = f"""(() => {{
      const path = document.querySelectorAll('{plot} .trace.scatter .points path')[{trial}];
      if (!path) return null;
      path.scrollIntoView({{block: 'center'}});
      const box = path.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    }})()"""
    for _ in range(300):
        at = browser.wait_for(place)
        browser.move_mouse(at[0] + 1, at[1])
        browser.move_mouse(*at)
        time.sleep(0.1)
        if text := browser.evaluate(HOVER):
            return str(text)
    raise AssertionError(f"hovering over {plot} shows nothing")


def no_overflow(browser: Chromium) -> None:
    """Waits until nothing overflows. The plots follow a change of width after a moment."""
    browser.wait_for(OVERFLOW, lambda pixels: pixels <= 0)


def quiet(browser: Chromium) -> None:
    assert browser.outside == []
    assert browser.errors == []


@pytest.fixture
def address(two_sweeps: Database) -> Iterator[str]:
    with dashboard_of(two_sweeps.url) as address:
        yield address


def look_at(browser: Chromium, view: str) -> None:
    """Choose what is shown below the first figure."""
    label = f"""[...document.querySelectorAll('#view label')]
      .find((e) => e.textContent.trim().toLowerCase() === '{view.lower()}')"""
    browser.wait_for(f"!!{label}")
    browser.evaluate(f"{label}.click()")


DRAWN = """(() => {
  const figures = [...document.querySelectorAll('#panel .figure')];
  if (!figures.length || !figures.every((f) => f.querySelector('.js-plotly-plot .main-svg'))) return '';
  return figures.map((f) => f.id).sort().join(' ');
})()"""
"""Names of the figures below, once all are drawn."""
LAST_CARD = """(() => {
  const [grid, card] = ['#panel .grid', '#panel .grid .card:last-child'].map((e) => document.querySelector(e));
  return grid.clientWidth - card.offsetWidth < 2;
})()"""
"""Whether the last card of a view is as wide as the view."""


def test_the_report_shows_every_point_and_names_it(
    browser: Chromium, two_sweeps: Database, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    write_report(two_sweeps.url, ["first"], path)
    browser.open(path.as_uri())
    assert browser.wait_for(points("#g0-params"), lambda n: n > 0) == 6
    text = hover(browser, "#g0-params")
    assert "slwsr" in text
    assert "n_feats=" in text
    quiet(browser)
    for width in (1280, 400):
        browser.resize(width)
        no_overflow(browser)


def test_a_table_says_that_it_scrolls_and_sorts_what_is_missing_last(
    browser: Chromium, two_sweeps: Database, tmp_path: Path
) -> None:
    rows = load_trials(two_sweeps.url, ["first"])
    for trial_id, value in zip(rows["id"].iloc[[0, -1]], (24.0, 23.0), strict=True):
        row = Measurement(step=1_000, dataset="validation", name="psnr_y_int8", value=value)
        two_sweeps.store.record(int(trial_id), 1, [row])
    path = tmp_path / "report.html"
    write_report(two_sweeps.url, ["first"], path)
    browser.open(path.as_uri())
    browser.wait_for(points("#g0-params"), lambda n: n > 0)
    table = "[...document.querySelectorAll('table.sortable')].at(-1)"
    heads = f"[...{table}.querySelectorAll('th button')]"
    column = browser.evaluate(f"{heads}.findIndex((b) => b.textContent.includes('INT8'))")
    cells = f"[...{table}.tBodies[0].rows].map((r) => r.cells[{column}].textContent).join(' ')"
    for order in ("23.00 24.00 -", "24.00 23.00 -"):
        browser.evaluate(f"{heads}[{column}].click()")
        assert browser.evaluate(cells).startswith(order)
    box = f"{table}.parentElement.previousElementSibling.firstElementChild"
    typed = "(box, text) => { box.value = text; box.dispatchEvent(new Event('input')); }"
    shown = f"[...{table}.tBodies[0].rows].filter((r) => !r.hidden).length"
    for text, wanted in (("psnr-yint8>23.5", 1), ("nothing-like-it", 0), ("", len(rows))):
        browser.evaluate(f"({typed})({box}, '{text}')")
        assert browser.evaluate(shown) == wanted
    browser.resize(400)
    around = f"{table}.parentElement"
    browser.wait_for(f"{around}.scrollWidth - {around}.clientWidth", lambda pixels: pixels > 0)
    assert "local" in browser.evaluate(f"getComputedStyle({around}).backgroundAttachment")
    quiet(browser)


def test_the_dashboard_follows_the_choice_and_the_sweep(
    browser: Chromium, two_sweeps: Database, address: str
) -> None:
    browser.open(address)
    assert browser.wait_for(points("#pareto"), lambda n: n > 0) == 3  # the newest sweep
    assert "slwsr" in hover(browser, "#pareto")
    choose(browser, "first")
    assert browser.wait_for(points("#pareto"), lambda n: n == 6) == 6
    sweep_id = two_sweeps.sweep("first")
    two_sweeps.trial(sweep_id, 6, 29.0, params=3e5, multadds=2e10)
    assert browser.wait_for(points("#pareto"), lambda n: n == 7) == 7
    assert "7 complete" in browser.evaluate("document.querySelector('#sentence').textContent")
    browser.resize(400)
    no_overflow(browser)
    quiet(browser)


def choose(browser: Chromium, name: str, control: str = "#sweep") -> None:
    """Pick a sweep in the drop-down list, as a person does."""
    middle = "(e => {const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})"
    browser.wait_for(f"!!document.querySelector('{control}')")
    browser.evaluate("window.scrollTo(0, 0)")
    browser.click(*browser.evaluate(f"{middle}(document.querySelector('{control}'))"))
    option = (
        "[...document.querySelectorAll('[role=option], .dash-dropdown-option, label')]"
        f".find((e) => e.textContent.trim() === '{name}')"
    )
    browser.wait_for(f"!!{option}")
    browser.click(*browser.evaluate(f"{middle}({option})"))


def test_every_view_of_the_dashboard_draws_its_figures(
    browser: Chromium, two_sweeps: Database, address: str
) -> None:
    first = two_sweeps.sweep("first")
    for number in range(6, 10):
        values = {"params": 30_000.0 * number, "multadds": 1e9 * number}
        trial_id = two_sweeps.trial(first, number, 27, test_sets={"Set5": 30.0}, **values)
        row = Measurement(step=1_000, dataset="validation", name="psnr_y_int8", value=26.9)
        two_sweeps.store.record(trial_id, 1, [row])
    browser.open(address)
    choose(browser, "first")
    assert browser.wait_for(points("#pareto"), lambda n: n == 10) == 10
    wanted = {
        "knobs": "effects parallel",
        "training": "curves spend volume",
        "test sets": "Set5-multadds Set5-params",
        "INT8": "int8-multadds int8-params int8-ranks",
    }
    assert set(wanted) == set(VIEWS)
    for view, names in wanted.items():
        look_at(browser, view)
        assert browser.wait_for(DRAWN, lambda now, names=names: now == names)
        for width in (1280, 400):
            browser.resize(width)
            no_overflow(browser)
            if view == "training" and width == 1280:
                browser.wait_for(LAST_CARD, lambda wide: wide)  # the third of two columns
        if view == "knobs":  # on a phone the axes keep their width, and their card scrolls
            browser.wait_for(
                "(e => e.scrollWidth - e.clientWidth)(document.querySelector('#parallel'))",
                lambda pixels: pixels > 0,
            )
    quiet(browser)


def test_a_new_trial_moves_what_is_looked_at_and_a_new_sweep_is_a_choice(
    browser: Chromium, two_sweeps: Database, address: str
) -> None:
    browser.open(address)
    look_at(browser, "training")
    spent = "document.querySelector('#spend .js-plotly-plot')?.data?.[0]?.x.length ?? 0"
    assert browser.wait_for(spent, lambda n: n == 3)
    plot = "document.querySelector('#spend .js-plotly-plot')"
    browser.evaluate(f"{plot}.first = true")
    two_sweeps.trial(two_sweeps.sweep("second"), 3, 31.0, params=3e5, multadds=2e10)
    assert browser.wait_for(spent, lambda n: n == 4)
    assert browser.evaluate(f"{plot}.first")  # drawn into, not made anew: a zoom stays
    third = two_sweeps.sweep("third")
    two_sweeps.trial(third, 0, 31.0, params=3e5, multadds=2e10)
    choose(browser, "third")
    assert browser.wait_for(points("#pareto"), lambda n: n == 1) == 1
    quiet(browser)


def test_an_unfinished_sweep_is_drawn_empty_and_fills_itself(
    browser: Chromium, unfinished: Database, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    write_report(unfinished.url, None, path)
    browser.open(path.as_uri())
    drawn = "document.querySelectorAll('.js-plotly-plot .main-svg').length > 0"
    browser.wait_for(drawn)
    text = browser.evaluate("document.body.textContent")
    assert "No trial is complete yet" in text
    assert "ValueError: loss: became <NaN> at step 3" in text
    with dashboard_of(unfinished.url) as address:
        browser.open(address)
        sentence = "document.querySelector('#sentence')?.textContent ?? ''"
        assert "1 failed, 1 paused, 1 running" in browser.wait_for(sentence)
        assert browser.wait_for(points("#pareto"), lambda n: n == 0) == 0
        panel = "document.querySelector('#panel').textContent"
        said = {
            "failed": "ValueError: loss: became <NaN> at step 3",
            "trials": "paused",
            "front": "No trial is complete yet.",
            "training": "Learning curves",
        }
        for view, words in said.items():
            look_at(browser, view)
            browser.wait_for(panel, lambda text, words=words: words in text)
        views = "[...document.querySelectorAll('#view label')].map((e) => e.textContent).join()"
        assert browser.evaluate(views) == "Front,Trials,Training,Failed"  # the others are empty
        # What runs and waits has a curve and has cost something.
        assert browser.wait_for(DRAWN, lambda now: now == "curves spend")
        unfinished.trial(unfinished.sweep("young"), 3, 27.0, 5e4, 2e9)
        assert browser.wait_for(points("#pareto"), lambda n: n == 1) == 1
        quiet(browser)


def test_a_page_with_many_points_is_drawn_and_text_of_data_is_no_markup(
    browser: Chromium, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy allows what WebGL needs. A label cannot make a link or a template, and cannot run a script."""
    monkeypatch.setattr("analysis.figures.pareto.MANY_POINTS", 3)
    sweep_id = database.sweep("first")
    for number in range(6):
        database.trial(sweep_id, number, 26 + 0.3 * number, 2e4 * (number + 1), 1e9 * (number + 1))
    hostile = "<a href='javascript:alert(1)'>x</a><img src=x onerror=window.bad=1>%{x} [/b]"
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("UPDATE trials SET label = ?, family = ?", (hostile, hostile[:50]))
    path = tmp_path / "report.html"
    write_report(database.url, None, path)
    browser.open(path.as_uri())
    assert browser.wait_for(points("#g0-params"), lambda n: n > 0) == 6
    assert not browser.evaluate("window.bad ?? 0")
    assert browser.evaluate("document.querySelectorAll('svg a[*|href], main a').length") == 0
    names = "[...document.querySelectorAll('#g0-params .legendtext')].map((e) => e.textContent)"
    assert hostile[:50] in browser.wait_for(names)
    with dashboard_of(database.url) as address:
        browser.open(address)
        assert browser.wait_for(points("#pareto"), lambda n: n == 6) == 6
        assert not browser.evaluate("window.bad ?? 0")
        script = "const s = document.createElement('script'); s.textContent = 'window.bad = 1'"
        browser.evaluate(f"(() => {{ {script}; document.head.append(s); }})()")
        assert not browser.evaluate("window.bad ?? 0"), "the policy stops a script of others"


def test_the_front_is_turned_page_by_page_until_its_database_is_gone(
    browser: Chromium, two_sweeps: Database, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("analysis.pages.live", "analysis.pages.dashboard"):
        monkeypatch.setattr(f"{module}.ROWS", 4)
    browser.open(address)
    choose(browser, "first")
    place = "document.querySelector('#place').textContent"
    browser.wait_for(place, lambda text: text == "1 to 4 of 6 on the front")
    browser.evaluate("document.querySelector('#next').click()")
    assert browser.wait_for(place, lambda text: text.startswith("5 to 6"))
    rows = "document.querySelectorAll('#panel section:last-child tbody tr').length"
    assert browser.wait_for(rows, lambda n: n == 2)
    # A database that is taken away is said to be gone, and nothing breaks.
    Path(two_sweeps.url.removeprefix("sqlite:///")).unlink()
    sentence = "document.querySelector('#sentence').textContent"
    browser.wait_for(sentence, lambda text: "there is no database" in text)
    look_at(browser, "training")
    browser.wait_for(
        "document.querySelector('#panel').textContent", lambda text: "there is no database" in text
    )
    quiet(browser)
