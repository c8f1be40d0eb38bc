"""Our Mult-Adds against thop's, and the operators that thop cannot see."""

import ast
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs, low_res_size, subject
from searchspace.cost.counting.crosscheck import thop_count, thop_multadds
from searchspace.cost.counting.subject import Subject, trace
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.spec import knobs

SCALES = [(family, scale) for family in FAMILIES.values() for scale in family.scales]

OF_BLOCKS = {"bsrn", "edsr", "safmn", "slwsr", "swisenet", "wdsr"}
"""Hosts of blocks. As deployed, a block is one convolution in every host."""
STRATEGIES = [
    (family, knob)
    for family in FAMILIES.values()
    for knob in ("attention", "upsampler", "block")
    if knob in knobs(family.spec) and (knob != "block" or family.name in OF_BLOCKS)
]


def _family_id(value: object) -> str | None:
    return value.name if isinstance(value, Family) else None


@pytest.mark.slow
@pytest.mark.parametrize(("family", "scale"), SCALES[::2], ids=_family_id)
def test_thop_counts_the_published_network_as_we_do(family: Family, scale: int) -> None:
    published = Architecture(family=family, spec=family.spec())
    assert thop_count(subject(published, scale)) == costs(published, scale)["multadds"]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "knob"), STRATEGIES, ids=_family_id)
def test_thop_counts_every_strategy_as_we_do(family: Family, knob: str) -> None:
    known = knobs(family.spec)
    assert family.parts is not None
    # Small: what a strategy adds does not depend on how often layers are repeated.
    size = {
        name: min(v for v in known[name].search if type(v) is int)
        for name in known.keys() & {"n_groups", "n_blocks", *family.parts.repeats}
    }
    for value in known[knob].search:
        # In AWSRN and WDSR, a block needs a network without weight normalisation.
        without = {"weight_norm": False} if knob == "block" and "weight_norm" in known else {}
        small = architecture(family.name, size | without | {knob: value})
        assert thop_count(subject(small, 4)) == costs(small, 4)["multadds"], value


class Functional(nn.Module):
    """A convolution called as a function, and a matrix product: both outside thop's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Conv2d(3, 3, 3, padding=1)
        self.weight = nn.Parameter(torch.rand(3, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(self.seen(x), self.weight)
        return x.flatten(2) @ x.flatten(2).transpose(1, 2)


def test_thop_misses_functional_calls_and_matrix_products_and_we_do_not() -> None:
    network, x = Functional(), torch.rand(1, 3, 4, 5)
    seen, functional, product = 20 * 3 * 27, 20 * 3 * 3, 3 * 3 * 20
    assert thop_multadds(network, x) == seen
    ours = [operator.multadds for operator in trace(network, x).operators]
    assert ours == [seen, functional, product]


def test_thop_misses_a_colour_mix_loaded_into_the_mean_shift() -> None:
    # Some upstream checkpoints trained the shift into a mix; it is then a functional 1x1 convolution.
    counted = subject(architecture("slwsr", {"n_feats": 16}), 4)
    network = counted.network
    for name in ("sub_mean", "add_mean"):
        network.get_submodule(name).mixes = True
    rows, columns = low_res_size(4)
    mixed = Subject(network=network, low_res=(rows, columns))
    ours = sum(operator.multadds for operator in mixed.trace.operators)
    assert ours - thop_count(mixed) == 9 * rows * columns * (1 + 4**2)


def test_thop_leaves_the_profiled_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.PReLU(), nn.Upsample(scale_factor=2))
    before = set(network.state_dict())
    assert thop_multadds(network, torch.rand(1, 3, 8, 8)) == 36 * 81
    assert set(network.state_dict()) == before


ROOT = Path(__file__).parents[3]


def imports_of_thop(path: Path) -> list[bool]:
    """Whether each import of thop in a file is inside a function."""
    text = path.read_text()
    if "thop" not in text:
        return []
    tree = ast.parse(text)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.partition(".")[0] == "thop" for name in names):
            found.append(id(node) in inside)
    return found


def test_nothing_but_the_cross_check_needs_thop() -> None:
    found = {
        str(path.relative_to(ROOT)): imports
        for package in ("searchspace", "sweeps", "analysis", "srsweep")
        for path in sorted((ROOT / package).rglob("*.py"))
        if (imports := imports_of_thop(path))
    }
    assert found == {"searchspace/cost/counting/crosscheck.py": [True]}
