"""What is special to ABPN: the anchor, the convolution in image space, and the clipped output."""

import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.abpn import Abpn, AbpnSpec


def test_parameters_are_those_of_the_readme() -> None:
    layers = [(3, 28), *[(28, 28)] * 4, (28, 27), (27, 27)]
    counted = sum(9 * n * out + out for n, out in layers)
    assert costs(architecture("abpn", {}), 3)["params"] == counted == 42_539


def test_without_detail_the_output_repeats_the_pixels_of_the_input() -> None:
    network = Abpn(AbpnSpec(), 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        low_res = torch.rand(1, 3, 4, 5)
        wanted = torch.nn.functional.interpolate(low_res, scale_factor=2, mode="nearest")
        torch.testing.assert_close(network(low_res), wanted)


def test_the_output_is_clipped_if_asked() -> None:
    low_res = torch.tensor([-0.5, 0.5, 1.5]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    outputs = {}
    for clip in (True, False):
        torch.manual_seed(0)
        with torch.no_grad():
            outputs[clip] = Abpn(AbpnSpec(clip=clip), 2)(low_res)
    assert outputs[False].min() < 0
    assert outputs[False].max() > 1
    assert torch.equal(outputs[True], outputs[False].clamp(0, 1))
