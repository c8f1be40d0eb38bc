"""Where in a YAML file a key stands, so that a fault can name its line."""

from collections.abc import Iterable
from pathlib import Path

import yaml

SWEEP = ("metadata", "sweep")
"""Under which a sweep stands in its file."""


def line_of(node: yaml.Node | None, path: tuple[str, ...]) -> str:
    """':12' for the line of the deepest part of `path` that stands in the file."""
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
    """Paths of keys that a mapping has twice, which YAML lets pass, the first value being lost."""
    found, seen = [], set()
    for key, value in _pairs(node):
        name = str(key.value)
        if name in seen:
            found.append((*at, name))
        seen.add(name)
        found += duplicates(value, (*at, name))
    return found


def located(file: Path, fault: str, settings: Iterable[str]) -> str:
    """A fault that begins with one of the `settings`, as in 'data.hold_out: ...', with file, line and whole path.

    As it is where it begins with none, or where the file cannot be read any more.
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
