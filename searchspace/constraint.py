"""Constraints: comparisons such as `params <= 300k` or `n_feats >= 16` that an architecture must meet."""

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from searchspace.architecture import Architecture
from searchspace.cost import COSTS, costs
from searchspace.quantity import format_quantity, parse_quantity
from searchspace.spec import nearest

_COMPARISON = re.compile(r"\s*(\w+)\s*(<=|>=|<|>|==)\s*(\S+)\s*")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """`name` compared with `limit`; the name is a cost's or a numeric knob's."""

    name: str
    comparison: str
    limit: float

    def allows(self, value: float) -> bool:
        """Whether a value of the cost or knob meets the constraint."""
        return _OPERATORS[self.comparison](value, self.limit)

    def holds(self, architecture: Architecture, scale: int) -> bool:
        """Whether the architecture meets it; a knob that the family does not have does not matter."""
        if self.name in COSTS:
            return self.allows(costs(architecture, scale)[self.name])
        value = getattr(architecture.spec, self.name, None)
        return not isinstance(value, int | float) or self.allows(value)

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {format_quantity(self.limit)}"


def parse_constraint(text: object, knob_names: Collection[str]) -> Constraint:
    """The constraint written as `text`; ValueError where it is none or names nothing known."""
    match = _COMPARISON.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"must read like 'params <= 300k' (<=, >=, <, >, ==), got {text!r}")
    name, comparison, limit = match.groups()
    if name not in COSTS and name not in knob_names:
        raise ValueError(f"unknown cost or knob {name!r}; {nearest(name, [*COSTS, *knob_names])}")
    return Constraint(name=name, comparison=comparison, limit=parse_quantity(limit))


def at_most(cost: str, limit: object) -> Constraint:
    """The constraint of one entry of a budget; ValueError for an unknown cost or no number."""
    if cost not in COSTS:
        raise ValueError(f"unknown cost; {nearest(cost, COSTS)}")
    return Constraint(name=cost, comparison="<=", limit=parse_quantity(limit))
