"""The dict of samplers, and what each says about itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from searchspace.errors import UserError
from searchspace.space import Space, parse_space
from sweeps.config.sweep_config import ConfigError
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.sampler import Sampler, sampler_class, samplers_that
from sweeps.search.samplers import SAMPLERS
from tests.sweeps.sweeps_for_tests import small_config

QUALITY_AND_COST = {"psnr_y": "maximize", "params": "minimize"}


def space(**knobs: object) -> Space:
    parsed, faults = parse_space({"srcnn": {"n_feats": {"low": 2, "high": 512}, **knobs}}, ())
    assert not faults
    return parsed


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_entry_is_a_sampler_that_a_sweep_file_may_name(tmp_path: Path, name: str) -> None:
    found = sampler_class(name)
    assert issubclass(found, Sampler)
    assert found.faults(space(), QUALITY_AND_COST) == []
    assert small_config(tmp_path, search={"sampler": name}).search.sampler == name


def test_an_unknown_sampler_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sampler: must be one of random, .*did you mean nsga2"):
        small_config(tmp_path, search={"sampler": "nsga"})


@pytest.mark.parametrize("wrong", [["tpe"], {"tpe": 1}, 3, None])
def test_a_sampler_that_is_not_a_name_is_reported(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(
        ConfigError, match=r"search\.sampler: (Input should be a valid string|must be text, got 3;)"
    ):
        small_config(tmp_path, search={"sampler": wrong})


def test_grid_refuses_a_space_too_large_to_list() -> None:
    wide = space(mapped_feats={"low": 2, "high": 512})
    assert "grid goes through every architecture" in sampler_class("grid").faults(wide, {})[0]


@pytest.mark.parametrize(
    "objectives",
    [
        {"psnr_y": "maximize"},
        {"params": "minimize"},
        {"psnr_y": "maximize", "params": "maximize"},
        {"psnr_y": "maximize", "memory": "minimize"},
        {**QUALITY_AND_COST, "latency": "minimize"},
    ],
)
def test_pareto_refuses_objectives_that_it_cannot_search(objectives: dict[str, str]) -> None:
    (fault,) = sampler_class("pareto").faults(space(), objectives)
    assert fault.startswith(
        "pareto needs psnr_y, ssim_y or psnr_rgb and costs to minimize among params"
    )
    assert f"got objectives {', '.join(objectives)};" in fault


def test_pareto_alone_expects_gains_and_takes_a_focus() -> None:
    assert samplers_that("expects_gains") == samplers_that("takes_focus") == ["pareto"]


def test_the_arguments_of_a_search_are_a_persons() -> None:
    with pytest.raises(UserError, match="to minimize, got none"):
        Architectures(space(), constraints=(), scale=2, minimized=(), seed=0)


def test_settings_import_neither_optuna_nor_torch() -> None:
    script = (
        "import sys, sweeps.search.settings; print({'optuna', 'torch', 'scipy'} & {*sys.modules})"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout == "set()\n"
