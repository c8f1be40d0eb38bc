"""Tests which stored measurements a search learns from. Scores on a test set are never among them."""

from dataclasses import replace
from pathlib import Path

import pytest

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.space import parse_space
from sweeps.config import sweep_config
from sweeps.engine.trial_state import Trial
from sweeps.records import Measurement, TrialRow
from sweeps.search.suggester import Suggester
from tests.sweeps.sweeps_for_tests import small_config

NETWORK = architecture("slwsr", {"n_feats": 8, "n_blocks": 6})
ROWS = [
    Measurement(step=100, dataset=dataset, name="psnr_y", value=value)
    for dataset, value in (("validation", 27.0), ("Set5", 31.0), ("train", 35.0))
]


def complete_row(measurements: list[Measurement]) -> TrialRow:
    return TrialRow(
        id=1,
        number=0,
        family="slwsr",
        knobs=NETWORK.knobs,
        architecture=NETWORK.key,
        label=NETWORK.label,
        seed=0,
        state="complete",
        attempts=1,
        errors=0,
        until_step=4,
        measurements=measurements,
    )


def test_a_restored_trial_is_scored_on_the_validation_images_only() -> None:
    for rows in (ROWS, ROWS[::-1]):
        trial = Trial(id=1, number=0, architecture=NETWORK)
        trial.take(rows)
        assert trial.scores == {"psnr_y": 27.0}
        assert trial.curve == {100: {"psnr_y": 27.0}}


NAME = "latency_ms torch float32 320x180 1 threads"
KEY = f"{NAME} on CPU"


def timed(value: float, *, reliable: float | None, step: int = 0) -> list[Measurement]:
    """The stored rows of a latency. None: as an earlier srsweep stored it."""
    values = {NAME: value} | (
        {} if reliable is None else {NAME.replace("latency_ms", "latency_ok"): reliable}
    )
    return [
        Measurement(step=step, dataset="CPU", name=name, value=each)
        for name, each in values.items()
    ]


def test_a_latency_is_measured_again_until_it_is_reliable(tmp_path: Path) -> None:
    """A latency that was measured while other programs computed never rejects a trial for good."""
    config = small_config(tmp_path, budget={"latency": "30 ms"})
    trial = Trial(id=1, number=0, architecture=NETWORK)
    assert trial.timing(config, "") is not None
    trial.take(timed(50.0, reliable=0))
    assert (trial.timed, trial.doubtful) == ({KEY: 50.0}, {KEY})
    again = trial.timing(config, KEY)
    assert again is not None
    assert (again.key, again.limit) == (KEY, 30.0)
    trial.take(timed(20.0, reliable=1)[::-1])
    assert trial.timing(config, KEY) is None
    # A latency that `srsweep export` measured later is another one.
    trial.take(timed(70.0, reliable=0, step=4))
    assert trial.timing(config, KEY) is None
    assert trial.timed == {KEY: 20.0}


def test_a_latency_of_an_earlier_srsweep_is_not_measured_again(tmp_path: Path) -> None:
    config = small_config(tmp_path, budget={"latency": "30 ms"})
    trial = Trial(id=1, number=0, architecture=NETWORK)
    trial.take(timed(20.0, reliable=None))
    assert trial.timing(config, KEY) is None


def test_an_earlier_sweep_teaches_by_its_validation_images_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space, faults = parse_space({"slwsr": {"n_feats": [8, 16], "n_blocks": 6}}, ("families",))
    assert not faults
    suggester = Suggester(
        space=space,
        constraints=(),
        scale=4,
        objectives={"psnr_y": "maximize", "params": "minimize"},
        sampler="pareto",
        seed=0,
    )
    heard: list[float] = []
    monkeypatch.setattr(suggester.sampler, "warm_start", lambda *told: heard.append(told[2]))
    suggester.warm_start(0, [complete_row(ROWS)])
    assert heard == [27.0]


def test_a_restored_trial_has_its_stored_costs_and_counts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = costs(NETWORK, 4)
    rows = [Measurement(step=0, dataset="", name=name, value=v) for name, v in stored.items()]
    row = complete_row([*rows, *ROWS])
    config = small_config(tmp_path, scale=4)
    lacking = Trial.restored(replace(row, measurements=[*rows[1:], *ROWS]), config)
    assert lacking.values(config) == {
        **stored,
        "psnr_y": 27.0,
    }  # a cost that is new since then is counted

    def no_count(*_: object) -> dict[str, int]:
        raise AssertionError

    monkeypatch.setattr(sweep_config, "known_costs", no_count)
    assert Trial.restored(row, config).values(config) == {**stored, "psnr_y": 27.0}
