"""The worked example in the docstrings of `searchspace/table/`: builds the toy family and checks every number."""

from random import Random
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field, model_validator
from torch import nn

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.family import Family
from searchspace.layers import conv
from searchspace.space import Dimension, FamilySpace, Space
from searchspace.spec import Spec
from searchspace.table import cost_parts, cost_sum, family_table, knob_functions, space_table
from searchspace.table.cost_parts import Parts
from searchspace.table.family_table import ADDITIVE, FamilyTable
from searchspace.table.knob_functions import Grid, dependencies, tabulate
from searchspace.table.space_table import SpaceTable

WIDTHS, DEPTHS, KERNELS = (4, 8), tuple(range(1, 11)), (1, 3)
PARAMS = ADDITIVE.index("params")


class ToySpec(Spec):
    """Knobs of the toy: n, b and k in the text."""

    n_feats: Annotated[int, Field(ge=1)] = 4
    n_blocks: Annotated[int, Field(ge=1)] = 1
    kernel: int = 1

    @model_validator(mode="after")
    def _not_too_large(self) -> "ToySpec":
        if self.n_feats * self.n_blocks > 64:
            raise ValueError("n_feats * n_blocks must be at most 64")
        return self


def toy_network(spec: ToySpec, scale: int) -> nn.Module:
    n = spec.n_feats
    body = [conv(3, n, n) for _ in range(spec.n_blocks)]
    return nn.Sequential(conv(3, 3, n), *body, conv(spec.kernel, n, 12), nn.PixelShuffle(scale))


FAMILY = Family(
    name="toy",
    source="the docstrings of searchspace/table",
    spec=ToySpec,
    network=toy_network,
    scales=(2,),
    parts=Parts(together=("n_feats n_blocks", "n_feats kernel"), repeats={"n_blocks": 1}),
)
SPACE = FamilySpace(
    family=FAMILY,
    dimensions=(
        Dimension(name="n_feats", values=WIDTHS),
        Dimension(name="n_blocks", values=DEPTHS),
        Dimension(name="kernel", values=KERNELS),
    ),
)


def params(n: int, b: int, k: int) -> int:
    """Parameters counted from the network itself."""
    spec = ToySpec(n_feats=n, n_blocks=b, kernel=k)
    return costs(Architecture(family=FAMILY, spec=spec), 2)["params"]


def says(module: object, *texts: str) -> None:
    """Whether the module's docstring still contains the numbers that were computed here."""
    words = " ".join((module.__doc__ or "").split())
    for text in texts:
        assert text in words, text


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("b", [1, 2, 8])
@pytest.mark.parametrize("k", KERNELS)
def test_formulas_in_the_text_are_those_of_the_network(n: int, b: int, k: int) -> None:
    assert params(n, b, k) == 28 * n + b * (9 * n**2 + n) + 12 * k**2 * n + 12


def test_two_projections_minus_their_common_part_give_the_whole() -> None:
    assert FAMILY.parts is not None
    assert FAMILY.parts.sum == {
        (("n_blocks", 1), ("n_feats", 1)): 1,
        (("kernel", 1), ("n_feats", 1)): 1,
        (("n_feats", 1),): -1,
    }
    body, tail = 9 * 4**2 + 4, 12 * 9 * 4 + 12
    assert (28 * 4, body, 12 * 4 + 12, tail) == (112, 148, 60, 444)
    assert params(4, 10, 1) == 112 + 10 * 148 + 60 == 1652
    assert params(4, 1, 3) == 112 + 148 + 444 == 704
    assert params(4, 1, 1) == 112 + 148 + 60 == 320
    assert params(4, 10, 3) == 1652 + 704 - 320 == 112 + 10 * 148 + 444 == 2036
    says(
        cost_parts,
        "P(4, 10) = 112 + 10 * 148 + 60 = 1,652",
        "Q(4, 3) = 112 + 148 + 444 = 704",
        "PQ(4) = 112 + 148 + 60 = 320",
        "cost = 1,652 + 704 - 320 = 2,036",
        "check = 112 + 10 * 148 + 444 = 2,036",
    )


