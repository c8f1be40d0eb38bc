from collections import Counter
from random import Random

import pytest

from searchspace.architecture import architecture
from searchspace.constraint import at_most, parse_constraint
from searchspace.errors import UserError
from searchspace.space import Space, feasible, parse_space


def space(**families: object) -> Space:
    parsed, faults = parse_space(families, ("families",))
    assert not faults
    return parsed


def faults(**families: object) -> list[str]:
    return [f"{'.'.join(path)}: {text}" for path, text in parse_space(families, ("families",))[1]]


def test_size_counts_every_network_once() -> None:
    # Nothing is compressed in one of two placements, and there the three ratios are one network.
    searched = space(slwsr={"compression": ["none", "all"], "expand_ratio": [2, 3, 4]})
    assert searched.num_spellings == 6
    assert len(searched) == 4


def test_ranges_include_both_ends() -> None:
    searched = space(slwsr={"n_feats": {"low": 8, "high": 32, "step": 8}})
    assert [a.knobs["n_feats"] for a in searched.architectures] == [8, 16, 24, 32]


def test_conditional_knobs_keep_their_default_elsewhere() -> None:
    searched = space(
        slwsr={
            "pool_layers": ["none", "default"],
            "residual_scale": {"values": [0.1, 0.5], "when": {"pool_layers": "none"}},
        }
    )
    found = {(a.knobs["pool_layers"], a.knobs["residual_scale"]) for a in searched.architectures}
    assert found == {("none", 0.1), ("none", 0.5), ("default", 1.0)}


def test_a_list_inside_the_choices_is_one_value() -> None:
    searched = space(slwsr={"compression": ["none", [0, 1, 2]]})
    assert [a.knobs["compression"] for a in searched.architectures] == ["none", [0, 1, 2]]


def test_auto_takes_the_values_that_the_family_names() -> None:
    searched = space(slwsr={"n_feats": "auto"})
    assert [a.knobs["n_feats"] for a in searched.architectures] == [16, 32, 64]


def test_a_family_alone_is_its_published_default() -> None:
    assert [a.key for a in space(slwsr=None).architectures] == [architecture("slwsr", {}).key]


def test_invalid_combinations_are_left_out() -> None:
    # Two blocks do not fill five local blocks.
    searched = space(slwsr={"n_blocks": [2, 26], "local_blocks": [2, 5]})
    assert len(searched) == 3


def test_sampling_is_uniform_over_networks_not_over_spellings() -> None:
    searched = space(slwsr={"compression": ["none", "all"], "expand_ratio": [2, 3, 4, 6, 8]})
    random = Random(0)
    counts = Counter(searched.sample(random).knobs["compression"] for _ in range(3000))
    # One of six networks is not compressed, though half of the spellings are.
    assert counts["none"] == pytest.approx(500, abs=90)


def test_membership_is_by_network() -> None:
    searched = space(slwsr={"n_feats": [16, 32]})
    assert architecture("slwsr", {"n_feats": 16, "expand_ratio": 4}) in searched
    assert architecture("slwsr", {"n_feats": 17}) not in searched


def test_large_spaces_are_sampled_without_being_enumerated() -> None:
    searched = space(
        slwsr={
            "n_feats": {"low": 1, "high": 512},
            "n_blocks": {"low": 5, "high": 60},
            "expand_ratio": {"low": 1, "high": 8, "step": 0.5},
            "compression": "auto",
        }
    )
    assert searched.num_spellings > 2_000_000
    assert searched.sample(Random(0)).key != searched.sample(Random(1)).key


def test_faults_are_told_all_at_once_with_their_place() -> None:
    told = faults(
        slwrs=None,
        slwsr={"n_fets": 1, "n_feats": ["wide"], "n_blocks": {"lo": 1}, "pool_layers": []},
    )
    assert told == [
        "families.slwrs: unknown family; did you mean slwsr?",
        "families.slwsr.n_fets: no such knob; did you mean n_feats?",
        "families.slwsr.n_feats: Input should be a valid integer, unable to parse string as an integer, "
        "got 'wide'",
        "families.slwsr.n_blocks: must be {low, high, step} or {values, when}, got keys ['lo']",
        "families.slwsr.pool_layers: must have at least one value, got []",
    ]


