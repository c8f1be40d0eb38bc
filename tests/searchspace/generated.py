"""Hypothesis strategies for specs: any valid spec of a family, and values of one knob."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from searchspace.families.slwsr.spec import PLACEMENTS, POOLS, SHARES
from searchspace.family import Family
from searchspace.spec import Knob, Spec, knobs

SOME_MORE = 6
"""How far above the smallest allowed number a generated one goes: networks stay small."""


def _layouts() -> st.SearchStrategy[str]:
    """Layouts of s-LWSR, those without a decoder included."""
    encoder = st.lists(st.integers(1, 3), min_size=1, max_size=4)
    decoder = st.lists(st.integers(0, 2), max_size=4)
    return st.builds(
        lambda e, d: "-".join(map(str, e)) + "/" + "-".join(map(str, d)), encoder, decoder
    )


_NUMBERS = st.lists(st.integers(0, 5), max_size=4)
SPECIAL: Mapping[str, st.SearchStrategy[Any]] = {
    "n_blocks": st.integers(1, 12) | _layouts(),
    "compression": st.sampled_from(PLACEMENTS) | _NUMBERS,
    "activation_ratio": st.sampled_from(SHARES) | _NUMBERS,
    "pool_layers": st.sampled_from(POOLS) | _NUMBERS,
}
"""Values of the knobs of s-LWSR that take a name, a number or a list."""


def values_of(family: Family, knob: Knob) -> st.SearchStrategy[Any]:
    """Values that one knob takes: those that a sweep tries, and others of its range."""
    if family.name == "slwsr" and knob.name in SPECIAL:
        return SPECIAL[knob.name]
    field = family.spec.model_fields[knob.name]
    searched = st.sampled_from(knob.search)
    if field.annotation is bool:
        return st.booleans()
    if get_origin(field.annotation) is not None:
        return st.sampled_from(get_args(field.annotation))
    if field.annotation is int:
        least = _bound(field, "ge")
        return searched | st.integers(int(least), int(min(least + SOME_MORE, _bound(field, "le"))))
    if field.annotation is float:
        # Hundredths: the label prints six digits.
        top = min(_bound(field, "le"), _bound(field, "lt") - 0.01, 4)
        return searched | st.integers(1, int(100 * top)).map(lambda n: n / 100)
    return searched


def specs(family: Family) -> st.SearchStrategy[Spec]:
    """Any valid spec of a family; knobs that are not drawn keep their default."""
    drawn = st.fixed_dictionaries(
        {}, optional={name: values_of(family, knob) for name, knob in knobs(family.spec).items()}
    )
    return drawn.map(lambda values: _valid(family, values)).filter(lambda spec: spec is not None)  # type: ignore[arg-type, return-value]


def _valid(family: Family, values: Mapping[str, Any]) -> Spec | None:
    try:
        return family.spec.model_validate(values)
    except ValidationError:
        return None


def _bound(field: FieldInfo, name: str) -> float:
    """Returns a limit of the field's type, or infinity if it has none."""
    return next((getattr(m, name) for m in field.metadata if hasattr(m, name)), float("inf"))
