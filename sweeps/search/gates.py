"""Gates: lower limits on the quality of a trained network, such as `psnr_rgb >= 28.5` under `constraints`.

A quality is known only after training, so a gate never stops a trial. A complete trial that misses a gate is not on the
front. From such trials, the samplers learn that a region of the space has little value.
"""

from collections.abc import Mapping

from searchspace.constraint import Constraint, constrained_name, parse_constraint
from searchspace.errors import UserError, shown
from searchspace.space import Fault
from sweeps.search.settings import MEASURED

AT_LEAST = ">="
"""The comparison operator of every gate."""


def is_gate(written: object) -> bool:
    """Returns whether an entry of `constraints` limits a quality that is known only after training."""
    return constrained_name(written) in MEASURED


def gates_of(constraints: object) -> tuple[Constraint, ...]:
    """Returns the gates among the `constraints` of a sweep file. Entries that are not valid gates are left out."""
    written = constraints if isinstance(constraints, list) else []
    found = (_parsed(text) for text in written if is_gate(text))
    return tuple(gate for gate in found if isinstance(gate, Constraint))


def gate_faults(constraints: object, objectives: object, at: tuple[str, ...]) -> list[Fault]:
    """Returns the faults in the gates among `constraints`. Both arguments are as written in the sweep file."""
    written = constraints if isinstance(constraints, list) else []
    faults: list[Fault] = []
    for number, text in enumerate(written):
        if not is_gate(text):
            continue
        found = _parsed(text)
        where = (*at, "constraints", str(number))
        if not isinstance(found, Constraint):
            faults.append((where, found))
        elif isinstance(objectives, Mapping) and found.name not in objectives:
            faults.append((where, f"{found.name} is a gate, so it must be an objective too"))
    return faults


def passes(values: Mapping[str, float], gates: tuple[Constraint, ...]) -> bool:
    """Returns whether the qualities of a trained network, by name, reach all `gates`."""
    return all(gate.allows(values[gate.name]) for gate in gates)


def least_of(gates: tuple[Constraint, ...]) -> dict[str, float]:
    """Returns the limit of each quality that has a gate, by name.

    If a quality has several gates, the highest limit counts.
    """
    return {g.name: g.limit for g in sorted(gates, key=lambda gate: gate.limit)}


def _parsed(text: object) -> Constraint | str:
    """Returns the gate written as `text`, or the reason why `text` is not a valid gate."""
    try:
        gate = parse_constraint(text, MEASURED)
    except UserError as error:
        return str(error)
    if gate.comparison != AT_LEAST:
        return f"{gate.name} is known only after training, so it must read like '{gate.name} {AT_LEAST} 28.5', got {shown(text)}"
    return gate