def test_an_endless_range_is_refused() -> None:
    (told,) = faults(slwsr={"residual_scale": {"low": 0.0001, "high": 1, "step": "1e-9"}})
    assert "at most 10000 values" in told


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [("params <= 143_731", True), ("params < 143731", False), ("n_feats >= 17", False)],
)
def test_constraints_compare_costs_and_knobs(constraint: str, allowed: bool) -> None:
    limit = parse_constraint(constraint, {"n_feats"})
    assert feasible(architecture("slwsr", {"n_feats": 16}), (limit,), 4) is allowed


@pytest.mark.parametrize("text", ["params", "parms <= 3", "params <= x", 3, "params <= 3 or 4"])
def test_anything_but_a_constraint_is_refused(text: object) -> None:
    with pytest.raises(UserError, match="must|unknown"):
        parse_constraint(text, {"n_feats"})


@pytest.mark.parametrize(("cost", "limit"), [("parms", 3), ("params", "many"), ("params", None)])
def test_a_budget_on_an_unknown_cost_or_without_a_number_is_refused(
    cost: str, limit: object
) -> None:
    with pytest.raises(UserError, match="unknown cost|must be a number"):
        at_most(cost, limit)


@pytest.mark.parametrize("when", [["compression"], "compression", 3])
def test_conditions_that_are_not_a_mapping_are_refused(when: object) -> None:
    (told,) = faults(slwsr={"expand_ratio": {"values": [2], "when": when}})
    assert told.startswith("families.slwsr.expand_ratio: when: must map knobs to values, got ")


def test_a_condition_on_a_knob_that_is_not_listed_looks_at_its_default() -> None:
    knob = {"values": [0.1, 0.5], "when": {"pool_layers": "default"}}
    searched = space(slwsr={"residual_scale": knob})
    assert [a.knobs["residual_scale"] for a in searched.architectures] == [0.1, 0.5]
    never = knob | {"when": {"pool_layers": "none"}}
    assert [
        a.knobs["residual_scale"] for a in space(slwsr={"residual_scale": never})._spelled()
    ] == [
        1.0,
        1.0,
    ]


def test_conditions_of_conditions_hold_in_any_order_of_the_file() -> None:
    knobs = {
        "residual_scale": {"values": [0.5], "when": {"expand_ratio": 2}},
        "expand_ratio": {"values": [2, 3], "when": {"compression": "all"}},
        "compression": ["none", "all"],
    }
    searched = space(slwsr=knobs)
    assert [d.name for d in searched.families[0].dimensions][0] == "compression"
    found = {
        (a.knobs["compression"], a.knobs["expand_ratio"], a.knobs["residual_scale"])
        for a in searched.architectures
    }
    assert found == {("none", 1.0, 1.0), ("all", 2.0, 0.5), ("all", 3.0, 1.0)}


def test_conditions_in_a_circle_are_refused() -> None:
    knobs = {
        "n_feats": {"values": [8], "when": {"residual_scale": 0.5}},
        "residual_scale": {"values": [0.5], "when": {"n_feats": 8}},
    }
    (fault,) = faults(slwsr=knobs)
    assert fault.endswith("form a circle: n_feats -> residual_scale -> n_feats")


def test_a_large_space_without_a_network_ends_with_a_line() -> None:
    # Two blocks never fill 40 local blocks.
    searched = space(
        slwsr={
            "n_blocks": 2,
            "local_blocks": 40,
            "n_feats": {"low": 1, "high": 512},
            "residual_scale": {"low": 0.001, "high": 1, "step": 0.001},
        }
    )
    assert not searched.enumerable
    with pytest.raises(UserError, match="none of 10,000 random combinations is a valid network"):
        searched.sample(Random(0))


def test_ratios_that_round_to_the_same_channels_are_one_network() -> None:
    def key(ratio: float, expand_conv: str = "auto") -> str:
        knobs = {"n_feats": 16, "compression": "all", "expand_ratio": ratio}
        return architecture("slwsr", knobs | {"expand_conv": expand_conv}).key

    assert key(2) == key(2.02) != key(2.1)
    # Ratio 1 alone leaves the expanding convolution out.
    assert key(1.02) == key(1, "always") != key(1)


def test_values_that_no_network_has_are_named() -> None:
    searched = space(
        slwsr={
            "n_blocks": [2, 6],
            "local_blocks": 5,
            "compression": ["all"],
            "residual_scale": {"values": [0.5], "when": {"compression": "none"}},
        }
    )
    assert searched.families[0].unused() == ["slwsr.n_blocks=2", "slwsr.residual_scale=0.5"]
