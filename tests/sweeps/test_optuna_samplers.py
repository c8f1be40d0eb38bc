"""The samplers of Optuna that were made quicker say what Optuna's own say."""

from functools import partial

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler

from sweeps.optuna_samplers import QuickTPE


def objective(trial: optuna.Trial) -> list[float]:
    x = trial.suggest_int("x", 0, 6)
    y = trial.suggest_categorical("y", ["a", "b", "c"])
    z = trial.suggest_float("z", 0, 1) if y == "a" else 0.5
    return [x + z, (y == "b") - x + np.sin(10 * z)]


def suggestions(
    kind: type[TPESampler], directions: list[str], refused: int
) -> list[dict[str, object]]:
    """What is suggested in 40 trials; of each, `refused` suggestions fail before one is taken, one runs beside."""
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
@pytest.mark.parametrize("refused", [0, 3])
def test_quick_tpe_suggests_what_tpe_suggests(directions: list[str], refused: int) -> None:
    asked = partial(suggestions, directions=directions, refused=refused)
    assert asked(QuickTPE) == asked(TPESampler)


def test_quick_tpe_looks_at_the_trials_once_for_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []
    plain = TPESampler._sample

    def counting(self: TPESampler, *of: object) -> object:
        looked.append(self)
        return plain(self, *of)

    monkeypatch.setattr(TPESampler, "_sample", counting)
    suggestions(QuickTPE, ["minimize", "maximize"], refused=3)
    assert len(looked) == len(set(map(id, looked)))
    assert len(looked) > 20
