from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.rcan import Rcan, RcanSpec


def test_published_network_has_the_counts_in_the_facts() -> None:
    counted = costs(architecture("rcan", {}), 4)
    assert counted["params"] == 15_592_355
    assert round(counted["multadds"] / 1e9, 2) == 916.86


def test_global_attention_is_one_block_for_all_groups() -> None:
    plain, attended = (
        costs(architecture("rcan", {"n_blocks": 1, "attention": name}), 4)["params"]
        for name in ("none", "global")
    )
    assert attended - plain == 7_360


def test_scaling_is_learnt_for_every_block_and_every_group() -> None:
    values = {"n_groups": 2, "n_blocks": 3}
    plain, scaled = (
        costs(architecture("rcan", values | {"residual_scaling": name}), 4)["params"]
        for name in ("none", "channelwise")
    )
    assert scaled - plain == 2 * (3 + 1) * 64


def test_reductions_with_the_same_middle_are_one_architecture() -> None:
    # 64 // 15 and 64 // 16 are both 4.
    assert architecture("rcan", {"reduction": 15}) == architecture("rcan", {})
    assert architecture("rcan", {"reduction": 13}) == architecture("rcan", {})
    assert architecture("rcan", {"reduction": 12}) != architecture("rcan", {})
    none = {"block_attention": "none"}
    assert architecture("rcan", none | {"reduction": 4}) == architecture("rcan", none)


def test_state_is_in_the_order_of_the_authors_code() -> None:
    state = Rcan(RcanSpec(n_feats=8, n_groups=1, n_blocks=1, reduction=4), 2).state_dict()
    plain = [(8, 8, 3, 3), (8,)]
    assert [tuple(t.shape) for t in state.values()] == [
        *[(3, 3, 1, 1), (3,)] * 2,
        *[(8, 3, 3, 3), (8,)],
        *plain * 2,
        *[(2, 8, 1, 1), (2,), (8, 2, 1, 1), (8,)],
        *plain * 2,
        *[(32, 8, 3, 3), (32,)],
        *[(3, 8, 3, 3), (3,)],
    ]
