"""`srsweep families --published`, as people and as programs read it."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from searchspace.discover import FAMILIES
from srsweep.cli import main
from tests.srsweep.calls import invoke


def families(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["families", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_every_published_row_of_every_family_is_in_the_table() -> None:
    lines = families("--published").splitlines()
    total = sum(len(family.published) for family in FAMILIES.values())
    notes = next(number for number, line in enumerate(lines) if line.startswith("1: "))
    assert notes == 1 + total
    assert max(map(len, lines)) <= 200


@pytest.mark.slow
def test_rounding_twice_is_said_and_explained() -> None:
    text = families("mssn", "--published")
    row = next(line.split() for line in text.splitlines() if line.startswith("S_v1 "))
    assert row[:6] == ["S_v1", "4", "46K", "45,936", "2.7G", "2.646G"]
    assert row[6] == "twice"
    assert "2.646G, which rounds to 2.7 only by way of 2.65" in text
    assert "1 rounded twice" in text


def test_rows_that_do_not_come_out_say_why() -> None:
    lines = families("imdn", "--published").splitlines()
    row = next(line.split() for line in lines if line.startswith("IMDN + GGAS"))
    assert "no" in row
    number = row[row.index("no") + 1]
    assert any(line.startswith(f"{number}: ") and "rounds to 723K" in line for line in lines)


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_programs_get_all_digits_and_the_rules(form: str) -> None:
    text = families("slwsr", "--published", form)
    read = json.loads(text) if form == "--json" else list(csv.DictReader(io.StringIO(text)))
    row = next(row for row in read if row["network"] == "s-LWSR64")
    assert str(row["params_counted"]) == "2276827"
    assert row["multadds_rule"] == "params_times_low_res_pixels"
    assert row["equal"] == "yes"


def test_families_lists_knobs_with_their_meaning() -> None:
    result = invoke("families", "slwsr", "--json")
    knobs = {row["knob"]: row for row in json.loads(result.output)}
    assert knobs["n_feats"]["default"] == "32"
    assert "channels" in knobs["n_feats"]["meaning"]
