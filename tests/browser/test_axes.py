"""Tests the control of the dashboard that chooses the quality, with a sweep that also optimises SSIM."""

from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import choose, quiet
from tests.stored import OBJECTIVES, Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

TITLE = "document.querySelector('#pareto .ytitle')?.textContent ?? ''"


def test_the_quality_of_the_plot_is_a_choice(browser: Chromium, tmp_path: Path) -> None:
    database = Database(tmp_path / "results.db")
    settings = {"seed": 7, "objectives": OBJECTIVES | {"ssim_y": "maximize"}}
    sweep_id = database.store.open_sweep("both", 4, settings)
    for number in range(3):
        database.trial(sweep_id, number, 26.0 + number, 1e4 * (number + 1), 1e9)
    with dashboard_of(database.url) as address:
        browser.open(address)
        browser.wait_for(TITLE, lambda text: text.startswith("PSNR-Y"))
        choose(browser, "SSIM-Y", "#quality")
        browser.wait_for(TITLE, lambda text: text.startswith("SSIM-Y"))
        # Any pair: the quality that was on the vertical axis, on the horizontal one; then a cost against a cost.
        choose(browser, "PSNR-Y dB", "#cost")
        browser.wait_for(TITLE.replace("ytitle", "xtitle"), lambda text: text.startswith("PSNR-Y"))
        choose(browser, "parameters", "#cost")
        browser.wait_for(TITLE.replace("ytitle", "xtitle"), lambda text: text == "parameters")
        choose(browser, "Mult-Adds", "#quality")
        browser.wait_for(TITLE, lambda text: text == "Mult-Adds")
        quiet(browser)
    database.store.close()
