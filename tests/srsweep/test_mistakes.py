"""What the commands that read a database say of sweeps without results and of what a person got wrong."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from analysis.choose.variants import variants
from analysis.read.frames import knob_columns, load_trials
from searchspace.architecture import architecture
from srsweep.choice import Choice
from srsweep.cli import main
from srsweep.commands.export import _refuse_same_files
from srsweep.errors import PersonsMistake, as_expected
from tests.stored import Database


def srsweep(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def one_line(*words: object) -> str:
    """What is said of a mistake, which is one line and no traceback."""
    said = srsweep(*words, code=2).stderr.strip().splitlines()
    return said[-1]


@pytest.fixture(params=["no trial", "all failed"])
def fruitless(request: pytest.FixtureRequest, database: Database) -> Database:
    sweep_id = database.sweep("small")
    if request.param == "all failed":
        for number in range(2):
            database.trial(sweep_id, number, None, 1e4, 1e9, state="failed", error="broke")
    return database


@pytest.mark.parametrize(
    "words",
    [
        ["--knee"],
        ["--tiers", "50k"],
        ["--max-params", "50k"],
        ["--weights", "psnr_y=1,params=2"],
        ["--quality", "psnr_y_int8"],
    ],
)
def test_of_nothing_nothing_is_chosen(fruitless: Database, words: list[str]) -> None:
    said = srsweep("select", "small", "--db", fruitless.url, *words).stdout
    assert "There is no finished trial to choose from." in said


@pytest.mark.parametrize("words", [[], ["--int8"], ["--objectives", "psnr_y,params"]])
def test_the_front_of_nothing_is_empty(fruitless: Database, words: list[str]) -> None:
    found = srsweep("front", "small", "--db", fruitless.url, "--json", *words).stdout
    assert json.loads(found) == []


def test_a_report_into_a_folder_is_refused_before_it_is_made(
    small: Database, tmp_path: Path
) -> None:
    words = ("report", "small", "--db", small.url, "-o")
    assert "'-o' / '--output'" in one_line(*words, tmp_path)
    assert one_line(*words, tmp_path / "no" / "a.html").startswith("Error: -o: there is no folder")


def test_a_study_goes_into_a_folder_that_is_there(small: Database, tmp_path: Path) -> None:
    words = ("export-optuna", "small", "--db", small.url, "-o")
    assert one_line(*words, tmp_path / "no" / "a.db").startswith("Error: -o: there is no folder")
    (tmp_path / "a folder").mkdir()
    srsweep(*words, tmp_path / "a folder" / "a study.db")
    assert (tmp_path / "a folder" / "a study.db").is_file()


def test_no_test_set_is_a_mistake() -> None:
    assert one_line("evaluate", "bicubic", "--sets", " ,").startswith("Error: --sets: must name")


def test_a_package_that_is_not_there_is_named_with_what_brings_it(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("analysis.pages.dashboard", "analysis.pages.dashboard_page"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "dash", None)
    said = one_line("dashboard", "--db", small.url)
    assert said == "Error: dash is not installed; `pip install 'srsweep[dashboard]'`"
    assert as_expected(ModuleNotFoundError(name="searchspace.nothing")) is None
    assert isinstance(as_expected(ModuleNotFoundError(name="onnxruntime")), PersonsMistake)


@pytest.mark.filterwarnings("ignore:Query string argument")  # that the file has no use for
def test_a_sweeps_text_that_cannot_be_read_does_not_show_the_password(small: Database) -> None:
    url = f"{small.url}?password=secret"
    for words in (["latency", "small#0"], ["resume", "small"]):
        said = srsweep(*words, "--db", url, code=2).stderr
        assert "metadata.sweep.families: is missing" in said
        assert "secret" not in said


def test_two_variants_never_share_a_file() -> None:
    network = architecture("slwsr", {"n_feats": 8})
    first, again = (Choice(architecture=network, scale=4, seed=seed) for seed in (0, 1))
    _refuse_same_files([first, Choice(architecture=network, scale=2)])
    with pytest.raises(ValueError, match="are one network with other weights"):
        _refuse_same_files([first, again])


def test_whole_numbers_stay_whole_beside_knobs_that_others_lack() -> None:
    rows = [(1, "n_feats", "8"), (2, "n_feats", "16"), (2, "n_steps", "3")]
    knobs = knob_columns(pd.DataFrame(rows, columns=["trial_id", "name", "value"]))
    assert [str(value) for value in knobs["n_steps"]] == ["nan", "3"]


def test_variants_of_nothing_know_every_cost(database: Database) -> None:
    database.sweep("s")
    assert {"params", "multadds"} <= set(variants(load_trials(database.url)))


@pytest.mark.parametrize("scale", ["0", "1", "-2"])
def test_a_scale_that_enlarges_nothing_is_a_mistake(scale: str) -> None:
    said = one_line("evaluate", "bicubic", "--sets", "Set5", "--scale", scale)
    assert "'--scale'" in said
