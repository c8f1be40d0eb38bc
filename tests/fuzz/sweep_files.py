"""Sweep files: the shipped ones, with a few tokens, lines or values changed."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml

from tests.fuzz.damage import damaged
from tests.fuzz.sweep_words import CONTROLS, KEYS, NUMBERS, SHAPES, TAGS, WORDS

ROOT = Path(__file__).parents[2]


def bases(folder: Path) -> list[Path]:
    """All sweep files of the repository. Files of clusters without a sweep are among them."""
    return [ROOT / "sweep.yaml", *sorted((ROOT / "configs").rglob("*.yaml"))]


def small_bases(folder: Path) -> list[Path]:
    """The files of sweeps whose spaces are checked in an instant. Counting the networks of all families takes seconds."""
    small = (path for path in bases(folder) if path.parent.name != "cluster")
    return [path for path in small if path.stem != "wide-all-families"]


def reader(folder: Path) -> Callable[[Path], None]:
    """Reads a file as every command does, and everything that commands ask of a sweep before they use it."""
    from sweeps.config.sweep_config import read_config

    def read(path: Path) -> None:
        config = read_config(path)
        assert config.digest
        assert config.comparable
        assert config.rungs
        assert config.checkpoint_folder
        assert config.levels is not None
        assert config.latency_limit is None or config.latency_limit > 0

    return read


def checker(folder: Path) -> Callable[[Path], None]:
    """Reads a file and looks for a network within its budget, as `check` and `run` do."""
    from sweeps.config import feasibility
    from sweeps.config.sweep_config import read_config

    def read(path: Path) -> None:
        config = read_config(path)
        feasibility.check_feasible(config)

    return read


def mutate(random: Random, base: Path, folder: Path) -> Path:
    """Applies one to three changes to a sweep file."""
    path = folder / f"{base.stem}.yaml"
    if random.random() < 0.05:
        path.write_bytes(damaged(random, base.read_bytes()))
        return path
    text = base.read_text(encoding="utf-8")
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        text = random.choice(CHANGES)(random, text)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def scalars(text: str) -> list[tuple[int, int]]:
    """Start and end of every scalar, keys included. Empty if the text cannot be scanned."""
    return [(start, end) for kind, start, end in _tokens(text) if kind == "scalar"]


def _tokens(text: str) -> list[tuple[str, int, int]]:
    found, is_key = [], False
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.ScalarToken):
                kind = "key" if is_key else "value"
                found.append((kind, token.start_mark.index, token.end_mark.index))
                found.append(("scalar", token.start_mark.index, token.end_mark.index))
            is_key = isinstance(token, yaml.KeyToken)
    except (yaml.YAMLError, RecursionError):
        return []
    return found


def _span(random: Random, text: str, kind: str) -> tuple[int, int]:
    """Start and end of a random scalar, key or value. A random word if the text cannot be scanned."""
    found = [(start, end) for each, start, end in _tokens(text) if each == kind]
    if found:
        # The sweep is at the end of a file for a cluster. Its part of the file is the one to try.
        start = text.find("sweep:")
        inside = [span for span in found if span[0] > start] or found
        return random.choice(inside)
    start = random.randrange(max(1, len(text)))
    return start, min(len(text), start + random.randint(0, 10))


def odd(random: Random) -> str:
    """An odd value as YAML text."""
    value = random.choice(random.choice([NUMBERS, NUMBERS, WORDS, SHAPES]))
    if random.random() < 0.15:
        return f"{random.choice(TAGS)} {value}"
    return value


def odd_value(random: Random, text: str) -> str:
    start, end = _span(random, text, "value")
    return text[:start] + odd(random) + text[end:]


def odd_block(random: Random, text: str) -> str:
    """Replaces the whole value of a key, with the lines that are indented below it."""
    lines = text.split("\n")
    place = _line(random, lines)
    head, colon, _ = lines[place].partition(":")
    if not colon:
        return odd_value(random, text)
    return "\n".join([*lines[:place], f"{head}: {odd(random)}", *lines[_end(lines, place) :]])


def value_of_another(random: Random, text: str) -> str:
    """Replaces a value by another value or key of the file."""
    start, end = _span(random, text, "value")
    other = _span(random, text, "scalar")
    return text[:start] + text[slice(*other)] + text[end:]


def tagged(random: Random, text: str) -> str:
    start, _ = _span(random, text, "scalar")
    return f"{text[:start]}{random.choice(TAGS)} {text[start:]}"


def misspelt(random: Random, text: str) -> str:
    """Loses, doubles or swaps one character of a key or a value."""
    start, end = _span(random, text, "scalar")
    if end <= start:
        return text
    place = random.randrange(start, end)
    piece = random.choice(["", 2 * text[place], text[place].swapcase(), " ", ":", "-", "."])
    return text[:place] + piece + text[place + 1 :]


def other_key(random: Random, text: str) -> str:
    start, end = _span(random, text, "key")
    return text[:start] + random.choice([*KEYS, odd(random)]) + text[end:]


def aliased(random: Random, text: str) -> str:
    """Gives one value a YAML anchor and refers to it elsewhere, perhaps inside itself."""
    first, second = sorted([_span(random, text, "value"), _span(random, text, "value")])
    if random.random() < 0.3:
        return f"{text[: first[0]]}&a [*a, {{b: *a}}]{text[first[1] :]}"
    if first == second:
        return f"{text[: first[0]]}*a{text[first[1] :]}"
    alias = random.choice(["*a", "[*a, *a]", "{<<: *a}", "{x: *a}"])
    return f"{text[: first[0]]}&a {text[first[0] : second[0]]}{alias}{text[second[1] :]}"


def aliased_block(random: Random, text: str) -> str:
    """Names the mapping under a key and refers to it within itself."""
    lines = text.split("\n")
    place = _line(random, lines)
    if not lines[place].rstrip().endswith(":"):
        return aliased(random, text)
    inside = range(place + 1, max(place + 2, _end(lines, place)))
    at = min(random.choice(inside), len(lines) - 1)
    head = lines[at].partition(":")[0]
    lines[place] += " &a"
    lines[at] = f"{head}: {random.choice(['*a', '[*a]', '{<<: *a}'])}"
    return "\n".join(lines)


def bomb(random: Random, text: str) -> str:
    """Nested references that stand for billions of values."""
    levels = random.choice([3, 9, 30])
    names = [f"a{i}" for i in range(levels)]
    lines = [f"{names[0]}: &{names[0]} [x, x, x]"]
    for before, name in zip(names, names[1:], strict=False):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    start, end = _span(random, text, "value")
    return "\n".join([*lines, f"{text[:start]}*{names[-1]}{text[end:]}"])


def without_line(random: Random, text: str) -> str:
    lines = text.split("\n")
    del lines[_line(random, lines)]
    return "\n".join(lines)


def without_block(random: Random, text: str) -> str:
    lines = text.split("\n")
    place = _line(random, lines)
    return "\n".join([*lines[:place], *lines[_end(lines, place) :]])


def line_twice(random: Random, text: str) -> str:
    lines = text.split("\n")
    place = _line(random, lines)
    lines.insert(random.choice([place, _line(random, lines)]), lines[place])
    return "\n".join(lines)


def indented(random: Random, text: str) -> str:
    lines = text.split("\n")
    place = _line(random, lines)
    shift = random.choice([" ", "  ", "    ", "\t", None])
    lines[place] = lines[place][1:] if shift is None else shift + lines[place]
    return "\n".join(lines)


def moved(random: Random, text: str) -> str:
    """Moves a key with all that is below it to another place."""
    lines = text.split("\n")
    place = _line(random, lines)
    block = lines[place : _end(lines, place)]
    del lines[place : _end(lines, place)]
    at = random.randint(0, len(lines))
    return "\n".join([*lines[:at], *block, *lines[at:]])


def control(random: Random, text: str) -> str:
    place = _span(random, text, "scalar")[random.randrange(2)]
    return text[:place] + random.choice(CONTROLS) + text[place:]


def character(random: Random, text: str) -> str:
    """Puts a character that means something in YAML anywhere in the sweep."""
    place = random.randrange(max(0, text.find("sweep:")), len(text) + 1)
    end = place + random.choice([0, 1])
    return text[:place] + random.choice(list(":-[]{},&*!|>'\"%@`#?~=<.\\\n")) + text[end:]


def other_encoding(random: Random, text: str) -> str:
    return random.choice(
        [
            "\ufeff" + text,
            text.replace("\n", "\r\n"),
            text.replace("\n", "\r"),
            "---\n" + text,
            text + "\n---\n" + text,
            "%YAML 1.2\n---\n" + text,
            "%YAML 9.9\n---\n" + text,
            "%TAG ! tag:x,2000:\n---\n" + text,
            text.replace("  ", "\t"),
            text + "\n...\nx",
            "- " + text.replace("\n", "\n  "),
            f"[{text}]",
        ]
    )


def _line(random: Random, lines: list[str]) -> int:
    """The number of a line, most often one of the sweep."""
    start = next((i for i, line in enumerate(lines) if line.strip().startswith("sweep:")), 0)
    return random.randrange(start if random.random() < 0.95 else 0, len(lines))


def _end(lines: list[str], place: int) -> int:
    """The number of the first line after `place` that is not indented below it."""
    depth = len(lines[place]) - len(lines[place].lstrip())
    end = place + 1
    while end < len(lines) and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    return end


CHANGES: tuple[Callable[[Random, str], str], ...] = (
    *(odd_value, odd_value, odd_value, odd_value, odd_value, odd_block, odd_block, odd_block),
    *(value_of_another, value_of_another, tagged, tagged, misspelt, misspelt, other_key, other_key),
    *(aliased, aliased_block, bomb, without_line, without_block, line_twice, line_twice, indented),
    *(moved, control, character, character, other_encoding),
)
