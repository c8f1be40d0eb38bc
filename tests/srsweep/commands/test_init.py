"""`srsweep init` writes a sweep file that `srsweep check` accepts, and `srsweep schema` the schema beside it."""

import json
from itertools import product
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from srsweep.commands import init as command
from srsweep.new_sweep import SCALES, Answers, parse_duration, sweep_text
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import SweepConfig, read_config, read_config_text
from tests.srsweep.calls import main, mistake, succeed


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "phone").mkdir()
    monkeypatch.chdir(tmp_path / "phone")
    monkeypatch.delenv("SRSWEEP_DB", raising=False)


def test_without_a_terminal_the_defaults_make_a_sweep() -> None:
    told = succeed("init").stdout.splitlines()
    assert told[:2] == ["wrote sweep.yaml", "wrote sweep.schema.json"]
    assert "srsweep check sweep.yaml" in told[2]
    text = Path("sweep.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=sweep.schema.json\n")
    schema = json.loads(Path("sweep.schema.json").read_text())
    assert jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text))
    assert read_config(Path("sweep.yaml")).name == "phone-x4"


def test_images_that_are_not_here_are_told() -> None:
    done = succeed("init", "--data", "BSDS400")
    assert "note: the images are not here yet: " in done.stderr
    assert "BSDS400" in done.stderr
    assert Path("sweep.yaml").exists()  # another machine may have them
    assert "note" not in succeed("init", "--replace").stderr


def test_of_few_images_a_fifth_is_held_out() -> None:
    Path("photos").mkdir()
    for number in range(24):
        Image.new("RGB", (8, 8)).save(f"photos/{number:02}.png")
    succeed("init", "--data", "photos")
    assert read_config(Path("sweep.yaml")).data.hold_out == 4  # the default, 20, would leave 4
    for number in range(24, 100):
        Image.new("RGB", (8, 8)).save(f"photos/{number:02}.png")
    succeed("init", "--data", "photos", "--replace")
    settings = [line.partition("#")[0] for line in Path("sweep.yaml").read_text().splitlines()]
    assert not any("hold_out" in line for line in settings)  # the default is right
    assert read_config(Path("sweep.yaml")).data.hold_out == 20


@pytest.mark.slow
def test_check_accepts_the_file_of_the_defaults(still_machine: None) -> None:
    succeed("init")
    facts = json.loads(succeed("check", "sweep.yaml", "--json").stdout)
    assert facts["budget"] == "params <= 150K"
    assert facts["lacking here"] == "nothing"


def config(**changes: object) -> SweepConfig:
    values = {"scale": 4, "data": "embedded", "budget": "none", "device": "cpu", "seconds": 3600.0}
    answers = Answers(**(values | changes))  # type: ignore[arg-type]
    on_gpu = answers.device == "cuda"
    file = Path("sweep.yaml")
    text = sweep_text(answers, file, on_gpu=on_gpu, at_once=3, schema="s")
    return read_config_text(text, "written")


@pytest.mark.parametrize(("scale", "device"), [*product(SCALES, ("cpu", "cuda"))])
def test_every_scale_and_device_make_a_valid_sweep(scale: int, device: str) -> None:
    made = config(scale=scale, device=device)
    assert (made.scale, made.train.device) == (scale, device)
    check_feasible(made)
    assert len(made.space) > 20


@pytest.mark.parametrize("seconds", [60.0, 3600.0, 9 * 3600.0, 1e6])
def test_the_time_sets_the_hours_and_longer_sweeps_train_longer(seconds: float) -> None:
    made, longer = config(seconds=seconds), config(seconds=20 * seconds)
    assert made.search.hours == pytest.approx(3 * seconds / 3600, rel=1e-3)
    assert made.train.steps <= longer.train.steps
    assert made.train.steps % made.train.evaluate_every == 0
    assert config(seconds=seconds, device="cuda").train.steps > made.train.steps


