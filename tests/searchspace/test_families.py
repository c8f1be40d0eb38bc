"""Tests what must hold for every family. A new file in `searchspace/families/` is found automatically.

Networks are shrunk to the smallest values of their integer knobs' search domains, so that the whole
space of single changes fits in a minute; counts are made on the meta device at full size.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from typing import Annotated, Any, NamedTuple, get_args

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from searchspace.architecture import Architecture
from searchspace.cost import COSTS, costs
from searchspace.discover import FAMILIES
from searchspace.family import Family, Published
from searchspace.layers import conv
from searchspace.published import counted, rounds_to
from searchspace.spec import Knob, Search, Spec, knobs
from searchspace.strategies.upsample import UPSAMPLERS

ODD = (13, 17)
"""Rows and columns that no stride or shuffle divides."""
TINY = (5, 3)
"""Odd too, and smaller than any window that pools."""
DRAWS = 12
"""Weights tried before a parameter without a gradient is called unreachable."""
SCALES = [(family, scale) for family in FAMILIES.values() for scale in family.scales]
PUBLISHED = [(family, row) for family in FAMILIES.values() for row in family.published]
KNOBS = [(family, name) for family in FAMILIES.values() for name in knobs(family.spec)]


class Seen(NamedTuple):
    """What distinguishes one network from another: the names and shapes of its state, and its output."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    output: torch.Tensor

    def equals(self, other: "Seen") -> bool:
        return self.shapes == other.shapes and torch.equal(self.output, other.output)


def _family_id(value: object) -> str | None:
    if isinstance(value, Family):
        return value.name
    return value.name.replace(" ", "-") if isinstance(value, Published) else None


def each_family() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("family", FAMILIES.values(), ids=_family_id)


def changed(spec: Spec, **values: Any) -> Spec | None:
    """Returns `spec` with other values, or None if they do not fit together."""
    try:
        return type(spec).model_validate(spec.model_dump() | values)
    except ValidationError:
        return None


@cache
def small(family: Family) -> Spec:
    """The published default, with every integer knob at the smallest value of its search domain."""
    spec = family.spec()
    for knob in knobs(family.spec).values():
        # `colours` picks the network's input, not its size.
        if type(knob.default) is int and knob.name != "colours":
            values = [value for value in knob.search if type(value) is int]
            spec = changed(spec, **{knob.name: min(values)}) or spec
    return spec


def single_changes(spec: Spec, name: str | None = None) -> Iterator[tuple[str, Spec]]:
    """Valid specs that differ from `spec` in one knob (`name`, or any), with the knob's name."""
    for knob in knobs(type(spec)).values():
        if name not in (None, knob.name):
            continue
        for value in _alternatives(knob, type(spec).model_fields[knob.name].annotation):
            other = (
                None if value == getattr(spec, knob.name) else changed(spec, **{knob.name: value})
            )
            if other is not None:
                yield knob.name, other


def _alternatives(knob: Knob, annotation: object) -> tuple[Any, ...]:
    """Returns the search domain. If that holds only the default, returns the other values of the type."""
    if set(knob.search) != {knob.default}:
        return knob.search
    if isinstance(knob.default, bool):
        return (not knob.default,)
    return (knob.default / 2,) if isinstance(knob.default, float) else get_args(annotation)


