"""`srsweep device push`, `run` and `pull`, with an `adb` that answers as the real one does, and without."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from srsweep.phone_csv import read_rows
from tests.srsweep import fake_adb
from tests.srsweep.calls import mistake, succeed

FILES = ("slwsr-d0af09ba_x4_320x180_int8.tflite", "slwsr-e1af09bb_x4_320x180_int8.tflite")
BENCHMARK = """#!/bin/sh
echo "INFO: count=5 first=90000 curr=30 min=30 max=90000 avg=80000 std=2"
case "$*" in *${BROKEN:-nothing}*) echo "ERROR: Failed to apply delegate."; exit 1 ;; esac
echo "INFO: Running benchmark for at least 50 iterations"
echo "INFO: count=50 first=14900 curr=1 min=14001 max=15000 avg=1.46e+04 std=3 p5=14100 median=14570 p95=14900"
echo "INFO: Inference timings in us: Init: 5579, First inference: 13, Warmup (avg): 13, Inference (avg): 14600"
"""
"""A program that prints what LiteRT's benchmark_model prints, and that fails on files with $BROKEN in their name."""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    folder = tmp_path / "my 'best' bench"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    program(tmp_path)
    return folder


def program(tmp_path: Path, text: str = BENCHMARK) -> Path:
    path = tmp_path / "android_aarch64_benchmark_model"
    path.write_text(text)
    return path


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Puts the fake `adb` into the PATH, with one connected device."""
    fake_adb.install(tmp_path / "bin")
    (tmp_path / "device").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DEVICES", "0A1B=device")
    monkeypatch.setenv("FAKE_ROOT", str(tmp_path / "device"))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return monkeypatch


@pytest.fixture
def no_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "adb" else found(name))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_are_timed_on_a_device_and_their_latencies_become_a_table(
    adb: pytest.MonkeyPatch, bench: Path, tmp_path: Path
) -> None:
    """The first file fails at first. The second is not timed again when the command is repeated."""
    adb.setenv("BROKEN", "d0af09ba")
    pushed = program(tmp_path)
    assert "0A1B: copied 2 files" in succeed("device", "push", bench, "--program", pushed).stdout
    call = ("device", "run", bench, "--delegate", "gpu", "--threads", 4)
    failed = succeed(*call, code=1)
    assert f"1/2 {FILES[0]}: benchmark_model failed with exit code 1" in failed.stdout
    assert "the same command continues" in failed.stderr
    partial = tmp_path / "partial.csv"
    pulled = succeed("device", "pull", bench, "--runtime", "LiteRT 2.3", "-o", partial)
    assert pulled.stderr == (
        f"left out: {FILES[0]}: exit code 1: ERROR: Failed to apply delegate.\n"
    )
    assert [row["file"] for row in rows(partial)] == [FILES[1]]

    adb.delenv("BROKEN")
    succeed("device", "push", bench, "--program", pushed)
    assert f"2/2 {FILES[1]}: timed before" in succeed(*call).stdout
    succeed("device", "pull", bench, "--runtime", "LiteRT 2.3")
    table = rows(bench / "latencies.csv")
    assert table[0] == {
        "file": FILES[0],
        "latency_ms": "14.57",
        "lower_ms": "",
        "upper_ms": "",
        "runs": "50",
        "device": "Pixel 9 Pro test",
        "runtime": "LiteRT 2.3",
        "delegate": "gpu",
        "size": "320x180",
        "threads": "4",
    }
    assert [row.latency.median for row in read_rows(bench / "latencies.csv", {})] == [14.57] * 2
    assert "exists already" in mistake("device", "pull", bench, "--runtime", "LiteRT 2.3")


def test_a_run_that_dies_midway_goes_on_with_the_file_that_it_lost(
    adb: pytest.MonkeyPatch, bench: Path, tmp_path: Path
) -> None:
    deadly = program(tmp_path, BENCHMARK.replace("exit 1", "kill -9 $PPID"))
    adb.setenv("BROKEN", "e1af09bb")
    succeed("device", "push", bench, "--program", deadly)
    assert "the same command continues" in succeed("device", "run", bench, code=1).stderr
    adb.delenv("BROKEN")
    done = succeed("device", "run", bench).stdout
    assert f"1/2 {FILES[0]}: timed before" in done
    assert f"2/2 {FILES[1]}: timed" in done
    assert f"1/2 {FILES[0]}: timed\n" in succeed("device", "run", bench, "--again").stdout


def test_another_build_of_the_program_times_all_files_again(
    adb: pytest.MonkeyPatch, bench: Path, tmp_path: Path
) -> None:
    """Otherwise, times of an older runtime would get the name of the newer one."""
    succeed("device", "push", bench, "--program", program(tmp_path))
    succeed("device", "run", bench)
    faster = program(tmp_path, BENCHMARK.replace("median=14570", "median=9000"))
    adb.setenv("BROKEN", "e1af09bb")
    succeed("device", "push", bench, "--program", faster)
    done = succeed("device", "run", bench, code=1).stdout
    assert f"1/2 {FILES[0]}: timed\n" in done
    pulled = succeed("device", "pull", bench, "--runtime", "LiteRT 2.4")
    assert f"{FILES[1]}: was timed with another build of the program" in pulled.stderr
    assert [(row["file"], row["latency_ms"]) for row in rows(bench / "latencies.csv")] == [
        (FILES[0], "9")
    ]


@pytest.mark.parametrize("words", [("gpu", "0"), ("gpu", "04"), ("gpu", "4", "0"), ("gpu", "-1")])
def test_the_script_refuses_numbers_that_would_make_no_result(
    no_adb: None, bench: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    succeed("device", "push", bench, "--program", program(tmp_path))
    ran = subprocess.run(["sh", str(bench / "run.sh"), *words], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert ran.stderr == "srsweep: threads and runs must be whole numbers from 1\n"


def test_a_person_copies_the_folder_where_there_is_no_adb(
    no_adb: None, bench: Path, tmp_path: Path
) -> None:
    told = succeed("device", "push", bench, "--program", program(tmp_path)).stdout
    assert "2. run there: sh run.sh DELEGATE THREADS (DELEGATE: xnnpack, gpu, nnapi, cpu)" in told
    script = (bench / "run.sh").read_text()
    (bench / "run.sh").write_text("echo mine\n")
    words = ("device", "push", bench, "--program", program(tmp_path))
    assert "run.sh: is not a script of srsweep; move it away" in mistake(*words)
    (bench / "run.sh").write_text(script)
    succeed(*words)
    device = tmp_path / "phone"
    shutil.copytree(bench, device)
    subprocess.run(["sh", str(device / "run.sh"), "cpu", "2", "9"], check=True, capture_output=True)
    assert "with --no-adb), or time the files on this machine" in mistake("device", "run", bench)
    assert "has no results" in mistake("device", "pull", bench, "--runtime", "LiteRT 2.3")
    assert "benhc: there is no such folder" in mistake("device", "pull", tmp_path / "benhc")
    shutil.copytree(device / "results", bench / "results")
    assert "--device: must be given" in mistake("device", "pull", bench, "--runtime", "LiteRT 2")
    succeed("device", "pull", bench, "--device", "Board", "--runtime", "LiteRT 2.3")
    assert [row["delegate"] for row in rows(bench / "latencies.csv")] == ["cpu", "cpu"]


@pytest.mark.parametrize(
    ("devices", "serial", "words"),
    [
        ("", (), "adb: no device is connected"),
        ("A=unauthorized", (), "adb: A does not trust this computer yet; unlock it"),
        ("A=offline", (), "adb: A is offline"),
        ("A=device B=device C=offline", (), "adb: 2 devices are connected; name one with -s: A, B"),
        ("A=device", ("-s", "X"), "-s: device 'X' is not connected (connected: A)"),
        ("A=device B=offline", ("-s", "B"), "adb: B is offline"),
    ],
)
def test_a_device_that_cannot_be_used_is_one_line(
    adb: pytest.MonkeyPatch, bench: Path, devices: str, serial: tuple[str, ...], words: str
) -> None:
    adb.setenv("FAKE_DEVICES", devices)
    assert words in mistake("device", "run", bench, *serial)


def test_a_full_device_is_one_line(adb: pytest.MonkeyPatch, bench: Path, tmp_path: Path) -> None:
    adb.setenv("FAKE_DEVICES", "0A1B=full")
    done = succeed("device", "push", bench, "--program", program(tmp_path), code=1)
    assert "the device is full; free storage on it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_without_a_push_and_an_unknown_delegate_are_told(
    adb: pytest.MonkeyPatch, bench: Path, tmp_path: Path
) -> None:
    assert "device push` first" in succeed("device", "run", bench, code=1).stderr
    assert "device push` and" in succeed("device", "pull", bench, code=1).stderr
    succeed("device", "push", bench, "--program", program(tmp_path), "-s", "0A1B")
    done = succeed("device", "run", bench, "--delegate", "dsp; rm -rf /", code=1)
    assert "not started" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--program", "missing/benchmark_model"), "there is no file missing/benchmark_model"),
        (("--program", "pytest"), "--program: must be one of benchmark_model, litert-benchmark"),
        (("--program", "executor_runner"), "has only files for litert"),
        (("--program", "litert-benchmark", "--size", "64x48"), "is for images of 320x180 pixels"),
    ],
)
def test_a_folder_and_a_program_that_do_not_fit_are_told(
    bench: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in mistake("device", "push", bench, *words, "--no-adb")


@pytest.mark.slow
def test_a_designed_network_is_timed_on_this_machine(still_machine: None, tmp_path: Path) -> None:
    sweep = "metadata:\n  sweep:\n    name: phone\n    scale: 2\n    families:\n"
    (tmp_path / "sweep.yaml").write_text(sweep + "      edsr: {n_feats: [2, 4], n_blocks: [1]}\n")
    bench = tmp_path / "bench"
    words = ("--to", "onnx", "--count", 2, "--size", "16x12", "-o", bench)
    succeed("device", "design", tmp_path / "sweep.yaml", *words)
    assert "2/2" in succeed("device", "run", bench, "--here", "--size", "16x12").stdout
    assert "2/2" in succeed("device", "run", bench, "--here", "--size", "16x12").stdout
    succeed("device", "pull", bench, "--here")
    table = rows(bench / "latencies.csv")
    assert len(table) == 2
    for row in table:
        assert (row["delegate"], row["size"], row["threads"]) == ("cpu", "16x12", "1")
        assert row["runtime"].startswith("onnxruntime 1.")
        assert float(row["lower_ms"]) <= float(row["latency_ms"]) <= float(row["upper_ms"])
        assert row["reliable"] == "yes"
