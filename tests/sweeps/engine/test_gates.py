"""Gates: the least quality with which a trained network counts, under `constraints` of a sweep file."""

import math
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from searchspace.architecture import Architecture
from sweeps.config.sweep_config import ConfigError, SweepConfig
from sweeps.engine.limits import without_weights
from sweeps.engine.teaching import make_suggester
from sweeps.records import VALIDATION, Evaluation, Measurement, Outcome
from sweeps.search.optuna_samplers import OptunaSampler
from sweeps.search.pareto.sampler import Pareto
from sweeps.train.segment import Segment
from tests.sweeps.engine.test_seeds import dies, opened
from tests.sweeps.sweeps_for_tests import small_config, start

GATE = ["psnr_y >= 28.5"]
FAMILIES = {"slwsr": {"n_feats": [2, 3, 4], "n_blocks": [2, 3], "local_blocks": 2}}


def config_of(folder: Path, **changes: Any) -> SweepConfig:
    objectives = {"psnr_y": "maximize", "params": "minimize"}
    given = {"objectives": objectives, "constraints": GATE, "families": FAMILIES}
    return small_config(folder, **{**given, **changes})


def scored(segment: Segment, psnr: float) -> Evaluation:
    values = {"psnr_y": psnr, "ssim_y": 0.8, "psnr_rgb": psnr - 1.5}
    found = (Measurement(step=4, dataset=VALIDATION, name=n, value=v) for n, v in values.items())
    return Evaluation(step=4, measurements=tuple(found))


@pytest.mark.parametrize(
    ("constraints", "told"),
    [
        (["psnr_rgb >= 27"], "constraints.0: psnr_rgb is a gate, so it must be an objective too"),
        (["psnr_y <= 30"], "must read like 'psnr_y >= 28.5', got 'psnr_y <= 30'"),
        (["params <= 9k", "psnr_y >= much"], "constraints.1: "),
    ],
)
def test_a_gate_that_cannot_be_had_is_refused(
    tmp_path: Path, constraints: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told.replace("(", r"\(")) as caught:
        config_of(tmp_path, constraints=constraints)
    assert len(str(caught.value).splitlines()) == 1


def test_a_gate_does_not_limit_what_is_trained(tmp_path: Path) -> None:
    config = config_of(tmp_path, constraints=["n_feats <= 3", *GATE])
    assert [str(limit) for limit in config.limits] == ["n_feats <= 3"]
    assert [(gate.name, gate.limit) for gate in config.gates] == [("psnr_y", 28.5)]


def test_the_weights_that_stay_are_those_of_the_front_above_the_gate(tmp_path: Path) -> None:
    """Until a trial passes the gate, the weights of the front of all trials stay. A resumed sweep knows the gate."""
    config = config_of(tmp_path)
    sweep = opened(config)
    for psnr in (27.0, 28.0):
        segment = start(sweep)
        sweep.handle(segment, scored(segment, psnr), Outcome(step=4, seconds=1.0))
    assert 1 not in {trial.number for trial in without_weights(sweep.repeats.values(), config)}
    segment = start(sweep)
    sweep.handle(segment, scored(segment, 29.0), Outcome(step=4, seconds=1.0))
    dies(sweep)
    sweep = opened(config)
    freed = {trial.number for trial in without_weights(sweep.repeats.values(), config)}
    sweep.close()
    assert freed == {0, 1}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp"])
def test_optuna_learns_which_trials_fail_the_gate(tmp_path: Path, sampler: str) -> None:
    config = config_of(tmp_path, search={"sampler": sampler, "trials": 6})
    suggester = make_suggester(config, None)
    told: list[Architecture] = []
    for number, values in enumerate(([27.0, 900.0], [29.0, 950.0], None)):
        suggested = suggester.ask(number)
        assert suggested is not None
        told.append(suggested)
        suggester.tell(suggested, values, stopped=True)
    assert isinstance(suggester.sampler, OptunaSampler)
    study = suggester.sampler.study
    known = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    found = [trial.system_attrs["constraints"] for trial in known]
    assert found == [(1.5,), (-0.5,), (math.inf,)]
    assert suggester.ask(3) is not None
    # A resumed sweep adds its stored trials, and tells the sampler the same.
    again = make_suggester(config, None)
    again.restore(told[0])
    again.tell(told[0], [27.0, 900.0], stopped=False)
    assert isinstance(again.sampler, OptunaSampler)
    (restored,) = again.sampler.study.get_trials(deepcopy=False)
    assert restored.system_attrs["constraints"] == (1.5,)


def test_pareto_takes_the_gate_for_the_floor_of_its_hypervolume(tmp_path: Path) -> None:
    config = config_of(tmp_path, search={"sampler": "pareto", "trials": 6})
    sampler = make_suggester(config, None).sampler
    assert isinstance(sampler, Pareto)
    assert sampler.lacks_floor
    sampler.set_floor(27.2)
    assert sampler.search.floors == [28.5]
    assert not sampler.lacks_floor
    sampler.set_floor(29.0)
    assert sampler.search.floors == [29.0]
