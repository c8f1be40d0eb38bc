"""The control of the dashboard that chooses the quality, for a sweep that optimises SSIM too (D3)."""

from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.test_pages import dashboard_of, quiet
from tests.stored import OBJECTIVES, Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SHOWN = "document.querySelector('#qualities') && !document.querySelector('#qualities').hidden"
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
        browser.wait_for(SHOWN)
        browser.evaluate("document.querySelectorAll('#quality label')[1].click()")
        browser.wait_for(TITLE, lambda text: text.startswith("SSIM-Y"))
        quiet(browser)
    database.store.close()
