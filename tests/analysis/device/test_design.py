"""The networks that are chosen to be timed cover a space."""

import pytest

from analysis.device.design import pool_of, spread_out
from searchspace.constraint import parse_constraint
from searchspace.errors import UserError
from searchspace.space import Space, parse_space


def space_of(**families: object) -> Space:
    space, faults = parse_space(families, ())
    assert not faults
    return space


SPACE = space_of(
    edsr={"n_feats": [4, 8, 16], "n_blocks": [1, 2]},
    slwsr={"n_feats": [4, 8], "compression": ["none", "all"], "n_blocks": [5, 7]},
)


def test_families_take_turns_and_sizes_are_far_apart() -> None:
    pool = pool_of(SPACE, (), 4, seed=0)
    assert len(pool) == 14
    chosen = spread_out(pool, 6, 4)
    assert [each.family.name for each in chosen] == ["edsr", "slwsr"] * 3
    assert {each.value("n_feats") for each in chosen if each.family.name == "edsr"} == {4, 8, 16}
    assert {each.value("compression") for each in chosen[1::2]} == {"none", "all"}
    assert len(spread_out(pool, 100, 4)) == len(pool)


def test_only_networks_within_the_limits_are_chosen() -> None:
    limit = parse_constraint("n_feats <= 4", ["n_feats"])
    assert {each.value("n_feats") for each in pool_of(SPACE, (limit,), 4, seed=0)} == {4}


def test_a_count_below_the_number_of_families_is_refused() -> None:
    with pytest.raises(UserError, match="--count: must be at least 2"):
        spread_out(pool_of(SPACE, (), 4, seed=0), 1, 4)
