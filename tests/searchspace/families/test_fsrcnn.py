import pytest
from torch import nn

from searchspace.architecture import architecture
from searchspace.cost import costs, subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.fsrcnn import Fsrcnn, FsrcnnSpec

NARROW = {"first_kernel": 3, "upsampler": "direct"}


# docs/facts.md 3.4: the standard network and the nearest to the 33K that the paper prints.
@pytest.mark.parametrize(
    ("values", "params"),
    [
        ({}, 24_683),
        ({"attention": "global"}, 25_439),
        (NARROW, 32_624),
        (NARROW | {"attention": "global"}, 33_380),
        ({"upsampler": "direct"}, 35_312),
        (NARROW | {"n_feats": 48, "n_shrunk": 16}, 33_184),
        ({"colours": 1}, 12_809),
    ],
)
def test_parameters_are_those_in_the_facts(values: dict[str, object], params: int) -> None:
    assert costs(architecture("fsrcnn", values), 4)["params"] == params


@pytest.mark.parametrize(("scale", "multadds"), [(2, 6.0), (3, 5.0), (4, 4.6)])
def test_luma_network_has_the_published_multadds(scale: int, multadds: float) -> None:
    luma = architecture("fsrcnn", {"colours": 1})
    assert round(costs(luma, scale)["multadds"] / 1e9, 1) == multadds
    assert CONVENTIONS["weights"](subject(luma, scale)) == 12_464


def test_deconvolution_is_counted_at_output_pixels() -> None:
    counted = costs(architecture("fsrcnn", {"colours": 1}), 4)["multadds"]
    assert counted == 7_928 * 320 * 180 + 4_536 * 1280 * 720


def test_every_convolution_but_the_last_has_a_slope_for_each_channel() -> None:
    network = Fsrcnn(FsrcnnSpec(), 4)
    slopes = [part.num_parameters for part in network.modules() if isinstance(part, nn.PReLU)]
    assert slopes == [56, 12, 12, 12, 12, 12, 56]


def test_there_is_no_residual_connection_to_scale() -> None:
    with pytest.raises(ValueError, match="no such key"):
        architecture("fsrcnn", {"residual_scaling": "channelwise"})
