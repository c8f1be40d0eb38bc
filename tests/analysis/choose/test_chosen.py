import numpy as np
import pytest

from analysis.choose.chosen import SIDE, Trained, busiest, choose_tiers, mark
from analysis.figures.knobs import draw_effects, draw_parallel, effects_data
from analysis.pages.report import report_page
from analysis.read.frames import load_knobs, load_trials
from searchspace.architecture import architecture
from sweeps.data.split import DataSettings, open_split
from tests.stored import Database


@pytest.fixture
def knobby(database: Database):
    """Twelve trials: activation_ratio=rare costs 0.3 dB at equal cost, width follows the cost alone."""
    sweep_id = database.sweep("knobby")
    for number in range(12):
        width, rare = 8 * (number // 2 + 1), number % 2 == 1
        knobs = {"n_feats": width, "activation_ratio": "rare" if rare else "all"}
        params = 1_000.0 * width
        psnr = 25 + np.log10(params) - (0.3 if rare else 0)
        network = architecture("slwsr", knobs)
        database.trial(sweep_id, number, psnr, params, 5e4 * params, network=network)
    return database


def test_a_knob_that_costs_psnr_shows_at_equal_cost(knobby) -> None:
    effects = effects_data(load_trials(knobby.url), load_knobs(knobby.url))
    means = effects[effects["knob"] == "activation_ratio"].set_index("value")["mean"]
    assert means["all"] - means["rare"] == pytest.approx(0.3, abs=1e-6)
    # Width explains nothing beyond what the cost explains.
    assert effects[effects["knob"] == "n_feats"]["mean"].abs().max() < 1e-6


def test_the_figures_show_every_varying_knob(knobby) -> None:
    trials = load_trials(knobby.url).assign(on_front=False)
    knobs = load_knobs(knobby.url)
    figure = draw_effects(effects_data(trials, knobs))
    assert {trace["name"] for trace in figure["data"]} == {"activation_ratio", "n_feats"}
    lines = draw_parallel(trials, knobs)
    assert lines is not None
    assert lines["layout"]["xaxis"]["ticktext"][:2] == ["activation_ratio", "n_feats"]
    assert lines["data"][0]["x"].count(None) == 12


def test_each_variant_is_marked_once_for_the_smallest_tier_that_takes_it(small: Database) -> None:
    chosen = choose_tiers(load_trials(small.url), (20e3, 50e3, 150e3, 600e3))
    assert chosen is not None
    figure = {"data": [], "layout": {"yaxis": {"range": [26, 28]}}}
    mark(figure, chosen, "params")
    (trace,) = figure["data"]
    assert trace["x"] == [1e4, 1e5, 5e5]
    assert trace["text"] == ["20K", "150K", "600K"]


def test_nothing_is_chosen_from_a_sweep_without_trials(database: Database) -> None:
    database.sweep("young")
    assert choose_tiers(load_trials(database.url)) is None


def test_pictures_stand_between_bicubic_and_the_original(small: Database, tmp_path) -> None:
    split = open_split(DataSettings(), 4, tmp_path / "cache")
    network = architecture("fsrcnn", {}).network(4)
    asked = []

    def find(sweep: str, number: int) -> Trained | str:
        asked.append((sweep, number))
        return Trained(network=network, validation=split.validation) if number == 1 else "gone"

    page = report_page(small.url, tier_limits=(50e3, 150e3), find=find)
    assert asked == [("small", 0), ("small", 1)]
    strips = page.split('<div class="strip"')[1:]
    assert len(strips) == 2
    for strip in strips:
        names = ["low resolution", "bicubic", "trial 1, 100K parameters", "original"]
        assert strip.split("</div>")[0].count("data:image/png;base64,") == len(names)
        places = [strip.index(f'alt="{name}"') for name in names]
        assert places == sorted(places)
    assert "small#0: gone" in page
    assert "srsweep train &#x27;small#0&#x27; -o small-0" in page
    assert "srsweep report small --tiers 50K,150K --trained small-0</pre>" in page
    assert "small#1 -o" not in page


def test_the_busiest_part_is_where_the_detail_is() -> None:
    image = np.zeros((160, 160, 3), np.uint8)
    image[80 : 80 + SIDE, 100 : 100 + SIDE : 2] = 255
    assert busiest(image) == (80, 100)


def test_many_numbers_are_put_together_in_ranges(database: Database) -> None:
    sweep_id = database.sweep("wide")
    for number in range(36):
        database.trial(sweep_id, number, 25 + number / 36, 1e4 + number, 1e9)
    effects = effects_data(load_trials(database.url), load_knobs(database.url))
    widths = effects[effects["knob"] == "n_feats"]["value"].tolist()
    assert widths == ["1 to 6", "7 to 12", "13 to 18", "19 to 24", "25 to 30", "31 to 36"]
