"""A setting that is newer than a stored sweep counts as its default, wherever settings are compared."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from analysis.choose.variants import variants
from analysis.pages.report import load_groups
from analysis.read.frames import load_sweeps, load_trials
from searchspace.architecture import architecture
from sweeps.records import Outcome
from sweeps.run import run_sweep
from sweeps.store.comparability import PLACES, TRAINING, differences, filled, training_of
from sweeps.store.merge import merge
from sweeps.store.store import Store, StoreMistake
from tests.sweeps.store.sample import psnr
from tests.sweeps.sweeps_for_tests import small_config

DEFAULTS: dict[str, Any] = {
    name: section().model_dump(mode="json", exclude=PLACES[name])
    for name, section in TRAINING.items()
}
SETTINGS = {"scale": 2, "seed": 0, "objectives": {"psnr_y": "maximize"}, **DEFAULTS}


def without(section: str, name: str, settings: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    """`settings` as they were stored before the setting existed."""
    return {**settings, section: {k: v for k, v in settings[section].items() if k != name}}


def rewrite(path: Path, sweep: str, settings: dict[str, Any]) -> None:
    with sqlite3.connect(path) as connection:
        row = (json.dumps(settings), sweep)
        connection.execute("update sweeps set settings = ? where name = ?", row)


def stored_settings(path: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(path) as connection:
        return [json.loads(row[0]) for row in connection.execute("select settings from sweeps")]


@pytest.mark.parametrize(
    ("section", "name"), [(section, name) for section in DEFAULTS for name in DEFAULTS[section]]
)
def test_any_setting_that_is_missing_counts_as_its_default(section: str, name: str) -> None:
    older = without(section, name)
    assert older != SETTINGS
    assert training_of(older) == training_of(SETTINGS)
    assert list(differences(filled(older), filled(SETTINGS))) == []


def test_a_missing_setting_does_not_count_as_another_value() -> None:
    other = {**SETTINGS, "train": {**DEFAULTS["train"], "learning_rate": 0.5}}
    older = without("train", "learning_rate")
    assert training_of(older) != training_of(other)
    found = list(differences(filled(older), filled(other)))
    assert found == [("train.learning_rate", DEFAULTS["train"]["learning_rate"], 0.5)]


@pytest.mark.parametrize(
    "train", [{"steps": 4, "warmup": 3}, {"steps": -1}, "none", None, {"schedule": ["cosine"]}]
)
def test_settings_that_are_not_valid_here_stay_as_they_are(train: Any, tmp_path: Path) -> None:
    strange = {"scale": 2, "train": train, "data": {"hold_out": 5}}
    assert filled(strange)["train"] == train
    assert filled(strange)["data"] == {**DEFAULTS["data"], "hold_out": 5}
    url = f"sqlite:///{tmp_path / 'results.db'}"
    store = Store(url)
    sweep = store.open_sweep("a", 2, strange)
    assert store.open_sweep("a", 2, strange) == sweep
    with pytest.raises(StoreMistake, match=r"other settings \([^\n]*train"):
        store.open_sweep("a", 2, SETTINGS)
    store.close()
    if isinstance(train, dict):
        assert load_sweeps(url)["settings"].iloc[0] == strange
    else:
        # srsweep never writes a section that is not a mapping, so pages refuse such a row.
        with pytest.raises(
            ValueError, match="row 1: settings: must be a JSON object whose 'train'"
        ):
            load_sweeps(url)


def test_a_sweep_from_before_a_setting_goes_on(tmp_path: Path) -> None:
    run_sweep(small_config(tmp_path, search={"sampler": "random", "trials": 1}))
    path = tmp_path / "results.db"
    (settings,) = stored_settings(path)
    older = without(
        "train", "loss", without("train", "schedule", without("data", "hold_out", settings))
    )
    rewrite(path, "tiny", older)
    run_sweep(small_config(tmp_path, search={"sampler": "random", "trials": 2}))
    assert stored_settings(path) == [older], "a stored row stays as it was written"
    assert list(load_trials(f"sqlite:///{path}")["state"]) == ["complete", "complete"]


@pytest.fixture
def pair(tmp_path: Path) -> str:
    """Two sweeps under the same settings, the first from before one of them."""
    url = f"sqlite:///{tmp_path / 'results.db'}"
    store = Store(url)
    for number, settings in enumerate((without("train", "precision"), SETTINGS)):
        sweep = store.open_sweep(f"sweep-{number}", 2, settings)
        store.set_fact(sweep, "data_fingerprint", "f1")
        named = {"architecture": architecture("slwsr", {"n_feats": 8 + number}), "seed": 0}
        costs = {"params": 1000.0 + number}
        trial = store.add_trial(sweep, number=0, costs=costs, until_step=4, **named)  # type: ignore[arg-type]
        store.end_attempt(trial, 1, Outcome(step=4), "complete", [psnr(4, 30.0 + number)])
    store.close()
    return url


def test_sweeps_from_before_and_after_a_setting_are_compared(pair: str) -> None:
    assert load_trials(pair)["training"].nunique() == 1
    assert [group.names for group in load_groups(pair, None)] == [["sweep-0", "sweep-1"]]
    assert len(variants(load_trials(pair))) == 2


def test_a_sweep_from_before_a_setting_is_topped_up_by_a_merge(pair: str, tmp_path: Path) -> None:
    here = Store(f"sqlite:///{tmp_path / 'here.db'}")
    merge(pair, here)
    rewrite(tmp_path / "results.db", "sweep-0", SETTINGS)
    assert [merged.new_trials for merged in merge(pair, here)] == [0, 0]
    here.close()
