"""Our sampler in a plain Optuna study."""

from pathlib import Path

import optuna
import pytest

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint, at_most
from searchspace.cost import costs
from searchspace.space import Space, parse_space
from sweeps.search.pareto.family_sampler import ArchitectureSampler


def space() -> Space:
    parsed, faults = parse_space(
        {
            "srcnn": {"n_feats": [8, 16, 32], "mapped_feats": [4, 8, 16]},
            "edsr": {
                "n_feats": [4, 6, 8, 12],
                "n_blocks": [1, 2, 3],
                "upsampler": ["direct", "stepwise", "nearest"],
            },
        },
        (),
    )
    assert not faults
    return parsed


def feasible(limits: list[Constraint]) -> set[str]:
    fitting = (a for a in space().architectures if all(limit.holds(a, 2) for limit in limits))
    return {architecture.key for architecture in fitting}


def psnr_of(architecture: Architecture) -> float:
    """An invented PSNR [dB] that grows with the costs."""
    return 30 + 1e-4 * costs(architecture, 2)["params"]


def optimize(
    study: optuna.Study, sampler: ArchitectureSampler, count: int, jobs: int = 1
) -> list[str]:
    """Keys of what was suggested."""
    keys = []

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        architecture = sampler.architecture(trial)
        keys.append(architecture.key)
        if trial.number % 7 == 3:
            raise RuntimeError("made to fail")
        return psnr_of(architecture), *sampler.costs(architecture)

    study.optimize(objective, n_trials=count, n_jobs=jobs, catch=(RuntimeError,))
    return keys


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_architecture_within_the_budget_is_tried_once_and_then_the_study_stops(
    jobs: int,
) -> None:
    limits = [at_most("params", "9K"), at_most("memory", "100M")]
    sampler = ArchitectureSampler(space(), scale=2, constraints=limits, trials=30)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)
    keys = optimize(study, sampler, 1000, jobs)
    assert 10 < len(feasible(limits)) < len(feasible([]))
    assert len(keys) == len(set(keys))
    assert set(keys) == feasible(limits)
    assert len(study.trials) <= len(keys) + jobs


def test_a_study_in_a_database_goes_on_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    stored = f"sqlite:///{tmp_path / 'study.db'}"
    sampler = ArchitectureSampler(space(), scale=2, trials=12)
    whole = optuna.create_study(directions=sampler.directions, sampler=sampler)
    expected = optimize(whole, sampler, 12)
    study = optuna.create_study(
        storage=stored, study_name="a", directions=sampler.directions, sampler=sampler
    )
    keys = optimize(study, sampler, 5)
    again = ArchitectureSampler(space(), scale=2, trials=12)
    study = optuna.load_study(storage=stored, study_name="a", sampler=again)
    assert [*keys, *optimize(study, again, 7)] == expected


def test_it_finds_more_of_the_front_than_random_search() -> None:
    volumes = {}
    for name in ("pareto", "random"):
        sampler = ArchitectureSampler(space(), scale=2, trials=12)
        own = sampler if name == "pareto" else optuna.samplers.RandomSampler(seed=0)
        study = optuna.create_study(directions=sampler.directions, sampler=own)
        optimize(study, sampler, 12)
        volumes[name] = len({tuple(trial.values) for trial in study.best_trials})
    assert volumes["pareto"] > volumes["random"]


def test_a_parameter_of_another_kind_is_refused() -> None:
    sampler = ArchitectureSampler(space(), scale=2)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        return trial.suggest_float("learning_rate", 0.1, 1.0), 1, 1

    with pytest.raises(ValueError, match="learning_rate: ParetoSampler suggests the parameters"):
        study.optimize(objective, n_trials=1)
