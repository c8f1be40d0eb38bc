"""The predicted memory of a training step against what torch's allocator really handed out."""

import time
from dataclasses import replace
from random import Random

import pytest

from benchmarks.training_memory import measured_step, predicted_step
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs, low_res_size
from searchspace.discover import FAMILIES
from searchspace.space import parse_space
from searchspace.spec import knobs
from sweeps.capacity.memory_model import (
    ALLOCATOR_SHARE,
    OPERATOR_BYTES,
    SCORED_BYTES,
    Load,
    evaluation_bytes,
    predicted_bytes,
)

IN_BFLOAT16 = ("ecbsr", "edsr", "idn", "imdn", "lapsrn", "mssn", "safmn", "slwsr", "span")
IN_FLOAT32 = ("abpn", "bsrn", "slwsr", "swisenet")
"""Published networks that are measured here. `benchmarks/training_memory.py` measures more.

Those whose step in bfloat16 takes many seconds on a processor are measured in float32, where no weight is copied.
"""
LONG = ("edsr", "lapsrn")
"""Networks whose step in bfloat16 takes more than a second."""
S_LWSR = architecture("slwsr", {"n_feats": 16})


def load(scale: int = 4, *, bfloat16: bool = True, batch: int = 4, patch: int = 16) -> Load:
    return Load(scale=scale, batch_size=batch, patch_size=patch, bfloat16=bfloat16)


@pytest.mark.parametrize(
    ("name", "bfloat16"),
    [
        *((name, True) for name in IN_BFLOAT16 if name not in LONG),
        *((name, False) for name in IN_FLOAT32),
        *(pytest.param(name, True, marks=pytest.mark.slow) for name in LONG),
    ],
)
def test_a_published_network_takes_what_is_predicted_and_a_third_of_it_at_least(
    name: str, bfloat16: bool
) -> None:
    published = FAMILIES[name].published[0]
    chosen = Architecture(family=FAMILIES[name], spec=published.spec)
    wanted = load(published.scale, bfloat16=bfloat16, batch=1)
    measured, predicted = measured_step(chosen, wanted), predicted_step(chosen, wanted)
    assert measured <= predicted <= 3.2 * measured + OPERATOR_BYTES


VAST = {"mssn", "slwsr"}
"""Families of so many knobs that a space of small sizes is listed for ten seconds. A larger one is drawn from at once."""


def small_sizes(name: str) -> dict[str, object] | str:
    """A space of all knobs of a family: the width at its two smallest values, other sizes at their smallest."""
    if name in VAST:
        return "auto"
    written: dict[str, object] = {}
    for knob in knobs(FAMILIES[name].spec).values():
        numbers = sorted(value for value in knob.search if type(value) is int)
        size = numbers and knob.name not in ("colours", "expand_ratio", "shuffle_groups")
        count = 2 if knob.name == "n_feats" else 1
        written[knob.name] = numbers[:count] if size else "auto"
    return written


def some(name: str, scale: int, count: int) -> list[Architecture]:
    """Networks with strategies of all kinds, so small that a processor trains them in an instant."""
    space, faults = parse_space({name: small_sizes(name)}, ("families",))
    assert not faults
    random, found = Random(3), []
    rows, columns = low_res_size(scale)
    for _ in range(200):
        drawn = space.sample(random)
        counted = costs(drawn, scale)
        if counted["multadds"] < 6e5 * rows * columns and counted["num_convs"] <= 80:
            found.append(drawn)
        if len(found) == count:
            break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bsrn", "edsr", "imdn", "mssn", "slwsr", "swisenet", "wdsr"])
def test_no_combination_of_strategies_takes_more_than_is_predicted(name: str) -> None:
    found = some(name, 2, 2)
    assert found
    for number, drawn in enumerate(found):
        wanted = load(2, bfloat16=number != 1, batch=3)
        assert measured_step(drawn, wanted) <= predicted_step(drawn, wanted), drawn.label


def test_memory_grows_with_batch_and_patch_and_halves_with_the_precision() -> None:
    small, twice = (predicted_step(S_LWSR, load(batch=n, patch=48)) for n in (8, 16))
    longer = predicted_step(S_LWSR, load(batch=8, patch=96))
    exact = predicted_step(S_LWSR, load(batch=8, patch=48, bfloat16=False))
    assert 1.8 < twice / small < 2
    assert 3.5 < longer / small < 4
    assert 1.6 < exact / small < 2


def test_strategies_that_leave_bfloat16_take_more() -> None:
    scaled = architecture("slwsr", {"n_feats": 16, "residual_scaling": "channelwise"})
    large = load(batch=16, patch=48)
    assert predicted_step(scaled, large) > 1.5 * predicted_step(S_LWSR, large)


def test_evaluation_images_and_the_process_come_on_top_of_the_step() -> None:
    bare = predicted_bytes(S_LWSR, load())
    changes = {"image_pixels": 1280 * 720, "resident_bytes": 10**9, "process_bytes": 2 * 10**9}
    whole = Load(scale=4, batch_size=4, patch_size=16, bfloat16=True, **changes)
    evaluation = costs(S_LWSR, 4)["memory"] + SCORED_BYTES * 1280 * 720
    assert evaluation_bytes(costs(S_LWSR, 4), whole) == evaluation
    grown = 3 * 10**9 + ALLOCATOR_SHARE * evaluation
    assert predicted_bytes(S_LWSR, whole) - bare == pytest.approx(grown, abs=2)


def test_averaged_weights_take_a_copy_and_their_difference() -> None:
    averaged = predicted_bytes(S_LWSR, replace(load(), averaged=True))
    grown = ALLOCATOR_SHARE * 8 * costs(S_LWSR, 4)["params_train"]
    assert averaged - predicted_bytes(S_LWSR, load()) == pytest.approx(grown, abs=2)


def test_a_prediction_takes_under_a_millisecond_where_costs_are_known() -> None:
    predicted_bytes(S_LWSR, load())
    started = time.process_time()
    for _ in range(100):
        predicted_bytes(S_LWSR, load())
    assert time.process_time() - started < 0.1
