"""The predicted latency of a device is a cost that is known before training."""

import numpy as np
import pytest

from searchspace.architecture import Architecture, architecture
from searchspace.constraint import at_most, parse_constraint
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.operators import UNITS, operators
from searchspace.predicted import PREDICTED_LATENCY, Rates, known_costs
from searchspace.space import Space, parse_space
from searchspace.table.family_table import ADDITIVE, FamilyTable
from searchspace.table.space_table import SpaceTable
from tests.searchspace.table.test_cost_parts import small_networks

RATES = Rates(
    low_res=(36, 60),
    lanes=16,
    per_unit=(("conv 3x3", 2e-7), ("activation", 1e-6), ("operators", 0.01)),
    each_run=0.5,
)
EVERY_KIND = Rates(
    low_res=(36, 60), lanes=16, per_unit=tuple((kind, 1e-6) for kind in UNITS), each_run=0.0
)


def space_of(written: object) -> Space:
    space, faults = parse_space(written, ())
    assert not faults
    return space


def test_a_latency_is_the_sum_of_rates_times_amounts() -> None:
    network = architecture("edsr", {"n_feats": 12, "n_blocks": 2})
    table = operators(network, 4, (36, 60), lanes=16)
    expected = 0.5 + 2e-7 * table["conv 3x3"] + 1e-6 * table["activation"]
    expected += 0.01 * table["operators"]
    assert RATES.predict(network, 4) == pytest.approx(expected)
    assert known_costs(network, 4, RATES)[PREDICTED_LATENCY] == RATES.predict(network, 4)
    assert known_costs(network, 4, None) == costs(network, 4)


def test_a_table_has_the_latency_of_every_network_without_tracing_it() -> None:
    """The table and a network alone give the same float, so a limit refuses the same networks in both."""
    space = space_of({"edsr": {"n_feats": [4, 12], "n_blocks": [1, 2, 3, 9]}, "imdn": None})
    table = SpaceTable(space, 4, rates=RATES)
    alone = [RATES.predict(table.architecture(row), 4) for row in range(len(table))]
    assert table.costs[PREDICTED_LATENCY].tolist() == alone
    assert len(set(alone)) == len(table) == 9
    limit = at_most(PREDICTED_LATENCY, f"{sorted(alone)[4]} ms", RATES)
    assert table.feasible([limit]).sum() == 5
    assert [limit.holds(table.architecture(row), 4) for row in range(9)] == table.feasible(
        [limit]
    ).tolist()
    assert PREDICTED_LATENCY not in SpaceTable(space, 4).costs


FEW = {
    "edsr": {"n_feats": [4, 20], "n_blocks": [1, 5], "residual_scale": [0.1, 1.0]},
    "slwsr": {
        "n_feats": [4, 20],
        "n_blocks": [6, 9],
        "local_blocks": [2, 3],
        "compression": ["none", "alternate"],
        "activation_ratio": ["all", "1/2"],
    },
}
"""Knobs that act on the kinds of operators, but on no other cost."""


def assert_amounts(name: str, written: object) -> None:
    """Whether the family's parts are used, and give the amounts of operators of random networks."""
    family = FAMILIES[name]
    assert family.parts is not None
    scale = family.scales[-1]
    table = FamilyTable(space_of({name: written}).families[0], scale, 0, 4_000, EVERY_KIND)
    assert list(table.composition.quantities) == list(family.parts.with_operators.names)
    for spec, digits in table.random_architectures(6):
        amounts = EVERY_KIND.amounts(Architecture(family=family, spec=spec), scale)
        assert table.costs(digits)[0, len(ADDITIVE) :].tolist() == amounts.tolist(), spec


@pytest.mark.parametrize("name", FEW)
def test_the_parts_of_a_family_give_the_amounts_of_operators(name: str) -> None:
    """A family whose parts do not would be counted one by one, which large spaces do not allow."""
    assert_amounts(name, FEW[name])


# They have lines for operators alone. In most others, the lines that give the costs give the amounts too.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["edsr", "mssn", "slwsr", "wdsr"])
def test_the_parts_of_a_family_with_all_its_knobs_give_the_amounts_of_operators(name: str) -> None:
    assert_amounts(name, small_networks(FAMILIES[name]))


def test_amounts_that_do_not_follow_from_the_parts_are_counted_one_by_one() -> None:
    """Without the line for its multiplication, the parts of EDSR lack the operators of a scaled residual."""
    family = FAMILIES["edsr"]
    assert family.parts is not None
    space = space_of({"edsr": {"n_feats": 4, "n_blocks": [1, 3], "residual_scale": [0.1, 1.0]}})
    table = FamilyTable(space.families[0], 4, 0, 100, EVERY_KIND)
    assert table._agrees(table._compose(family.parts.with_operators))
    assert not table._agrees(table._compose(family.parts))


def test_a_limit_on_the_latency_is_in_milliseconds_and_needs_a_device() -> None:
    limit = parse_constraint("predicted_latency <= 30 ms", [], RATES)
    assert str(limit) == "predicted_latency <= 30 ms"
    assert limit == at_most(PREDICTED_LATENCY, 30, RATES)
    with pytest.raises(UserError, match="needs `device: FILE`"):
        at_most(PREDICTED_LATENCY, "30 ms")
    with pytest.raises(UserError, match="must be milliseconds above 0"):
        at_most(PREDICTED_LATENCY, "30 s", RATES)


def test_a_network_without_operators_that_take_time_needs_the_time_of_a_run() -> None:
    idle = Rates(low_res=(4, 4), lanes=1, per_unit=(), each_run=2.0)
    assert idle.milliseconds(np.empty((3, 0), np.int64)).tolist() == [2, 2, 2]
