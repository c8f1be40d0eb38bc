import pytest

from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.spec import knobs, nearest


def key(**values: object) -> str:
    return architecture("slwsr", values).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # An expand ratio means nothing where nothing is compressed.
        ({}, {"expand_ratio": 6, "compress_bias": True, "compress_norm": "batch"}),
        # A ratio and its list are one.
        ({"activation_ratio": "rare"}, {"activation_ratio": [0, 25]}),
        ({"activation_ratio": "all"}, {"activation_ratio": list(range(26))}),
        ({"compression": "head"}, {"compression": list(range(13))}),
        ({"compression": "none"}, {"compression": []}),
        ({"pool_layers": "default"}, {"pool_layers": [0, 4, 7, 10, 13, 14]}),
        ({"pool_layers": [3, 0, 3]}, {"pool_layers": [0, 3]}),
        # A number of blocks and its layout are one.
        ({"n_blocks": 26}, {"n_blocks": "3-3-3-3-2/3-3-3-3"}),
        ({"n_blocks": "2-2/2", "local_blocks": 5}, {"n_blocks": "2-2/2", "local_blocks": 9}),
        # Without a decoder nothing reads the pool.
        ({"n_blocks": "6/", "pool_layers": "all"}, {"n_blocks": "6/", "pool_layers": "none"}),
        # Only ratio 1 leaves the expanding convolution out.
        (
            {"compression": "all", "expand_ratio": 2},
            {"compression": "all", "expand_ratio": 2, "expand_conv": "always"},
        ),
    ],
)
def test_spellings_of_one_network_have_one_key(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert key(**one) == key(**other)


def test_different_networks_have_different_keys() -> None:
    keys = [
        key(),
        key(n_feats=16),
        key(compression="all"),
        key(compression="all", expand_ratio=2),
        key(compression="all", expand_conv="always"),
        key(activation_ratio="rare"),
        key(pool_layers="none"),
        key(attention="global"),
    ]
    assert len(set(keys)) == len(keys)


def test_keys_do_not_change_between_versions() -> None:
    # Stored rows are found by these; a change of the digest would orphan every database.
    assert key() == "25b4b5429891f6df"
    assert key(n_feats=16) == "b4eb78aac5c423ac"


def test_unknown_knob_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"slwsr\.n_fets: no such key; did you mean n_feats\?"):
        architecture("slwsr", {"n_fets": 16})


def test_unknown_family_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown family 'slwrs'; did you mean slwsr\?"):
        architecture("slwrs", {})


def test_a_scale_that_a_family_lacks_is_the_persons_mistake() -> None:
    with pytest.raises(UserError, match="scale: slwsr is built for 2, 3, 4, 8, got 5"):
        architecture("slwsr", {}).network(5)


def test_label_names_enough_knobs_where_two_are_without_effect_only_one_at_a_time() -> None:
    # A mawru without scalars is mobilenet_v2, so either knob alone could be left out, but not both.
    knobs = {"unit": "mobilenet_v2", "adaptive_weights": False, "share_source": False}
    assert architecture("mssn", knobs).label == "mssn adaptive_weights=False share_source=False"


def test_all_faults_of_a_spec_are_told_at_once() -> None:
    with pytest.raises(UserError, match="n_feats") as caught:
        architecture("slwsr", {"n_feats": "wide", "compression": "hed"})
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_every_knob_explains_itself(family: str) -> None:
    for knob in knobs(FAMILIES[family].spec).values():
        assert len(knob.description) > 10, knob.name
        assert knob.search, knob.name


def test_a_name_in_capitals_is_close_to_its_own() -> None:
    assert nearest("IMDN", ("edsr", "imdn")) == "did you mean imdn?"
    assert nearest("s_feats", ("n_feats", "n_blocks")) == "did you mean n_feats?"
