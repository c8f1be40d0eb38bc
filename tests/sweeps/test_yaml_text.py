"""YAML as people write it: what a plain scalar means, and the bounds within which a text is read."""

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeps.yaml_text import MAX_BYTES, YamlError, read_stored, read_text, read_yaml


def refused(text: str) -> list[str]:
    """The faults of a value, each with its path."""
    return [".".join((*path, fault)) for path, fault in read_yaml(text).faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("+12", 12),
        ("0", 0),
        ("-3", -3),
        ("0x1F", 31),
        ("007", 7),
        ("00", 0),
        ("1_000", 1000),
        ("100_000.5", 100_000.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.0e-3", 1e-3),
        # PyYAML, and Ray with it, reads these as text; parse_quantity reads the text as YAML 1.2 reads the number.
        ("1e-3", "1e-3"),
        ("1e30", "1e30"),
        ("12e03", "12e03"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("~", None),
        ("", None),
        ("Null", None),
        ("TRUE", True),
        ("false", False),
        ("y", "y"),
        ("n", "n"),
        ("10k", "10k"),
        ("a:1", "a:1"),
        ("3-3/3", "3-3/3"),
        ("'1:30'", "1:30"),
        ('"yes"', "yes"),
        ("'010'", "010"),
        ("|\n  1:30", "1:30"),
        ("!!str 010", "010"),
        ("!!float 1e-3", 1e-3),
        ("!!int 12", 12),
        ("!!bool true", True),
        ("!!null ''", None),
        ("!!seq [1]", [1]),
        ("[1, {a: b}]", [1, {"a": "b"}]),
        ("a: {<<: {b: 1, c: 2}, b: 3}", {"a": {"b": 3, "c": 2}}),
        ("[&x {b: 1}, *x, {<<: *x}]", [{"b": 1}] * 3),
    ],
)
def test_a_value_that_every_reader_of_yaml_understands_is_read(text: str, value: object) -> None:
    read = read_yaml(text)
    assert (read.value, read.faults) == (value, ())


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(read_yaml(".nan").value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "1:30",
            "1:30 is 90 in YAML 1.1 and text in YAML 1.2; write a decimal number, or put text",
        ),
        ("1:30:00", "1:30:00 is 5400 in YAML 1.1 and text in YAML 1.2"),
        ("-1:30", "-1:30 is -90 in YAML 1.1 and text in YAML 1.2"),
        ("1:30.5", "1:30.5 is 90.5 in YAML 1.1 and text in YAML 1.2"),
        ("190:20:30", "190:20:30 is 685230 in YAML 1.1"),
        ("010", "010 is 8 in YAML 1.1 and 10 in YAML 1.2; write a decimal number"),
        ("016", "016 is 14 in YAML 1.1 and 16 in YAML 1.2"),
        ("-010", "-010 is -8 in YAML 1.1 and -10 in YAML 1.2"),
        ("0_10", "0_10 is 8 in YAML 1.1 and text in YAML 1.2"),
        ("0_9", "0_9 is text, not a number; write a decimal number, or put text in quotes"),
        ("089", "089 is text in YAML 1.1 and 89 in YAML 1.2"),
        ("0o10", "0o10 is text in YAML 1.1 and 8 in YAML 1.2"),
        ("1_", "1_ is 1 in YAML 1.1 and text in YAML 1.2"),
        ("1__0", "1__0 is 10 in YAML 1.1 and text in YAML 1.2"),
        ("0b11", "0b11 is 3 in YAML 1.1 and text in YAML 1.2"),
        ("0x_1F", "0x_1F is 31 in YAML 1.1 and text in YAML 1.2"),
        ("-0x1F", "-0x1F is -31 in YAML 1.1 and text in YAML 1.2"),
        (
            "yes",
            "yes is true in YAML 1.1 and text in YAML 1.2; write true or false, or put text in",
        ),
        ("No", "No is false in YAML 1.1"),
        ("on", "on is true"),
        ("OFF", "OFF is false"),
        ("08", "08 is text in YAML 1.1 and 8 in YAML 1.2"),
        ("2001-12-14", "2001-12-14 is a date"),
        ("2001-12-14 21:59:43.10 -5", "is a date"),
        ("=", "'=' has a special meaning"),
        ("<<", "'<<' has a special meaning"),
        ("9" * 101, "a number must have at most 100 characters"),
        ("9" * 5000, "a number must have at most 100 characters"),
        ("1." + "9" * 5000, "a number must have at most 100 characters"),
    ],
)
def test_a_scalar_that_readers_of_yaml_read_differently_is_refused(text: str, words: str) -> None:
    (fault,) = refused(text)
    assert words in fault
    assert len(fault) < 250
    # Inside a list and a mapping, as a value and as a key, it is refused with its path.
    assert refused(f"a: [0, {text}]") == [f"a.1.{fault}"]
    if len(text) < 100 and text != "<<":
        assert refused(f"? {text}\n: 1") == [f"{text}.a key must be text; {fault}"]


@pytest.mark.parametrize("tag", ["int", "float", "bool", "timestamp", "binary", "omap", "set"])
@pytest.mark.parametrize("value", ["''", "x", "[1]", "{a: 1}", "0o7", "1:30", "1__", "0b1"])
def test_an_explicit_tag_that_does_not_fit_is_refused(tag: str, value: str) -> None:
    (fault,) = refused(f"a: !!{tag} {value}")
    assert fault.startswith(f"a.the tag !!{tag} ")


