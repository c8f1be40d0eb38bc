"""Tests figures and texts that once misled: reasons for stopping, axes, tiers, headings, the spread."""

import re

import pandas as pd
import pytest

from analysis.choose.select import at_knee, best_within, note_on_spread, weighted
from analysis.choose.tiers import TIERS, choose_tiers, tiers_within
from analysis.choose.variants import variants
from analysis.figures.cards import facts_of, in_words
from analysis.pages.dashboard_page import options
from analysis.pages.endings import states_in_words
from analysis.pages.limits import best_inside
from analysis.pages.live import cost_choices, front_rows, live_pareto, load_live
from analysis.pages.report import report_page
from analysis.read.frames import load_sweeps, load_trials
from analysis.tables import headings, notes_on, render
from searchspace.architecture import architecture
from sweeps.records import Measurement
from tests.analysis.pages.test_report import figures
from tests.stored import Database

FAST = "latency_ms torch float32 640x360 1 threads on Intel(R) Xeon(R) Processor"
INT8 = "latency_ms torch int8 640x360 1 threads on Intel(R) Xeon(R) Processor"
SLOW = "latency: 501.3 ms, above the budget of 500 ms"
DIVERGED = "the loss has diverged to 9 at step 3 from 1; try a lower learning_rate than 0.1"
NO_MEMORY = "Traceback (most recent call last):\n  x\nRuntimeError: CUDA out of memory. Tried"
LATE = "killed after 2 h (resources.hours_per_attempt)\nWhere it was:\nx"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("stopped", SLOW)] * 4, "4 stopped above the latency budget"),
        ([("stopped", "")] * 4, "4 stopped early by halving"),
        (
            [("complete", ""), ("stopped", SLOW), ("stopped", ""), ("stopped", "")],
            "1 complete, 3 stopped (2 early by halving, 1 above the latency budget)",
        ),
        ([("failed", DIVERGED)], "1 failed because training diverged"),
        ([("failed", "the loss is nan at step 3; try")], "1 failed because training diverged"),
        (
            [("failed", NO_MEMORY), ("failed", NO_MEMORY), ("failed", LATE), ("failed", "odd")],
            "4 failed (2 for lack of memory, 1 at the time limit, 1 for other reasons)",
        ),
        ([("failed", "ValueError: odd")] * 2, "2 failed"),
        ([("running", ""), ("paused", SLOW)], "1 running, 1 paused"),
        ([], ""),
    ],
)
def test_the_reason_of_stopping_is_that_of_the_row(rows: list[tuple[str, str]], words: str) -> None:
    """Once, the page said that halving had stopped trials in a sweep without halving."""
    assert states_in_words(pd.DataFrame(rows, columns=["state", "error"])) == words


def test_the_page_says_why_trials_were_stopped(small: Database) -> None:
    small.trial(1, 6, None, 1e4, 1e9, state="stopped", error=SLOW)
    text = report_page(small.url)
    assert "4 complete, 2 stopped (1 early by halving, 1 above the latency budget), 1 failed" in (
        text
    )


HALVED = "search: {{halving: {{min_steps: 500, factor: 2}}, {}}}"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (HALVED.format("hours: 2"), "search.hours"),
        (HALVED.format("hours: 2.1"), ""),
        (HALVED.format("steps: 2k"), "search.steps"),
        (HALVED.format("steps: 2_499"), "search.steps"),
        (HALVED.format("steps: 2_500"), ""),
        (HALVED.format("hours: much"), ""),
        (HALVED.format("hours: [1]"), ""),
        ("search: {hours: 1}", ""),
        ("search: {hours: 1, halving: {min_steps: -1}}", ""),
        ("[1]", ""),
        ("{", ""),
    ],
)
def test_a_limit_on_training_is_named_beside_halving(text: str, limit: str) -> None:
    """Once, the page said that halving had stopped the trials of a sweep that ran out of `search.hours`."""
    frame = pd.DataFrame(
        {"sweep": "a", "state": "stopped", "error": "", "seconds": 3600.0, "step": [1500, 500]}
    )
    words = f"2 stopped early by halving{f' or because {limit} was used up' if limit else ''}"
    assert states_in_words(frame, {"a": text}) == words
    other = pd.concat([frame, frame.assign(sweep="b")])
    told = states_in_words(other, {"a": text, "b": "name: b"})
    assert told.startswith("4 stopped")
    assert ("2 early by halving)" in told) == bool(limit)


