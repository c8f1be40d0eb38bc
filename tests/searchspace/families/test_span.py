import pytest
import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.span import V2, SpanV2
from searchspace.layers import deployed


@pytest.mark.parametrize(
    ("values", "scale", "params", "multadds"),
    [
        ({}, 4, 150_688, 8.64),
        ({"n_feats": 48}, 4, 426_288, 24.49),
        ({"n_feats": 48}, 2, 410_700, 94.39),
        ({"n_feats": 52}, 2, 481_324, 110.64),
        ({"n_feats": 52}, 4, 498_208, 28.63),
        (V2.changed(), 4, 139_104, 8.01),
    ],
)
def test_the_deployed_network_has_the_counts_in_the_facts(
    values: dict[str, object], scale: int, params: int, multadds: float
) -> None:
    counted = costs(architecture("span", values), scale)
    assert counted["params"] == params
    assert round(counted["multadds"] / 1e9, 2) == multadds


def test_both_forms_of_training_are_deployed_at_the_same_cost() -> None:
    branched, plain = (costs(architecture("span", {"block": b}), 4) for b in ("conv3xc", "plain"))
    assert branched.pop("params_train") > 4 * plain.pop("params_train")
    assert branched == plain


@pytest.mark.parametrize("values", [{}, V2.changed() | {"n_blocks": 2}], ids=["span", "v2"])
def test_the_deployed_network_computes_what_the_trained_one_does(values: dict[str, object]) -> None:
    torch.manual_seed(0)
    network = architecture("span", values | {"n_feats": 8}).network(2)
    image = torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        wanted, got = network.train()(image), deployed(network)(image)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


def test_v2_starts_with_the_image_repeated() -> None:
    image = torch.rand(1, 3, 4, 5)
    near = SpanV2(V2, 3).near(image)
    repeated = torch.nn.functional.interpolate(image, scale_factor=3, mode="nearest")
    assert torch.equal(torch.nn.functional.pixel_shuffle(near, 3), repeated)


def test_a_guided_map_of_colours_up_to_255_is_rejected() -> None:
    with pytest.raises(ValueError, match="needs layout=v2 or image_range=1"):
        architecture("span", {"block_attention": "guided"})
    architecture("span", {"block_attention": "guided", "image_range": 1})


def test_knobs_without_effect_in_v2_are_one_architecture() -> None:
    v2 = {"layout": "v2"}
    assert architecture("span", v2 | {"image_range": 1}) == architecture("span", v2)
    one = v2 | {"n_blocks": 1}
    assert architecture("span", one | {"block_attention": "none"}) == architecture("span", one)
