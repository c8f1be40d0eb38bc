"""Tests several sweeps in the dashboard's first figure: which may be drawn, how they look, the text about them."""

from collections.abc import Iterator

import pytest
from plotly.graph_objects import Figure

from analysis.pages.live import Live
from analysis.pages.overlay import MOST_OVER, Overlay, over_options, overlaid_card, overlay
from analysis.pages.watch import Watch
from searchspace.architecture import architecture
from tests.stored import OBJECTIVES, Database

AXES = ("params", "psnr_y")


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    database = Database(tmp_path_factory.mktemp("overlay") / "results.db")
    for name in ("first", "second"):
        sweep_id = database.sweep(name)
        for number in range(3):
            database.trial(sweep_id, number, 26.0 + number, 2e4 * (number + 1), 1e9)
    mixed = database.sweep("mixed")
    for number, family in enumerate(("slwsr", "fsrcnn")):
        network = architecture(family, {})
        database.trial(mixed, number, 28.0 + number, 9e5 * (number + 1), 1e9, network=network)
    others = database.sweep("others", validation_bicubic_psnr_y="24.1")
    database.trial(others, 0, 25.0, 3e4, 1e9)
    again = database.sweep("again", data_fingerprint="f2")
    database.trial(again, 0, 27.0, 3e4, 1e9)
    unknown = database.store.open_sweep("unknown", 4, {"seed": 7, "objectives": OBJECTIVES})
    database.trial(unknown, 0, 27.0, 3e4, 1e9)
    database.sweep("young")
    database.sweep("double", scale=2)
    database.store.open_sweep("fast", 4, {"seed": 7, "objectives": {"latency": "minimize"}})
    yield Watch(database.url)
    database.store.close()


@pytest.fixture(scope="module")
def first(watch: Watch) -> Live:
    return watch.live("first")


def over(watch: Watch, first: Live, *wanted: object, axes: tuple[str, str] = AXES) -> Overlay:
    return overlay(watch, first, list(wanted), axes)


def test_each_sweep_has_a_colour_a_front_and_its_name_in_the_legend(
    watch: Watch, first: Live
) -> None:
    found = over(watch, first, "second", "mixed")
    card = overlaid_card(first, found.lives, *AXES)
    Figure(card.figure).to_json()
    groups: dict[str, list[dict]] = {}
    for trace in card.figure["data"]:
        groups.setdefault(trace.get("legendgroup", ""), []).append(trace)
    shown = {
        sweep: [trace["name"] for trace in traces if trace.get("showlegend", True)]
        for sweep, traces in groups.items()
        if sweep
    }
    assert shown == {
        "first": ["first"],
        "second": ["second"],
        "mixed": ["mixed"],
    }
    colours = {
        sweep: {trace.get("marker", trace.get("line"))["color"] for trace in groups[sweep]}
        for sweep in shown
    }
    assert all(len(own) == 1 for own in colours.values())
    assert len(set.union(*colours.values())) == 3
    line, points = groups["second"]
    assert line["line"]["shape"] == "hv"
    assert all("second, trial" in text for text in points["text"])
    assert points["customdata"] == ["second#0", "second#1", "second#2"]
    low, high = card.figure["layout"]["xaxis"]["range"]
    assert 10**low < 2e4 < 1.8e6 < 10**high
    assert card.figure["layout"]["yaxis"]["range"][1] > 29
    assert "tables and the views below show first alone" in card.text


def test_one_family_has_one_symbol_in_all_sweeps(watch: Watch, first: Live) -> None:
    card = overlaid_card(first, over(watch, first, "mixed").lives, *AXES)
    points = [t for t in card.figure["data"] if "customdata" in t]
    symbols = [(t["name"], t["marker"]["symbol"]) for t in points]
    assert symbols == [("first", "square"), ("mixed", "circle"), ("mixed", "square")]
    assert "each symbol a family: ● fsrcnn, ■ slwsr." in card.text


