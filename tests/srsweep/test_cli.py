"""The command line as a person meets it: output that reads and pipes, and errors of one line."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from srsweep.cli import COMMANDS, main
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def mistake(*arguments: object) -> str:
    """The one line on stderr that a person's mistake gets."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def test_cost_of_the_published_networks() -> None:
    result = invoke("cost", "slwsr", "n_feats=16|32|64", "--scale", 4, "--json")
    rows = json.loads(result.output)
    assert [row["params"] for row in rows] == [143_731, 571_107, 2_276_803]
    assert [round(row["multadds"] / 1e9, 3) for row in rows] == [10.185, 39.892, 157.877]


def test_cost_of_one_network_is_one_object() -> None:
    assert json.loads(invoke("cost", "slwsr", "n_feats=16", "--json").output)["params"] == 143_731


def test_every_command_has_help() -> None:
    context = click.Context(main)
    for name, (_, line) in COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert (command.name, command.get_short_help_str(200)) == (name, line)
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert len(command.get_short_help_str(60)) > 10


def test_families_lists_knobs_with_their_meaning() -> None:
    result = invoke("families", "slwsr", "--json")
    knobs = {row["knob"]: row for row in json.loads(result.output)}
    assert knobs["n_feats"]["default"] == "32"
    assert "Channels" in knobs["n_feats"]["meaning"]


