"""Trials of one architecture with several seeds are one row: in `front`, the report, the dashboard and Optuna's study."""

import csv
import io
import json
from pathlib import Path
from statistics import fmean, stdev

import optuna
import pytest
from click.testing import CliRunner

from analysis.choose.front import load_front
from analysis.choose.means import averaged
from analysis.choose.variants import variants
from analysis.export.optuna_study import export_study
from analysis.figures.pareto import draw_pareto, pareto_data
from analysis.pages.live import front_rows, load_live
from analysis.pages.report import report_page
from analysis.read.frames import load_trials
from searchspace.architecture import architecture
from srsweep.cli import main
from tests.stored import OBJECTIVES, Database

SCORES = {16: (28.0, 28.3, 28.2), 32: (28.6, None, 28.5), 64: (28.4, 28.5, 28.45)}
"""Width -> PSNR with each seed; None: that training failed."""


@pytest.fixture
def stored(tmp_path: Path) -> Database:
    """Three networks with three seeds. The widest is dominated by its mean, but not by its best score."""
    made = Database(tmp_path / "results.db")
    sweep = made.sweep("repeated")
    for place, (width, scores) in enumerate(SCORES.items()):
        for seed, psnr in enumerate(scores):
            made.trial(
                sweep,
                3 * place + seed,
                psnr,
                params=1_000 * width,
                multadds=1e6 * width,
                network=architecture("slwsr", {"n_feats": width}),
                seed=seed,
                state="complete" if psnr else "failed",
                error="" if psnr else "diverged",
            )
    return made


def test_the_front_compares_means(stored: Database) -> None:
    front = load_front(stored.url, "repeated", OBJECTIVES)  # type: ignore[arg-type]
    assert front["number"].tolist() == [1, 3]  # the trials with the best scores
    assert front["psnr_y"].tolist() == [fmean(SCORES[16]), fmean([28.6, 28.5])]
    assert front["psnr_spread"].tolist() == pytest.approx([stdev(SCORES[16]), stdev([28.6, 28.5])])
    assert front["num_seeds"].tolist() == [3, 2]


def test_the_command_front_shows_mean_spread_and_seeds(stored: Database) -> None:
    words = ["front", "repeated", "--db", stored.url]
    shown = CliRunner().invoke(main, words, catch_exceptions=False).output
    assert "spread dB" in shown
    rows = list(
        csv.DictReader(
            io.StringIO(CliRunner().invoke(main, [*words, "--csv"], catch_exceptions=False).output)
        )
    )
    assert [float(row["psnr_y"]) for row in rows] == pytest.approx([28.1666667, 28.55])
    assert [float(row["psnr_spread"]) for row in rows] == pytest.approx([0.1527525, 0.0707107])
    assert list(rows[0])[:4] == ["number", "psnr_y", "psnr_spread", "num_seeds"]


def test_select_takes_the_best_training_of_the_best_mean(stored: Database) -> None:
    words = ["select", "repeated", "--db", stored.url, "--json"]
    (row,) = json.loads(CliRunner().invoke(main, words, catch_exceptions=False).output)
    assert (row["psnr_y"], row["num_seeds"]) == (fmean([28.6, 28.5]), 2)
    assert row["number"] == 3
    assert row["spread"] == pytest.approx(variants(load_trials(stored.url))["spread"][0])


def test_the_report_and_the_dashboard_show_means(stored: Database) -> None:
    page = report_page(stored.url)
    assert "3 trials of" not in page
    assert "2 trials" in page  # on the front
    assert "28.17" in page
    assert "mean of an architecture over its seeds" in page
    live = load_live(stored.url, "repeated")
    assert len(live.trials) == 8
    assert front_rows(live)["num_seeds"].tolist() == [3, 2]
    assert load_live(stored.url, "repeated", live) is live


def test_the_plot_has_error_bars(stored: Database) -> None:
    trials = load_trials(stored.url)
    data = pareto_data(averaged(trials), "params", "multadds", objectives=OBJECTIVES)  # type: ignore[arg-type]
    (trace,) = (each for each in draw_pareto(data)["data"] if "error_y" in each)
    assert sorted(trace["error_y"]["array"])[-1] == pytest.approx(stdev(SCORES[16]))
    assert "seeds 3" in data.points["text"].iloc[0]


def test_the_optuna_study_has_one_trial_for_each_architecture(
    stored: Database, tmp_path: Path
) -> None:
    assert export_study(stored.url, "repeated", tmp_path / "study.db") == 3
    study = optuna.load_study(study_name="repeated", storage=f"sqlite:///{tmp_path / 'study.db'}")
    first = study.trials[0]
    assert first.values[0] == fmean(SCORES[16])
    assert first.user_attrs["num_seeds"] == 3


def test_trials_without_repeats_are_returned_as_they_are(tmp_path: Path) -> None:
    made = Database(tmp_path / "results.db")
    made.trial(made.sweep("once"), 0, 28.0, 1_000, 1e6)
    trials = load_trials(made.url)
    assert averaged(trials) is trials
    front = load_front(made.url, "once", OBJECTIVES)  # type: ignore[arg-type]
    assert "num_seeds" not in front


def test_status_tells_the_seeds_apart(stored: Database) -> None:
    words = ["status", "repeated", "--db", stored.url, "--json"]
    rows = json.loads(CliRunner().invoke(main, words, catch_exceptions=False).output)
    assert [row["seed"] for row in rows] == [0, 1, 2] * 3
