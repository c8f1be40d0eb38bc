"""Tests that srsweep reads the output of each benchmark program in the form in which its source prints it."""

import json
from pathlib import Path

import pytest

from analysis.device.programs import PROGRAMS, Times
from analysis.device.results import as_csv, read_results, words_of

EXECUTORCH = "\n".join(
    f"I 00:00:01 executor_runner.cpp:650] Iteration {n + 1} of 9: {time:f} ms"
    for n, time in enumerate((90, 80, 70, 60, 50, 4, 1, 2, 3))
)
SAID = {
    "benchmark_model": (
        "INFO: count=1 curr=1357602\n"
        "INFO: count=50 first=1249964 curr=1240143 min=1238588 max=1252566 avg=1.24027e+06 std=2565\n",
        Times(typical=1240.27, is_mean=True, runs=50),
    ),
    "litert-benchmark": (
        "Inference (avg):       12.50 ms (20 runs)\nInference (median):    12.25 ms\n",
        Times(typical=12.25, runs=20),
    ),
    "executor_runner": (
        EXECUTORCH,
        Times(typical=2.5, lower=1.75, upper=3.25, runs=4),
    ),
    "MNNV2Basic.out": (
        "precision:1, Run 20 time:\n  conv1 \t[Convolution] run 20 average cost 1.500000 ms, 9.000 %\n"
        "Avg= 14.250000 ms, min= 14.000000 ms, max= 16.000000 ms\n",
        Times(typical=14.25, is_mean=True, runs=20),
    ),
    "onnxruntime_perf_test": (
        "Total inference requests: 100\nAverage inference time cost: 19.918 ms\n"
        "P50 Latency: 0.0199047 s\nP90 Latency: 0.0200251 s\n",
        Times(typical=19.9047, runs=100),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_time_in_an_output_is_found(name: str) -> None:
    text, expected = SAID[name]
    found = PROGRAMS[name].parse(text)
    assert found is not None
    assert found.typical == pytest.approx(expected.typical)
    assert (found.is_mean, found.lower, found.upper, found.runs) == (
        expected.is_mean,
        expected.lower,
        expected.upper,
        expected.runs,
    )
    assert PROGRAMS[name].parse("it aborted") is None


def test_a_runner_that_prints_the_sum_only_gives_the_mean() -> None:
    text = "Model executed successfully 10 time(s) in 250.000000 ms."
    found = PROGRAMS["executor_runner"].parse(text)
    assert found == Times(typical=25.0, is_mean=True, runs=10)


def test_a_processor_gets_a_name_that_can_be_imported() -> None:
    assert words_of("Intel(R) Xeon(R) CPU @ 2.20GHz") == "Intel(R) Xeon(R) CPU 2.20GHz"


def result(folder: Path, name: str, program: str, output: str) -> None:
    head = {"program": program, "delegate": "gpu", "threads": 1, "size": "64x48"}
    path = folder / "gpu-1-64x48" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"srsweep {json.dumps(head)}\n{output}\nsrsweep exit code 0\n")


def test_a_mean_has_another_name_and_a_delegate_that_fell_back_has_no_latency(
    tmp_path: Path,
) -> None:
    said = SAID["benchmark_model"][0]
    result(tmp_path, "a.tflite.txt", "benchmark_model", said)
    back = "Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate."
    result(tmp_path, "b.tflite.txt", "benchmark_model", f"{back}\n{said}")
    result(tmp_path, "c.tflite.txt", "benchmark_model", "Segmentation fault")
    (tmp_path / "gpu-1-64x48" / "d.tflite.txt").write_text("not ours")
    found = read_results(tmp_path)
    assert found.faults == [
        "b.tflite: the delegate did not run it, so the time is that of another part of the device",
        "c.tflite: the output of benchmark_model has no time (Segmentation fault)",
        "d.tflite: its result was not written by run.sh, or was changed",
    ]
    (row,) = as_csv(found.read, "Pixel 9", "LiteRT 2.3").splitlines()[1:]
    assert row == "a.tflite,1240.27,,,50,Pixel 9,LiteRT 2.3 (mean),gpu,64x48,1"
