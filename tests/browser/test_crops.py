"""The pictures of selected trials in the dashboard: a part of validation images as each trained network upscales it."""

from pathlib import Path

import pytest

from srsweep.choice import finder
from sweeps.run import run_sweep
from tests.browser.chromium import Browser, Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import no_overflow, quiet
from tests.sweeps.sweeps_for_tests import small_config

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
pytest.importorskip("dash_ag_grid", reason="needs dash-ag-grid: pip install srsweep[dashboard]")

PICTURES = "[...document.querySelectorAll('#pictures .strip img')]"
CAPTIONS = (
    "[...document.querySelectorAll('#pictures figcaption')].map((e) => e.innerText).join('|')"
)


def test_trained_networks_stand_between_bicubic_and_the_original(
    running: Browser, tmp_path: Path
) -> None:
    search = {"sampler": "random", "trials": 3, "keep_weights": "all"}
    config = small_config(tmp_path, search=search)
    run_sweep(config)
    (lost,) = tmp_path.glob("runs/tiny/2/*.pt")
    lost.unlink()
    with dashboard_of(config.storage, find=finder(config.storage)) as address:
        page = Chromium(running)
        page.open(address + "?sweep=tiny&trial=0,1,2")
        sizes = PICTURES + ".map((e) => e.complete && `${e.naturalWidth}`).join(' ')"
        page.wait_for(sizes, lambda text: text == " ".join(["40", *["80"] * 4] * 2))
        names = page.evaluate(PICTURES + ".map((e) => e.alt).join('|')").split("|")
        assert names == ["low resolution", "bicubic", "tiny#0", "tiny#1", "original"] * 2
        # Each network upscales differently, and each picture is one of its own.
        assert len(set(page.evaluate(PICTURES + ".map((e) => e.src)"))) == len(names)
        captions = page.evaluate(CAPTIONS).split("|")[:5]
        assert [" dB" in caption for caption in captions] == [False, True, True, True, False]
        text = page.evaluate("document.querySelector('#pictures').innerText")
        assert "No picture of tiny#2: its checkpoint is not on this machine" in text
        page.resize(400)
        no_overflow(page)
        quiet(page)
        page.close()
