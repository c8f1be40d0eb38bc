"""Tests that the documents are right about files, commands and sweeps."""

import csv
import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from analysis.read.frames import load_trials
from benchmarks.folders import RESULTS
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
PAGES = sorted(["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])


def text(page: str) -> str:
    return (ROOT / page).read_text()


def test_the_sweep_in_the_readme_is_valid() -> None:
    start = README.index("    metadata:\n")
    written = README[start : README.index("    srsweep families", start)]
    config = parse_config(yaml.safe_load(dedent(written)), "README.md")
    check_feasible(config)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_exists(page: str) -> None:
    named = set(re.findall(r"^    (?:.*&& )?srsweep ([a-z0-9-]+)", text(page), re.MULTILINE))
    assert named <= set(COMMANDS)
    assert page != "README.md" or len(named) > 5


def test_every_target_of_make_in_the_readme_exists() -> None:
    named = set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"sweep", "test"} <= named <= targets


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md", "benchmarks/README.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`([\w-]+/[\w/-]+\.(?:py|md|yaml|csv))`", text(page))
    assert len(named) > 20 or page != "ARCHITECTURE.md"
    for file in named:
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md"])
def test_links_of_a_page_lead_to_files_and_headings(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE) if heading else []
        assert not heading or heading in {h.lower().replace(" ", "-") for h in headings}, target


def test_rows_of_the_readmes_results_are_rows_of_the_results_page() -> None:
    """README leaves columns out of the table in docs/results.md, but never changes a figure."""

    def rows(page: str) -> dict[str, list[str]]:
        lines = re.findall(r"^\| (.*dB.*|.*\d\.\d{2} / 0\.\d+.*) \|$", text(page), re.MULTILINE)
        return {cells[0]: cells[1:] for cells in (line.split(" | ") for line in lines)}

    whole = rows("docs/results.md")
    shown = rows("README.md")
    assert len(shown) == 4
    for network, cells in shown.items():
        places = iter(whole[network])
        assert all(cell in places for cell in cells), network  # the same figures in the same order


def test_recorded_rows_of_the_results_page_are_those_of_the_database() -> None:
    page = text("docs/results.md")
    frame = load_trials(f"sqlite:///{ROOT / 'results.db'}", ["slwsr-x4-bsds400"])
    costs = {
        (f"{row.params / 1e3:.1f}K", f"{row.multadds / 1e9:.2f}G", f"{row.psnr_y:.2f}")
        for row in frame.itertuples()
    }
    found = re.findall(r"\| ([\d.]+K) \| ([\d.]+G) \| BSDS400 \| ([\d.]+) \|", page)
    assert len(found) == 3
    assert set(found) <= costs


@pytest.mark.parametrize(
    ("sweep", "column"), [("recent-x4-100k-2000-steps", 4), ("recent-x4-100k", 5)]
)
def test_the_table_of_families_has_every_network_of_the_recorded_sweep(
    sweep: str, column: int
) -> None:
    frame = load_trials(f"sqlite:///{ROOT / 'results.db'}", [sweep])
    assert (frame["state"] == "complete").all()
    recorded = []
    for _, seeds in frame.groupby("label"):
        assert len(seeds) == 3
        scores, first = seeds["psnr_y"], seeds.iloc[0]
        cost = (f"{first.params / 1e3:.1f}K", f"{first.multadds / 1e9:.2f}G")
        recorded.append((*cost, f"{scores.mean():.2f} ± {scores.std():.2f}"))
    page = text("docs/results.md")
    lines = re.findall(r"^\| (.+ \| \d{4} \| .+|MSSN.+ \| - \| .+) \|$", page, re.MULTILINE)
    rows = [line.split(" | ") for line in lines]
    shown = [(*row[2:4], row[column]) for row in rows if row[column] != "-"]
    assert sorted(shown) == sorted(recorded)


def test_shares_of_steps_on_the_search_page_are_those_of_the_benchmark() -> None:
    with (ROOT / "benchmarks/search/results/summary.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["contender"] == "pareto"]
    to_rival = sorted(f"{float(row['share_of_steps_to_best_rival']):.2f}" for row in rows)
    to_tpe = sorted(f"{float(row['share_of_steps_to_tpe']):.2f}" for row in rows)
    page = " ".join(text("docs/search.md").split())
    assert f"after {', '.join(to_rival[:-1])} and {to_rival[-1]} of that search's steps" in page
    assert f"after {to_tpe[0]} to {to_tpe[-1]} of the steps of `tpe`" in page


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
