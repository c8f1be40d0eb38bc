"""Every sampler suggests nothing twice and nothing over budget, and suggests the same after a restart."""

from functools import cache
from random import Random

import numpy as np
import optuna
import pytest

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint, at_most
from searchspace.cost import costs
from searchspace.space import Space, parse_space
from sweeps.search.optuna_samplers import TPE
from sweeps.search.settings import SamplerName
from sweeps.search.suggester import Suggester

OBJECTIVES = {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"}
SAMPLERS = ["random", "grid", "tpe", "nsga2", "pareto"]


@cache
def space() -> Space:
    parsed, faults = parse_space(
        {
            "fsrcnn": {
                "n_feats": {"low": 2, "high": 20, "step": 2},
                "n_shrunk": {"low": 2, "high": 6},
                "n_blocks": [1, 2, 3],
            },
            "srcnn": {
                "n_feats": {"low": 2, "high": 24},
                "mapped_feats": {"low": 2, "high": 24, "step": 2},
                "middle_kernel": [1, 3],
            },
        },
        (),
    )
    assert not faults
    return parsed


@cache
def budget() -> tuple[Constraint, ...]:
    """About four fifths of the space."""
    known = sorted(costs(each, 2)["multadds"] for each in space().architectures)
    return (at_most("multadds", known[len(known) * 4 // 5]),)


@cache
def few() -> Space:
    """A space whose costs are counted in an instant."""
    parsed, faults = parse_space(
        {"fsrcnn": {"n_feats": [2, 4, 6, 8], "n_shrunk": [2, 3, 4], "n_blocks": [1, 2, 3]}}, ()
    )
    assert not faults
    return parsed


def suggester(sampler: SamplerName, space: Space, **changes: object) -> Suggester:
    settings: dict[str, object] = {
        "space": space,
        "constraints": (),
        "scale": 2,
        "objectives": OBJECTIVES,
        "sampler": sampler,
        "seed": 0,
        "trials": 500,
        "steps": 100,
    }
    return Suggester(**settings | changes)  # type: ignore[arg-type]


def values_of(architecture: Architecture) -> list[float]:
    counted = costs(architecture, 2)
    psnr = 25 + np.log(counted["params"]) + architecture.knobs["n_feats"] % 3
    return [float(psnr), counted["params"], counted["multadds"]]


def assert_new_and_within_budget(sampler: SamplerName, count: int, told: range) -> None:
    """`told`: the trials that succeed, all others fail; a model's fit takes longer with every success."""
    asked, keys = suggester(sampler, space(), constraints=budget()), set()
    for number in range(count):
        architecture = asked.ask(number)
        assert architecture is not None
        assert all(limit.holds(architecture, 2) for limit in budget())
        keys.add(architecture.key)
        values = values_of(architecture) if number in told else None
        asked.tell(architecture, values, stopped=False)
    assert len(keys) == count


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_suggestions_hold_no_duplicate_and_none_over_budget(sampler: SamplerName) -> None:
    assert_new_and_within_budget(sampler, 40, range(40))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "count", "told"),
    [
        ("random", 200, range(200)),
        ("tpe", 100, range(40)),
        ("nsga2", 200, range(200)),
        ("pareto", 100, range(40)),
        # Most of what gp suggests later on is known, and each suggestion is a fit of its model: 100 take half a
        # minute of processor time.
        ("gp", 15, range(8)),
    ],
)
def test_hundreds_of_suggestions_hold_no_duplicate_and_none_over_budget(
    sampler: SamplerName, count: int, told: range
) -> None:
    assert_new_and_within_budget(sampler, count, told)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "pareto"])
def test_rebuilt_from_rows_it_goes_on_as_an_undisturbed_one_does(sampler: SamplerName) -> None:
    # 40 trials are five generations of NSGA-II; the cuts lie at their ends and within them.
    whole = carried_on(sampler, [], 40)
    for cut in (5, 8, 12, 20, 30, 33):
        assert carried_on(sampler, whole[:cut], 40) == whole, cut


def carried_on(sampler: SamplerName, stored: list[Architecture], count: int) -> list[Architecture]:
    """Returns the trials of a search that starts from `stored` trials and continues to `count` trials."""
    asked, found = suggester(sampler, space(), constraints=budget(), trials=64), []
    for number in range(count):
        if number < len(stored):
            architecture = stored[number]
            asked.restore(architecture)
        else:
            suggested = asked.ask(number)
            assert suggested is not None
            architecture = suggested
        asked.tell(architecture, values_of(architecture), stopped=False)
        found.append(architecture)
    return found


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_space_that_is_used_up_has_no_more_suggestions(sampler: SamplerName) -> None:
    small, faults = parse_space({"fsrcnn": {"n_feats": [2, 3], "n_blocks": [1, 2]}}, ())
    assert not faults
    asked = suggester(sampler, small)
    found: list[str] = []
    while (architecture := asked.ask(len(found))) is not None:
        found.append(architecture.key)
        asked.tell(architecture, values_of(architecture), stopped=False)
    assert sorted(found) == sorted(each.key for each in small.architectures)


def test_stopped_trials_are_told_as_pruned_and_failed_ones_as_failed() -> None:
    asked = suggester("tpe", few())
    for number, (values, stopped) in enumerate([(None, True), (None, False)]):
        architecture = asked.ask(number)
        assert architecture is not None
        asked.tell(architecture, values, stopped=stopped)
    assert isinstance(asked.sampler, TPE)
    told = [each.state for each in asked.sampler.study.get_trials() if each.params]
    assert told[-1] == optuna.trial.TrialState.FAIL
    assert optuna.trial.TrialState.PRUNED in told


def test_limit_on_memory_holds_for_the_sampler_whose_table_lacks_it() -> None:
    known = sorted(costs(each, 2)["memory"] for each in few().architectures)
    limit = at_most("memory", known[len(known) // 2])
    asked = suggester("pareto", few(), constraints=(limit,))
    for number in range(12):
        architecture = asked.ask(number)
        assert architecture is not None
        assert limit.holds(architecture, 2)
        asked.tell(architecture, values_of(architecture), stopped=False)


def test_sweep_may_go_on_after_its_space_has_changed() -> None:
    asked = suggester("pareto", few())
    other, faults = parse_space({"srcnn": {"n_feats": [99]}}, ())
    assert not faults
    (stranger,) = other.architectures
    asked.restore(stranger)
    asked.tell(stranger, [30.0, 1.0, 1.0], stopped=False)
    assert asked.ask(1) is not None


def test_a_draw_from_a_large_space_does_not_list_it() -> None:
    large, faults = parse_space(
        {"srcnn": {"n_feats": {"low": 2, "high": 60}, "mapped_feats": {"low": 2, "high": 60}}}, ()
    )
    assert not faults
    drawing = suggester("tpe", large)
    drawn = {drawing._draw(Random(number)) for number in range(3)}
    assert len(drawn) == 3
    assert "architectures" not in vars(large)
