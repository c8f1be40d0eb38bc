"""Prints a requirements file that pins every dependency to the lowest version that pyproject.toml allows.

python tools/lowest_versions.py --torch 2.13.0 > lowest.txt

`make test-lowest` installs the printed file into a separate environment and runs the quick tests there.
The script uses only the standard library, so that it can run before anything is installed.

There are three exceptions. The runtimes for phones are left out. The development tools (the extra `dev`) keep the
versions in constraints.txt. torch has the version of the normal environment by default, because its lowest allowed
version pulls several gigabytes of CUDA packages from most indexes. `--torch lowest` pins that version.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TORCH = "2.13.0"
"""The version of torch that `make setup` installs."""
TOOLS = "dev"
"""The extra with the development tools, which no user installs. Its packages keep the versions in constraints.txt."""

RUNTIMES = ("executorch", "litert", "mnn", "coreml")
"""The extras with a runtime for phones. They take gigabytes, and each needs the newest torch."""

_PROMISE = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^\]]+\])?>=(?P<lowest>[0-9][^,;\s]*)"
)


def lowest(requirement: str) -> str:
    """Returns the pin for one requirement: `ray[tune]==2.50` for `ray[tune]>=2.50`.

    Raises ValueError for any form other than `name[extras]>=version`, because it names no single lowest version.
    """
    match = _PROMISE.fullmatch(requirement)
    if match is None:
        raise ValueError(f"pyproject.toml: must read name>=version, got {requirement!r}")
    return f"{match['name']}{match['extras'] or ''}=={match['lowest']}"


def pins(pyproject: Path, torch: str = TORCH) -> list[str]:
    """Returns the dependencies of the project and of its extras except `dev` and RUNTIMES, each pinned to its lowest version.

    torch is pinned to the version `torch` instead, unless `torch` is "lowest".
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    left_out = (TOOLS, *RUNTIMES)
    optional = [line for extra, lines in extras.items() if extra not in left_out for line in lines]
    pinned = [lowest(requirement) for requirement in [*project["dependencies"], *optional]]
    if torch == "lowest":
        return pinned
    return [f"torch=={torch}" if line.startswith("torch==") else line for line in pinned]


def tools_for_tests(pyproject: Path, constraints: Path) -> list[str]:
    """Returns the packages of the extra `dev`, each pinned to its version in constraints.txt."""
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    names = {_canonical(re.split(r"[\[<>=!~; ]", line)[0]) for line in extras[TOOLS]}
    return [line for line in _lines(constraints) if _canonical(line.split("==")[0]) in names]


def _lines(constraints: Path) -> Iterable[str]:
    return (line for line in constraints.read_text().splitlines() if not line.startswith("#"))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Prints the pins, one on each line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--torch", default=TORCH, help=f"version of torch to pin, or lowest (default: {TORCH})"
    )
    torch = parser.parse_args().torch
    pyproject = ROOT / "pyproject.toml"
    print(
        "\n".join([*pins(pyproject, torch), *tools_for_tests(pyproject, ROOT / "constraints.txt")])
    )


if __name__ == "__main__":
    main()