def test_a_sweep_from_check_to_report(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    checked = invoke("check", file)
    assert checked.exit_code == 0, checked.output
    assert "architectures          12" in checked.output
    ran = invoke("run", file)
    assert ran.exit_code == 0, ran.output
    assert "4 of 4 trials complete" in ran.output
    front = json.loads(invoke("front", file, "--json").output)
    assert 1 <= len(front) <= 4
    chosen = invoke("select", file, "--tiers", "1k,2k", "--json")
    assert len(json.loads(chosen.output)) == 2
    page = tmp_path / "report.html"
    assert invoke("report", file, "-o", page).exit_code == 0
    assert "</html>" in page.read_text()
    status = json.loads(invoke("status", file, "--json").output)
    assert [row["state"] for row in status] == ["complete"] * 4
    again = invoke("resume", "tiny", "--db", f"sqlite:///{tmp_path / 'results.db'}")
    assert again.exit_code == 0
    assert "4 of 4 trials complete" in again.output


def test_the_number_of_trials_can_be_given(tmp_path: Path) -> None:
    assert "1 of 1 trials complete" in invoke("run", sweep_file(tmp_path), "--trials", 1).output


def test_misspelt_knob() -> None:
    assert "slwsr.n_fets: no such key; did you mean n_feats?" in mistake(
        "cost", "slwsr", "n_fets=3"
    )


def test_knob_without_a_value() -> None:
    assert "n_feats: must read knob=value" in mistake("cost", "slwsr", "n_feats")


def test_unknown_family() -> None:
    assert "unknown family 'slwrs'; did you mean slwsr?" in mistake("cost", "slwrs")


def test_scale_that_there_is_not() -> None:
    assert "scale: slwsr is built for 2, 3, 4, 8, got 5" in mistake("cost", "slwsr", "--scale", 5)


def test_missing_data_folder(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, data={"train": "DIV2K", "root": str(tmp_path)})
    message = mistake("run", file)
    assert "data.train" in message
    assert "DIV2K" in message


def test_truncated_image(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.effect_noise((64, 64), 50).convert("RGB").save(images / f"{number}.png")
    whole = (images / "1.png").read_bytes()
    (images / "1.png").write_bytes(whole[: len(whole) // 2])
    file = sweep_file(tmp_path, data={"train": str(images), "hold_out": 1})
    assert "1.png" in mistake("run", file)


def test_one_pixel_image(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, side in enumerate((64, 1, 64)):
        Image.effect_noise((side, side), 50).convert("RGB").save(images / f"{number}.png")
    file = sweep_file(tmp_path, data={"train": str(images), "hold_out": 1})
    assert "1.png" in mistake("run", file)


def test_patch_larger_than_the_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.effect_noise((40, 40), 50).convert("RGB").save(images / f"{number}.png")
    file = sweep_file(
        tmp_path,
        data={"train": str(images), "hold_out": 1},
        train={"patch_size": 24, "steps": 2, "evaluate_every": 2},
    )
    assert "train.patch_size" in mistake("run", file)


def test_nothing_feasible(tmp_path: Path) -> None:
    message = mistake("check", sweep_file(tmp_path, budget={"params": 5}))
    assert "no architecture of the space meets params <= 5" in message


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "cannot open"),
        ("sqlite:////nowhere/at/all/results.db", "cannot open"),
        ("results.db", "must be a database URL such as sqlite:///results.db"),
    ],
)
def test_unreachable_database(tmp_path: Path, storage: str, told: str) -> None:
    message = mistake("run", sweep_file(tmp_path, storage=storage))
    assert "storage: " in message
    assert told in message


def test_database_of_another_schema(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("create table schema_version (version integer primary key)")
        connection.execute("insert into schema_version values (99)")
    told = "has schema 0099, and this srsweep knows schemas up to 0"
    assert told in mistake("run", sweep_file(tmp_path))
    assert told in mistake("front", "tiny", "--db", f"sqlite:///{tmp_path / 'results.db'}")


def test_database_of_something_else(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("create table songs (title text)")
    assert "holds other tables (songs)" in mistake("run", sweep_file(tmp_path))


def test_yaml_that_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert "must be a mapping with the sweep under metadata.sweep" in mistake(
        "run", tmp_path / "list.yaml"
    )


def test_unknown_sweep(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    assert invoke("run", file, "--trials", 1).exit_code == 0
    url = f"sqlite:///{tmp_path / 'results.db'}"
    assert "none called 'tinny'; did you mean tiny?" in mistake("front", "tinny", "--db", url)


def test_unknown_cost_of_a_selection(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    invoke("run", file, "--trials", 1)
    assert "no cost called 'parms'; did you mean params" in mistake(
        "select", file, "--max", "parms=3"
    )
    for words, fault in (
        (("--tiers", "1k,-5k"), "--tiers: must be above 0, got -5k"),
        (("--min-psnr", "nan"), "--min-psnr: must be a number of dB, got nan"),
        (("--max", "params"), "--max: must read COST=LIMIT"),
        (("--max", "latency=30ms"), "no such latency was measured"),
        (("--max-params", "0"), "--max-params: must be above 0, got 0"),
        (("--weights", "2"), "--weights: must read NAME=WEIGHT"),
    ):
        assert fault in mistake("select", file, *words)


def test_weights_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"no checkpoint")
    set5 = tmp_path / "Set5" / "HR"
    set5.mkdir(parents=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(set5 / "a.png")
    message = mistake("evaluate", "slwsr", "--weights", path, "--root", tmp_path, "--sets", "Set5")
    assert "weights.pt" in message


def test_upstream_checkpoint_through_the_command(shared: Path) -> None:
    weights = shared / "weights" / "s-LWSR32_x4_epoch1.pt"
    result = invoke(
        "evaluate",
        "slwsr",
        "--weights",
        weights,
        "--root",
        shared / "data",
        "--sets",
        "Set5",
        "--json",
    )
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.output)
    assert round(row["psnr_y"], 2) == 28.96


def test_a_knob_value_that_is_none() -> None:
    assert "n_feats={: '{' is no value" in mistake("cost", "slwsr", "n_feats={")


def test_a_knob_given_twice() -> None:
    assert "n_feats is given twice" in mistake("cost", "slwsr", "n_feats=16", "n_feats=32")


@pytest.mark.parametrize("trials", [0, -5])
def test_no_trials_at_all(tmp_path: Path, trials: int) -> None:
    result = invoke("run", sweep_file(tmp_path), "--trials", trials)
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr


def test_check_as_csv(tmp_path: Path) -> None:
    result = invoke("check", sweep_file(tmp_path), "--csv")
    header, values = result.output.strip().splitlines()
    assert header.startswith("sweep,")
    assert "slwsr" in values


@pytest.mark.slow
def test_check_of_a_space_in_which_few_are_feasible(tmp_path: Path) -> None:
    families = {
        "slwsr": {
            "n_feats": {"low": 4, "high": 200},
            "n_blocks": {"low": 5, "high": 12},
            "compression": ["none", "head", "tail", "alternate", "all"],
            "activation_ratio": ["rare", "1/3", "1/2", "2/3", "all"],
        }
    }
    least = json.loads(
        invoke(
            "cost", "slwsr", "n_feats=4", "n_blocks=5", "compression=all", "--scale", 2, "--json"
        ).output
    )["params"]
    file = sweep_file(tmp_path, families=families, budget={"params": least})
    result = invoke("check", file, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["feasible"] == "0.0%"


def test_trials_trained_otherwise_are_not_selected_from_together(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'results.db'}"
    for name, rate in (("slow", 1e-4), ("fast", 1e-3)):
        file = sweep_file(
            tmp_path,
            name=name,
            storage=storage,
            train=SMALL["train"] | {"learning_rate": rate},
            search={"trials": 1},
        )
        assert invoke("run", file).exit_code == 0
    message = mistake("select", "slow", "fast", "--db", storage)
    assert "train.learning_rate differs (" in message


def test_a_setting_of_the_training_that_cannot_be(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--set", "learning_rate=-1", "-o", tmp_path / "best")
    assert "--set learning_rate: Input should be greater than 0, got -1" in message


def test_bicubic_with_weights(tmp_path: Path) -> None:
    message = mistake("evaluate", "bicubic", "--tile", 8)
    assert "bicubic: has no weights" in message
    assert "--images: is a table" in mistake("evaluate", "bicubic", "--images", "--latex")


def test_check_advises_against_what_serves_badly(tmp_path: Path) -> None:
    families = {"srcnn": None, "fsrcnn": {"n_feats": [8, 16]}}
    train = SMALL["train"] | {"schedule": "cosine"}
    search = {"sampler": "nsga2", "trials": 2, "halving": {"min_steps": 2, "factor": 2}}
    file = sweep_file(tmp_path, families=families, train=train, search=search)
    advice = json.loads(invoke("check", file, "--json").output)["advice"]
    assert advice.startswith("halving: under schedule cosine")
    assert "sampler nsga2: it crosses only knobs that all trials share" in advice
    restarting = train | {"schedule": "cosine_restarts"}
    file = sweep_file(tmp_path, train=restarting, search=search)
    assert json.loads(invoke("check", file, "--json").output)["advice"] == "none"
    file = sweep_file(tmp_path, train=restarting, search=search | {"sampler": "pareto"})
    assert "pareto suggests few networks that are worth halting" in invoke("check", file).output
    file = sweep_file(tmp_path, train=restarting | {"restarts": [1]}, search=search)
    assert "under schedule cosine_restarts networks are unfinished" in invoke("check", file).output
    assert json.loads(invoke("check", sweep_file(tmp_path), "--json").output)["advice"] == "none"


@pytest.mark.parametrize(
    ("settings", "key", "fault"),
    [
        ({"budget": {"params": 10}}, "budget", "no architecture of the space meets params <= 10"),
        ({"data": {"train": "set", "hold_out": 9}}, "hold_out", "must leave images to train on"),
    ],
)
def test_what_only_the_run_finds_is_told_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, key: str, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), (40 * number, 0, 0)).save(f"set/{number}.png")
    file = sweep_file(tmp_path, **settings)
    lines = Path(file).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.strip().startswith(f"{key}:"))
    for command in ("check", "run"):
        message = mistake(command, file)
        assert message.startswith(f"Error: {file}:{line}: metadata.sweep.")
        assert f"{key}: {fault}" in message


def test_the_same_networks_under_another_name_and_seed_give_the_spread(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'results.db'}"
    for seed, name in enumerate(("first", "first-seed1")):
        file = sweep_file(
            tmp_path,
            name=name,
            seed=seed,
            storage=storage,
            families={"slwsr": {"n_feats": [2, 3], "n_blocks": 2, "local_blocks": 2}},
            search={"sampler": "grid", "trials": 2},
        )
        assert invoke("run", file).exit_code == 0
    words = ("select", "first", "first-seed1", "--db", storage)
    (row,) = json.loads(invoke(*words, "--json").stdout)
    assert row["num_seeds"] == 2
    assert row["spread"] > 0
    alone = json.loads(invoke("select", "first", "--db", storage, "--json").stdout)
    assert (alone[0]["num_seeds"], alone[0]["spread"]) == (1, None)
    assert "The seeds' spread is " in invoke(*words).stdout
    assert "the seeds' spread is unknown" in invoke("select", "first", "--db", storage).stdout


def test_a_setting_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--set", "schedule=[", "-o", tmp_path / "x")
    assert "--set schedule=[: '[' is no value" in message


def test_images_that_may_not_be_trained_on_name_the_option(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--data", "Set5", "-o", tmp_path / "x")
    assert message.startswith("Error: --data: must not be a test set")
    assert "http" not in message


def test_tiers_of_a_report_name_the_option(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    invoke("run", file)
    assert "--tiers: must be a number" in mistake("report", file, "--tiers", "x")
    output = tmp_path / "nowhere" / "r.html"
    assert f"-o: there is no folder {output.parent}" in mistake("report", file, "-o", output)
    assert not output.parent.exists()
    message = mistake("select", file, "--weights", "psnr_y=2", "--quality", "psnr_y_int8")
    assert "write psnr_y_int8=2" in message


@pytest.mark.parametrize("command", ["export", "train"])
def test_an_output_that_is_a_file_is_refused_as_such(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke(command, "slwsr", "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "'-o'" in result.stderr
    assert "is a file" in result.stderr


def test_a_host_that_is_none_is_not_blamed_on_the_port(tmp_path: Path) -> None:
    pytest.importorskip("dash")
    file = sweep_file(tmp_path)
    invoke("run", file)
    url = f"sqlite:///{tmp_path}/results.db"
    for host in ("bad.invalid", "192.0.2.1"):
        message = mistake("dashboard", "--db", url, "--host", host)
        assert (
            f"--host: must be an address of this machine, such as 127.0.0.1, got '{host}'"
            in message
        )
        assert "--port" not in message
