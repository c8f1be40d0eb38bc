"""The line of a key, for random nested YAML."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.config.yaml_lines import line_of, located
from sweeps.yaml_text import duplicates

deterministic = settings(derandomize=True, max_examples=100, deadline=None)
keys = st.text("abcdefxyz_", min_size=1, max_size=4)
scalars = st.integers(0, 99) | st.text("klm \n#:", max_size=8) | st.booleans() | st.none()
trees = st.dictionaries(
    keys,
    st.recursive(
        scalars,
        lambda inner: st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=3),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)


def written(
    tree: Any, indent: int, at: tuple[str, ...], lines: list[str]
) -> dict[tuple[str, ...], int]:
    """Write `tree` to `lines` with one key or list entry per line; return the line of each path, counted from 1."""
    found: dict[tuple[str, ...], int] = {}
    is_list = isinstance(tree, list)
    entries = [(str(n), value) for n, value in enumerate(tree)] if is_list else list(tree.items())
    for key, value in entries:
        head = " " * indent + ("-" if is_list else f"{key}:")
        nested = isinstance(value, dict | list) and value
        if nested and is_list:
            # The entry begins in the next line, with its first key or entry.
            lines.append(head)
            found[(*at, key)] = len(lines) + 1
        else:
            lines.append(head if nested else f"{head} {flow(value)}")
            found[(*at, key)] = len(lines)
        if nested:
            found |= written(value, indent + 2, (*at, key), lines)
        lines.append("")
        lines.append(" " * indent + "# a comment")
    return found


def flow(value: object) -> str:
    """`value` in one line: JSON, which is YAML too."""
    return json.dumps(value)


@deterministic
@given(trees)
def test_line_of_a_fault_is_the_line_of_its_key(tree: dict[str, Any]) -> None:
    lines: list[str] = []
    expected = written(tree, 0, (), lines)
    text = "\n".join(lines)
    assert yaml.safe_load(text) == tree
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for path, line in expected.items():
        assert line_of(node, path) == f":{line}", text
        # A key that the file lacks is told at the line of the key above it.
        assert line_of(node, (*path, "missing!")) == f":{line}"
    assert line_of(node, ("missing!",)) == ""
    assert duplicates(node) == []


@deterministic
@given(trees, st.data())
def test_a_key_that_appears_twice_is_found(tree: dict[str, Any], data: st.DataObject) -> None:
    lines: list[str] = []
    paths = [path for path in written(tree, 0, (), lines) if len(path) == 1]
    (again,) = data.draw(st.sampled_from(paths))
    node = yaml.compose("\n".join([*lines, f"{again}: 1"]), Loader=yaml.SafeLoader)
    assert duplicates(node) == [(again,)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("data.hold_out: too large", "{file}:5: metadata.sweep.data.hold_out: too large"),
        ("metadata.sweep.data.hold_out: no", "{file}:5: metadata.sweep.data.hold_out: no"),
        ("data.root: missing: x", "{file}:4: metadata.sweep.data.root: missing: x"),
        ("the disk is full", "the disk is full"),
    ],
)
def test_a_fault_of_a_setting_gains_its_place(tmp_path: Path, fault: str, expected: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("metadata:\n  sweep:\n    name: a\n    data:\n      hold_out: 9\n")
    assert located(file, fault, ["data", "name"]) == expected.format(file=file)
    file.unlink()
    assert located(file, fault, ["data", "name"]) == fault
