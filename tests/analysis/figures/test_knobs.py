import numpy as np
import pytest

from analysis.figures.knobs import draw_effects, draw_parallel, effects_data
from analysis.read.frames import load_knobs, load_trials
from searchspace.architecture import architecture
from tests.stored import Database


@pytest.fixture
def knobby(database: Database):
    """Twelve trials. activation_ratio=rare loses 0.3 dB at equal cost. The width matters only through the cost."""
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
    assert lines["layout"]["meta"]["least"] >= 80 * len(lines["layout"]["xaxis"]["ticktext"])


def test_many_numbers_are_put_together_in_ranges(database: Database) -> None:
    sweep_id = database.sweep("wide")
    for number in range(36):
        database.trial(sweep_id, number, 25 + number / 36, 1e4 + number, 1e9)
    effects = effects_data(load_trials(database.url), load_knobs(database.url))
    widths = effects[effects["knob"] == "n_feats"]["value"].tolist()
    assert widths == ["1 to 6", "7 to 12", "13 to 18", "19 to 24", "25 to 30", "31 to 36"]


@pytest.fixture
def two_families(database: Database):
    """Four trials of slwsr, which has the knob compression, and four of imdn, which lacks it. Both have n_feats."""
    sweep_id = database.sweep("two")
    for number in range(8):
        knobs: dict[str, object] = {"n_feats": 8 * (number % 4 + 1)}
        family = "slwsr" if number < 4 else "imdn"
        if family == "slwsr":
            knobs["compression"] = ("none", "alternate")[number % 2]
        network = architecture(family, knobs)
        database.trial(sweep_id, number, 25 + number / 8, 1e4 * (number + 1), 1e9, network=network)
    return database


def test_lines_of_several_families_start_at_their_family(two_families) -> None:
    trials = load_trials(two_families.url).assign(on_front=True)
    lines = draw_parallel(trials, load_knobs(two_families.url))
    assert lines is not None
    axes = lines["layout"]["xaxis"]["ticktext"]
    assert axes[0] == "family"
    at = axes.index("compression")
    drawn = {trace["name"]: trace for trace in lines["data"] if trace["x"] != [None]}
    slwsr, imdn = drawn["front, slwsr"], drawn["front, imdn"]
    assert slwsr["line"]["color"] != imdn["line"]["color"]
    # The first height of each line is at its family; a knob that imdn lacks is below the axis.
    width = imdn["x"].index(None) + 1
    assert max(imdn["y"][::width]) < 0.5 < min(slwsr["y"][::width])
    assert max(imdn["y"][at::width]) < 0 <= min(slwsr["y"][at::width]) + 0.1


def test_lines_through_the_same_value_lie_apart(two_families) -> None:
    trials = load_trials(two_families.url).assign(on_front=True)
    lines = draw_parallel(trials, load_knobs(two_families.url), ["params"])
    assert lines is not None
    (slwsr,) = (t for t in lines["data"] if t["name"] == "front, slwsr" and t["x"] != [None])
    width = slwsr["x"].index(None) + 1
    at_family = slwsr["y"][::width]
    assert len(set(at_family)) == 4
    assert max(at_family) - min(at_family) < 0.06
    assert lines["layout"]["xaxis"]["ticktext"][-2:] == ["parameters", "PSNR-Y dB"]


def test_the_axis_of_a_latency_has_a_short_name(two_families) -> None:
    """Once, a name with the device ran down the whole figure on a phone."""
    latency = "latency_ms torch float32 640x360 1 threads on a phone"
    trials = load_trials(two_families.url).assign(on_front=True)
    trials[latency] = trials["params"] / 1e4
    lines = draw_parallel(trials, load_knobs(two_families.url), [latency])
    assert lines is not None
    assert lines["layout"]["xaxis"]["ticktext"][-2:] == ["latency ms", "PSNR-Y dB"]
