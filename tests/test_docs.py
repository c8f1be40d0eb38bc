"""What the documents say of files, commands and sweeps is kept true here."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from benchmarks.record import RESULTS
from benchmarks.table import tables
from srsweep.cli import COMMANDS
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import parse_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/adding-a-family.md").read_text()
QUOTED = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
FILES = sorted(set(re.findall(r"`((?:searchspace|tests)/[\w/]+\.py)`", PAGE)))


@pytest.mark.parametrize("code", QUOTED, ids=lambda code: code.split("(")[0].split(" =")[0])
def test_quoted_code_is_that_of_the_shortest_family(code: str) -> None:
    assert f"{code}\n" in (ROOT / "searchspace/families/vdsr.py").read_text()


def test_the_quoted_family_is_the_shortest() -> None:
    files = (ROOT / "searchspace/families").glob("[a-z]*.py")
    lengths = {file.stem: len(file.read_text().splitlines()) for file in files}
    assert min(lengths, key=lengths.__getitem__) == "vdsr"


def test_every_file_that_is_named_exists() -> None:
    assert len(QUOTED) == 4
    assert FILES
    for file in FILES:
        assert (ROOT / file).is_file(), file


README = (ROOT / "README.md").read_text()


def test_the_sweep_in_the_readme_is_valid() -> None:
    start = README.index("    metadata:\n")
    written = README[start : README.index("    srsweep families", start)]
    config = parse_config(yaml.safe_load(dedent(written)), "README.md")
    check_feasible(config)


def test_every_command_in_the_readme_exists() -> None:
    named = set(re.findall(r"^    srsweep ([a-z-]+)", README, re.MULTILINE))
    assert len(named) > 5
    assert named <= set(COMMANDS)


def test_every_target_of_make_in_the_readme_exists() -> None:
    named = set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"sweep", "test"} <= named <= targets


def test_files_that_the_readme_names_exist() -> None:
    for file in re.findall(r"[`(]([\w/-]+\.(?:py|md|yaml|png))[`)]", README):
        assert (ROOT / file).exists(), file


def test_the_tables_of_the_benchmarks_are_those_of_their_files() -> None:
    assert tables(RESULTS) in (ROOT / "benchmarks/README.md").read_text()


FACTS = (ROOT / "docs/facts.md").read_text()
SECTIONS = re.findall(r"^##+ (\d+(?:\.\d+)?) ", FACTS, re.MULTILINE)
SECTION = r"\d+(?:\.\d+)?"
CITATION = re.compile(rf"docs/facts\.md ({SECTION}(?:(?:, | and | to ){SECTION})*)")


def test_sections_of_the_facts_stand_in_order() -> None:
    numbers = [tuple(map(int, section.split("."))) for section in SECTIONS]
    assert numbers == sorted(set(numbers))


def test_every_section_of_the_facts_that_the_code_cites_exists() -> None:
    packages = ("searchspace", "sweeps", "analysis", "srsweep", "benchmarks", "tests")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    cited = {
        (section, str(file.relative_to(ROOT)))
        for file in files
        for citation in CITATION.findall(" ".join(file.read_text().split()))
        for section in re.findall(SECTION, citation)
    }
    assert len(cited) > 50
    assert {(section, file) for section, file in cited if section not in SECTIONS} == set()
