import warnings
from pathlib import Path

import optuna
import pytest

from analysis.export.optuna_study import export_study
from tests.stored import Database


def test_the_study_has_the_same_front_and_the_same_states(small: Database, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    assert export_study(small.url, "small", path) == 6
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{path}")
    assert [direction.name for direction in study.directions] == [
        "MAXIMIZE",
        "MINIMIZE",
        "MINIMIZE",
    ]
    assert sorted(trial.user_attrs["number"] for trial in study.best_trials) == [0, 1, 2]
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 4 + ["PRUNED", "FAIL"]
    assert study.trials[1].values == [27.0, 1e5, 5e9]
    assert study.trials[1].params == {"n_feats": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        names = study.metric_names
    assert names == ["psnr_y", "params", "multadds"]


def test_a_file_that_exists_is_left_alone(small: Database, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_text("precious")
    with pytest.raises(ValueError, match="exists already"):
        export_study(small.url, "small", path)
    assert path.read_text() == "precious"
