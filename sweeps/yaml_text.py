"""Reads YAML from files and values that a person wrote, and from texts that a database stores.

PyYAML reads YAML 1.1, and so does Ray, which passes cluster files to the head node as JSON. Most people and editors
expect YAML 1.2. A plain scalar is accepted if both versions read the same value, or the same number after
`parse_quantity`. Any other plain scalar is refused. For example, `1:30` is 90 in YAML 1.1 and text in YAML 1.2.

To keep reading fast, there are bounds on a text's size, on its depth, and on its size after the expansion of aliases.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from searchspace.errors import UserError, shown

MAX_BYTES = 1_000_000
"""Maximum size of a text in bytes. Also the maximum number of characters after aliases are expanded."""
MAX_NODES = 50_000
"""Maximum number of values, including keys, before and after aliases are expanded. PyYAML reads 10,000 values per
second."""
MAX_DEPTH = 100
"""Maximum depth of nested lists and mappings."""
TOO_DEEP = "too deeply nested for a sweep file"
LONGEST_NUMBER = 100
"""Maximum number of characters in a plain number."""

Keys = tuple[str, ...]
Fault = tuple[Keys, str]
"""A mistake in a text: the path of its key, and a sentence that explains it."""

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS: dict[type[yaml.Node], str] = {
    yaml.ScalarNode: f"{_TAG}str",
    yaml.SequenceNode: f"{_TAG}seq",
    yaml.MappingNode: f"{_TAG}map",
}
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
"""Plain scalars that are floating-point numbers in the core schema of YAML 1.2, section 10.3.2."""

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)")
_UNDERSCORED = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
"""Numbers such as 100_000. YAML 1.2 reads them as text. `parse_quantity` reads them as the same numbers as YAML 1.1."""
_WITH_TAG = {
    "str": re.compile(r".*", re.DOTALL),
    "null": _NULL,
    "bool": _BOOL,
    "int": _DECIMAL,
    "float": re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
}
"""The scalars that may follow an explicit tag such as !!float."""


class YamlError(UserError):
    """The error for a text that is not YAML or exceeds a bound. Its message is one line without the name of a file."""


@dataclass(frozen=True, kw_only=True)
class Yaml:
    """The result of reading a YAML text."""

    value: Any
    """The value of the text. Only the part at the requested path is complete. All other keys have the value None."""
    node: yaml.Node | None
    """The same value as PyYAML nodes, which record line numbers. None if the text is empty."""
    faults: tuple[Fault, ...]
    """One mistake for each refused scalar, tag and key. In `value`, a refused scalar is text."""


def read_text(path: Path) -> str:
    """Returns the text of a file. Raises YamlError if it cannot be read, is not UTF-8 or has more than MAX_BYTES."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        _check_size(len(content))
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"cannot be read: {error}") from None


def read_yaml(text: str, at: Keys = ()) -> Yaml:
    """Returns the content of a YAML text that a person wrote. Raises YamlError if it is not YAML or exceeds a bound.

    Scalars, tags and keys are checked in the value at the path `at`. Elsewhere, only duplicate keys are faults, because
    the rest of a cluster file belongs to Ray.
    """
    loader = _Loader(text)
    with _one_line():
        node = loader.get_single_node()
        faults = [(path, "this key appears twice") for path in duplicates(node)]
        found = _Found(loader=loader, faults=faults)
        value = found.along(node, at, ())
    return Yaml(value=value, node=node, faults=tuple(faults))


def read_stored(text: str) -> Any:
    """Returns the value of a text that srsweep stored. Raises YamlError if it is not YAML or exceeds a bound.

    The text may come from another person's database. It is read as YAML 1.1, the version that srsweep writes.
    """
    loader = _Loader(text)
    with _one_line():
        node = loader.get_single_node()
        return None if node is None else loader.construct_document(node)


