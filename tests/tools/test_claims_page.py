"""The page of claims states what the recorded rows say, and what the papers print."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.published.claims import FAILS, UNKNOWN, UNTRAINED
from analysis.published.paper_claims import CLAIMS, PREFIX
from analysis.published.published import load_published
from analysis.read.frames import load_sweeps
from tests.stored import Database
from tools import claims_page

POOL = next(claim for claim in CLAIMS if claim.name == "pool")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "results.db")
    yield database
    database.store.close()


def test_the_page_is_that_of_the_recorded_rows() -> None:
    shown = claims_page.PAGE.read_text().split(claims_page.BEGIN)[1].split(claims_page.END)[0]
    assert shown.strip() == claims_page.written()


def test_every_recorded_sweep_belongs_to_a_claim() -> None:
    for name in load_sweeps(claims_page.URL)["name"]:
        assert name.startswith(PREFIX)
        assert sum(claim.owns(name) for claim in CLAIMS if not claim.trained_by) == 1


def test_new_rows_change_the_verdict(empty: Database) -> None:
    assert f"| [pool](#pool) | {POOL.source} | 2 | 0 | - | {UNTRAINED} |" in claims_page.written(
        empty.url
    )
    for seed in range(3):
        sweep = empty.sweep(f"claim-pool-seed{seed}")
        for number, (design, network) in enumerate(POOL.networks().items()):
            psnr = {"pool": 27.0, "no pool": 27.0 + 0.1 * seed}.get(design, 27.4 + 0.01 * seed)
            empty.trial(sweep, number, psnr, 1e4, 1e9, network=network, seed=seed)
    page = claims_page.written(empty.url)
    assert f"| [pool](#pool) | {POOL.source} | 2 | 3 | 1,000 | {FAILS} |" in page
    assert f"| no pool | 1.000 | -0.100 | -0.348 to +0.148 | {UNKNOWN} | 10 |" in page
    assert "-0.410 | -0.435 to -0.385 | does not hold | - | 0.033 | +0.00, outside the" in page
    assert "| no pool | 1.000G | 10.0K | 3 | 27.100 ± 0.100 | +1.600 |" in page


def test_every_printed_figure_of_a_claim_is_printed_in_its_paper() -> None:
    for claim in CLAIMS:
        dataset = re.search(r"Set5|Set14", claim.printed_on)
        scale = re.search(r"x(\d)", claim.printed_on)
        assert bool(claim.printed) == bool(dataset and scale)
        if not (dataset and scale):
            continue
        printed = load_published(int(scale[1]), dataset[0])
        paper = claim.source.split(",")[0].replace("Two strategies", "GGAS-CWSS")
        known = set(printed[printed["paper"] == paper]["psnr_db"])
        assert set(claim.printed.values()) <= known
        assert set(claim.printed) <= set(claim.designs)
