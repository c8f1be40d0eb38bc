import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis.pages.report import report_page, write_report
from benchmarks.synthetic import fill
from searchspace.architecture import architecture
from searchspace.errors import UserError
from tests.stored import Database

LOADING = {"src", "href", "srcset", "data", "poster", "action"}


class Page(HTMLParser):
    """Collects what the page would load and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in LOADING and tag != "a"]
        self._script = str(dict(attrs).get("id", "code")) if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = data
            self._script = ""


def figures(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Page(page).scripts["figures"])
    return found


def test_the_page_asks_no_other_machine_for_anything(small: Database) -> None:
    text = report_page(small.url)
    page = Page(text)
    assert page.loads == ["data:,"]  # the empty icon, so that no browser asks for one
    rest = text.replace(page.scripts["plotly"], "")
    assert not re.search(r"https?://|@import|url\(", rest)


def test_the_page_says_what_the_sweep_found(small: Database) -> None:
    text = report_page(small.url, ["small"])
    for words in (
        "6 trials</b> at x4, trained on T91: 4 complete, 1 stopped early by halving, 1 failed",
        "27.50 dB</b> on the validation split, 2.00 dB above bicubic (25.50 dB): slwsr n_feats=3 (trial 2, 500K",
        "The Pareto front of PSNR-Y, parameters and Mult-Adds has <b>3 trials</b>.",
        "ValueError: loss: became &lt;NaN&gt; at step 3",
        "<b>9.0 core-minutes</b> over all trials. The median of the complete trials is 1.5 core-minutes,",
        "Failed trials used 1.5 core-minutes of the total.</li>",
        "c0ffee000000",
        "torch 9.9",
        "name: small",
    ):
        assert words in text


def test_the_plots_hold_the_front_and_our_set5_points(small: Database) -> None:
    found = figures(report_page(small.url))
    front = found["g0-params"]["data"][0]
    assert (front["name"], front["x"][:3], front["y"][:3]) == (
        "front",
        [1e4, 1e5, 5e5],
        [26.0, 27.0, 27.5],
    )
    assert any(trace["name"] == "ours, trained on T91" for trace in found["g0-Set5-params"]["data"])
    assert len(found["g0-curves"]["data"]) == 5


def test_sweeps_on_other_images_share_no_plot(small: Database) -> None:
    other = small.sweep("other", data_fingerprint="f2", train_data="DIV2K")
    small.trial(other, 0, 33.0, 10_000, 1e9)
    text = report_page(small.url)
    assert "cannot be compared" in text
    found = figures(text)
    assert max(found["g0-params"]["data"][0]["y"]) == 27.5
    assert found["g1-params"]["data"][0]["y"][0] == 33.0


def test_sweeps_on_the_same_images_share_one_front(small: Database) -> None:
    other = small.sweep("other")
    small.trial(other, 0, 33.0, 10_000, 1e9)
    found = figures(report_page(small.url))
    assert found["g0-params"]["data"][0]["y"][0] == 33.0
    assert "g1-params" not in found


def test_a_sweep_without_finished_trials_still_gives_a_page(database: Database) -> None:
    database.sweep("young")
    assert "No trial is complete yet" in report_page(database.url)


def test_what_a_sweep_did_not_record_is_said_so(small: Database) -> None:
    sweep_id = small.store.open_sweep("bare", 4, {"objectives": {"psnr_y": "maximize"}})
    small.trial(sweep_id, 0, 25.0, 30_000, 3e9)
    text = report_page(small.url, ["small", "bare"])  # the other has what this one lacks
    assert "<b>1 trial</b> at x4, trained on unknown images" in text
    assert "<dt>training images</dt><dd>not recorded</dd>" in text


def test_the_smallest_of_several_sweeps_is_told_from_the_best_of_the_same_number(
    small: Database,
) -> None:
    other = small.sweep("other")
    small.trial(other, 0, 33.0, 100_000, 1e9)
    again = small.sweep("again")
    small.trial(again, 0, 32.95, 10_000, 1e9, network=architecture("slwsr", {"n_feats": 9}))
    assert "has <b>90% fewer parameters</b>" in report_page(small.url)
    small.trial(small.sweep("alike"), 0, 33.2, 9_990, 1e9)
    assert "fewer parameters</b>" not in report_page(small.url, ["again", "alike"])


HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\" & <b>"


class Reader(Page):
    """Also collects the elements, and the text that a reader sees in them."""

    def __init__(self, text: str) -> None:
        self.tags: list[str] = []
        self.seen: list[str] = []
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        super().handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if not self._script:
            self.seen.append(data)
        super().handle_data(data)


def hostile_page(database: Database, word: str) -> Reader:
    """The page about two sweeps and a failed trial, with `word` in every text that a person can choose."""
    for fingerprint in ("f1", "f2"):  # which share no plot, so that every group has its heading
        name = f"{word} {fingerprint}"
        sweep_id = database.sweep(name, data_fingerprint=fingerprint, train_data=word)
        database.trial(sweep_id, 0, 26.0, 10, 10)
        database.trial(sweep_id, 1, 27.0, 20, 20, test_sets={"Set5": 31.0})
        error = f"Traceback (most recent call last):\n  {word}\nValueError: {word}"
        database.trial(sweep_id, 2, None, 10, 10, state="failed", error=error)
        database.trial(sweep_id, 3, None, 10, 10, state="failed", error=word)
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE trials SET label = ?", [word])
        connection.commit()
    return Reader(report_page(database.url, find=lambda sweep, number: word))


def test_hostile_text_is_text_and_adds_no_element(tmp_path: Path) -> None:
    pages = []
    for number, word in enumerate((HOSTILE, "visible")):
        database = Database(tmp_path / f"{number}.db")
        pages.append(hostile_page(database, word))
        database.store.close()
    hostile, visible = pages
    assert hostile.tags == visible.tags
    assert hostile.loads == visible.loads
    shown = "".join(hostile.seen)
    for place in (
        f"{HOSTILE} f1, {HOSTILE} f2",  # the page's heading
        f"trained on {HOSTILE}: 2 complete",
        f"{HOSTILE} (trial 1, 20 parameters",  # the architecture's label
        f"trial 2, {HOSTILE}: ValueError: {HOSTILE}",
        f"trial 3, {HOSTILE}: {HOSTILE}",
        f"Traceback (most recent call last):\n  {HOSTILE}\nValueError: {HOSTILE}",
        f"#1: {HOSTILE}",  # why there is no picture
        f"name: {HOSTILE} f1",  # the sweep's file
    ):
        assert place in shown
    assert set(json.loads(hostile.scripts["figures"])) == set(
        json.loads(visible.scripts["figures"])
    )


@pytest.mark.slow
def test_a_large_page_stays_small_and_says_that_it_is_thinned(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path / 'many.db'}", tmp_path / "report.html"
    fill(url, trials=4_000, evaluations=2)
    write_report(url, ["synthetic"], path)
    text = path.read_text()
    assert path.stat().st_size < 5_000_000
    assert "dominated trials are not drawn" in text
    trials = [
        t for t in figures(text)["g0-params"]["data"] if t["name"] in ("slwsr", "mssn", "carn")
    ]
    assert 2_000 < sum(len(trace["x"]) for trace in trials) < 3_000


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs Debian's chromium to draw a page"
)
def test_a_browser_draws_every_plot(small: Database, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(small.url, None, path)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    flags += (
        " --disable-background-networking --disable-component-update --virtual-time-budget=20000"
    )
    command = ["chromium", *flags.split(), f"--user-data-dir={tmp_path}/profile", "--dump-dom"]
    shown = subprocess.run(
        [*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    drawn = re.findall('class="figure[^"]*js-plotly-plot', shown)
    assert len(drawn) == len(figures(path.read_text())) == 8
    assert 'id="trouble" hidden' in shown


def test_a_sweep_whose_objectives_nobody_measured_is_refused(database: Database) -> None:
    """Once, the report ended with a traceback for an objective that only a foreign database names."""
    settings = {"seed": 7, "objectives": {"nope": "maximize"}}
    sweep_id = database.store.open_sweep("odd", 4, settings)
    database.trial(sweep_id, 0, None, 1e4, 1e9, state="failed", error="odd")
    assert "1 failed" in report_page(database.url)
    database.trial(sweep_id, 1, 30.0, 1e4, 1e9)
    with pytest.raises(UserError, match=r"no trial of 'odd' has any of its objectives, \['nope'\]"):
        report_page(database.url)


def test_a_page_about_several_sweeps_names_the_sweep_of_each_trial(small: Database) -> None:
    other = small.sweep("other")
    small.trial(other, 0, 29.0, 400_000, 2e9)
    small.trial(other, 1, None, 60_000, 3e9, state="failed", error="ValueError: no")
    text = report_page(small.url)
    assert "slwsr n_feats=1 (other#0, 400K parameters" in text
    assert "other#1, slwsr n_feats=2: ValueError: no" in text
    heads = re.findall(r"<h2>The front</h2>.*?<thead>(.*?)</thead>", text, re.DOTALL)
    names = re.findall(r"<button[^>]*>([^<]*)</button>", heads[0])
    assert [name.strip() for name in names[:2]] == ["sweep", "number"]
