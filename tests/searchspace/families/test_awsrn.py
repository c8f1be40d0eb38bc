"""What is special to AWSRN: counts with g, adaptive weights (docs/facts.md 6)."""

import pytest

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.awsrn import FAMILY, VARIANTS, AwsrnSpec
from searchspace.family import Convention


def count(spec: AwsrnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


@pytest.mark.parametrize(
    ("name", "scale", "params", "multadds"),
    [
        ("AWSRN", 2, 1_396_872, 320.548),
        ("AWSRN", 3, 1_476_147, 150.57),
        ("AWSRN", 4, 1_587_132, 91.075),
        ("AWSRN-S", 2, 397_482, 91.225),
        ("AWSRN-S", 3, 476_757, 48.65),
        ("AWSRN-S", 4, 587_742, 33.744),
        ("AWSRN-SD", 2, 348_098, 79.623),
        ("AWSRN-SD", 3, 388_013, 39.46),
        ("AWSRN-SD", 4, 443_894, 25.403),
    ],
)
def test_counts_with_g_and_an_exact_third(
    name: str, scale: int, params: int, multadds: float
) -> None:
    digits = 2 if scale == 3 else 3
    assert count(VARIANTS[name], scale, "trained") == params
    counted = count(VARIANTS[name], scale, "multadds_exact_third")
    assert round(counted / 1e9, digits) == multadds


def test_adaptive_weights_are_two_scalars_a_unit_and_a_block() -> None:
    learnt = count(AwsrnSpec(), 2, "deployed")
    plain = count(AwsrnSpec(adaptive_weights=False), 2, "deployed")
    assert learnt - plain == 2 * 16 + 2 * 4


def test_state_is_in_the_order_of_the_public_code() -> None:
    spec = AwsrnSpec(n_feats=4, inner_feats=8, n_blocks=1, units_per_block=1)
    shapes = [tuple(value.shape) for value in FAMILY.network(spec, 2).state_dict().values()]

    def normalised(kernel: int, inner: int, outer: int) -> list[tuple[int, ...]]:
        return [(outer,), (outer, 1, 1, 1), (outer, inner, kernel, kernel)]

    unit = [(1,), (1,), *normalised(3, 4, 8), *normalised(3, 8, 4)]
    block = [*unit, *normalised(3, 4, 4), (1,), (1,)]
    tail = [shape for kernel in (3, 5, 7, 9) for shape in normalised(kernel, 4, 12)] + [(1,)] * 4
    assert shapes == normalised(3, 3, 4) + block + tail + normalised(3, 3, 12)


def test_weights_start_at_one_and_a_quarter() -> None:
    network = FAMILY.network(AwsrnSpec(n_blocks=1), 2)
    assert [float(weight.detach()) for weight in network.tail.weights] == [0.25] * 4
    assert all(float(p.detach()) == 1 for p in network.blocks.parameters() if p.shape == (1,))
