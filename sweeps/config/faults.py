"""Checks of a sweep file beyond the type and range of a single key, which pydantic checks.

A fault is a pair: the path of the key, and a message.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, get_args

from searchspace.constraint import (
    NEEDS_DEVICE,
    Constraint,
    at_most,
    constrained_name,
    parse_constraint,
)
from searchspace.cost import COSTS
from searchspace.discover import FAMILIES
from searchspace.errors import UserError, shown
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.quantity import parse_milliseconds
from searchspace.space import Fault, Space
from searchspace.spec import knobs
from searchspace.synonyms import meant, nearest
from searchspace.table.family_table import ADDITIVE
from sweeps.measure.latency_objective import LATENCY
from sweeps.measure.ntire import PREFIX as NTIRE
from sweeps.measure.ntire import RULES, objective_fault
from sweeps.search.gates import is_gate
from sweeps.search.sampler import Sampler, sampler_class, samplers_that
from sweeps.search.samplers import SAMPLERS
from sweeps.search.settings import MEASURED, Direction, SearchSettings

At = tuple[str, ...]
T = TypeVar("T")

BETTER: dict[str, Direction] = {
    **dict.fromkeys(MEASURED, "maximize"),
    **dict.fromkeys((LATENCY, PREDICTED_LATENCY, *RULES, *COSTS), "minimize"),
}
"""The direction in which each quantity that can be an objective is better."""
OBJECTIVES = tuple(BETTER)
"""Everything that a sweep can optimise."""
FOCUSED = (*ADDITIVE, PREDICTED_LATENCY)
"""The costs that `search.focus` may name: those in the table of a space."""


def search_faults(
    search: object,
    objectives: Mapping[str, Any],
    space: Space,
    at: At,
    rates: Rates | None = None,
) -> Iterator[Fault]:
    """Yields the faults in the choice of the sampler and in the settings that the sampler must support.

    `search` and `objectives` are the values in the file before pydantic has checked them. `at` is the path of the
    sweep. `rates` predict latencies on a device.
    """
    written = search if isinstance(search, Mapping) else {}
    if not set(written) <= set(SearchSettings.model_fields):
        return  # pydantic reports a key that may be a misspelt `sampler`
    name = written.get("sampler", SearchSettings.model_fields["sampler"].default)
    if not isinstance(name, str) or name not in SAMPLERS:
        return  # pydantic reports it
    sampler, at = sampler_class(name), (*at, "search")
    for text in sampler.faults(space, objectives):
        yield (*at, "sampler"), text
    if written.get("min_gain") is not None and not sampler.expects_gains:
        able = " or ".join(samplers_that("expects_gains"))
        yield (*at, "min_gain"), f"needs sampler: {able}, which estimates the gain of a trial"
    yield from _focus_faults(written.get("focus"), sampler, rates, (*at, "focus"))


def _focus_faults(
    focus: object, sampler: type[Sampler], rates: Rates | None, at: At
) -> Iterator[Fault]:
    if focus and not sampler.takes_focus:
        able = " or ".join(samplers_that("takes_focus"))
        yield at, f"needs sampler: {able}, which knows the costs before training"
    for cost in map(str, items(focus, list)):
        if cost == PREDICTED_LATENCY and rates is None:
            yield (*at, cost), NEEDS_DEVICE
        elif cost not in FOCUSED:
            yield (*at, cost), f"must be an exact cost; {nearest(cost, FOCUSED)}"


def plan_faults(search: SearchSettings, seeds: int, rungs: tuple[int, ...], at: At) -> list[Fault]:
    """Returns the faults in settings under which the sweep would silently train nothing or never pause a trial.

    Each architecture is trained with `seeds` seeds. `rungs` are the steps at which trials pause, the last of which is
    a full training.
    """
    faults: list[Fault] = []
    steps = rungs[-1]
    if search.halving is not None and len(rungs) == 1:
        text = (
            f"must be at most two thirds of train.steps ({steps:,}), so that there is a rung below the last, "
            f"got {search.halving.min_steps:,}"
        )
        faults.append(((*at, "halving", "min_steps"), text))
    needed = seeds * steps
    if search.steps is not None and seeds > 1 and search.steps < needed:
        text = (
            f"must allow one architecture its {seeds} training runs of {steps:,} steps, {needed:,} in all, "
            f"got {search.steps:,}"
        )
        faults.append(((*at, "steps"), text))
    elif search.steps is not None and search.steps < rungs[0]:
        text = (
            f"must allow one trial its first {rungs[0]:,} steps, got {search.steps:,}: "
            "nothing would be trained"
        )
        faults.append(((*at, "steps"), text))
    return faults


def objective_faults(
    objectives: object, scale: object, at: At, rates: Rates | None = None
) -> list[Fault]:
    """Returns one fault for each objective that is unknown, cannot be measured, or has the wrong direction.

    `rates` predict latencies on a device.
    """
    written = objectives if isinstance(objectives, Mapping) else {}
    faults: list[Fault] = []
    for name in map(str, items(objectives, list)):
        way = written.get(name)
        if name.startswith(NTIRE):
            text = objective_fault(written, name, MEASURED, scale) if name in written else None
        elif name == PREDICTED_LATENCY and rates is None:
            text = NEEDS_DEVICE
        elif name not in BETTER:
            text = f"unknown; {nearest(name, OBJECTIVES)}"
        else:
            wrong = way in get_args(Direction) and way != BETTER[name]
            text = f"must be {BETTER[name]}, got {way}" if wrong else None
        if text:
            faults.append(((*at, name), text))
    return faults


def scale_faults(scale: object, space: Space, at: At) -> list[Fault]:
    """Returns one fault for each family that is not built for `scale`."""
    return [
        (
            (*at, part.family.name),
            f"{part.family.name} is built for {part.family.scales}, got scale {scale}",
        )
        for part in space.families
        if scale not in part.family.scales
    ]


def parse_limits(
    budget: object, constraints: object, at: At, rates: Rates | None = None
) -> tuple[list[Constraint], list[Fault]]:
    """Returns the limits in `budget` and `constraints`, and the faults in them. `rates` predict latencies on a device.

    A limit on latency is checked but not returned, because latency is known only once a trial has measured it. Gates
    are left to `sweeps.search.gates`, because a quality is known only after training.
    """
    knob_names = {name for family in FAMILIES.values() for name in knobs(family.spec)}
    limits: list[Constraint] = []
    faults: list[Fault] = []
    for cost, limit in items(budget, dict):
        where = (*at, "budget", str(cost))
        if cost == LATENCY:
            _checked(partial(parse_milliseconds, limit), where, faults)
        elif cost not in COSTS and cost != PREDICTED_LATENCY:
            known = [*COSTS, LATENCY, PREDICTED_LATENCY]
            faults.append((where, f"unknown cost; {nearest(cost, known)}"))
        else:
            limits += _checked(partial(at_most, cost, limit, rates), where, faults)
    for number, text in enumerate(items(constraints, list)):
        where = (*at, "constraints", str(number))
        if is_gate(text):
            continue
        if measured := _measured(text, knob_names):
            faults.append((where, measured))
        else:
            limits += _checked(partial(parse_constraint, text, knob_names, rates), where, faults)
    return limits, faults


def _measured(text: object, knob_names: Collection[str]) -> str | None:
    """Returns why a constraint on a quantity that must be measured is refused, or None for any other constraint."""
    name = constrained_name(text)
    if name is None or name in COSTS or name in knob_names or name == PREDICTED_LATENCY:
        return None
    found = meant(name, [*COSTS, *knob_names, LATENCY, *MEASURED], similar=False)
    if found == LATENCY:
        return f"{LATENCY} is limited under budget, such as budget: {{{LATENCY}: 30 ms}}, got {shown(text)}"
    if found in MEASURED:
        return f"{found} is known only after training; write it as a gate, such as '{found} >= 28', got {shown(text)}"
    return None


def constraint_faults(limits: list[Constraint], space: Space, at: At) -> list[Fault]:
    """Returns the faults in limits on knobs that also take values other than numbers.

    Such values cannot be compared with a limit.
    """
    return [
        (
            at,
            f"{limit}: must limit a knob whose values are numbers, but {part.family.name}.{dimension.name} "
            f"also takes {shown(value)}",
        )
        for limit in limits
        for part in space.families
        for dimension in part.dimensions
        for value in dimension.values
        if dimension.name == limit.name and not isinstance(value, int | float)
    ]


def items(value: Any, kind: type) -> Any:
    """Returns the entries of `value`.

    If `kind` is dict, these are the pairs (key, value) of a mapping. Otherwise these are the items of a list or the
    keys of a dict. A value of any other type has no entries, and pydantic reports the wrong type.
    """
    if kind is dict:
        return value.items() if isinstance(value, Mapping) else ()
    return value if isinstance(value, list | dict) else ()


def _checked(parse: Callable[[], T], at: At, faults: list[Fault]) -> list[T]:
    """Returns the parsed value in a list. If it is wrong, adds a fault to `faults` and returns an empty list."""
    try:
        return [parse()]
    except UserError as error:
        faults.append((at, str(error)))
        return []
