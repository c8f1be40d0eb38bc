"""What a search hears of stored measurements: never a test set."""

import pytest

from searchspace.architecture import architecture
from searchspace.space import parse_space
from sweeps.engine.trial_state import Trial
from sweeps.records import Measurement, TrialRow
from sweeps.search.suggester import Suggester

NETWORK = architecture("slwsr", {"n_feats": 8, "n_blocks": 6})
ROWS = [
    Measurement(step=100, dataset=dataset, name="psnr_y", value=value)
    for dataset, value in (("validation", 27.0), ("Set5", 31.0), ("train", 35.0))
]


def test_a_restored_trial_is_scored_on_the_validation_images_only() -> None:
    for rows in (ROWS, ROWS[::-1]):
        trial = Trial(id=1, number=0, architecture=NETWORK)
        trial.take(rows)
        assert trial.scores == {"psnr_y": 27.0}
        assert trial.curve == {100: {"psnr_y": 27.0}}


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
    row = TrialRow(
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
        measurements=ROWS,
    )
    suggester.warm_start(0, [row])
    assert heard == [27.0]
