"""The report and the dashboard in a real browser: they draw, they are quiet, they stay at home."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.report import write_report
from tests.analysis.conftest import Database
from tests.browser.chromium import Chromium

dash = pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")
websocket = pytest.importorskip("websocket", reason="needs websocket-client")

pytestmark = pytest.mark.slow

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


def hover(browser: Chromium, plot: str) -> str:
    """What is shown when the mouse rests on the first trial; the page may still be moving at first."""
    place = f"""(() => {{
      const path = document.querySelector('{plot} .trace.scatter .points path');
      if (!path) return null;
      path.scrollIntoView({{block: 'center'}});
      const box = path.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    }})()"""
    for _ in range(60):
        at = browser.wait_for(place)
        browser.move_mouse(at[0] + 1, at[1])
        browser.move_mouse(*at)
        time.sleep(0.5)
        if text := browser.evaluate(HOVER):
            return str(text)
    raise AssertionError(f"hovering over {plot} shows nothing")


def quiet(browser: Chromium) -> None:
    assert browser.outside == []
    assert browser.errors == []


@pytest.fixture
def address(two_sweeps: Database) -> Iterator[str]:
    from werkzeug.serving import make_server

    from analysis.dashboard import make_app

    app = make_app(two_sweeps.url, seconds=1.0)
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


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
        time.sleep(0.5)
        assert browser.evaluate(OVERFLOW) <= 0


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
    time.sleep(0.5)
    assert browser.evaluate(OVERFLOW) <= 0
    quiet(browser)


def choose(browser: Chromium, name: str) -> None:
    """Pick a sweep in the drop-down list, as a person does."""
    middle = "(e => {const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})"
    browser.click(*browser.evaluate(f"{middle}(document.querySelector('#sweep'))"))
    option = (
        "[...document.querySelectorAll('[role=option], .dash-dropdown-option, label')]"
        f".find((e) => e.textContent.trim() === '{name}')"
    )
    browser.wait_for(f"!!{option}")
    browser.click(*browser.evaluate(f"{middle}({option})"))


def test_without_a_database_the_dashboard_says_so(tmp_path: Path) -> None:
    from analysis.dashboard import make_app

    with pytest.raises(ValueError, match="there is no database"):
        make_app(f"sqlite:///{tmp_path / 'none.db'}")