def test_two_small_networks_determine_every_depth() -> None:
    small = {(n, b): params(n, b, 1) for n in WIDTHS for b in (1, 2)}
    assert small == {(4, 1): 320, (4, 2): 468, (8, 1): 916, (8, 2): 1500}
    assert cost_sum._interpolation([10, 5], range(1, 3)).tolist() == [[-8, 9], [-3, 4]]
    assert -8 * 320 + 9 * 468 == 1652 == params(4, 10, 1)
    assert -3 * 916 + 4 * 1500 == 3252 == params(8, 5, 1)
    assert (params(4, 1, 3), params(8, 1, 3)) == (704, 1684)
    assert 3252 - 916 + 1684 == 4020 == params(8, 5, 3)
    says(
        cost_sum,
        "4 320 468 8 916 1,500",
        "P(4, 10) = -8 * 320 + 9 * 468 = 1,652",
        "P(8, 5) = -3 * 916 + 4 * 1,500 = 3,252",
        "Q(4, 3) = 704 and Q(8, 3) = 1,684",
        "3,252 - 916 + 1,684 = 4,020",
    )


def test_six_networks_are_counted_and_two_arrays_hold_the_costs() -> None:
    table = FamilyTable(SPACE, 2, 0, 100)
    composed = table.composition
    assert (table.grid.size, composed.num_counted) == (40, 6)
    arrays = {names: array.shape[:-1] for names, array in composed.arrays.items()}
    assert arrays == {("n_blocks", "n_feats"): (10, 2), ("n_feats", "kernel"): (2, 2)}
    body, tail = (composed.arrays[names][..., PARAMS] for names in arrays)
    assert (body[4, 1], tail[1, 1]) == (3252 - 916, 1684)
    says(cost_sum, "The array of b and n has 10 x 2", "the array of n and k has 2 x 2")
    says(cost_sum, "6 counted networks give the costs of all 2 * 10 * 2 = 40 combinations")
    says(
        family_table,
        "has 40 combinations, of which 36 are valid. Only 6 networks are built and counted",
    )


def test_validity_depends_on_two_of_the_three_digits() -> None:
    grid = Grid(part=SPACE)
    numbers = np.arange(grid.size)
    digits = grid.digits(numbers)
    assert [int(digit[27]) for digit in digits] == [1, 3, 1]
    assert [int(digit[37]) for digit in digits] == [1, 8, 1]
    assert grid.spec([1, 3, 1]) == ToySpec(n_feats=8, n_blocks=4, kernel=3)
    places = dependencies(grid, dict, Random(0))["valid"]
    assert places == (0, 1)
    valid = tabulate(grid, lambda spec: None if spec is None else True, places, Random(0))
    assert len(valid.codes) == 20
    assert [n for n, code in enumerate(valid.codes) if code < 0] == [18, 19]
    codes = valid.look_up(digits)
    assert (codes[37], int((codes < 0).sum()), int((codes >= 0).sum())) == (-1, 4, 36)
    says(
        knob_functions,
        "27 = (1 * 10 + 3) * 2 + 1 digits (1, 3, 1) n = 8, b = 4, k = 3",
        "37 = (1 * 10 + 8) * 2 + 1 digits (1, 8, 1) n = 8, b = 9, k = 3",
        "entry 1 * 10 + 8 = 18 for combination 37",
        "4 combinations are invalid and 36 are networks",
    )


def test_table_of_the_toy_has_36_rows_with_counted_costs() -> None:
    table = SpaceTable(Space(families=(SPACE,)), 2)
    assert len(table) == 36
    for row in range(len(table)):
        counted = costs(table.architecture(row), 2)
        assert {name: table.costs[name][row] for name in ADDITIVE} == {
            name: counted[name] for name in ADDITIVE
        }
    says(space_table, "has 36 rows")
