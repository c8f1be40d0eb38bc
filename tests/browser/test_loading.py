"""How the page of the dashboard loads: how often it draws the first figure, and which scripts it loads before."""

import pytest

from tests.browser.chromium import Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import look_at, points, quiet
from tests.stored import Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
pytest.importorskip("dash_ag_grid", reason="needs dash-ag-grid: pip install srsweep[dashboard]")

COUNT_PLOTS = """{
  let plotly;
  window.plots = [];  // the number of traces each time that plotly.js draws
  Object.defineProperty(window, 'Plotly', {
    get: () => plotly,
    set: (loaded) => {
      plotly = loaded;
      const react = loaded.react;
      loaded.react = (graph, ...given) => {
        const done = react(graph, ...given);
        if (!graph.isCounted) graph.on('plotly_beforeplot', () => { window.plots.push(graph.data.length); });
        graph.isCounted = true;
        return done;
      };
    },
  });
}"""
LOADED = "performance.getEntriesByType('resource')"
SCRIPTS = f"{LOADED}.map((e) => e.name.split('/').at(-1)).join(' ')"
ASKED_BY = f"{LOADED}.find((e) => e.name.endsWith('/plotly.min.js')).initiatorType"


def test_the_first_figure_is_drawn_once_and_before_the_script_of_the_table_loads(
    browser: Chromium, two_sweeps: Database
) -> None:
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=COUNT_PLOTS)
    with dashboard_of(two_sweeps.url) as address:
        browser.open(address + "?sweep=first")
        assert browser.wait_for(points("#pareto"), lambda n: n > 0) == 6
        browser.wait_for("document.querySelector('#limits [role=slider]')?.offsetWidth")
        browser.wait_for("document.querySelector('#pareto .dash-graph--pending') === null")
        assert len([traces for traces in browser.evaluate("window.plots") if traces]) == 1
        assert browser.evaluate(ASKED_BY) == "link"  # the page itself, long before Dash
        assert "dash_ag_grid" not in browser.evaluate(SCRIPTS)
        look_at(browser, "trials")
        browser.wait_for("document.querySelectorAll('.ag-row').length")
        assert browser.evaluate(SCRIPTS).count("dash_ag_grid.min.js") == 1
        quiet(browser)
