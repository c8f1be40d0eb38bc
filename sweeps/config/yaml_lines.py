"""Finds the lines of keys in a YAML file, for messages about faults."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from searchspace.errors import LONGEST_VALUE, UserError, shown
from searchspace.space import Fault
from sweeps.yaml_text import pairs_of, read_text, read_yaml

SWEEP = ("metadata", "sweep")
"""Path of the sweep's settings in the sweep file."""


def line_number(node: yaml.Node | None, path: tuple[str, ...]) -> int | None:
    """Returns the line of the key at `path`, counted from 1.

    If the file lacks the last keys of `path`, returns the line of the deepest key that it has, or None if it has none.
    If a key occurs twice, the last one counts, as in YAML.
    """
    line = None
    for part in path:
        pairs = reversed(pairs_of(node))
        found = next((pair for pair in pairs if pair[0].value == part), None)
        if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        elif found is not None:
            line, node = found[0].start_mark.line + 1, found[1]
        else:
            break
    return line


def line_of(node: yaml.Node | None, path: tuple[str, ...]) -> str:
    """Returns the result of `line_number` as text, such as ':12', or '' if it is None."""
    line = line_number(node, path)
    return "" if line is None else f":{line}"


def located(file: Path, fault: str, settings: Iterable[str]) -> str:
    """Returns `fault` preceded by the file, the line and the full path of the setting.

    `fault` begins with the path of a setting, as in 'data.hold_out: ...'. It is returned unchanged if the first key of
    the path is not in `settings`, or if the file can no longer be read.
    """
    path = tuple(fault.partition(":")[0].removeprefix(".".join(SWEEP) + ".").split("."))
    if path[0] not in settings:
        return fault
    try:
        node = read_yaml(read_text(file), SWEEP).node
    except UserError:
        return fault
    line = line_of(node, (*SWEEP, *path))
    return f"{file}{line}: {'.'.join((*SWEEP, *path))}:{fault.partition(':')[2]}"


def listed(faults: Sequence[Fault], source: str, node: yaml.Node | None) -> str:
    """Returns one line for each fault, sorted by the lines of the file."""
    placed = [(line_number(node, path), path, text) for path, text in faults]
    placed.sort(key=lambda each: each[0] or 0)
    return "\n".join(
        f"{source}{f':{line}' if line else ''}: {'.'.join(map(_key, path))}: {text}"
        for line, path, text in placed
    )


def _key(name: str) -> str:
    return name if name.isprintable() and len(name) <= LONGEST_VALUE else shown(name)


def touches(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Returns whether one of two paths begins with the other. A refused value causes faults at paths above and below it."""
    shared = min(len(path), len(other))
    return path[:shared] == other[:shared]
