"""Tests the line about each wrong input: where it is, what must hold, what was given, what to do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from searchspace.architecture import architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import ConfigError, parse_config, read_config
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file


def told(tmp_path: Path, text: str) -> str:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value).replace(f"{tmp_path}/", "")


def told_of(tmp_path: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(sweep_file(tmp_path, **changes))
    return str(caught.value).replace(f"{tmp_path}/sweep.yaml", "sweep.yaml")


def test_the_shipped_sweep_is_valid() -> None:
    config = read_config(Path(__file__).parents[3] / "sweep.yaml")
    check_feasible(config)
    assert len(config.space) > config.search.trials


def test_defaults_are_filled_in_and_strings_of_numbers_are_read(tmp_path: Path) -> None:
    config = small_config(
        tmp_path, train={"learning_rate": "1e-4", "steps": "2k"}, budget={"params": "150k"}
    )
    assert config.train.learning_rate == 1e-4
    assert config.train.steps == 2000
    assert str(config.limits[0]) == "params <= 150K"
    assert list(config.objectives) == ["psnr_y", "params", "multadds"]


def test_psnr_of_rgb_is_an_objective(tmp_path: Path) -> None:
    objectives = {"psnr_rgb": "maximize", "params": "minimize"}
    assert small_config(tmp_path, objectives=objectives).objectives == objectives


def test_misspelt_knob_names_the_line_and_the_nearest(tmp_path: Path) -> None:
    text = "metadata:\n  sweep:\n    name: a\n    scale: 4\n    families:\n      slwsr:\n        n_fets: [8]\n"
    assert told(tmp_path, text) == (
        "sweep.yaml:7: metadata.sweep.families.slwsr.n_fets: no such knob; did you mean n_feats?"
    )


def test_misspelt_key_names_the_nearest(tmp_path: Path) -> None:
    message = told_of(tmp_path, train={"step": 4})
    assert message.endswith("metadata.sweep.train.step: no such key; did you mean steps?")
    assert message.startswith("sweep.yaml:")


def test_wrong_type_says_what_was_given(tmp_path: Path) -> None:
    assert "metadata.sweep.train.steps: must be a number such as" in told_of(
        tmp_path, train={"steps": "many"}
    )
    assert "metadata.sweep.scale: Input should be 2, 3, 4 or 8, got 5" in told_of(tmp_path, scale=5)


def test_unknown_family_names_the_nearest(tmp_path: Path) -> None:
    assert "families.slwrs: unknown family; did you mean slwsr?" in told_of(
        tmp_path, families={"slwrs": None}
    )


def test_unknown_objective_and_cost_are_told(tmp_path: Path) -> None:
    message = told_of(tmp_path, objectives={"psnr": "maximize"}, budget={"parms": "3k"})
    assert "objectives.psnr: unknown; did you mean psnr_y?" in message
    assert "budget.parms: unknown cost; did you mean params?" in message


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    message = told_of(
        tmp_path,
        families={"slwsr": {"n_fets": 1}},
        budget={"params": "little"},
        constraints=["n_feats !! 3"],
        seed=-1,
        nme="x",
    )
    assert len(message.splitlines()) == 5


def test_a_yaml_that_is_no_mapping_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "- 1\n- 2\n") == (
        "sweep.yaml: must be a mapping with the sweep under metadata.sweep, got list"
    )
    assert "got keys ['sweep']" in told(tmp_path, "sweep: {}\n")


def test_invalid_yaml_says_where(tmp_path: Path) -> None:
    message = told(tmp_path, "metadata: {sweep: [\n")
    assert message.startswith("sweep.yaml: not valid YAML")
    assert "line" in message
    assert len(message.splitlines()) == 1


def test_a_key_given_twice_is_told(tmp_path: Path) -> None:
    text = sweep_file(tmp_path).read_text() + "    seed: 1\n    seed: 2\n"
    assert "metadata.sweep.seed: this key appears twice" in told(tmp_path, text)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_an_impossible_budget_says_what_the_least_is(tmp_path: Path) -> None:
    config = small_config(tmp_path, budget={"params": 10, "multadds": "1G"})
    with pytest.raises(
        ConfigError, match=r"no architecture .* params <= 10; .*lowest costs: params [\d,]+, m"
    ):
        check_feasible(config)


def test_a_scale_that_a_family_lacks_is_told(tmp_path: Path) -> None:
    name = next(name for name, family in FAMILIES.items() if 8 not in family.scales)
    message = told_of(tmp_path, scale=8, families={name: None, "slwsr": None})
    assert f"families.{name}: {name} is built for" in message


def test_the_environment_names_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRSWEEP_DB", "sqlite:///elsewhere.db")
    assert small_config(tmp_path).storage == "sqlite:///elsewhere.db"


def test_a_cluster_file_is_a_sweep_file(tmp_path: Path) -> None:
    document = {"cluster_name": "x", "provider": {"type": "local"}, "metadata": {"sweep": SMALL}}
    assert parse_config(document, "there").name == "tiny"


def test_the_stored_text_reads_back_as_the_same_sweep(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    again = parse_config({"metadata": {"sweep": yaml.safe_load(config.text)}}, "stored")
    assert again == config


def test_a_missing_key_is_told_without_the_whole_sweep(tmp_path: Path) -> None:
    text = "metadata:\n  sweep:\n    scale: 4\n    families:\n      slwsr:\n        n_feats: [8]\n"
    assert told(tmp_path, text) == "sweep.yaml:2: metadata.sweep.name: is missing"


def test_a_wrong_name_is_told_once(tmp_path: Path) -> None:
    assert told_of(tmp_path, search={"sampler": "fast"}).count("fast") == 1
    assert told_of(tmp_path, train={"precision": "double"}).count("double") == 1


def test_the_nearest_key_is_one_that_may_stand_there(tmp_path: Path) -> None:
    # `steps` is a key of train and of search; `hold_out` is one of data alone.
    assert "did you mean steps?" in told_of(tmp_path, search={"step": 4})
    assert "hold_out" not in told_of(tmp_path, train={"hold_ou": 4})
    told = told_of(tmp_path, search={"seed": 4})
    assert told.endswith("search.seed: no such key; did you mean metadata.sweep.seed?")


def test_a_grid_over_too_many_is_refused(tmp_path: Path) -> None:
    families = {
        "slwsr": {
            "n_feats": {"low": 1, "high": 512},
            "expand_ratio": {"low": 1, "high": 16, "step": 0.01},
        }
    }
    message = told_of(tmp_path, families=families, search={"sampler": "grid"})
    assert "metadata.sweep.search.sampler: grid goes through every architecture" in message


def test_a_constraint_on_a_knob_with_names_is_refused(tmp_path: Path) -> None:
    families = {"slwsr": {"n_blocks": [6, "3-3/3"], "local_blocks": 2}}
    message = told_of(tmp_path, families=families, constraints=["n_blocks <= 6"])
    assert (
        "n_blocks <= 6: must limit a knob whose values are numbers, but slwsr.n_blocks also takes '3-3/3'"
        in message
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {}}, "objectives: Dictionary should have at least 1 item"),
        (
            {"objectives": {"psnr_y": "minimize"}},
            "objectives.psnr_y: must be maximize, got minimize",
        ),
        (
            {"objectives": {"latency": "maximize"}},
            "objectives.latency: must be minimize, got maximize",
        ),
        ({"seed": 10**22}, "seed: Input should be less than 2147483648"),
        (
            {"storage": "foo"},
            "storage: must be a database URL such as sqlite:///results.db, got 'foo'",
        ),
        ({"resources": {"gpu": 2.5}}, "gpu: must be at most 1 or a whole number, got 2.5"),
        ({"resources": {"gpu": -1}}, "gpu: must be auto, 0 or at least 0.0001, got -1"),
        ({"resources": {"gpu": 1e-12}}, "gpu: must be auto, 0 or at least 0.0001, got 1e-12"),
        (
            {"resources": {"cpu": 1e-9}},
            "cpu: Input should be greater than or equal to 0.0001, got 1e-09",
        ),
        (
            {"resources": {"gpu": "half"}},
            "gpu: must be auto or a number such as 0.25, got 'half'",
        ),
        ({"resources": {"gpu": True}}, "gpu: must be auto or a number such as 0.25, got True"),
        ({"families": {"slwsr": {"n_feats": [True, 8]}}}, "n_feats: must not be true or false"),
        ({"families": {"slwsr": {"compress_bias": ["y"]}}}, "compress_bias: must be true or false"),
        (
            {"families": {"slwsr": {"compression": [[True]]}}},
            "a list must hold non-negative whole numbers",
        ),
    ],
)
def test_what_would_fail_later_is_told_now(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in told_of(tmp_path, **changes)


def test_a_scale_that_there_is_not_is_told_once(tmp_path: Path) -> None:
    assert len(told_of(tmp_path, scale=5).splitlines()) == 1


def test_a_file_nested_without_end_is_told(tmp_path: Path) -> None:
    assert (
        told(tmp_path, "[" * 3000 + "]" * 3000) == "sweep.yaml: too deeply nested for a sweep file"
    )


def test_a_space_of_mistakes_alone_says_why(tmp_path: Path) -> None:
    config = small_config(tmp_path, families={"slwsr": {"compression": [[0, 99]]}})
    with pytest.raises(ConfigError, match=r"compression must list numbers up to 25, got 99"):
        check_feasible(config)


def test_a_large_space_of_mistakes_alone_says_why(tmp_path: Path) -> None:
    knobs = {
        "n_blocks": 2,
        "local_blocks": 40,
        "n_feats": {"low": 1, "high": 512},
        "residual_scale": {"low": 0.001, "high": 1, "step": 0.001},
    }
    with pytest.raises(
        ConfigError, match="no combination .* n_blocks must be at least local_blocks"
    ):
        check_feasible(small_config(tmp_path, families={"slwsr": knobs}))


@pytest.mark.slow
def test_an_impossible_budget_on_a_large_space_names_its_least_costs(tmp_path: Path) -> None:
    knobs = {
        "n_feats": {"low": 8, "high": 100},
        "n_blocks": {"low": 5, "high": 20},
        "compression": ["none", "tail", "all"],
    }
    config = small_config(tmp_path, families={"slwsr": knobs}, budget={"params": 100})
    smallest = architecture("slwsr", {"n_feats": 8, "n_blocks": 5, "compression": "all"})
    least = f"lowest costs: params {costs(smallest, config.scale)['params']:,}"
    with pytest.raises(ConfigError, match=rf"no architecture of the space meets .*\({least}\)"):
        check_feasible(config)


RESTARTS = {"steps": "4k", "schedule": "cosine_restarts"}
HALVING = {"halving": {"min_steps": 500}}


def test_a_schedule_restarts_at_the_rungs_unless_told_otherwise(tmp_path: Path) -> None:
    config = small_config(tmp_path, train=RESTARTS, search=HALVING)
    assert config.train.restarts == (500, 2000)
    assert config.comparable["train"]["restarts"] == [500, 2000]
    assert read_config(sweep_file(tmp_path, train=RESTARTS, search=HALVING)) == config
    own = small_config(tmp_path, train={**RESTARTS, "restarts": ["1k"]}, search=HALVING)
    assert own.train.restarts == (1000,)


def test_a_schedule_without_anything_to_restart_at_is_refused(tmp_path: Path) -> None:
    message = told_of(tmp_path, train=RESTARTS)
    assert "metadata.sweep.train.restarts: schedule: cosine_restarts needs the steps" in message
    assert "such as [1000], or turn on search.halving" in message
    small_config(tmp_path, train={**RESTARTS, "restarts": [1000]})


def test_restarts_under_another_schedule_are_refused(tmp_path: Path) -> None:
    message = told_of(tmp_path, train={"steps": 100, "schedule": "cosine", "restarts": [50]})
    assert "metadata.sweep.train.restarts: only schedule: cosine_restarts takes restarts" in message


@pytest.mark.parametrize("first", [3, 4])
def test_halving_without_a_rung_below_the_full_training_is_refused(
    tmp_path: Path, first: int
) -> None:
    search = {"halving": {"min_steps": first, "factor": 2}}
    train = {**SMALL["train"], "steps": 4}
    assert told_of(tmp_path, search=search, train=train).endswith(
        "metadata.sweep.search.halving.min_steps: must be at most two thirds of train.steps (4), so that there is "
        f"a rung below the last, got {first}"
    )
    small_config(tmp_path, search={"halving": {"min_steps": 2, "factor": 2}}, train=train)


def test_a_plan_of_fewer_steps_than_a_trial_begins_with_is_refused(tmp_path: Path) -> None:
    train = {**SMALL["train"], "steps": 40}
    assert told_of(tmp_path, search={"steps": 39}, train=train).endswith(
        "metadata.sweep.search.steps: must allow one trial its first 40 steps, got 39: nothing would be "
        "trained"
    )
    halving = {"min_steps": 10, "factor": 2}
    small_config(tmp_path, search={"steps": 39, "halving": halving}, train=train)


@pytest.mark.parametrize(
    ("written", "gpu"), [(None, "auto"), ("auto", "auto"), ("0.25", 0.25), (0, 0.0), (2, 2.0)]
)
def test_gpus_of_a_trial_are_a_number_or_left_to_the_machine(
    tmp_path: Path, written: object, gpu: object
) -> None:
    resources = {} if written is None else {"gpu": written}
    assert small_config(tmp_path, resources=resources).resources.gpu == gpu
    assert small_config(tmp_path, resources=resources).resources.threads == 1