def weights_drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """`network` with seeded noise on all parameters.

    Gates that start at zero (SwiseNet's beta and gamma) hide what lies behind them, and scalars that start
    at one hide that they multiply. Outputs and gradients show every part only after the weights have changed.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def build(family: Family, spec: Spec, scale: int = 2, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return weights_drawn(family.network(spec, scale), seed).eval()


def image(rows: int, columns: int) -> torch.Tensor:
    return torch.rand((1, 3, rows, columns), generator=torch.Generator().manual_seed(2))


@cache
def seen(family: Family, spec: Spec) -> Seen:
    network = build(family, spec)
    shapes = tuple((name, tuple(t.shape)) for name, t in network.state_dict().items())
    # The second image is far brighter than any: only there does a bounded activation show its bound.
    with torch.no_grad():
        return Seen(shapes, network(torch.cat([image(8, 7), 50 * image(8, 7)])))


def meta_shapes(family: Family, spec: Spec, scale: int) -> list[tuple[str, torch.Size]]:
    with torch.device("meta"):
        network = family.network(spec, scale)
    return [(name, t.shape) for name, t in network.state_dict().items()]


def key(family: Family, spec: Spec) -> str:
    return Architecture(family=family, spec=spec).key


@pytest.mark.slow
@pytest.mark.parametrize(("family", "scale"), SCALES, ids=_family_id)
def test_output_is_scale_times_an_odd_input(family: Family, scale: int) -> None:
    rows, columns = ODD
    with torch.device("meta"), torch.no_grad():
        published = family.network(family.spec(), scale).eval()(torch.empty(1, 3, *ODD))
    with torch.no_grad():
        output = build(family, small(family), scale)(image(*ODD))
    assert published.shape == output.shape == (1, 3, scale * rows, scale * columns)
    assert output.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(("family", "scale"), SCALES, ids=_family_id)
def test_output_is_scale_times_a_tiny_input_with_every_choice(family: Family, scale: int) -> None:
    for name, spec in single_changes(small(family)):
        # The bodies of the networks do not read the scale: for their knobs, one scale is enough.
        if scale != family.scales[0] and name not in ("upsampler", "colours"):
            continue
        with torch.no_grad():
            output = build(family, spec, scale)(image(*TINY))
        assert output.shape == (1, 3, scale * TINY[0], scale * TINY[1]), (name, spec)
        assert output.isfinite().all(), (name, spec)


@each_family()
def test_images_of_a_batch_do_not_see_each_other(family: Family) -> None:
    network = build(family, small(family))
    batch = torch.cat([image(8, 7), 1 - image(8, 7)])
    with torch.no_grad():
        together, alone = network(batch), torch.cat([network(one[None]) for one in batch])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


@each_family()
def test_spec_survives_json(family: Family) -> None:
    specs = [family.spec(), *(row.spec for row in family.published)]
    specs += [spec for _, spec in single_changes(small(family))]
    for spec in specs:
        restored = type(spec).model_validate_json(spec.model_dump_json())
        assert restored == spec
        assert repr(restored) == repr(
            spec
        )  # of the same types: a network is built from these alone
        assert key(family, restored) == key(family, spec)


@each_family()
def test_canonical_spec_is_valid_and_its_own_canonical_spec(family: Family) -> None:
    specs = [family.spec(), small(family), *(row.spec for row in family.published)]
    specs += [spec for _, spec in single_changes(small(family))]
    for spec in specs:
        canonical = spec.canonical()
        assert canonical.canonical() == canonical, spec
        assert type(spec).model_validate(canonical.model_dump()) == canonical, spec
        assert key(family, canonical) == key(family, spec), spec


@pytest.mark.slow
@each_family()
def test_canonical_spec_builds_the_same_network(family: Family) -> None:
    for row in family.published:
        spec, scale = row.spec, row.scale
        if spec.canonical() != spec:
            assert meta_shapes(family, spec.canonical(), scale) == meta_shapes(family, spec, scale)
    specs = (small(family), *(spec for _, spec in single_changes(small(family))))
    for spec in (spec for spec in specs if spec.canonical() != spec):
        assert seen(family, spec.canonical()).equals(seen(family, spec)), spec


@pytest.mark.slow
@each_family()
def test_keys_are_equal_exactly_where_networks_are(family: Family) -> None:
    specs = [small(family), *(spec for _, spec in single_changes(small(family)))]
    for one, other in combinations(specs, 2):
        same_key = key(family, one) == key(family, other)
        assert seen(family, one).equals(seen(family, other)) == same_key, (one, other)


@pytest.mark.parametrize(("family", "name"), KNOBS, ids=_family_id)
def test_every_knob_changes_the_network(family: Family, name: str) -> None:
    base = small(family)
    # Some knobs act only beside another choice (the ratio of blocks that none are compressed to).
    beside = [base, *(spec for _, spec in single_changes(base))]
    assert any(
        key(family, spec) != key(family, context)
        and not seen(family, spec).equals(seen(family, context))
        for context in beside
        for _, spec in single_changes(context, name)
    ), f"{family.name}.{name} is a dead knob"


def without_gradient(network: nn.Module) -> set[str]:
    """Names of the parameters that one step of training would leave as they are."""
    output = network.train()(torch.cat([image(*ODD), 1 - image(*ODD)]))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    return {name for name, p in network.named_parameters() if not p.grad.any()}


@pytest.mark.slow
@each_family()
def test_gradients_reach_every_parameter(family: Family) -> None:
    base = small(family)
    strategies = ("attention", "residual_scaling", "upsampler", "block")
    for spec in (base, *(spec for name, spec in single_changes(base) if name in strategies)):
        # A ReLU may be dead in one draw of the weights; behind one that is dead in all is no path.
        missing = without_gradient(build(family, spec))
        for seed in range(1, DRAWS):
            if not missing:
                break
            missing &= without_gradient(build(family, spec, seed=seed))
        assert not missing, (spec, missing)


@pytest.mark.parametrize(("family", "scale"), SCALES, ids=_family_id)
def test_every_cost_is_a_positive_whole_number(family: Family, scale: int) -> None:
    counted_costs = costs(Architecture(family=family, spec=family.spec()), scale)
    assert set(counted_costs) == set(COSTS)
    for name, value in counted_costs.items():
        assert isinstance(value, int), name
        assert value > 0, name


@pytest.mark.parametrize(("family", "row"), PUBLISHED, ids=_family_id)
def test_published_counts_come_out_unless_a_caveat_says_otherwise(
    family: Family, row: Published
) -> None:
    pairs = zip((row.params, row.multadds), counted(row, family), strict=True)
    equal = [rounds_to(count, printed) for printed, count in pairs if printed is not None]
    assert all(equal) == row.reproducible, "a caveat that is out of date is a fault too"
    assert row.reproducible or row.caveat


@each_family()
def test_every_knob_says_what_it_does_and_names_values_to_try(family: Family) -> None:
    for knob in knobs(family.spec).values():
        assert knob.description, knob.name
        for value in knob.search:
            assert any(
                changed(spec, **{knob.name: value}) is not None
                for spec in (family.spec(), *(s for _, s in single_changes(family.spec())))
            ), f"{family.name}.{knob.name}: {value!r} never fits"


class FaultySpec(Spec):
    """A family with every fault that the tests above look for."""

    n_feats: Annotated[int, Search((4, 8))] = 8
    """Channels."""
    dead: Annotated[bool, Search((False, True))] = False
    """Nothing reads it."""


class Faulty(nn.Module):
    def __init__(self, spec: FaultySpec, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.body = conv(3, 3, spec.n_feats)
        self.tail = UPSAMPLERS["direct"](spec.n_feats, 2)
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, low_res: torch.Tensor) -> torch.Tensor:
        return self.tail(self.body(low_res)) + 0 * self.unused


FAULTY_ROW = Published(name="faulty", spec=FaultySpec(), scale=2, params="999K", source="none")
FAULTY = Family(
    name="faulty", source="none", spec=FaultySpec, network=Faulty, published=(FAULTY_ROW,)
)


@pytest.mark.parametrize(
    "check",
    [
        lambda: test_output_is_scale_times_an_odd_input(FAULTY, 4),
        lambda: test_keys_are_equal_exactly_where_networks_are(FAULTY),
        lambda: test_every_knob_changes_the_network(FAULTY, "dead"),
        lambda: test_gradients_reach_every_parameter(FAULTY),
        lambda: test_published_counts_come_out_unless_a_caveat_says_otherwise(FAULTY, FAULTY_ROW),
    ],
    ids=["size", "keys", "dead knob", "gradients", "counts"],
)
def test_the_checks_above_find_the_faults_of_a_faulty_family(check: Callable[[], None]) -> None:
    with pytest.raises(AssertionError):
        check()