def test_the_page_names_the_limit_of_its_newest_run(small: Database) -> None:
    life = {"host": "box", "git_commit": "", "git_dirty": False, "versions": {}}
    small.store.add_life(1, text=HALVED.format("steps: 1k"), **life)
    assert "1 stopped early by halving or because search.steps was used up" in (
        report_page(small.url)
    )


def timed(database: Database, objectives: dict[str, str], **facts: str) -> None:
    """A sweep of four trials with these objectives, whose latencies were measured before training."""
    name, _, device = FAST.partition(" on ")
    sweep_id = database.store.open_sweep("timed", 4, {"seed": 7, "objectives": objectives})
    for fact, value in ({"train_data": "T91", "latency": FAST} | facts).items():
        database.store.set_fact(sweep_id, fact, value)
    for number in range(4):
        trial_id = database.trial(sweep_id, number, 26.0 + number, 1e4 * (number + 1), 1e9)
        row = Measurement(step=0, dataset=device, name=name, value=20.0 + number)
        database.store.record(trial_id, 1, [row])


def test_every_objective_has_an_axis(database: Database) -> None:
    """Once, the report had no chart of the latency for a sweep with latency as an objective."""
    timed(
        database,
        {
            "psnr_y": "maximize",
            "ssim_y": "maximize",
            "latency": "minimize",
            "params": "minimize",
        },
    )
    page = report_page(database.url)
    found = figures(page)
    (latency,) = [name for name in found if name.startswith("g0-latency_ms")]
    assert found[latency]["layout"]["xaxis"]["title"]["text"] == "latency ms"
    assert [t for t in found[latency]["data"] if t["name"] == "slwsr"][0]["x"] == [20, 21, 22, 23]
    ssim = found["g0-ssim_y-params"]
    assert ssim["layout"]["yaxis"]["title"]["text"] == "SSIM-Y on the validation split"
    values = [y for t in ssim["data"] if t["name"] == "slwsr" for y in t["y"]]
    assert values == pytest.approx([26 / 40, 27 / 40, 28 / 40, 29 / 40])
    low, high = ssim["layout"]["yaxis"]["range"]
    assert low < min(values) < max(values) < high < 1
    assert "PSNR against latency" in page
    assert "SSIM against parameters" in page
    live = load_live(database.url, "timed")
    assert {FAST, "params"} <= set(cost_choices(live))
    assert live.facts.qualities == ["psnr_y", "ssim_y"]
    card = live_pareto(live, FAST, "ssim_y")
    assert card.title == "SSIM against latency"
    assert "640x360 1 thread on Intel" in card.text


def test_a_latency_that_is_only_a_budget_has_an_axis_too(database: Database) -> None:
    timed(database, {"psnr_y": "maximize", "params": "minimize"})
    assert any(name.startswith("g0-latency_ms") for name in figures(report_page(database.url)))
    assert FAST in cost_choices(load_live(database.url, "timed"))


def test_a_latency_that_some_chosen_variants_lack_is_drawn(database: Database) -> None:
    timed(database, {"psnr_y": "maximize", "latency": "minimize"})
    database.trial(1, 9, 40.0, 1e3, 1e8)
    assert figures(report_page(database.url))


@pytest.mark.parametrize(
    ("texts", "tiers"),
    [
        (["budget: {params: 100k}"], (50e3, 100e3)),
        (["budget: {params: 30k}"], (30e3,)),
        (["budget: {params: 600k}"], TIERS),
        (["budget: {params: 2M}"], TIERS),
        (["budget: {multadds: 10G}"], TIERS),
        (["name: x"], TIERS),
        (["constraints: ['params <= 100k', 'n_feats >= 4']"], (50e3, 100e3)),
        (["constraints: ['params >= 100k']"], TIERS),
        (["budget: {params: 400k}", "budget: {params: 100k}"], (50e3, 150e3, 400e3)),
        (["budget: {params: 100k}", "name: x"], TIERS),
        (["budget: {params: much}"], TIERS),
        (["{"], TIERS),
        ([], TIERS),
    ],
)
def test_default_tiers_lie_within_the_budget(texts: list[str], tiers: tuple[float, ...]) -> None:
    """Once, the tiers were 50K, 150K and 600K even with `budget: {params: 100k}`."""
    assert tiers_within(texts) == tiers


