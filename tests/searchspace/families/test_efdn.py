import pytest
import torch

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.families.efdn import Efdn, EfdnSpec
from searchspace.layers import deployed


def test_published_network_has_the_counts_in_the_facts() -> None:
    counted = costs(architecture("efdn", {}), 4)
    assert counted["params"] == 276_192
    assert round(counted["multadds"] / 1e9, 2) == 14.67


def test_the_deployed_network_computes_what_the_trained_one_does() -> None:
    torch.manual_seed(0)
    network = architecture("efdn", {"n_feats": 8, "n_blocks": 2}).network(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        image = torch.rand(1, 3, 9, 7)
        wanted, got = network.train()(image), deployed(network)(image)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("n_blocks", "earlier"), [(2, [0]), (3, [0, 0]), (4, [0, 1, 1])])
def test_the_last_fusion_skips_a_block(n_blocks: int, earlier: list[int]) -> None:
    network = Efdn(EfdnSpec(n_feats=4, n_blocks=n_blocks), 2)
    outputs, read = [], []
    for block in network.blocks:
        block.register_forward_hook(lambda *_args: outputs.append(_args[-1]))
    for fusion in network.fuse:
        fusion.register_forward_pre_hook(lambda _m, args: read.append(args[0][:, :4]))
    with torch.no_grad():
        network(torch.rand(1, 3, 16, 16))
    found = [next(i for i, o in enumerate(outputs) if torch.equal(o, r)) for r in read]
    assert found == earlier
