"""Where in a YAML file a key stands, so that a fault can name its line."""

import yaml


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
