"""Constraints: comparisons such as `params <= 300k` or `n_feats >= 16` that an architecture must satisfy."""

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from searchspace.architecture import Architecture
from searchspace.cost import COSTS, costs
from searchspace.errors import UserError, shown
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.quantity import format_quantity, parse_limit, parse_milliseconds
from searchspace.synonyms import nearest

_COMPARISON = re.compile(r"\s*(\w+)\s*(<=|>=|<|>|==)\s*(\S.*?)\s*")
NEEDS_DEVICE = (
    f"{PREDICTED_LATENCY} needs `device: FILE`, a model that `srsweep device model` writes"
)
"""The message about a sweep file that names a predicted latency but no device."""
LONGEST_CONSTRAINT = 1_000
"""The largest number of characters in a constraint."""
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A comparison between `limit` and the cost, the predicted latency or the numeric knob called `name`."""

    name: str
    comparison: str
    limit: float
    rates: Rates | None = None
    """The rates that predict a latency. None for all other constraints."""

    def allows(self, value: float) -> bool:
        """Whether this value of the cost or knob satisfies the constraint."""
        return _OPERATORS[self.comparison](value, self.limit)

    def holds(self, architecture: Architecture, scale: int) -> bool:
        """Whether the architecture satisfies the constraint at `scale`.

        A constraint on a knob holds if the family lacks the knob, or if the value of the knob is not a number.
        """
        if self.rates is not None:
            return self.allows(self.rates.predict(architecture, scale))
        if self.name in COSTS:
            return self.allows(costs(architecture, scale)[self.name])
        value = getattr(architecture.spec, self.name, None)
        return not isinstance(value, int | float) or self.allows(value)

    def __str__(self) -> str:
        if self.name == PREDICTED_LATENCY:
            return f"{self.name} {self.comparison} {self.limit:g} ms"
        return f"{self.name} {self.comparison} {format_quantity(self.limit)}"


def constrained_name(text: object) -> str | None:
    """Returns the name that the constraint written as `text` limits, or None if `text` is not a constraint."""
    match = _match(text)
    return None if match is None else match[1]


def parse_constraint(
    text: object, knob_names: Collection[str], rates: Rates | None = None
) -> Constraint:
    """Returns the constraint written as `text`, for example 'params <= 300k'. `rates` predict latencies on a device.

    Raises UserError if `text` is not a constraint, if its name is neither a cost nor one of `knob_names`, if its limit
    lies beyond `searchspace.quantity.LARGEST`, or if it limits the predicted latency without `rates`.
    """
    match = _match(text)
    if match is None:
        raise UserError(f"must read like 'params <= 300k' (<=, >=, <, >, ==), got {shown(text)}")
    name, comparison, limit = match.groups()
    if name == PREDICTED_LATENCY:
        return _of_latency(comparison, limit, rates)
    if name not in COSTS and name not in knob_names:
        raise UserError(
            f"unknown cost or knob {shown(name)}; {nearest(name, [*COSTS, *knob_names])}"
        )
    return Constraint(name=name, comparison=comparison, limit=parse_limit(limit))


def _match(text: object) -> re.Match[str] | None:
    # The pattern takes seconds for a very long text.
    short = isinstance(text, str) and len(text) <= LONGEST_CONSTRAINT
    return _COMPARISON.fullmatch(str(text)) if short else None


def _of_latency(comparison: str, limit: object, rates: Rates | None) -> Constraint:
    if rates is None:
        raise UserError(NEEDS_DEVICE)
    milliseconds = parse_milliseconds(limit)
    return Constraint(
        name=PREDICTED_LATENCY, comparison=comparison, limit=milliseconds, rates=rates
    )


def at_most(cost: str, limit: object, rates: Rates | None = None) -> Constraint:
    """Returns the constraint `cost <= limit`, as one entry under `budget` in a sweep file states it.

    `rates` predict latencies on a device. Raises UserError if the cost is unknown, if the limit is not a number up to
    `searchspace.quantity.LARGEST`, or if it limits the predicted latency without `rates`.
    """
    if cost == PREDICTED_LATENCY:
        return _of_latency("<=", limit, rates)
    if cost not in COSTS:
        raise UserError(f"unknown cost; {nearest(cost, COSTS)}")
    return Constraint(name=cost, comparison="<=", limit=parse_limit(limit))
