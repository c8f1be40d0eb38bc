"""The line of a key in a YAML file, for messages about faults."""

from collections.abc import Iterable
from pathlib import Path

import yaml

SWEEP = ("metadata", "sweep")
"""Path of the sweep in its file."""


def line_of(node: yaml.Node | None, path: tuple[str, ...]) -> str:
    """Return ':12' when the deepest part of `path` that the file holds is on line 12; '' when it holds none."""
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
    """Return the paths of keys that appear twice in a mapping. YAML accepts these and drops the first value."""
    found, seen = [], set()
    for key, value in _pairs(node):
        name = str(key.value)
        if name in seen:
            found.append((*at, name))
        seen.add(name)
        found += duplicates(value, (*at, name))
    return found


def located(file: Path, fault: str, settings: Iterable[str]) -> str:
    """Return `fault` with its file, line and full path, when it begins with one of `settings` ('data.hold_out: ...').

    Returns `fault` unchanged when it begins with none of them or when the file is no longer readable.
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