def test_symbols_that_come_back_are_not_listed(
    watch: Watch, first: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.pages.overlay.SYMBOL_TEXTS", {"circle": "●"})
    card = overlaid_card(first, (watch.live("mixed"), watch.live("second")), *AXES)
    assert "Each colour is a sweep, and hovering over a point names its family." in card.text


def test_any_two_axes_are_overlaid(watch: Watch, first: Live) -> None:
    card = overlaid_card(first, over(watch, first, "second").lives, "params", "multadds")
    assert [trace["name"] for trace in card.figure["data"]] == [*["first"] * 2, *["second"] * 2]
    Figure(card.figure).to_json()


def test_without_further_sweeps_colours_stand_for_families(watch: Watch, first: Live) -> None:
    names = [t["name"] for t in overlaid_card(first, (), *AXES).figure["data"]]
    assert names[:2] == ["front", "slwsr"]


def test_a_sweep_of_another_scale_or_other_objectives_cannot_be_chosen(
    watch: Watch, first: Live
) -> None:
    watch.names()
    labels = {o["label"]: o["disabled"] for o in over_options(watch.sweeps, "first")}
    assert labels["double (x2, not x4)"]
    assert labels["fast (no objective in common)"]
    assert not labels["second"]
    assert "first" not in labels
    found = over(watch, first, "double", "fast", "second")
    assert found.names == ["second"]
    assert found.left_out == [
        "double is not drawn: x2, not x4.",
        "fast is not drawn: no objective in common.",
    ]


def test_a_sweep_without_a_value_on_the_axes_is_said_to_have_no_points(
    watch: Watch, first: Live
) -> None:
    found = over(watch, first, "young", "second", axes=("latency_ms torch on box", "psnr_y"))
    assert found.left_out == [
        "young has no points here: no trial is complete yet.",
        "second has no points here: latency ms is not among its objectives and costs.",
    ]
    assert found.names == ["young", "second"]
    card = overlaid_card(first, over(watch, first, "young").lives, *AXES)
    assert "Each colour is a sweep" not in card.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("second", []),
        ("others", ["different images", "25.50 and 24.10 dB", "not comparable"]),
        ("again", ["trained differently", "`srsweep compare first again --db"]),
        ("unknown", ["It is not stored whether"]),
    ],
)
def test_qualities_that_do_not_compare_are_said_not_to(
    watch: Watch, first: Live, name: str, words: list[str]
) -> None:
    doubts = over(watch, first, name).doubts
    assert len(doubts) == bool(words)
    assert all(word in doubts[0] for word in words)
    assert over(watch, first, name, axes=("params", "multadds")).doubts == []


@pytest.mark.parametrize("wanted", [None, "second", [3, None, {}], ["none", "first"]])
def test_names_that_a_browser_invents_are_ignored(
    watch: Watch, first: Live, wanted: object
) -> None:
    assert overlay(watch, first, wanted, AXES) == Overlay(lives=(), left_out=[], doubts=[])


def test_no_more_sweeps_are_drawn_than_there_are_colours(database: Database) -> None:
    names = [f"s{number}" for number in range(MOST_OVER + 2)]
    for name in names:
        database.trial(database.sweep(name), 0, 26.0, 2e4, 1e9)
    watch = Watch(database.url)
    found = over(watch, watch.live("s0"), *names)
    assert found.names == names[1 : MOST_OVER + 1]
    assert found.left_out == ["s7 is not drawn: at most 6 sweeps fit over another one."]


def test_other_sweeps_objectives_default_to_those_of_old_databases(database: Database) -> None:
    for name, settings in (("old", {"seed": 7}), ("new", {"seed": 7, "objectives": OBJECTIVES})):
        database.store.open_sweep(name, 4, settings)
    watch = Watch(database.url)
    assert over_options(watch.sweeps, "old") == [
        {"label": "new", "value": "new", "disabled": False}
    ]
