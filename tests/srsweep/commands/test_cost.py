"""What `srsweep cost` counts, and how it answers a mistake."""

import json

from tests.srsweep.calls import invoke, mistake


def test_cost_of_the_published_networks() -> None:
    result = invoke("cost", "slwsr", "n_feats=16|32|64", "--scale", 4, "--json")
    rows = json.loads(result.output)
    assert [row["params"] for row in rows] == [143_731, 571_107, 2_276_803]
    assert [round(row["multadds"] / 1e9, 3) for row in rows] == [10.185, 39.892, 157.877]


def test_cost_of_one_network_is_one_object() -> None:
    assert json.loads(invoke("cost", "slwsr", "n_feats=16", "--json").output)["params"] == 143_731


def test_misspelt_knob() -> None:
    assert "slwsr.n_fets: no such key; did you mean n_feats?" in mistake(
        "cost", "slwsr", "n_fets=3"
    )


def test_knob_without_a_value() -> None:
    assert "n_feats: must read KNOB=VALUE" in mistake("cost", "slwsr", "n_feats")


def test_unknown_family() -> None:
    assert "unknown family 'slwrs'; did you mean slwsr?" in mistake("cost", "slwrs")


def test_scale_that_there_is_not() -> None:
    assert "scale: imdn is built for 2, 3, 4, got 8" in mistake("cost", "imdn", "--scale", 8)
    assert "'5' is not one of '2', '3', '4', '8'" in mistake("cost", "slwsr", "--scale", 5)


def test_a_knob_value_that_is_none() -> None:
    assert "n_feats={: '{' is not a value" in mistake("cost", "slwsr", "n_feats={")


def test_a_knob_given_twice() -> None:
    assert "n_feats is given twice" in mistake("cost", "slwsr", "n_feats=16", "n_feats=32")
