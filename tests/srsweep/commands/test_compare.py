import json

import pytest

import srsweep
from srsweep.commands.compare import as_json_types
from tests.srsweep.calls import invoke, succeed
from tests.stored import Database


@pytest.fixture
def two(small: Database) -> Database:
    sweep_id = small.sweep("rival")
    small.trial(sweep_id, 0, 27.2, 90_000, 4e9)
    return small


def test_the_command_prints_fronts_volumes_budgets_and_the_api_the_same(two: Database) -> None:
    shown = succeed("compare", "small", "rival", "--db", two.url).stdout
    assert "rival#0" in shown
    assert "small PSNR-Y dB" in shown
    assert "best within each budget" in shown
    options = ("--budgets", "50k,1M", "--objectives", "psnr_y,params", "--db", two.url, "--json")
    stored = json.loads(succeed("compare", "small", "rival", *options).stdout)
    found = srsweep.compare(
        "small", "rival", objectives=["psnr_y", "params"], budgets=[5e4, 1e6], db=two.url
    )
    assert stored == as_json_types(found)
    assert [row["best"] for row in stored["budgets"]] == ["small", "small"]
    assert stored["objectives"] == {"psnr_y": "maximize", "params": "minimize"}


def test_a_single_sweep_is_a_mistake(small: Database) -> None:
    result = invoke("compare", "small", "--db", small.url)
    assert result.exit_code == 2
    assert "two or more different ones must be named, got small" in result.stderr
