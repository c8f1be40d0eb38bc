import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text

from analysis.choose.front import load_front
from analysis.read.database import open_database
from analysis.read.frames import (
    load_curves,
    load_knobs,
    load_lives,
    load_sweeps,
    load_trials,
)
from analysis.read.points import load_points, load_reasons
from benchmarks.synthetic import fill
from searchspace.errors import UserError
from sweeps.records import Outcome
from tests.stored import Database


def test_a_trial_is_one_row_with_its_newest_psnr_and_its_costs(small: Database) -> None:
    trials = load_trials(small.url).set_index("number")
    assert trials["psnr_y"].tolist()[:4] == [26.0, 27.0, 27.5, 26.5]
    assert trials.loc[4, ["state", "psnr_y", "step"]].tolist() == ["stopped", 28.0, 500]
    assert trials.loc[1, ["params", "multadds", "seconds", "attempts"]].tolist() == [
        1e5,
        5e9,
        90,
        1,
    ]
    assert trials.loc[2, "Set5_psnr_y"] == 31.0
    assert pd.isna(trials.loc[1, "Set5_psnr_y"])
    assert trials.loc[5, "error"].endswith("<NaN> at step 3")
    assert pd.isna(trials.loc[5, "psnr_y"])
    assert set(trials["train_data"]) == {"T91"}


def test_points_are_the_complete_trials_with_their_objectives(small: Database) -> None:
    points = load_points(small.url, "small", ["psnr_y", "params"])
    assert points["number"].tolist() == [0, 1, 2, 3]
    assert points["psnr_y"].tolist() == [26.0, 27.0, 27.5, 26.5]
    assert points["params"].tolist() == [1e4, 1e5, 5e5, 2e5]


def test_the_front_is_read_with_its_texts(small: Database) -> None:
    ways = {"psnr_y": "maximize", "params": "minimize"}
    front = load_front(small.url, "small", ways, extra=["multadds"])
    assert front["number"].tolist() == [0, 1, 2]
    assert front["multadds"].tolist() == [1e9, 5e9, 30e9]
    assert front["label"].tolist() == [f"slwsr n_feats={n}" for n in (1, 2, 3)]


def test_a_sweep_without_trials_gives_empty_frames(database: Database) -> None:
    database.sweep("empty")
    assert load_trials(database.url).empty
    assert load_points(database.url, "empty", ["psnr_y", "params"]).empty
    assert load_knobs(database.url).empty
    assert load_front(database.url, "empty", {"psnr_y": "maximize"}).empty
    assert load_curves(database.url).empty


def test_sweeps_carry_their_facts(small: Database) -> None:
    small.sweep("other", train_data="DIV2K")
    sweeps = load_sweeps(small.url).set_index("name")
    assert sweeps.loc["small", "validation_bicubic_psnr_y"] == 25.5
    assert sweeps["train_data"].tolist() == ["T91", "DIV2K"]
    assert load_lives(small.url, ["other"])["sweep"].tolist() == ["other"]


def test_curves_and_knobs(small: Database) -> None:
    curves = load_curves(small.url, ["small"], trial_ids=[1])
    assert curves[["step", "value"]].to_numpy().tolist() == [[500, 25.0], [1000, 26.0]]
    assert load_knobs(small.url)["n_feats"].tolist() == [1, 2, 3, 4, 5, 6]


def test_unknown_sweep_names_the_nearest(small: Database) -> None:
    with pytest.raises(ValueError, match="none called 'smal'; did you mean small"):
        load_trials(small.url, ["smal"])


def test_unknown_objective_names_the_nearest(small: Database) -> None:
    with pytest.raises(ValueError, match="'param'; did you mean params"):
        load_front(small.url, "small", {"psnr_y": "maximize", "param": "minimize"})


def test_a_missing_file_is_one_line_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(ValueError, match=r"storage: there is no database .*none.db"):
        load_trials(f"sqlite:///{path}")
    assert not path.exists()


def test_a_database_of_another_schema_is_refused(small: Database) -> None:
    with small.store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(
        UserError, match=r"has schema 0099, and this srsweep knows schemas up to 0\d+"
    ):
        load_trials(small.url)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(ValueError, match="is not a database of srsweep"):
        load_sweeps(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("results.db", "must be a database URL"),
        ("nosuch://x", "must be a database URL"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/x", "cannot read"),
    ],
)
def test_an_unusable_url_is_one_line_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        load_sweeps(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nothing_can_be_written_through_the_reader(small: Database) -> None:
    with pytest.raises(ValueError, match="readonly"), open_database(small.url) as connection:
        connection.execute(text("DELETE FROM trials"))


def test_points_of_an_invented_database_equal_the_frame_of_all_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'many.db'}"
    assert fill(url, trials=300, evaluations=3) == 300 * (6 + 4 * 3)
    trials = load_trials(url)
    done = trials[trials["state"] == "complete"].reset_index(drop=True)
    points = load_points(url, "synthetic", ["psnr_y", "params"])
    pd.testing.assert_frame_equal(
        points[["number", "psnr_y", "params"]], done[points.columns][["number", "psnr_y", "params"]]
    )


def test_of_the_newest_failed_trials_each_has_one_reason_also_where_none_was_stored(
    small: Database,
) -> None:
    sweep_id = small.sweep("small")
    trial_id = small.trial(sweep_id, 6, None, 1e4, 1e9, state="failed", error="first")
    attempt = small.store.begin_attempt(trial_id, 1_000)
    small.store.end_attempt(trial_id, attempt, Outcome(step=0, error="second"), "failed")
    small.trial(sweep_id, 7, None, 1e4, 1e9, state="failed")
    reasons = load_reasons(small.url, "small")
    assert reasons["number"].tolist() == [7, 6, 5]
    assert reasons["error"].tolist()[:2] == ["", "second"]
    assert load_reasons(small.url, "small", most=2)["number"].tolist() == [7, 6]
