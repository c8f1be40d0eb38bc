"""What is special to ECBSR: branches, the anchor, and training on Y."""

import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.ecbsr import Ecbsr, EcbsrSpec


def test_parameters_follow_from_the_layers() -> None:
    head, body, tail = 9 * 16 + 16, 4 * (9 * 16 * 16 + 16), 9 * 16 * 16 + 16
    slopes = 5 * 16
    counted = costs(architecture("ecbsr", {}), 4)
    assert counted["params"] == head + body + tail + slopes
    assert counted["multadds"] == (9 * 16 + 5 * 9 * 16 * 16) * 320 * 180
    # Beside the plain convolution: 1x1 to 2 C', 3x3 from 2 C', and three edge filters with factors and biases.
    extra = sum(
        (2 * out * n + 2 * out) + (9 * 2 * out * out + out) + 3 * (n * out + 2 * out)
        for n, out in [(1, 16), *[(16, 16)] * 5]
    )
    assert counted["params_train"] == counted["params"] + extra


def test_without_detail_the_output_repeats_the_pixels_of_the_input() -> None:
    network = Ecbsr(EcbsrSpec(colours=3), 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        low_res = torch.rand(1, 3, 4, 5)
        wanted = torch.nn.functional.interpolate(low_res, scale_factor=3, mode="nearest")
        torch.testing.assert_close(network(low_res), wanted)