def test_pages_choose_within_the_budget(database: Database) -> None:
    sweep_id = database.sweep("first")
    for number, params in enumerate((3e4, 9e4)):
        database.trial(sweep_id, number, 26.0 + number, params, 1e9)
    life = {"host": "box", "git_commit": "", "git_dirty": False, "versions": {}}
    database.store.add_life(sweep_id, text="budget: {params: 100k}", **life)
    page = report_page(database.url)
    assert re.findall(r"<td class=\"text\">parameters &lt;= (\w+)</td>", page) == ["50K", "100K"]
    chosen = load_live(database.url, "first").chosen
    assert chosen is not None
    assert [s.rule for s in chosen.selections] == ["parameters <= 50K", "parameters <= 100K"]
    given = report_page(database.url, tier_limits=(150e3,))
    assert "parameters &lt;= 150K" in given


def test_the_heading_of_a_latency_is_short() -> None:
    """Once, the heading named runtime, size, threads and processor, and left no room for the other columns."""
    frame = pd.DataFrame({"number": [1], FAST: [12.3456], "label": ["a"]})
    head, row, note = render(frame, width=80).splitlines()
    assert head.split() == ["number", "latency", "ms", "architecture"]
    assert row.split() == ["1", "12.35", "a"]
    assert note == "latency ms: torch float32 640x360 1 thread on Intel(R) Xeon(R) Processor"
    assert len(render(frame, "csv").splitlines()) == 2


def test_headings_of_several_latencies_differ() -> None:
    assert headings([FAST, INT8]) == {FAST: "latency ms float32", INT8: "latency ms int8"}
    other = FAST.replace("Intel(R) Xeon(R) Processor", "a processor with a very long name indeed")
    assert headings([FAST, other]) == {FAST: "latency ms (1)", other: "latency ms (2)"}
    odd = "latency_ms something else"
    assert headings([FAST, odd]) == {FAST: "latency ms (1)", odd: "latency ms (2)"}
    assert notes_on([FAST, odd])[1] == "latency ms (2): something else"
    assert headings(["latency_ms", "params"]) == {
        "latency_ms": "latency ms",
        "params": "parameters",
    }
    assert notes_on(["latency_ms"]) == []


def test_pages_and_sentences_have_the_short_heading(database: Database) -> None:
    timed(database, {"psnr_y": "maximize", "latency": "minimize"})
    page = report_page(database.url)
    assert '<button type="button">latency ms</button>' in page
    assert "The Pareto front of PSNR-Y and latency has" in page
    assert "latency ms: torch float32 640x360 1 thread on Intel(R) Xeon(R) Processor</p>" in page
    live = load_live(database.url, "timed")
    assert FAST in front_rows(live)
    assert re.search(r"dB · latency ms [\d.]+ · parameters ", best_inside(live, {}).text)
    assert [each["label"] for each in options([FAST, "params"])] == ["latency ms", "parameters"]
    frame = variants(load_trials(database.url))
    assert best_within(frame, {FAST: 22}).rule == "latency <= 22 ms"
    facts = facts_of(load_sweeps(database.url).iloc[0].to_dict())
    assert in_words(list(facts.objectives)) == "PSNR-Y and latency"


def repeated(database: Database, scores: tuple[float, float]) -> pd.DataFrame:
    first, second = database.sweep("first"), database.sweep("second")
    network = architecture("slwsr", {"n_feats": 8})
    for sweep_id, seed, psnr in zip((first, second), (0, 1), scores, strict=True):
        database.trial(sweep_id, 0, psnr, 1e4, 1e9, network=network, seed=seed)
    return variants(load_trials(database.url))


def test_a_spread_of_exactly_zero_is_a_spread(database: Database) -> None:
    frame = repeated(database, (26.0, 26.0))
    assert note_on_spread(frame).startswith("The seeds' spread is 0.00 dB (one standard deviation")
    assert "1 variant with several seeds" in note_on_spread(frame)


def test_an_only_variant_is_not_the_highest_of_1(database: Database) -> None:
    frame = repeated(database, (26.0, 26.5))
    for chosen in (
        best_within(frame, {}),
        best_within(frame, {"params": 1e5}),
        best_within(frame, {}, minimum=20.0),
        at_knee(frame),
        weighted(frame, {"psnr_y": 1, "params": 1}),
    ):
        assert "is the only variant" in chosen.sentence
        assert "of the 1 variant" not in chosen.sentence
        assert "front of 1 variant" not in chosen.sentence
    assert choose_tiers(load_trials(database.url)) is not None
