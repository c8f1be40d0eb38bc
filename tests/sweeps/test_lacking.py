"""A trial that asks for more than the machine has: a line says so, and the trial uses what there is."""

from pathlib import Path
from typing import Any

import pytest
import torch

from srsweep.commands.check import describe
from sweeps.machine import num_cores
from sweeps.run import lacking, local_slots, run_sweep
from tests.sweeps.sweeps_for_tests import SMALL, small_config

ON_CPU = "; trials run on the CPU"

pytestmark = pytest.mark.usefixtures("still_machine")


@pytest.mark.parametrize(
    ("resources", "device", "gpus", "told"),
    [
        ({"cpu": 4, "gpu": 2}, "auto", 2, []),
        ({}, "auto", 0, []),
        ({"cpu": 1e9}, "auto", 0, ["cpu: a trial asks for 1e+09 cores, and this machine has 4"]),
        (
            {"gpu": 0.3},
            "auto",
            0,
            [f"gpu: a trial asks for 0.3 GPUs, and this machine has none{ON_CPU}"],
        ),
        (
            {"gpu": 1},
            "cuda",
            0,
            ["gpu: a trial asks for 1 GPUs, and this machine has none"],
        ),
        ({"gpu": 3}, "auto", 2, ["gpu: a trial asks for 3 GPUs, and this machine has 2"]),
        ({"gpu": 3}, "cpu", 2, []),
        ({"concurrent": 4}, "auto", 0, []),
        (
            {"cpu": 2, "concurrent": 9},
            "auto",
            0,
            [
                "concurrent: 9 trials at once, and this machine has cores for 2; they share the cores"
            ],
        ),
        ({"cpu": 2, "concurrent": 9}, "auto", 1, []),
    ],
)
def test_what_this_machine_has_less_of_is_told_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, Any],
    device: str,
    gpus: int,
    told: list[str],
) -> None:
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    lines = lacking(small_config(tmp_path, resources=resources, train={"device": device}))
    assert len(lines) == len(told)
    for line, expected in zip(lines, told, strict=True):
        assert line.startswith(f"resources.{expected}")
        assert line.endswith(ON_CPU) == expected.endswith(ON_CPU)


def test_a_run_says_it_and_takes_as_many_threads_as_there_are_cores(tmp_path: Path) -> None:
    said: list[str] = []
    before = torch.get_num_threads()
    resources = {"cpu": 1e9, "gpu": 0.3, "concurrent": 1}
    config = small_config(tmp_path, resources=resources, search={"sampler": "random", "trials": 1})
    try:
        sweep = run_sweep(config, say=said.append)
        assert torch.get_num_threads() == num_cores()
    finally:
        torch.set_num_threads(before)
    assert [trial.state for trial in sweep.trials.values()] == ["complete"]
    settings = [line.partition(": ")[0] for line in said]
    assert [name for name in settings if "." in name] == ["resources.cpu", "resources.gpu"]


def test_trials_on_processors_are_counted_by_cores_beside_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    train = SMALL["train"] | {"device": "cpu"}
    for resources in ({}, {"gpu": 0.25}):
        config = small_config(tmp_path, resources=resources, train=train, search={"trials": 8})
        assert describe(config)["expected time"].endswith(" on this machine with 8 trials at once")


def test_trials_that_ask_for_a_gpu_in_vain_take_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for gpu in (1, 0.25, 2):
        resources = small_config(tmp_path, resources={"cpu": 2, "gpu": gpu}).resources
        assert local_slots(resources) == 4


@pytest.mark.parametrize(
    ("resources", "trials", "turns", "at_once"),
    [
        ({}, 1, 1, 1),
        ({}, 3, 1, 3),
        ({}, 9, 3, 4),
        ({"cpu": 2}, 9, 5, 2),
        ({"cpu": 0.1}, 9, 3, 9),
        ({"concurrent": 20}, 9, 3, 9),
        ({"concurrent": 2}, 9, 5, 2),
    ],
)
def test_trials_that_cores_are_too_few_for_take_turns_in_the_expected_time(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, Any],
    trials: int,
    turns: int,
    at_once: int,
) -> None:
    for module in ("sweeps.run", "sweeps.machine", "srsweep.commands.check"):
        monkeypatch.setattr(f"{module}.num_cores", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("srsweep.commands.check.time_step", lambda *args: 2.0)
    config = small_config(tmp_path, resources=resources, search={"trials": trials})
    seconds = 2.0 * config.train.steps * turns
    told = describe(config)["expected time"]
    trials_at_once = f"{at_once} trials at once" if at_once > 1 else "one trial at a time"
    assert told.startswith(f"{seconds:.0f} s on this machine with {trials_at_once}")


@pytest.mark.parametrize(
    ("resources", "device"), [({"gpu": 1}, "auto"), ({"gpu": 0.5}, "auto"), ({}, "cuda")]
)
def test_no_step_of_a_network_that_is_meant_for_a_gpu_is_timed_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resources: dict[str, Any], device: str
) -> None:
    def never(*args: object) -> float:
        raise AssertionError("a step of it may take more memory than there is")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("srsweep.commands.check.time_step", never)
    config = small_config(tmp_path, resources=resources, train=SMALL["train"] | {"device": device})
    assert describe(config)["expected time"].startswith("unknown: the trials need a GPU")
