import pytest
import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.edsr import Edsr, EdsrSpec

EIGHT = {"n_blocks": 8, "body_conv": False, "upsampler": "direct"}


@pytest.mark.parametrize(("scale", "params"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_baseline_has_the_parameters_of_the_authors_code(scale: int, params: int) -> None:
    assert costs(architecture("edsr", {}), scale)["params"] == params


# docs/facts.md 3.4, 3.5 and 4; parameters as deployed at x4.
@pytest.mark.parametrize(
    ("values", "params"),
    [
        ({"attention": "global"}, 1_524_931),
        ({"residual_scaling": "channelwise"}, 1_518_595),
        (EIGHT, 620_336),
        (EIGHT | {"body_conv": True}, 657_264),
        (EIGHT | {"body_conv": True, "upsampler": "stepwise"}, 926_723),
        (EIGHT | {"attention": "channel"}, 624_976),
        (EIGHT | {"attention": "contrast"}, 624_976),
        (EIGHT | {"attention": "spatial"}, 621_120),
        (EIGHT | {"attention": "enhanced_spatial"}, 713_776),
        (EIGHT | {"attention": "global"}, 627_696),
        (EIGHT | {"residual_scaling": "channelwise"}, 620_848),
        ({"n_feats": 256, "n_blocks": 32, "residual_scale": 0.1}, 43_089_923),
    ],
)
def test_strategies_and_variants_are_counted_as_in_the_facts(
    values: dict[str, object], params: int
) -> None:
    assert costs(architecture("edsr", values), 4)["params"] == params


def test_multadds_of_the_baseline_and_of_the_full_network() -> None:
    full = {"n_feats": 256, "n_blocks": 32, "residual_scale": 0.1}
    assert round(costs(architecture("edsr", {}), 4)["multadds"] / 1e9, 3) == 114.230
    assert round(costs(architecture("edsr", full), 4)["multadds"] / 1e9, 1) == 2894.5


def test_global_attention_costs_its_layers_at_low_resolution() -> None:
    plain, attended = (
        costs(architecture("edsr", {"attention": name}), 4)["multadds"]
        for name in ("none", "global")
    )
    assert attended - plain == 7_232 * 320 * 180


def test_residual_branches_are_weakened_by_the_scale() -> None:
    torch.manual_seed(0)
    strong = Edsr(EdsrSpec(n_feats=8, n_blocks=1), 2).blocks[0]
    weak = Edsr(EdsrSpec(n_feats=8, n_blocks=1, residual_scale=0.1), 2).blocks[0]
    weak.load_state_dict(strong.state_dict())
    x = torch.rand(1, 8, 5, 5)
    torch.testing.assert_close(weak(x) - x, 0.1 * (strong(x) - x))


def test_state_is_in_the_order_of_the_authors_code() -> None:
    state = Edsr(EdsrSpec(n_feats=8, n_blocks=1), 4).state_dict()
    shift = [(3, 3, 1, 1), (3,)]
    widened = [(32, 8, 3, 3), (32,)]
    assert [tuple(t.shape) for t in state.values()] == [
        *shift * 2,
        *[(8, 3, 3, 3), (8,)],
        *[(8, 8, 3, 3), (8,)] * 3,
        *widened * 2,
        *[(3, 8, 3, 3), (3,)],
    ]


def test_mean_colour_passes_through_zero_weights() -> None:
    network = Edsr(EdsrSpec(n_feats=8, n_blocks=1), 2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    output = network(torch.rand(1, 3, 4, 4))
    torch.testing.assert_close(output.mean((0, 2, 3)), torch.tensor([0.4488, 0.4371, 0.4040]))
