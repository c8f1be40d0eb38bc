"""The study in an Optuna storage is the one that `srsweep export-optuna` writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from analysis.export.optuna_study import export_study
from searchspace.architecture import architecture
from searchspace.errors import UserError
from sweeps.run import run_sweep
from sweeps.sinks.optuna import Optuna
from sweeps.sinks.sink import Subject
from tests.stored import OBJECTIVES, Database
from tests.sweeps.sinks.copies import interrupt, logged


@contextmanager
def opened(url: str, name: str) -> Iterator[optuna.Study]:
    storage = optuna.storages.RDBStorage(url)
    yield optuna.load_study(study_name=name, storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def content(url: str, name: str) -> tuple[object, dict[int, Any]]:
    """The directions of a study, and its trials by srsweep's numbers."""
    with opened(url, name) as study:
        trials = {
            trial.user_attrs["number"]: (
                trial.state,
                trial.values,
                trial.params,
                trial.distributions,
                trial.intermediate_values,
                trial.user_attrs,
            )
            for trial in study.trials
        }
        assert len(trials) == len(study.trials)
        return study.directions, trials


def exported(url: str, name: str, folder: Path) -> tuple[object, dict[int, Any]]:
    export_study(url, name, folder / "exported.db")
    return content(f"sqlite:///{folder / 'exported.db'}", name)


def test_the_mirror_of_a_resumed_sweep_is_what_the_export_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    config = logged(tmp_path, optuna=url)
    interrupt(config, 3)
    run_sweep(config)
    mirrored = content(url, "tiny")
    assert mirrored == exported(config.storage, "tiny", tmp_path)
    states = sorted(trial[0].name for trial in mirrored[1].values())
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]


def test_a_study_is_written_anew_only_if_a_trial_in_it_changes(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    delete = optuna.delete_study

    def note(**names: Any) -> None:
        deleted.append(names["study_name"])
        delete(**names)

    monkeypatch.setattr(optuna, "delete_study", note)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    sink = Optuna(url, Subject(name="small", scale=4, objectives=OBJECTIVES))
    sweep_id = database.sweep("small")
    first = architecture("slwsr", {"n_feats": 1})

    def step(number: int, psnr: float, seed: int = 0, feats: int = 1) -> None:
        network = architecture("slwsr", {"n_feats": feats})
        database.trial(sweep_id, number, psnr, 1e4 * feats, 1e9, seed=seed, network=network)
        sink.write(database.store.trials(sweep_id))

    step(0, 26.0)
    assert deleted == []
    step(1, 27.0, feats=2)  # n_feats becomes a parameter of trial 0 too
    assert deleted == ["small"]
    database.trial(sweep_id, 2, 25.0, 2e4, 1e9, state="stopped", seed=1, network=first)
    sink.write(database.store.trials(sweep_id))
    assert deleted == ["small"]
    step(3, 26.5, seed=2)  # the mean of trials 0 and 3 takes the place of trial 0
    assert deleted == ["small", "small"]
    sink.close()
    mirrored = content(url, "small")
    assert mirrored == exported(database.url, "small", tmp_path)
    assert mirrored[1][3][1] == [26.25, 1e4, 1e9]
    assert mirrored[1][3][5]["num_seeds"] == 2


def test_a_study_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    storage = optuna.storages.RDBStorage(url)
    optuna.create_study(study_name="small", storage=storage)
    with pytest.raises(UserError, match="has a study 'small' that is not a copy of this sweep"):
        Optuna(url, Subject(name="small", scale=4, objectives=OBJECTIVES))
    assert [study.study_name for study in storage.get_all_studies()] == ["small"]
    storage.remove_session()
    storage.engine.dispose()