@pytest.mark.parametrize(
    "text",
    [
        "!x 1",
        "! 12",
        "!!python/object:os.system {}",
        "!<tag:x.org,2000:y> []",
        "!!python/name:os.x 1",
    ],
)
def test_a_foreign_tag_is_refused(text: str) -> None:
    (fault,) = refused(text)
    assert "the tag " in fault


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "[1, 2]", "{a: 1}", "2001-12-14", "010"])
def test_a_key_that_is_not_text_is_refused(key: str) -> None:
    read = read_yaml(f"a:\n  ? {key}\n  : 1\n  b: 2\n")
    assert [path[0] for path, text in read.faults if "a key must be text" in text] == ["a"]
    assert read.value == {"a": {"b": 2}}


def told(text: str) -> str:
    began = time.monotonic()
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert time.monotonic() - began < 1
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    return message


@pytest.mark.parametrize(
    "text",
    [
        "metadata: &a {sweep: *a}",
        "&a [*a]",
        "&a {b: {c: [1, *a]}}",
        "&a {? *a : 1}",
        "a: &a\n  <<: *a\n",
    ],
)
def test_an_alias_inside_its_own_value_is_refused(text: str) -> None:
    assert told(text).endswith("must not lie inside its own value")


def bomb(levels: int, width: int, first: str) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels + 1)]
    return "\n".join(lines)


@pytest.mark.parametrize(("levels", "width"), [(9, 9), (30, 2), (90, 2), (90, 9)])
def test_aliases_that_expand_without_end_are_refused_at_once(levels: int, width: int) -> None:
    assert "must hold at most 50,000 values" in told(bomb(levels, width, "[1, 1, 1]"))


def test_deep_lists_and_mappings_are_refused_at_once() -> None:
    """The time of PyYAML's scanner grows with the square of the depth."""
    started = time.process_time()
    for opening in ("[", "{a: "):
        assert "too deeply nested" in told(opening * 200_000)
    assert time.process_time() - started < 1


def test_aliases_of_a_long_text_are_refused() -> None:
    """The file names a text of 200 kB nine times."""
    assert "1,000,000 characters" in told(bomb(2, 9, "x" * 200_000))


def test_merge_keys_count_as_their_values() -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}" for n in range(1, 40)]
    assert "must hold at most" in told("\n".join(lines))


def test_few_aliases_are_read() -> None:
    assert read_yaml(bomb(4, 9, "[1]")).value["a4"][8][8][8][8] == [1]


@pytest.mark.parametrize(
    "text",
    ["[" * 3000 + "]" * 3000, "{a: " * 500 + "}" * 500, "- " * 200 + "1", bomb(200, 1, "[1]")],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert told(text) == "too deeply nested for a sweep file"


def test_a_large_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"# " + b"x" * MAX_BYTES)
    with pytest.raises(YamlError, match="must have at most 1,000,000 bytes"):
        read_text(file)
    assert "must have at most 1,000,000 bytes" in told("x" * (MAX_BYTES + 1))
    with pytest.raises(YamlError, match="must have at most 1,000,000 bytes"):
        read_text(Path("/dev/zero"))


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        "a: *nobody",
        "--- 1\n--- 2",
        "a: \0",
        "a:\n\tb: 1",
        "%YAML 9.9\n---\n1",
        "- &a 1\n- &a",
        "'",
        "a: {<<: 1}",
        "@",
        "? [a]: 1: 2",
    ],
)
def test_what_is_no_yaml_is_one_line(text: str) -> None:
    assert told(text).startswith("not valid YAML: ")


def test_an_error_of_yaml_does_not_show_the_text() -> None:
    assert "S3cr" not in told("storage: {postgresql://bob:S3cr@tPW@h/x: [")


def test_outside_of_the_wanted_part_nothing_is_checked_but_keys() -> None:
    """The rest of a cluster file is for Ray, which reads it as YAML 1.1."""
    text = "a: yes\nb: !Ref x\nc: {d: 010, d: 2}\nmetadata: {x: !y 1, sweep: {z: yes}}\n"
    read = read_yaml(text, ("metadata", "sweep"))
    assert read.value == {
        "a": None,
        "b": None,
        "c": None,
        "metadata": {"x": None, "sweep": {"z": "yes"}},
    }
    assert [path for path, _ in read.faults] == [("c", "d"), ("metadata", "sweep", "z")]


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("[1]", []), ("x", "x"), ("metadata: 3", {"metadata": "3"})],
)
def test_a_document_without_the_wanted_part_has_the_type_of_what_is_there(
    text: str, value: object
) -> None:
    assert read_yaml(text, ("metadata", "sweep")).value == value


def test_a_merged_section_is_found() -> None:
    text = "x: &x {sweep: {name: a}}\nmetadata: {<<: *x}\n"
    assert read_yaml(text, ("metadata", "sweep")).value["metadata"] == {"sweep": {"name": "a"}}


VALUES: list[Any] = [
    {
        "a": 1e-05,
        "b": 1e30,
        "c": "1:30",
        "d": "yes",
        "e": "010",
        "f": None,
        "g": [True, "2001-01-01"],
    },
    {"text": "a\nb: 'c'", "empty": {}, "list": [], "number": 10**17},
]


@pytest.mark.parametrize("value", VALUES)
def test_a_text_that_srsweep_stored_reads_back(value: Any) -> None:
    """What earlier versions stored, they wrote with PyYAML: text that looks like a number has quotes."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    assert read_stored(text) == value
    assert (read_yaml(text).value, read_yaml(text).faults) == (value, ())


def test_a_stored_text_is_bounded_as_well() -> None:
    for text in (bomb(9, 9, "[1]"), "&a [*a]", "a: ["):
        with pytest.raises(YamlError):
            read_stored(text)
