"""Prints a requirements file that pins every dependency to the lowest version in pyproject.toml.

python tools/lowest_versions.py --torch 2.13.0 > lowest.txt

`make test-lowest` installs that file into an environment of its own and runs the quick tests there.
pyproject.toml is the only list. The script uses the standard library alone, so that it runs before
anything is installed.

torch is the exception. Its lowest promised version pulls several gigabytes of CUDA packages from most
indexes, so the default takes the version of the normal environment. `--torch lowest` pins the promised one.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TORCH = "2.13.0"
"""The torch that `make setup` installs."""
TOOLS = "dev"
"""The extra that no user installs: its packages keep the versions of constraints.txt."""

_PROMISE = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^\]]+\])?>=(?P<lowest>[0-9][^,;\s]*)"
)


def lowest(requirement: str) -> str:
    """The pin for one requirement: `ray[tune]>=2.50` becomes `ray[tune]==2.50`.

    ValueError for any other form than `name[extras]>=version`, which would promise no single lowest version.
    """
    match = _PROMISE.fullmatch(requirement)
    if match is None:
        raise ValueError(f"pyproject.toml: must read name>=version, got {requirement!r}")
    return f"{match['name']}{match['extras'] or ''}=={match['lowest']}"


def pins(pyproject: Path, torch: str = TORCH) -> list[str]:
    """The runtime dependencies of the project and of all its extras but `dev`, each at its lowest version.

    `torch` replaces the version of torch; "lowest" keeps the promised one.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    optional = [line for extra, lines in extras.items() if extra != TOOLS for line in lines]
    pinned = [lowest(requirement) for requirement in [*project["dependencies"], *optional]]
    if torch == "lowest":
        return pinned
    return [f"torch=={torch}" if line.startswith("torch==") else line for line in pinned]


def tools_for_tests(pyproject: Path, constraints: Path) -> list[str]:
    """The packages of the extra `dev`, each at its version in constraints.txt."""
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    names = {_canonical(re.split(r"[\[<>=!~; ]", line)[0]) for line in extras[TOOLS]}
    return [line for line in _lines(constraints) if _canonical(line.split("==")[0]) in names]


def _lines(constraints: Path) -> Iterable[str]:
    return (line for line in constraints.read_text().splitlines() if not line.startswith("#"))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Prints the pins, one a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--torch", default=TORCH, help="version of torch, or: lowest")
    torch = parser.parse_args().torch
    pyproject = ROOT / "pyproject.toml"
    print(
        "\n".join([*pins(pyproject, torch), *tools_for_tests(pyproject, ROOT / "constraints.txt")])
    )


if __name__ == "__main__":
    main()
