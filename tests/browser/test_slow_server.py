"""The dashboard on a busy machine, whose server answers more slowly than the page asks for news."""

import time

import pytest

from analysis.pages.live import Live
from analysis.pages.watch import Watch
from tests.browser.chromium import Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import points, quiet
from tests.stored import Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")


def test_answers_that_take_longer_than_a_tick_are_shown(
    browser: Chromium, two_sweeps: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Watch.live

    def slow(watch: Watch, sweep: str) -> Live:
        time.sleep(2.5)  # the page asks each second
        return read(watch, sweep)

    monkeypatch.setattr(Watch, "live", slow)
    with dashboard_of(two_sweeps.url) as address:
        browser.open(address)
        assert browser.wait_for(points("#pareto"), lambda n: n > 0) == 3
        two_sweeps.trial(two_sweeps.sweep("second"), 3, 31.0, params=3e5, multadds=2e10)
        assert browser.wait_for(points("#pareto"), lambda n: n == 4) == 4
        quiet(browser)
