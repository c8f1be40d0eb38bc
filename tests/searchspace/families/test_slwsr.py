"""What is special about s-LWSR: its counts (docs/facts.md 1.2 to 1.4), its layout, its lists."""

import itertools

import pytest
import torch

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs, subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.slwsr import HALF_KEPT, Slwsr, SlwsrSpec, evenly, spread

MEAN_SHIFTS = 24


def network(**knobs: object) -> Architecture:
    return architecture("slwsr", knobs)


@pytest.mark.parametrize(
    ("scale", "counts"),
    [
        (2, (134_475, 534_139, 2_129_115, 8_501_659)),
        (3, (146_075, 580_379, 2_313_755, 9_239_579)),
        (4, (143_755, 571_131, 2_276_827, 9_091_995)),
        (8, (153_035, 608_123, 2_424_539, 9_682_331)),
    ],
)
def test_parameters_with_mean_shifts_are_the_papers(scale: int, counts: tuple[int, ...]) -> None:
    for n_feats, count in zip((16, 32, 64, 128), counts, strict=True):
        assert costs(network(n_feats=n_feats), scale)["params"] + MEAN_SHIFTS == count


@pytest.mark.parametrize(
    ("scale", "giga"),
    [
        (2, (31.061, 123.217, 490.847)),
        (3, (15.187, 59.835, 237.546)),
        (4, (10.193, 39.901, 157.886)),
    ],
)
def test_multadds_with_mean_shifts_are_those_of_independent_counters(
    scale: int, giga: tuple[float, ...]
) -> None:
    for n_feats, count in zip((16, 32, 64), giga, strict=True):
        counted = subject(network(n_feats=n_feats), scale)
        assert CONVENTIONS["multadds_with_mean_shift"](counted) / 1e9 == pytest.approx(
            count, abs=0.0005
        )


@pytest.mark.parametrize(
    ("n_feats", "giga"), [(16, 10.185), (32, 39.892), (64, 157.878), (128, 628.126)]
)
def test_multadds_leave_the_mean_shift_out(n_feats: int, giga: float) -> None:
    counted = costs(network(n_feats=n_feats), 4)["multadds"] / 1e9
    assert counted == pytest.approx(giga, abs=0.001)


@pytest.mark.parametrize(
    ("knobs", "trained"),
    [
        ({"n_feats": 16, "pool_layers": "none"}, 142_219),
        ({"n_feats": 32, "pool_layers": "none"}, 564_987),
        ({"n_feats": 64, "pool_layers": "none"}, 2_252_251),
        ({"n_feats": 16, "pool_layers": "former_11"}, 145_035),
        ({"n_feats": 32, "pool_layers": "former_11"}, 576_251),
        # Depth: 6 residual blocks do not give the paper's 308K, 12 do.
        ({"n_blocks": "1-1-1-1-2/0-0-0-0"}, 201_211),
        ({"n_blocks": "6/"}, 186_747),
        ({"n_blocks": "2-2-2/2-2-2"}, 308_059),
        ({"n_blocks": "3-4-3/1-1", "pool_layers": [0, 1, 2, 3, 4, 5]}, 308_027),
        # All blocks compressed: both exact readings of 124K, and what the prose would give.
        ({"compression": "all"}, 124_347),
        ({"compression": "all", "expand_ratio": 0.5, "compress_norm": "batch"}, 123_931),
        ({"compression": "all", "expand_conv": "always", "compress_bias": True}, 153_467),
        ({"compression": "all", "expand_conv": "always"}, 150_971),
        ({"compression": "all", "expand_ratio": 2, "compress_bias": True}, 215_867),
        ({"compression": "all", "expand_ratio": 2}, 211_707),
        ({"compression": "all", "expand_ratio": 6, "compress_norm": "batch"}, 476_283),
    ],
)
def test_variants_have_the_counts_of_the_facts(knobs: dict[str, object], trained: int) -> None:
    assert costs(network(**knobs), 4)["params_train"] + MEAN_SHIFTS == trained


def test_batch_norm_is_folded_when_deployed() -> None:
    counted = costs(network(compression="all", expand_ratio=0.5, compress_norm="batch"), 4)
    # Per block 2 * (16 + 16 + 32) affine values in training become 16 + 16 + 32 biases.
    assert counted["params_train"] - counted["params"] == 26 * 64


