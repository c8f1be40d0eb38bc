"""NTIRE's efficiency score as an objective of a sweep."""

import math
from pathlib import Path

import pytest

from analysis.choose.front import load_front
from analysis.choose.variants import cost_names, variants
from analysis.read.frames import load_trials
from searchspace.architecture import Architecture
from searchspace.cost import costs
from sweeps.config.sweep_config import ConfigError, SweepConfig
from sweeps.measure.latency import Latency, Setting
from sweeps.measure.ntire import CHALLENGES, Use, scores
from sweeps.records import Evaluation, Outcome
from sweeps.train import segment as segments
from tests.sweeps.engine.test_order_of_results import evaluation
from tests.sweeps.engine.test_seeds import dies, opened
from tests.sweeps.sweeps_for_tests import small_config, start

BASELINE = CHALLENGES[2026].baseline
SETTING = Setting(
    runtime="torch", dtype="float32", height=360, width=640, threads=1, device="a processor"
)


def timed(network: Architecture, *others: object) -> Latency:
    """Stands for a measurement: 10 ms for the baseline and 2 ms for any other network."""
    median = 10.0 if network == BASELINE else 2.0
    return Latency(
        median=median, lower=median, upper=median, runs=9, setting=SETTING, low=median, high=median
    )


def config_of(folder: Path, **changes: object) -> SweepConfig:
    objectives = {"psnr_y": "maximize", "ntire_2026": "minimize"}
    return small_config(folder, **{"objectives": objectives, **changes})


def test_a_trial_measures_its_score_before_training_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score is stored with the latency, so that a resumed sweep and the reports know it."""
    monkeypatch.setattr(segments, "time_network", timed)
    config = config_of(tmp_path)
    sweep = opened(config)
    segment = start(sweep)
    first = next(segments.run(segment))
    assert isinstance(first, Evaluation)
    sweep.handle(segment, first)
    dies(sweep)
    sweep = opened(config)
    segment = start(sweep)
    assert segment.timing is None
    sweep.handle(segment, evaluation(segment, 4), Outcome(step=4, seconds=1.0))
    sweep.close()
    known, base = costs(sweep.trials[0].architecture, 2), costs(BASELINE, 2)
    uses = (
        Use(latency=ms, multadds=of["multadds"], params=of["params"])
        for ms, of in ((2.0, known), (10.0, base))
    )
    wanted = scores(*uses, CHALLENGES[2026])["score"]
    assert 0.8 * math.exp(0.4) < wanted < math.exp(2)
    front = load_front(config.storage, "tiny", config.objectives)
    assert front["ntire_2026"].tolist() == [pytest.approx(wanted)]
    frame = variants(load_trials(config.storage))
    assert "ntire_2026" in cost_names(frame)


def test_an_unreliable_baseline_makes_the_latency_unreliable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial then measures both again in its next segment."""

    def doubtful(network: Architecture, *others: object) -> Latency:
        found = timed(network)
        return Latency(**{**vars(found), "doubt": "load" if network == BASELINE else ""})

    monkeypatch.setattr(segments, "time_network", doubtful)
    sweep = opened(config_of(tmp_path))
    segment = start(sweep)
    sweep.handle(segment, next(segments.run(segment)), Outcome(step=0, interrupted=True))
    again = start(sweep)
    sweep.close()
    assert segment.timing is not None
    assert again.timing is not None
    assert again.timing.scores == ("ntire_2026",)


@pytest.mark.parametrize(
    ("objectives", "told"),
    [
        ({"psnr_y": "maximize", "ntire": "minimize"}, "must name the score of a year, such as"),
        (
            {"psnr_y": "maximize", "ntire_2023": "minimize"},
            "must name the score of a year, such as",
        ),
        ({"psnr_y": "maximize", "ntire_2026": "maximize"}, "must be minimized"),
        ({"ntire_2026": "minimize"}, "needs psnr_y or ssim_y or psnr_rgb beside it"),
    ],
)
def test_a_score_that_cannot_be_had_is_refused(
    tmp_path: Path, objectives: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        config_of(tmp_path, objectives=objectives)
    assert len(str(caught.value).splitlines()) == 1


def test_pareto_refuses_a_score_that_is_measured(tmp_path: Path) -> None:
    objectives = {"psnr_y": "maximize", "params": "minimize", "ntire_2026": "minimize"}
    with pytest.raises(ConfigError, match="pareto needs psnr_y"):
        config_of(tmp_path, objectives=objectives, search={"sampler": "pareto"})
