from pathlib import Path

import torch

from searchspace.architecture import architecture
from searchspace.families.rlfn import SMALL, Block, Rlfn, RlfnSpec, SmallGate


def test_rlfn_s_has_the_parameters_of_the_authors_checkpoint(shared: Path) -> None:
    file = torch.load(shared / "weights/RLFN-S_x4.pth", map_location="cpu", weights_only=True)
    ours = Rlfn(SMALL, 4).state_dict()
    assert sorted(t.shape for t in ours.values()) == sorted(t.shape for t in file.values())


def test_a_block_adds_its_input_before_the_last_convolution() -> None:
    """With zero 3x3 convolutions, an identity as 1x1 convolution and no gate, the block returns its input."""
    block = Block(RlfnSpec(n_feats=4, gate_feats=0))
    for convolution in block.convs:
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
    torch.nn.init.dirac_(block.fuse.weight)
    torch.nn.init.zeros_(block.fuse.bias)
    x = torch.rand(1, 4, 3, 5)
    torch.testing.assert_close(block(x), x)


def test_the_gate_has_one_convolution_after_the_pooling() -> None:
    gate = SmallGate(48, 16)
    assert sum(p.numel() for p in gate.parameters()) == 784 + 272 + 2 * 2320 + 816


def test_as_many_inner_features_as_outer_ones_are_one_architecture() -> None:
    same = architecture("rlfn", {"inner_feats": 52})
    assert same == architecture("rlfn", {})
    assert architecture("rlfn", {"inner_feats": 48}) != same
