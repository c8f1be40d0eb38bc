"""Tests the output of `srsweep pack`, on invented machines except for one test."""

import json
from pathlib import Path

import pytest
import yaml

from sweeps.capacity.gpu_share import REMEMBERED
from sweeps.capacity.gpus import VISIBLE, Gpu
from sweeps.capacity.settings import ResourceSettings
from sweeps.capacity.throughput import Job, Rung, RungFailed, counts
from sweeps.measure.load import Load
from sweeps.run import local_slots
from tests.srsweep.calls import invoke, mistake
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file

pytestmark = pytest.mark.usefixtures("still_machine")


def machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch, fails_above: int) -> None:
    """Pretends that this machine has 16 cores and GPU number 5, with memory for `fails_above` trials."""
    gpu = Gpu(model="NVIDIA Invented 80", memory=80 * 2**30, bfloat16=True)

    def measure(job: Job, count: int) -> Rung:
        assert job.gpus == "5"
        if count > fails_above:
            raise RungFailed("out of memory: no room")
        rate = 10.0 * count
        return Rung(trials=count, threads=job.threads, steps_per_second=rate, memory=3 * 10**9)

    monkeypatch.setattr("srsweep.commands.pack.find_gpus", lambda: (gpu,))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv(VISIBLE, "5")
    monkeypatch.setattr("srsweep.commands.pack.num_cores", lambda: 16)
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 16)
    monkeypatch.setattr("sweeps.capacity.throughput.measure_rung", measure)


@pytest.mark.slow
def test_pack_measures_and_ends_with_the_line_for_the_file(tmp_path: Path) -> None:
    words = ("pack", sweep_file(tmp_path), "--seconds", 0.2, "--most", 1)
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert (row["trials"], row["best"]) == (1, "yes")
    assert row["steps_per_second"] > 0
    assert row["predicted_bytes"] > 10**8
    assert "1 trial alone: " in result.stderr
    # One trial has all cores.
    assert result.stderr.splitlines()[-1] == f"resources: {{cpu: {row['threads']}}}"


@pytest.mark.parametrize("cores", [1, 2, 3, 5, 6, 7, 12, 16, 20])
def test_pack_without_a_gpu_advises_what_runs_its_best_rung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    def measure(job: Job, count: int) -> Rung:
        rate = float(count if count <= best else best)
        return Rung(trials=count, threads=job.threads, steps_per_second=rate, memory=10**9)

    monkeypatch.setattr("srsweep.commands.pack.find_gpus", lambda: ())
    monkeypatch.setattr("srsweep.commands.pack.num_cores", lambda: cores)
    monkeypatch.setattr("sweeps.run.num_cores", lambda: cores)
    monkeypatch.setattr("sweeps.capacity.throughput.measure_rung", measure)
    file = sweep_file(tmp_path)
    for best in counts(cores):
        result = invoke("pack", file)
        assert result.exit_code == 0, result.output
        advised = yaml.safe_load(result.stdout.splitlines()[-1])["resources"]
        settings = ResourceSettings(**advised)
        assert (local_slots(settings), settings.threads) == (best, max(1, cores // best))


def test_pack_tells_mistakes_of_the_file_by_line_and_a_network_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = SMALL["train"] | {"patch_size": 4000}
    assert "train.patch_size: must fit" in mistake("pack", sweep_file(tmp_path, train=train))

    def fail(*_: object) -> None:
        raise RungFailed("out of memory: no room")

    monkeypatch.setattr("sweeps.capacity.throughput.measure_rung", fail)
    result = invoke("pack", sweep_file(tmp_path))
    assert result.exit_code == 1
    assert "Error: not even one trial runs on this machine: out of memory: no room" in result.stderr


def test_pack_draws_no_conclusion_from_a_machine_that_others_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, it said "+7763 %" on a busy machine."""
    loads = iter([0.02, 1.1, 0.7, 1.3])

    def measure(job: Job, count: int) -> Rung:
        load = Load(others=next(loads), cores=2, seconds=5.0)
        return Rung(trials=count, threads=1, steps_per_second=10.0**count, memory=10**9, load=load)

    monkeypatch.setattr("srsweep.commands.pack.find_gpus", lambda: ())
    monkeypatch.setattr("srsweep.commands.pack.num_cores", lambda: 2)
    monkeypatch.setattr("sweeps.capacity.throughput.measure_rung", measure)
    result = invoke("pack", sweep_file(tmp_path), "--json")
    assert result.exit_code == 1
    assert [(row["others"], row["best"]) for row in json.loads(result.stdout)] == [
        (0.02, ""),
        (0.7, ""),
    ]
    assert (
        "no conclusion: other processes used 0.7 of 2 cores during the measurement" in result.stderr
    )
    assert "resources:" not in result.output
    assert "2 trials at once: 100 steps/s, but other processes used 0.7 of 2 cores" in result.stderr


def test_pack_on_a_gpu_names_the_share_and_remembers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with_a_gpu(monkeypatch, fails_above=4)
    result = invoke("pack", sweep_file(tmp_path, resources={"cpu": 2}))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "4"]
    assert {line.split()[1] for line in lines[1:4]} == {"2"}
    assert lines[3].split()[3:] == ["+100%", *lines[1].split()[3:4], "3G", "0", "yes"]
    assert lines[-2] == "ended early: 8 trials at once: out of memory: no room"
    assert lines[-1] == "resources: {cpu: 2, gpu: 0.25}"
    assert f"remembered in {tmp_path / 'cache' / REMEMBERED}" in result.stderr
    assert "on one NVIDIA Invented 80: slwsr " in result.stderr


def test_pack_of_more_than_the_cores_take_advises_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with_a_gpu(monkeypatch, fails_above=4)
    result = invoke("pack", sweep_file(tmp_path, resources={"cpu": 8}), "--most", 4)
    assert result.stdout.splitlines()[-1] == "resources: {cpu: 8, gpu: 0.25, concurrent: 4}"