@pytest.mark.parametrize("data", ["DIV2K", "a b: #1", "~/images", "{FILE}", "'", "C++/A"])
def test_the_name_of_the_images_is_written_so_that_it_is_read_again(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/bob")
    expected = data.replace("~", "/home/bob")
    if "+" in data:
        with pytest.raises(ValueError, match="data.train"):
            config(data=data)
    else:
        assert config(data=data).data.train == expected


def test_a_budget_is_a_number_of_parameters_a_latency_or_none() -> None:
    assert config(budget="600k").budget == {"params": "600k"}
    assert config(budget="30 ms").latency_limit == 30
    assert config(budget="none").budget == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 s", 90),
        ("30min", 1800),
        ("8 h", 28_800),
        ("1.5 d", 129_600),
        ("3 minutes", 180),
        ("1 hour", 3600),
        ("2 days", 172_800),
        ("45 seconds", 45),
    ],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scale", "5"], "--scale: must be one of 2, 3, 4, 8, got '5'"),
        (["--data", " "], "--data: must name images, got ' '"),
        (["--data", "Set5"], "--data: must not be a test set"),
        (["--budget", "small"], "--budget: must be a number of parameters such as 150k, a latency"),
        (["--budget", "0"], "--budget: must be a number of parameters"),
        (["--budget", "-3 ms"], "--budget: "),
        (["--budget", "5"], "--budget: no architecture "),
        (["--device", "tpu"], "--device: must be one of auto, cpu, cuda, got 'tpu'"),
        (["--time", "soon"], "--time: must be a time such as 30 min, 8 h or 2 d, got 'soon'"),
        (["--time", "0 h"], "--time: must be a time"),
        (["-o", "sweep.json"], "-o: must end in .yaml or .yml, got sweep.json"),
        (["-o", "none/sweep.yaml"], "-o: folder none does not exist"),
    ],
)
def test_a_wrong_answer_is_refused_in_one_line_and_writes_nothing(
    words: list[str], told: str
) -> None:
    assert told in mistake("init", *words)
    assert list(Path.cwd().iterdir()) == []


def test_a_file_is_replaced_only_on_demand() -> None:
    Path("sweep.yaml").write_text("mine")
    assert "sweep.yaml: exists already; name another file with -o, or give --replace" in mistake(
        "init"
    )
    assert Path("sweep.yaml").read_text() == "mine"
    succeed("init", "--replace", "--scale", "2")
    assert read_config(Path("sweep.yaml")).scale == 2
    told = succeed("init", "-o", "other.yml").stdout
    assert "replaced the schema sweep.schema.json" in told


def test_a_file_that_is_no_schema_stays() -> None:
    Path("sweep.schema.json").write_text('{"title": "mine"}')
    for words in (["init"], ["schema", "-o", "sweep.schema.json"]):
        assert "sweep.schema.json: is not a schema of srsweep, so it stays" in mistake(*words)
    assert not Path("sweep.yaml").exists()
    assert Path("sweep.schema.json").read_text() == '{"title": "mine"}'


def test_a_person_on_a_terminal_is_asked_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    answers = "7\n2\n\n600k\ncpu\n2 h\n"
    result = CliRunner().invoke(main, ["init"], input=answers)
    assert result.exit_code == 0, result.output
    assert "Upscaling factor (2, 3, 4, 8) [4]: 7" in result.output
    assert "Error: must be one of 2, 3, 4, 8, got '7'" in result.output
    made = read_config(Path("sweep.yaml"))
    assert (made.scale, made.data.train, made.budget) == (2, "embedded", {"params": "600k"})
    assert made.train.device == "cpu"


def test_an_option_answers_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    words = ["--scale", "3", "--budget", "none", "--device", "cpu", "--time", "2 d"]
    result = CliRunner().invoke(main, ["init", *words], input="DIV2K\n")
    assert result.exit_code == 0, result.output
    assert result.output.count("[") == 1
    assert read_config(Path("sweep.yaml")).data.train == "DIV2K"


def test_the_schema_is_printed() -> None:
    printed = json.loads(succeed("schema").stdout)
    succeed("schema", "-o", "s.json")
    assert json.loads(Path("s.json").read_text()) == printed
