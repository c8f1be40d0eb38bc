"""What is special to ECBSR: branches, the anchor, and training on Y."""

import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.ecbsr import EcbIdentity, Ecbsr, EcbsrSpec
from searchspace.layers import deployed


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


def test_an_identity_is_one_more_branch_of_the_deployed_convolution() -> None:
    torch.manual_seed(0)
    block = EcbIdentity(4, 4, 1, True)
    # Without the kernels of all branches, the input alone remains.
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    features = torch.rand(1, 4, 5, 6)
    torch.testing.assert_close(block(features), features)
    torch.testing.assert_close(block.folded()(features), features)
    # As in the authors' code, a convolution that changes the number of channels has no identity.
    wider = EcbIdentity(4, 6, 1, True)
    with torch.no_grad():
        for parameter in wider.parameters():
            parameter.zero_()
    assert not wider(features).any()


def passed_on(network: nn.Module, low_res: Tensor) -> float:
    """The spread of the features before the last activation, as a share of that before the first one."""
    spreads: list[float] = []
    hooks = [
        module.register_forward_hook(lambda m, i, o: spreads.append(float(i[0].std())))
        for module in network.modules()
        if isinstance(module, nn.PReLU)
    ]
    with torch.no_grad():
        network(low_res)
    for hook in hooks:
        hook.remove()
    return spreads[-1] / spreads[0]


def test_with_identities_a_deep_network_passes_features_on_and_costs_the_same_when_deployed() -> (
    None
):
    low_res = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    shares = {}
    for block in ("ecb", "ecb_identity"):
        torch.manual_seed(0)
        network = architecture("ecbsr", {"n_blocks": 16, "block": block}).network(4)
        shares[block] = passed_on(network, low_res)
        with torch.no_grad():
            folded = deployed(network)(low_res)
            torch.testing.assert_close(folded, network(low_res), atol=1e-5, rtol=1e-5)
    assert shares["ecb"] < 0.01 < 0.1 < shares["ecb_identity"]
    plain, identity = (
        costs(architecture("ecbsr", {"n_blocks": 16, "block": block}), 4) for block in shares
    )
    assert plain == identity
