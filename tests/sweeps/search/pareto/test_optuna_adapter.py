"""Our sampler in Optuna studies that have nothing to do with super-resolution."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from searchspace.errors import UserError
from sweeps.search.pareto.optuna_adapter import ParetoSampler
from sweeps.search.pareto.study_reader import StudyReader
from tests.sweeps.search.pareto.toy_study import (
    accuracy,
    costs,
    objective,
    sampler,
    space,
    study_of,
    suggested,
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("limit", [1000, 60])
def test_each_allowed_configuration_is_suggested_once_and_then_the_study_stops(limit: int) -> None:
    def small(params: Mapping[str, Any], counted: Mapping[str, float]) -> bool:
        assert counted == costs(params)
        return counted["size"] <= limit

    study = study_of(sampler(constraints=small))
    study.optimize(objective, n_trials=60)
    expected = (
        4 + 4 * 5
        if limit == 1000
        else sum(
            width * (1 + depth) <= limit
            for width in (8, 16, 32, 64)
            for depth in (0, 1, 1, 2, 2, 3)
        )
    )
    assert len(set(suggested(study))) == len(suggested(study)) == expected
    assert len(study.trials) <= expected + 1


@pytest.mark.parametrize("directions", [["minimize", "maximize"], ["maximize"]])
def test_a_study_with_other_directions_is_refused(directions: list[str]) -> None:
    study = optuna.create_study(directions=directions, sampler=sampler())
    with pytest.raises(UserError, match="accuracy: maximize, size: minimize; create the study"):
        study.optimize(objective, n_trials=1)


def test_values_in_another_order_are_refused() -> None:
    both: dict[str, Any] = {"size": "minimize", "loss": "minimize"}
    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=sampler(objectives=both)
    )

    def swapped(trial: optuna.Trial) -> tuple[float, ...]:
        space(trial)
        return 0.5, costs(trial.params)["size"]

    with pytest.raises(UserError, match="trial 0: objective 0 is 0.5, but `size` of these param"):
        study.optimize(swapped, n_trials=3)


def test_a_pruned_trial_adds_nothing_to_the_believed_hypervolume() -> None:
    own = sampler()
    study = study_of(own)
    study.optimize(objective, n_trials=8)
    study.tell(study.ask(), state=TrialState.FAIL)
    measured = own.search.volume

    def pruned(trial: optuna.Trial) -> tuple[float, ...]:
        space(trial)
        raise optuna.TrialPruned

    study.optimize(pruned, n_trials=7)
    assert own.search.volume == pytest.approx(measured)


def test_the_suggestions_find_more_than_chance() -> None:
    found = {}
    for name, own in {"pareto": sampler(), "random": RandomSampler(seed=0)}.items():
        study = study_of(own)
        study.optimize(objective, n_trials=12)
        found[name] = len({tuple(trial.values) for trial in study.best_trials})
        bad = sum(trial.params.get("rule") == "gini" for trial in study.trials[6:])
        assert bad <= 2 or name == "random"
    assert found["pareto"] > found["random"]


def test_a_batch_has_distinct_configurations_and_a_lost_trial_is_not_suggested_again() -> None:
    study = study_of(sampler())
    study.optimize(objective, n_trials=6)
    batch = [study.ask() for _ in range(5)]
    for trial in batch:
        space(trial)
    assert len(set(suggested(study))) == 11
    study.tell(batch[0], state=TrialState.FAIL)
    for trial in batch[1:]:
        study.tell(trial, [accuracy(trial.params), costs(trial.params)["size"]])
    study.optimize(objective, n_trials=3)
    assert len(set(suggested(study))) == 14


def test_samplers_that_share_a_database_see_what_the_other_trains(tmp_path: Path) -> None:
    stored = f"sqlite:///{tmp_path / 'study.db'}"
    first = study_of(sampler(), storage=stored, study_name="a")
    running = first.ask()  # it has not asked for a parameter yet
    own = sampler()
    second = optuna.load_study(study_name="a", storage=stored, sampler=own)
    second.ask()
    assert [known.running for known in own.search.known.values()] == [True, True]
    space(running)
    first.tell(running, [accuracy(running.params), costs(running.params)["size"]])
    second.ask()
    assert sum(1 in known.curve for known in own.search.known.values()) == 1


def test_repeats_train_each_configuration_again_and_measure_the_noise() -> None:
    own = sampler(repeats=2, trials=24)
    study = study_of(own)
    random = np.random.default_rng(0)

    def noisy(trial: optuna.Trial) -> tuple[float, ...]:
        space(trial)
        return accuracy(trial.params) + 0.01 * random.normal(), costs(trial.params)["size"]

    study.optimize(noisy, n_trials=16)
    keys = suggested(study)
    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == 8
    (model,) = own.search._models()
    assert model.scatter > 0
    pair = [trial.values[0] for trial in study.trials[:2]]
    assert model.seen.psnr[0] == pytest.approx(np.mean(pair))


def test_an_earlier_study_steers_the_first_suggestions() -> None:
    earlier = study_of(RandomSampler(seed=1))
    earlier.optimize(objective, n_trials=30)
    own = sampler()
    own.warm_start(earlier.trials)
    study = study_of(own)
    study.optimize(objective, n_trials=10)
    assert sum(trial.params.get("rule") == "gini" for trial in study.trials[2:]) == 0
    with pytest.raises(UserError, match="trial -1 has 1 objectives, not 2"):
        own.warm_start(
            [
                optuna.create_trial(
                    params={"width": 8, "kind": "linear"},
                    value=1.0,
                    distributions={
                        "width": CategoricalDistribution([8, 16, 32, 64]),
                        "kind": CategoricalDistribution(["linear", "tree"]),
                    },
                )
            ]
        )


def test_each_finished_trial_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    learn = StudyReader._learn
    monkeypatch.setattr(
        StudyReader,
        "_learn",
        lambda self, trial, row: (numbers.append(trial.number), learn(self, trial, row))[1],
    )
    study = study_of(sampler())
    waiting = study.ask()
    study.optimize(objective, n_trials=8)
    space(waiting)
    study.tell(waiting, [accuracy(waiting.params), costs(waiting.params)["size"]])
    study.ask()
    assert sorted(numbers) == list(range(9))


def test_an_enqueued_configuration_is_trained_and_learnt_from() -> None:
    own = sampler()
    study = study_of(own)
    study.enqueue_trial({"width": 64, "kind": "tree", "depth": 3, "rule": "entropy"})
    study.optimize(objective, n_trials=6)
    assert study.trials[0].params["depth"] == 3
    assert len(set(suggested(study))) == 6
    study.ask()
    assert sum(1 in known.curve for known in own.search.known.values()) == 6


def test_two_objectives_may_be_uncertain() -> None:
    # The second one is good where the first one is bad. With width it costs.
    def measured(params: Mapping[str, Any]) -> tuple[float, float]:
        return params["x"] / 10, 1 + 3 * (params["x"] / 10) ** 2 + (params["z"] != 4)

    knobs = {"x": IntDistribution(0, 20), "z": IntDistribution(0, 9)}
    own = ParetoSampler(
        knobs,
        objectives={"accuracy": "maximize", "latency": "minimize", "size": "minimize"},
        costs=lambda params: {"size": 1 + params["z"]},
        trials=25,
    )
    study = optuna.create_study(directions=own.directions, sampler=own)

    def both(trial: optuna.Trial) -> tuple[float, ...]:
        params = {name: trial.suggest_int(name, of.low, of.high) for name, of in knobs.items()}
        return *measured(params), 1 + params["z"]

    study.optimize(both, n_trials=25)
    useful = [trial.params["z"] in (0, 4) for trial in study.trials[10:]]
    assert np.mean(useful) > 0.6  # a fifth at random
    assert len({trial.params["x"] for trial in study.trials}) > 8


def test_a_parameter_outside_the_space_is_refused() -> None:
    study = study_of(sampler())

    def other(trial: optuna.Trial) -> tuple[float, ...]:
        return trial.suggest_float("rate", 0.1, 1.0), 1

    with pytest.raises(UserError, match="rate: ParetoSampler suggests the parameters of its space"):
        study.optimize(other, n_trials=1)
