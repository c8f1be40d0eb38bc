"""Costs composed from parts against those of whole networks, for every family over all its knobs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import model_validator

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.space import Dimension, FamilySpace, parse_space
from searchspace.spec import Spec, knobs
from searchspace.table.cost_parts import Parts
from searchspace.table.cost_sum import Composition, compose
from searchspace.table.family_table import ADDITIVE, FamilyTable
from searchspace.table.knob_functions import Grid, Ints, TableTooLarge

NUM_CHECKED = 4
"""Few, because a table is used only after it has agreed with `family_table.CHECKED` counted networks."""
ODD: dict[str, Mapping[str, object]] = {
    "slwsr": {
        "n_blocks": [4, 5, "1-2-1/1", "1-1/0-0", "6"],
        "local_blocks": [1, 2, 3],
        "compression": ["none", "head", "all", [0, 2]],
        "expand_conv": ["auto", "always"],
        "compress_bias": [False, True],
        "compress_norm": ["none", "batch"],
        "pool_layers": ["none", "default", "all", [1]],
    },
    "mssn": {"n_blocks": [1, 2, 3, 5], "units_per_block": [1, 2, 3]},
}
"""Values of knobs that `auto` holds still, or gives few or large ones."""


def few_choices(family: Family) -> dict[str, object]:
    """All knobs with the values that the family lists, except two kinds of knobs with two values each.

    Numbers that repeat no layer, such as widths, are the smallest and the largest: their values only index the arrays,
    and no sum runs over them. Knobs that choose a part by name are at the default and one other.
    """
    assert family.parts is not None
    found: dict[str, object] = dict.fromkeys(knobs(family.spec), "auto")
    for knob in knobs(family.spec).values():
        if knob.name not in family.parts.repeats and all(type(v) is int for v in knob.search):
            found[knob.name] = sorted({min(knob.search), max(knob.search)})
        names = [value for value in knob.search if isinstance(value, str) and value != knob.default]
        if names and isinstance(knob.default, str):
            found[knob.name] = [knob.default, names[-1]]
    return found


def small_networks(family: Family) -> dict[str, object]:
    """The same with two widths, few repetitions, and values that are easily forgotten."""
    assert family.parts is not None
    least = family.parts.repeats
    few = {
        name: [least[name], least[name] + 1, least[name] + 2, least[name] + 4]
        for name in least.keys() & family.spec.model_fields.keys()
    }
    return {**few_choices(family), "n_feats": [8, 24], **few, **ODD.get(family.name, {})}


def assert_composed(family: Family, written: object, scale: int) -> None:
    """Whether the family's parts are used, and give the costs of random networks of the space."""
    space, faults = parse_space({family.name: written}, ())
    assert not faults
    table = FamilyTable(space.families[0], scale, 0, 4_000)
    assert family.parts is not None
    assert list(table.composition.quantities) == list(family.parts.names)
    for spec, digits in table.random_architectures(NUM_CHECKED):
        counted = costs(Architecture(family=family, spec=spec), scale)
        expected = [counted[name] for name in ADDITIVE]
        assert table.costs(digits)[0].tolist() == expected, spec


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_composed_costs_equal_those_of_whole_networks(name: str) -> None:
    family = FAMILIES[name]
    scale = family.scales[len(name) % len(family.scales)]
    assert_composed(family, small_networks(family), scale)


# Their parts repeat in the most ways. The test above has all families with small networks.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["edsr", "imdn", "mssn", "slwsr", "swisenet", "wdsr"])
def test_composed_costs_equal_those_of_whole_networks_of_any_size(name: str) -> None:
    assert_composed(FAMILIES[name], few_choices(FAMILIES[name]), FAMILIES[name].scales[0])


class ToySpec(Spec):
    """The knobs of a network that is never built."""

    width: int = 2
    depth: int = 1
    kind: str = "a"
    useless: int = 0

    @model_validator(mode="after")
    def _thin_for_b(self) -> "ToySpec":
        if self.kind == "b" and self.width > 8:
            raise ValueError("too wide")
        return self


def toy_cost(spec: Spec) -> Ints:
    """One cost, cubic in the width and quadratic in the depth."""
    values: dict[str, Any] = dict(spec)
    width, depth = values["width"], values["depth"]
    each = {"a": 7, "b": 11}[values["kind"]]
    return np.array([width**3 + each * depth * width + 5 * depth**2 + 100], np.int64)


def toy(parts: Parts, max_counted: int = 100) -> tuple[Grid, Composition]:
    """All combinations of the toy's knobs, and its costs as `parts` adds them up."""
    values: dict[str, tuple[Any, ...]] = {
        "width": (2, 5, 9),
        "depth": (1, 2, 4, 17),
        "kind": ("a", "b"),
        "useless": (0, 1),
    }
    family = replace(FAMILIES["vdsr"], spec=ToySpec)
    dimensions = tuple(Dimension(name=name, values=of) for name, of in values.items())
    grid = Grid(part=FamilySpace(family=family, dimensions=dimensions))
    quantities = {name: grid.written(name) for name in parts.names}
    return grid, compose(parts, ToySpec, quantities, toy_cost, max_counted)


def differences(parts: Parts, wanted: Callable[[Spec | None], bool]) -> list[int]:
    """Composed minus true cost, of the combinations that are `wanted`."""
    grid, composed = toy(parts)
    specs = [grid.spec([int(d[0]) for d in grid.digits(np.array([n]))]) for n in range(grid.size)]
    total = composed.costs(grid.digits(np.arange(grid.size)))[:, 0]
    return [
        int(cost - (0 if spec is None else toy_cost(spec)[0]))
        for cost, spec in zip(total, specs, strict=True)
        if wanted(spec)
    ]


RIGHT = Parts(together=("width depth kind", "depth^2"), repeats={"depth": 1})


def test_costs_add_up_where_lines_overlap_and_powers_differ() -> None:
    found = differences(RIGHT, lambda spec: spec is not None)
    assert len(found) == 40
    assert set(found) == {0}


def test_a_cost_that_no_small_network_determines_is_negative() -> None:
    assert max(differences(RIGHT, lambda spec: spec is None)) < 0


@pytest.mark.parametrize(
    "together",
    [("width depth kind",), ("width depth", "depth^2", "kind"), ("depth^2 kind",)],
    ids=["no square", "kind apart", "no width"],
)
def test_wrong_lines_give_wrong_costs(together: tuple[str, ...]) -> None:
    wrong = Parts(together=together, repeats={"depth": 1})
    assert any(differences(wrong, lambda spec: spec is not None))


def test_small_networks_alone_are_counted() -> None:
    _, composed = toy(RIGHT)
    # width, kind and depths 1 and 2, without the two that are invalid; a third depth at plain width and kind.
    assert composed.num_counted == 3 * 2 * 2 - 2 + 1
    with pytest.raises(TableTooLarge, match=r"11 networks .* \(limit 10\)"):
        toy(RIGHT, max_counted=10)