@pytest.mark.parametrize(
    ("num_blocks", "local_blocks", "layout"),
    [
        (26, 5, "3-3-3-3-2/3-3-3-3"),
        (14, 5, "2-2-2-2-1/2-1-1-1"),
        (6, 5, "1-1-1-1-1/1-0-0-0"),
        (5, 5, "1-1-1-1-1/0-0-0-0"),
        (6, 1, "6/"),
        (4, 2, "2-1/1"),
    ],
)
def test_blocks_are_dealt_out_from_the_outside_in(
    num_blocks: int, local_blocks: int, layout: str
) -> None:
    dealt = spread(num_blocks, local_blocks)
    assert str(dealt) == layout
    assert dealt.num_blocks == num_blocks


def test_activation_ratios_keep_the_published_blocks() -> None:
    assert SlwsrSpec(activation_ratio="1/2").activated == HALF_KEPT
    assert len(HALF_KEPT) == 12
    assert SlwsrSpec(activation_ratio="rare").activated == (0, 25)
    assert len(SlwsrSpec(activation_ratio="1/3").activated) == 9
    assert len(SlwsrSpec(activation_ratio="2/3").activated) == 17
    assert evenly(3, 9) == (0, 4, 8)


def test_compression_placements_compress_equally_many_blocks() -> None:
    for n_blocks in (13, 26):
        compressed = {
            placement: SlwsrSpec(n_blocks=n_blocks, compression=placement).compressed
            for placement in ("head", "tail", "alternate")
        }
        assert {len(blocks) for blocks in compressed.values()} == {n_blocks // 2}


def test_removed_activations_are_removed() -> None:
    # Without any ReLU and with biases at zero the network is linear up to its mean shift.
    torch.manual_seed(0)
    built = Slwsr(SlwsrSpec(n_feats=4, n_blocks=5, activation_ratio=()), 2).double()
    for name, parameter in built.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    mean = built.add_mean.bias.view(1, 3, 1, 1) / 255
    x = torch.rand(1, 3, 6, 6, dtype=torch.double)
    one, two = (built(mean + factor * (x - mean)) - mean for factor in (1.0, 2.0))
    assert torch.allclose(two, 2 * one, atol=1e-9)


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"n_blocks": 3}, "n_blocks must be at least local_blocks, got n_blocks=3, local_blocks=5"),
        ({"n_blocks": "2-x"}, "must be a number of residual blocks or a layout such as"),
        ({"n_blocks": "1/1-1"}, "no more local blocks in the decoder"),
        ({"n_blocks": 0}, "must be from 1 to 1000"),
        ({"compression": [26]}, "compression must list numbers up to 25, got 26"),
        ({"pool_layers": [15]}, "pool_layers must list numbers up to 14, got 15"),
        ({"activation_ratio": [-1]}, "a list must hold non-negative whole numbers"),
        ({"upsampler": "stepwize"}, "did you mean stepwise?"),
    ],
)
def test_impossible_knobs_are_explained(knobs: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match="slwsr") as caught:
        network(**knobs)
    assert told in str(caught.value)


JOINED = {
    "n_blocks": ["1-2", "3", "1-1-1", "1-1-2/1", "1-3/1", "2-2", "1-2/1", "3/0", "1-1-1/1-1", "4"],
    "pool_layers": ["none", [0, 1], "all"],
    "attention": ["none", "channel"],
    "activation_ratio": ["all", [0]],
}


def test_equal_keys_mean_equal_functions_and_the_other_way_round() -> None:
    by_function: dict[tuple[object, ...], set[str]] = {}
    by_key: dict[str, set[tuple[object, ...]]] = {}
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    for values in itertools.product(*JOINED.values()):
        knobs = dict(zip(JOINED, values, strict=True)) | {"n_feats": 4}
        try:
            found = architecture("slwsr", knobs)
        except ValueError:
            continue
        torch.manual_seed(0)
        network = found.network(2).eval()
        torch.manual_seed(5)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        with torch.no_grad():
            outputs = tuple(network(image).flatten().tolist())
        by_function.setdefault(outputs, set()).add(found.key)
        by_key.setdefault(found.key, set()).add(outputs)
    assert len(by_key) > 40
    assert {len(keys) for keys in by_function.values()} == {1}
    assert {len(functions) for functions in by_key.values()} == {1}
