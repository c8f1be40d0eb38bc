"""Our TPE first suggests what Optuna's TPE suggests, and something else if that is refused."""

from functools import partial

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler

from sweeps.search.optuna_samplers import RedrawingTPE


def objective(trial: optuna.Trial) -> list[float]:
    x = trial.suggest_int("x", 0, 6)
    y = trial.suggest_categorical("y", ["a", "b", "c"])
    z = trial.suggest_float("z", 0, 1) if y == "a" else 0.5
    return [x + z, (y == "b") - x + np.sin(10 * z)]


def suggestions(
    kind: type[TPESampler], directions: list[str], refused: int
) -> list[dict[str, object]]:
    """Returns the suggestions of 40 trials. Before each trial `refused` suggestions fail. Another trial always runs."""
    study = optuna.create_study(directions=directions)
    found, running = [], []
    for number in range(40):
        study.sampler = kind(seed=number)
        for _ in range(refused):
            trial = study.ask()
            objective(trial)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            found.append(trial.params)
        trial = study.ask()
        running.append((trial, objective(trial)))
        found.append(trial.params)
        if len(running) > 1:
            earlier, values = running.pop(0)
            study.tell(earlier, values[: len(directions)])
    return found


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
def test_the_first_answer_is_optunas(directions: list[str]) -> None:
    asked = partial(suggestions, directions=directions, refused=0)
    assert asked(RedrawingTPE) == asked(TPESampler)


def refused_answers(kind: type[TPESampler], seed: int) -> list[int]:
    """Returns ten suggestions, all refused, after 40 trials that have shown that small numbers are good."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 19), n_trials=40)
    study.sampler = kind(seed=seed)
    found = []
    for _ in range(10):
        trial = study.ask()
        found.append(trial.suggest_int("x", 0, 19))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return found


def test_what_was_refused_is_followed_by_others_like_the_good_ones() -> None:
    ours = [refused_answers(RedrawingTPE, seed) for seed in range(30)]
    optunas = [refused_answers(TPESampler, seed) for seed in range(30)]
    assert [answers[0] for answers in ours] == [answers[0] for answers in optunas]
    assert np.mean([len(set(answers)) for answers in optunas]) < 2.5
    assert np.mean([len(set(answers)) for answers in ours]) > 4.5
    # The mean of all numbers is 9.5.
    assert np.mean([answers[1:] for answers in ours]) < 5


def test_looks_at_the_trials_once_for_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []
    plain = TPESampler._sample

    def counting(self: TPESampler, *of: object) -> object:
        looked.append(self)
        return plain(self, *of)

    monkeypatch.setattr(TPESampler, "_sample", counting)
    suggestions(RedrawingTPE, ["minimize", "maximize"], refused=3)
    assert len(looked) == len(set(map(id, looked)))
    assert len(looked) > 20
