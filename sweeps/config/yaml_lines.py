"""Finds the lines of keys in a YAML file, for messages about faults."""

from collections.abc import Iterable
from pathlib import Path

import yaml

SWEEP = ("metadata", "sweep")
"""Path of the sweep's settings in the sweep file."""


def line_of(node: yaml.Node | None, path: tuple[str, ...]) -> str:
    """Returns the line of the key at `path`, such as ':12'.

    If the file lacks the last keys of `path`, returns the line of the deepest key that it has, or '' if it has none.
    """
    line = None
    for part in path:
        found = next((pair for pair in _pairs(node) if pair[0].value == part), None)
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
        elif found is not None:
            line, node = found[0].start_mark.line, found[1]
        else:
            break
    return "" if line is None else f":{line + 1}"


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def duplicates(node: yaml.Node | None, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Returns the paths of keys that appear twice in the same mapping, each path beginning with `at`.

    YAML accepts a repeated key and drops its first value.
    """
    found, seen = [], set()
    for key, value in _pairs(node):
        name = str(key.value)
        if name in seen:
            found.append((*at, name))
        seen.add(name)
        found += duplicates(value, (*at, name))
    return found


def located(file: Path, fault: str, settings: Iterable[str]) -> str:
    """Returns `fault` with the file, the line and the full path of its setting in front.

    `fault` begins with the path of a setting, as in 'data.hold_out: ...'. It is returned unchanged if the first key of
    the path is not in `settings`, or if the file can no longer be read.
    """
    path = tuple(fault.partition(":")[0].removeprefix(".".join(SWEEP) + ".").split("."))
    if path[0] not in settings:
        return fault
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return fault
    line = line_of(node, (*SWEEP, *path))
    return f"{file}{line}: {'.'.join((*SWEEP, *path))}:{fault.partition(':')[2]}"
