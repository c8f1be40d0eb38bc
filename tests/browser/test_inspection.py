"""The pages of `srsweep inspect` and `srsweep plate` in a real browser, dark and narrow."""

from pathlib import Path

import numpy as np
import pytest

from analysis.inspection.inspect import Subject, inspect_networks
from analysis.pages.inspection import inspection_page
from analysis.pages.plate import plate_page
from analysis.plate.plate import make_plate
from searchspace.architecture import architecture
from tests.browser.chromium import Chromium
from tests.browser.test_pages import OVERFLOW, quiet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

DRAWN = """[...document.querySelectorAll('.figure')].length > 0
  && [...document.querySelectorAll('.figure')].every((figure) => figure.querySelector('.main-svg'))"""
SHOWN = """[...document.querySelectorAll('#inspection-psd-overlaid .slider-label')].length > 0
  && document.getElementById('inspection-psd-overlaid').data.filter((trace) => trace.visible === true).length"""
PAPER = "getComputedStyle(document.body).backgroundColor"
PLOT = "document.querySelector('#inspection-psd-0 .bglayer .bg').style.fill"


def dark(browser: Chromium, mode: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": mode}]
    browser.call("Emulation.setEmulatedMedia", features=features)


def test_the_pages_draw_everything_in_the_dark_and_on_a_phone(
    browser: Chromium, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    low_res, high_res = (rng.integers(0, 256, (s, s, 3), dtype=np.uint8) for s in (16, 32))
    subjects = []
    for n_blocks in (1, 2):
        found = architecture("imdn", {"n_feats": 8, "n_steps": 2, "n_blocks": n_blocks})
        subjects.append(
            Subject(name=f"<{n_blocks}>", network=found.network(2), stages=found.family.stages)
        )
    inspection = inspect_networks(subjects, low_res, high_res, 2, image="noise")
    page, plate = tmp_path / "inspect.html", tmp_path / "plate.html"
    page.write_text(inspection_page(inspection))
    plate.write_text(plate_page(make_plate("noise", high_res, low_res, {"net": high_res}, None)))
    dark(browser, "dark")
    browser.open(page.as_uri(), 400)
    browser.wait_for(DRAWN)
    assert browser.evaluate(OVERFLOW) == 0
    assert browser.evaluate(PAPER) == "rgb(18, 22, 27)"
    assert browser.evaluate(PLOT) == "rgb(22, 27, 33)"
    # Both networks have block 1, which is shown first; only the second network has block 2.
    assert browser.wait_for(SHOWN) == 2
    browser.evaluate(
        "Plotly.restyle('inspection-psd-overlaid', "
        "...document.getElementById('inspection-psd-overlaid').layout.sliders[0].steps[2].args)"
    )
    assert browser.wait_for(SHOWN) == 1
    dark(browser, "light")
    browser.wait_for(PLOT, lambda colour: colour == "rgb(255, 255, 255)")
    browser.open(plate.as_uri(), 400)
    browser.wait_for(
        "document.images.length === 4 && [...document.images].every((i) => i.complete)"
    )
    assert browser.evaluate(OVERFLOW) == 0
    quiet(browser)
