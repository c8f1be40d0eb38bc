"""The files that benchmarks write, and the tables that benchmarks/table.py makes of them."""

import csv
import subprocess
from pathlib import Path

import pytest

from benchmarks import quality, record
from benchmarks.record import Record
from benchmarks.table import evaluation, tables, training


def evaluated(loop: str, threads: int, seconds: float, rate: float) -> dict[str, str]:
    row = {"network": "net", "images": 20, "round": 0, "loop": loop, "threads": threads}
    row |= {"seconds": seconds, "images_per_second": rate}
    return {key: str(value) for key, value in row.items()}


def trained(loop: str, processes: int, threads: int, rate: float, device: str) -> dict[str, str]:
    row = {"device": device, "shape": "net", "round": 0, "loop": loop, "processes": processes}
    row |= {"threads": threads, "patches_per_second": rate, "cpu_ms_per_patch": 10}
    row |= {"published_gmacs_per_second": 5, "computed_gmacs_per_second": 4}
    return {key: str(value) for key, value in row.items()} | {"matmul_gmacs_per_second": "10"}


def test_all_cores_and_processor_time_of_one_thread_are_a_line_each() -> None:
    rows = [
        evaluated("plain", 2, 9, 10),
        evaluated("plain", 1, 3, 7),
        evaluated("srsweep", 1, 2, 30),
    ]
    assert list(evaluation(rows)) == [
        "| evaluation, net, 20 images, all cores | 10 images/s | 30 images/s | 3.00x (one round) |",
        "| evaluation, net, 20 images, processor time | 3 s | 2 s | 1.50x (one round) |",
    ]


def test_a_gpu_has_no_line_of_one_thread() -> None:
    (line,) = evaluation([evaluated("plain", 16, 1, 10), evaluated("srsweep", 1, 0.1, 90)])
    assert "all cores | 10 images/s | 90 images/s | 9.00x" in line


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_training_is_compared_with_the_better_of_the_plain_loops_splits(device: str) -> None:
    plain = [trained("plain", 1, 16, 8, device), trained("plain", 1, 1, 10, device)]
    splits = [(1, 16, 20), (2, 8, 30), (16, 1, 70)]
    lines = list(training([*plain, *(trained("srsweep", *split, device) for split in splits)]))
    assert [line.split("|")[1].strip() for line in lines[:3]] == [
        "training net, 1 x 16 threads",
        "training net, 2 x 8 threads",
        "training net, 16 x 1 threads",
    ]
    assert "| 10 patches/s | 70 patches/s | 7.00x (one round) |" in lines[2]
    assert any("processor time" in line for line in lines) == (device == "cpu")
    assert "40 % computed, 50 % published" in lines[-1]


def test_a_second_run_of_a_day_leaves_the_first_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    first = Record("sweep16", train="BSDS400")
    for rate in (10, 30):
        first.add(loop="plain" if rate == 10 else "srsweep", trials_per_hour=rate, steps=150)
    second = Record("sweep16", train="embedded")
    for rate in (10, 20):
        second.add(loop="plain" if rate == 10 else "srsweep", trials_per_hour=rate, steps=2)
    assert second.path.name == first.path.name.replace(".csv", "-2.csv")
    with first.path.open(newline="") as file:
        (plain, ours) = csv.DictReader(file)
    assert (plain["trials_per_hour"], ours["trials_per_hour"]) == ("10", "30")
    assert (plain["settings"], plain["commit"]) == ("train=BSDS400", record.commit())
    # The newest counts, and what it was is written beside it; another machine has a table of its own.
    other = tmp_path / "sweep16_some-gpu-16-cores_torch-2.13.0_2020-01-01.csv"
    other.write_bytes(first.path.read_bytes())
    page = tables(tmp_path)
    assert page.count("### ") == 2
    assert "### some-gpu-16-cores" in page
    assert "sweep of 16, 2 steps | 10 trials/h | 20 trials/h | 2.00x" in page
    assert f"`{second.path.name}` | train=embedded |" in page
    assert "sweep of 16, 150 steps | 10 trials/h | 30 trials/h | 3.00x" in page


@pytest.mark.parametrize(
    ("differs", "changed", "expected"),
    [
        (False, "", "0123abcd"),
        (True, "", "0123abcd"),
        (True, " M sweeps/train/step.py\n", "0123abcd+"),
    ],
)
def test_code_that_is_not_committed_is_told(
    monkeypatch: pytest.MonkeyPatch, differs: bool, changed: str, expected: str
) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=changed)
    monkeypatch.setattr(record, "git_state", lambda: ("0123abcdef", differs))
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    assert record.commit() == expected


def test_the_tenth_run_of_a_day_is_newer_than_the_ninth(tmp_path: Path) -> None:
    stem = "driver-overhead_cpu_torch-2.13.0_2026-01-02"
    for number, ms in (("", 1), ("-9", 2), ("-10", 3)):
        lines = ["contestant,ms_per_trial,settings,commit,load", "tune with OptunaSearch,1,a,b,0"]
        (tmp_path / f"{stem}{number}.csv").write_text("\n".join([*lines, f"srsweep,{ms},a,b,0"]))
    assert "trivial trial through Ray, srsweep | 1 ms | 3 ms |" in tables(tmp_path)


def test_the_last_window_of_a_quality_run_ends_with_the_run() -> None:
    import torch

    losses = quality.train(lambda step: torch.tensor(float(step)), 120)
    assert losses == [(50, 24.5), (100, 74.5), (120, 109.5)]
