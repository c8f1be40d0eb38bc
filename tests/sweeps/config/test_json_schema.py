"""The JSON schema of sweep files accepts what srsweep accepts, and refuses the mistakes that a schema can find."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
import yaml

from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.spec import knobs
from sweeps.config.json_schema import TITLE, sweep_schema
from sweeps.config.sweep_config import INTERNAL, SweepConfig, parse_config, read_config
from sweeps.yaml_text import read_yaml
from tests.fuzz import sweep_files
from tests.sweeps.sweeps_for_tests import SMALL

ROOT = Path(__file__).parents[3]
SCHEMA = sweep_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SWEEP = SCHEMA["properties"]["metadata"]["properties"]["sweep"]
FILES = [
    path
    for path in [ROOT / "sweep.yaml", *sorted((ROOT / "configs").rglob("*.yaml"))]
    if "\n  sweep:" in path.read_text()
]


def accepted(sweep: dict[str, Any]) -> bool:
    return bool(VALIDATOR.is_valid({"metadata": {"sweep": sweep}}))


@pytest.mark.slow
def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == TITLE


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_sweep_file_of_the_project_fits_the_schema(file: Path) -> None:
    assert [
        error.message for error in VALIDATOR.iter_errors(yaml.safe_load(file.read_text()))
    ] == []


def test_there_are_as_many_sweep_files_as_the_project_has() -> None:
    assert len(FILES) > 20


def test_every_setting_is_described_in_the_words_of_the_settings() -> None:
    assert SWEEP["properties"].keys() == SweepConfig.model_fields.keys() - {*INTERNAL}
    assert SWEEP["required"] == ["name", "scale", "families"]
    for name, property_ in SWEEP["properties"].items():
        written = SweepConfig.model_fields[name].description
        assert written
        assert property_["description"] == " ".join(written.split())
    train = SCHEMA["$defs"]["TrainSettings"]["properties"]
    assert "Number of steps of a full training." in train["steps"]["description"]


def test_every_value_that_a_family_lists_fits_the_schema_in_every_form() -> None:
    for family in FAMILIES.values():
        for knob in knobs(family.spec).values():
            listed = [list(v) if isinstance(v, tuple) else v for v in knob.search]
            forms: list[Any] = [listed, "auto", {"values": listed, "when": {knob.name: listed}}]
            forms += [listed[0]] if not isinstance(listed[0], list) else []
            for form in forms:
                sweep = SMALL | {"families": {family.name: {knob.name: form}}}
                assert accepted(sweep), (family.name, knob.name, form)


RIGHT: list[Callable[[dict[str, Any]], object]] = [
    lambda sweep: sweep["train"].update(steps="100k", learning_rate="1e-4", batch_size="16"),
    lambda sweep: sweep["train"].update(betas=[0.9, "0.99"], patch_stages=[{"size": 8}]),
    lambda sweep: sweep["train"].update(loss={"l1": 1, "fft": "5e-2"}),
    lambda sweep: sweep["train"].update(distill={"teacher": "large.pt"}),
    lambda sweep: sweep["train"].update(distill={"teacher": {"weights": "large.pt"}, "weight": 2}),
    lambda sweep: sweep.update(data={"degradation": {"blur": [0.2, 1.5], "noise": 10}}),
    lambda sweep: sweep.update(data={"train": ["C++/A", "T91"]}),
    lambda sweep: sweep.update(resources={"gpu": "auto", "cpu": 2}),
    lambda sweep: sweep.update(resources={"gpu": 0.25, "concurrent": None}),
    lambda sweep: sweep.update(budget={"params": "600k", "latency": "30 ms"}),
    lambda sweep: sweep.update(families={"slwsr": "auto", "mssn": None}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feats": {"low": 8, "high": 64, "step": 8}}}),
    lambda sweep: sweep.update(families={"slwsr": {"compression": ["none", [0, 1]]}}),
    lambda sweep: sweep.update(search={"halving": {"min_steps": 1}, "min_gain": None}),
    lambda sweep: sweep.update(search={"sampler": "pareto", "focus": {"params": "50k .. 1.5M"}}),
    lambda sweep: sweep.update(
        search={"sampler": "pareto", "focus": {"multadds": {"low": 0, "high": "9G"}}}
    ),
]


@pytest.mark.parametrize("change", RIGHT)
def test_a_right_value_is_accepted_by_the_schema_and_by_srsweep(
    change: Callable[[dict[str, Any]], object],
) -> None:
    sweep = {**SMALL, "train": dict(SMALL["train"])}
    change(sweep)
    assert accepted(sweep)
    parse_config({"metadata": {"sweep": sweep}}, "test")


WRONG: list[Callable[[dict[str, Any]], object]] = [
    lambda sweep: sweep.pop("name"),
    lambda sweep: sweep.update(name="with space"),
    lambda sweep: sweep.update(scale=5),
    lambda sweep: sweep.update(text="..."),
    lambda sweep: sweep.update(trian={}),
    lambda sweep: sweep["train"].update(stepps=3),
    lambda sweep: sweep["train"].update(steps=0),
    lambda sweep: sweep["train"].update(steps="many"),
    lambda sweep: sweep["train"].update(steps=True),
    lambda sweep: sweep["train"].update(ema=1),
    lambda sweep: sweep["train"].update(schedule="linear"),
    lambda sweep: sweep["train"].update(precision="float16"),
    lambda sweep: sweep.update(search={"sampler": "bayes"}),
    lambda sweep: sweep.update(search={"sampler": "pareto", "focus": {"params": "50k"}}),
    lambda sweep: sweep.update(search={"sampler": "pareto", "focus": {"psnr_y": "30..31"}}),
    lambda sweep: sweep.update(search={"sampler": "pareto", "focus": {"params": {"low": 1}}}),
    lambda sweep: sweep.update(data={"degradation": {"jpeg": [0, 50]}}),
    lambda sweep: sweep.update(objectives={"psnr": "maximize"}),
    lambda sweep: sweep.update(objectives={"psnr_y": "up"}),
    lambda sweep: sweep.update(objectives={}),
    lambda sweep: sweep.update(budget={"parms": 3}),
    lambda sweep: sweep.update(constraints=[3]),
    lambda sweep: sweep.update(families={}),
    lambda sweep: sweep.update(families={"slwr": "auto"}),
    lambda sweep: sweep.update(families={"slwsr": "all"}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feets": 3}}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feats": 0}}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feats": []}}),
    lambda sweep: sweep.update(families={"slwsr": {"attention": ["none", "se2"]}}),
    lambda sweep: sweep.update(families={"slwsr": {"compression": "middle"}}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feats": {"low": 8}}}),
    lambda sweep: sweep.update(families={"slwsr": {"n_feats": {"values": [8], "wen": {}}}}),
    lambda sweep: sweep.update(
        families={"slwsr": {"n_feats": {"values": [8], "when": {"compression": "middle"}}}}
    ),
]


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_value_is_refused_by_the_schema_and_by_srsweep(
    change: Callable[[dict[str, Any]], object],
) -> None:
    sweep = {**SMALL, "train": dict(SMALL["train"])}
    change(sweep)
    assert not accepted(sweep)
    with pytest.raises(UserError):
        parse_config({"metadata": {"sweep": sweep}}, "test")


def test_a_file_that_srsweep_reads_fits_the_schema_whatever_was_changed(tmp_path: Path) -> None:
    random, read = Random(0), 0
    for base in 2 * list(sweep_files.small_bases(tmp_path)):
        file = sweep_files.mutate(random, base, tmp_path)
        try:
            read_config(file)
        except UserError:
            continue
        read += 1
        document = read_yaml(file.read_text(), ("metadata", "sweep")).value
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    assert read > 5