def pairs_of(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """Returns the keys and values of a mapping, and [] for any other node."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def duplicates(node: yaml.Node | None, at: Keys = ()) -> list[Keys]:
    """Returns the paths of keys that appear twice in the same mapping, each path beginning with `at`.

    YAML accepts a repeated key and drops its first value.
    """
    found, seen = [], set()
    for key, value in pairs_of(node):
        name = str(key.value)
        if name in seen:
            found.append((*at, name))
        seen.add(name)
        found += duplicates(value, (*at, name))
    return found


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, extended by bounds that are checked while the text is being read."""

    def __init__(self, text: str) -> None:
        _check_size(len(text))
        with _one_line():
            super().__init__(text)
        self.explicit: dict[int, str] = {}
        """The explicit tags of nodes, by the id of the node."""
        self._depth = self._count = 0
        self._expanded: dict[int, tuple[int, int, int]] = {}
        """(values, characters, depth) of each complete node with its aliases expanded, by the id of the node."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._expanded:
                raise YamlError(
                    f"line {line}: the alias *{event.anchor} must not lie inside its own value"
                )
            return node
        self._count += 1
        self._depth += 1
        self._check(self._count, 0, self._depth, line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.tag is not None:
            self.explicit[id(node)] = event.tag
        self._measure(node, line)
        return node

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        # The scanner looks far ahead, and its time grows with the square of the depth.
        if self.flow_level >= MAX_DEPTH:
            raise YamlError(TOO_DEEP)
        super().fetch_flow_collection_start(token_class)

    def _measure(self, node: Any, line: int) -> None:
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = [each for pair in inner for each in pair]
        sizes = [self._expanded[id(each)] for each in inner]
        nodes = 1 + sum(size[0] for size in sizes)
        characters = sum(size[1] for size in sizes)
        characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        depth = 1 + max((size[2] for size in sizes), default=0)
        self._check(nodes, characters, depth, line)
        self._expanded[id(node)] = nodes, characters, depth

    def _check(self, nodes: int, characters: int, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise YamlError(TOO_DEEP)
        if nodes > MAX_NODES or characters > MAX_BYTES:
            raise YamlError(
                f"line {line}: must hold at most {MAX_NODES:,} values and {MAX_BYTES:,} characters, with aliases "
                "expanded"
            )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Checks and constructs the nodes of a text, and collects faults."""

    loader: _Loader
    faults: list[Fault]

    def along(self, node: yaml.Node | None, at: Keys, path: Keys) -> Any:
        """Returns the value of `node`. Only the key at the path `at` has its value; all other keys have None."""
        if node is None:
            return None
        if not at:
            self._check(node, path, set())
            return self.loader.construct_document(node)
        if not isinstance(node, yaml.MappingNode):
            return _outline(node)
        self.loader.flatten_mapping(node)
        inner: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "..."
            inner[name] = self.along(value, at[1:], (*path, name)) if name == at[0] else None
        return inner

    def _check(self, node: yaml.Node, path: Keys, seen: set[int]) -> None:
        """Adds the faults of `node` and of everything inside it.

        Turns refused scalars into text and drops refused keys.
        """
        if id(node) in seen:
            return
        seen.add(id(node))
        if text := self._own_fault(node):
            self.faults.append((path, text))
            node.tag = _PLAIN_TAGS[type(node)]
        if isinstance(node, yaml.SequenceNode):
            for number, each in enumerate(node.value):
                self._check(each, (*path, str(number)), seen)
        if isinstance(node, yaml.MappingNode):
            node.value = [pair for pair in node.value if self._takes(pair, path, seen)]

    def _own_fault(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar_fault(node)
        if node.tag == _PLAIN_TAGS[type(node)]:
            return None
        return f"the tag {_written(node.tag)} must be left out"

    def _takes(self, pair: tuple[yaml.Node, yaml.Node], path: Keys, seen: set[int]) -> bool:
        """Checks the key and the value of `pair`, and returns whether the key is text or a merge key."""
        key, value = pair
        if isinstance(key, yaml.ScalarNode) and key.tag == f"{_TAG}merge":
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for each in merged:
                self._check(each, path, seen)
            return True
        if not isinstance(key, yaml.ScalarNode):
            self.faults.append((path, "a key must be text, got a list or a mapping"))
            return False
        name = str(key.value)
        self._check(value, (*path, name), seen)
        why = self._scalar_fault(key)
        if why is None and key.tag == f"{_TAG}str":
            return True
        self.faults.append(((*path, name), f"a key must be text; {why or 'put it in quotes'}"))
        return False

    def _scalar_fault(self, node: yaml.ScalarNode) -> str | None:
        if id(node) in self.loader.explicit:
            tag = self.loader.explicit[id(node)]
            pattern = _WITH_TAG.get(tag.removeprefix(_TAG))
            if pattern is not None and pattern.fullmatch(node.value):
                return _too_long(node)
            # The value is not shown, because it may be a database URL with a password.
            return f"the tag {_written(tag)} does not fit this value; leave it out"
        return None if node.style else (_differently_read(node) or _too_long(node))


def _differently_read(node: yaml.ScalarNode) -> str | None:
    """Returns why a plain scalar is refused, usually because YAML 1.1 and 1.2 differ. None if it is accepted."""
    text, old, new = node.value, node.tag.removeprefix(_TAG), _kind(node.value)
    # 07 is 7 for both. 010 is 8 and 10.
    octal = re.fullmatch(r"[-+]?0[0-9_]+", text) and not re.fullmatch(r"[-+]?0+[0-7]?", text)
    if not octal and (old == new or (old in _NUMERIC and _UNDERSCORED.fullmatch(text))):
        return None
    if not octal and old == "str" and new in _NUMERIC and not text.startswith("0o"):
        return None  # parse_quantity reads the text as YAML 1.2 does, such as 1e-3
    if old not in ("bool", "timestamp", "str", *_NUMERIC) or len(text) > LONGEST_NUMBER:
        return f"{shown(text)} has a special meaning in YAML; put it in quotes"
    read = "a date" if old == "timestamp" else _in_words(yaml.safe_load(text))
    later = _in_words(int(text.replace("0o", ""), 8 if "o" in text else 10) if new == "int" else "")
    instead = _INSTEAD.get(old, "write a decimal number, or put text in quotes")
    if (old, new) == ("str", "str"):
        return f"{text} is text, not a number; {instead}"
    return f"{text} is {read} in YAML 1.1 and {later} in YAML 1.2; {instead}"


_NUMERIC = ("int", "float")
_INSTEAD = {
    "bool": "write true or false, or put text in quotes",
    "timestamp": "put it in quotes",
}


def _in_words(value: object) -> str:
    return "text" if isinstance(value, str) else str(value).lower()


def _kind(text: str) -> str:
    """Returns the type of a plain scalar in the core schema of YAML 1.2."""
    kinds = (("null", _NULL), ("bool", _BOOL), ("int", _INT), ("float", _FLOAT))
    return next((kind for kind, pattern in kinds if pattern.fullmatch(text)), "str")


def _too_long(node: yaml.ScalarNode) -> str | None:
    numeric = node.tag in (f"{_TAG}int", f"{_TAG}float")
    if not numeric or len(node.value) <= LONGEST_NUMBER:
        return None
    return f"a number must have at most {LONGEST_NUMBER} characters, got {shown(node.value)}"


def _written(tag: str) -> str:
    return shown(tag.replace(_TAG, "!!")).strip("'")


def _outline(node: yaml.Node) -> Any:
    """Returns a sample value of the type of `node`, for a message that names the type."""
    if isinstance(node, yaml.SequenceNode):
        return []
    return None if node.tag == f"{_TAG}null" else str(node.value)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise YamlError(f"must have at most {MAX_BYTES:,} bytes")


@contextmanager
def _one_line() -> Iterator[None]:
    """Turns PyYAML's errors into a YamlError.

    PyYAML's own messages quote a part of the file, which may hold a password.
    """
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise YamlError(f"not valid YAML: {error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"not valid YAML: {str(error).splitlines()[0]}") from None
