"""The dashboard of a server that needs longer for an answer than the page waits before it asks for news."""

import threading

import pytest

from analysis.pages.live import Live
from analysis.pages.watch import Watch
from tests.browser.chromium import Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import points, quiet
from tests.stored import Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")

COUNT_TICKS = """(() => {
  const own = window.dash_clientside?.srsweep;
  if (!own) return false;
  const tick = own.tick;
  window.ticks = 0;
  own.tick = (...given) => { window.ticks += 1; return tick(...given); };
  return true;
})()"""


def test_a_page_does_not_ask_for_news_while_it_waits_for_an_answer(
    browser: Chromium, two_sweeps: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, go = Watch.live, threading.Event()
    asked: list[str] = []

    def held(watch: Watch, sweep: str) -> Live:
        asked.append(sweep)
        assert go.wait(60)
        return read(watch, sweep)

    monkeypatch.setattr(Watch, "live", held)
    with dashboard_of(two_sweeps.url) as address:
        browser.open(address)
        try:
            browser.wait_for(COUNT_TICKS)
            browser.wait_for("window.ticks", lambda n: n >= 2)
            before = len(asked)
            browser.wait_for("window.ticks", lambda n: n >= 5)
            assert len(asked) == before >= 1
        finally:
            go.set()
        assert browser.wait_for(points("#pareto"), lambda n: n > 0) == 3
        two_sweeps.trial(two_sweeps.sweep("second"), 3, 31.0, params=3e5, multadds=2e10)
        assert browser.wait_for(points("#pareto"), lambda n: n == 4) == 4
        quiet(browser)


def test_a_page_asks_for_news_again_after_a_request_without_an_answer(
    browser: Chromium, two_sweeps: Database
) -> None:
    with dashboard_of(two_sweeps.url) as address:
        browser.open(address)
        assert browser.wait_for(points("#pareto"), lambda n: n > 0) == 3
        browser.evaluate("void fetch('http://127.0.0.1:1/').catch(() => { window.failed = true; })")
        browser.wait_for("window.failed")
        two_sweeps.trial(two_sweeps.sweep("second"), 3, 31.0, params=3e5, multadds=2e10)
        assert browser.wait_for(points("#pareto"), lambda n: n == 4) == 4
