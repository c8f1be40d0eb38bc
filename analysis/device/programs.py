"""Describes the benchmark programs of the runtimes: how a shell script calls each program, and how srsweep reads its
output.

Only `litert-benchmark` comes with a Python package (ai-edge-litert 2.3.0). The others are built for the device from the
runtime's sources. Options and output formats are taken from

    benchmark_model         google-ai-edge/LiteRT, tflite/tools/benchmark: README.md at 383870e,
                            benchmark_tflite_model.cc at b057fa3
    litert-benchmark        ai_edge_litert/tools/benchmark_litert_model.py of ai-edge-litert 2.3.0
    executor_runner         pytorch/executorch, examples/portable/executor_runner/executor_runner.cpp at 018a3a5
    MNNV2Basic.out          alibaba/MNN, tools/cpp/MNNV2Basic.cpp at 03bf389
    onnxruntime_perf_test   microsoft/onnxruntime, onnxruntime/test/perftest/README.md at 011738c

On Android, executor_runner writes its times to the system's log (runtime/platform/default/android.cpp at 0ae69ec), and
MNN does so if it was built with MNN_USE_LOGCAT.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchspace.errors import UserError, shown

WARM_UP = 5
"""Number of warm-up runs before the timed runs."""
NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times that a program reports for the runs of one file, in milliseconds."""

    typical: float
    """The median, or the mean if `is_mean`."""
    is_mean: bool = False
    """Whether the program reports the mean and no median."""
    lower: float | None = None
    """Lower quartile. None if the program does not report it."""
    upper: float | None = None
    runs: int | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """One benchmark program."""

    name: str
    """Its usual file name."""
    runtime: str
    """The runtime whose files it times, as `Target.runtime` names it."""
    words: str
    """Its arguments in a shell script, with the variables $file, $threads, $runs, $width, $height and $flags."""
    delegates: Mapping[str, str]
    """Maps each delegate (the part of the device that computes) to the value of $flags that selects it. The first is
    the default."""
    parse: Callable[[str], Times | None]
    """A function that reads the output of the program. It returns None if the output holds no time."""
    source: str
    """A sentence for people about where to get the program."""
    fell_back: str = ""
    """Words that the program prints if the delegate did not run the file and another part of the device was timed.
    """
    log: str = ""
    """On Android, the tag under which the program writes the times to the system's log. '' if the program prints them."""


def _benchmark_model(text: str) -> Times | None:
    # The last line of counts is that of the timed runs; the one before is that of the warm-up.
    lines = [line for line in text.splitlines() if re.search(r"\bcount=\d+ ", line)]
    if not lines:
        return None
    found = dict(re.findall(rf"(\w+)={NUMBER}", lines[-1]))
    typical = found.get("median", found.get("avg"))
    if typical is None:
        return None
    micro = float(typical) / 1000
    return Times(typical=micro, is_mean="median" not in found, runs=int(found["count"]))


def _litert_benchmark(text: str) -> Times | None:
    median = re.search(rf"Inference \(median\):\s+{NUMBER} ms", text)
    runs = re.search(r"Inference \(avg\):.*\((\d+) runs\)", text)
    if median is None:
        return None
    return Times(typical=float(median[1]), runs=int(runs[1]) if runs else None)


def _executor_runner(text: str) -> Times | None:
    each = [float(time) for time in re.findall(rf"Iteration \d+ of \d+: {NUMBER} ms", text)]
    if len(each) > WARM_UP:
        lower, median, upper = (float(q) for q in np.quantile(each[WARM_UP:], (0.25, 0.5, 0.75)))
        return Times(typical=median, lower=lower, upper=upper, runs=len(each) - WARM_UP)
    total = re.search(rf"executed successfully (\d+) time\(s\) in {NUMBER} ms", text)
    if total is None or not int(total[1]):
        return None
    return Times(typical=float(total[2]) / int(total[1]), is_mean=True, runs=int(total[1]))


def _mnn(text: str) -> Times | None:
    mean = re.search(rf"Avg= {NUMBER} ms, min=", text)
    runs = re.search(r"Run (\d+) time", text)
    if mean is None:
        return None
    return Times(typical=float(mean[1]), is_mean=True, runs=int(runs[1]) if runs else None)


def _onnxruntime(text: str) -> Times | None:
    runs = re.search(r"Total (?:inference requests|iterations): ?(\d+)", text)
    count = int(runs[1]) if runs else None
    median = re.search(rf"P50 Latency(?: is|:) {NUMBER} ?s", text)
    if median is not None:
        return Times(typical=1000 * float(median[1]), runs=count)
    mean = re.search(rf"Average (?:inference )?time cost: ?{NUMBER} ms", text)
    return None if mean is None else Times(typical=float(mean[1]), is_mean=True, runs=count)


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="benchmark_model",
            runtime="litert",
            words='--graph="$file" --num_threads="$threads" --num_runs="$runs" '
            f"--warmup_runs={WARM_UP} $flags",
            delegates={
                "xnnpack": "--use_xnnpack=true",
                "gpu": "--use_gpu=true",
                "nnapi": "--use_nnapi=true",
                "cpu": "--use_xnnpack=false",
            },
            parse=_benchmark_model,
            fell_back="will not be executed by the delegate",
            source="LiteRT's sources (bazel build -c opt --config=android_arm64 "
            "//tflite/tools/benchmark:benchmark_model)",
        ),
        Program(
            name="litert-benchmark",
            runtime="litert",
            words='--model="$file" --num_threads="$threads" --num_runs="$runs" '
            f"--warmup_runs={WARM_UP} $flags",
            delegates={"xnnpack": "", "gpu": "--use_gpu", "npu": "--use_npu"},
            parse=_litert_benchmark,
            source="pip install ai-edge-litert on a device that runs Python",
        ),
        Program(
            name="executor_runner",
            runtime="executorch",
            # Without --input_shapes, a file of free size runs with the largest image that it accepts.
            words=f'--model_path="$file" --num_executions="$((runs + {WARM_UP}))" '
            '--cpu_threads="$threads" --input_shapes="1x3x${height}x${width}" --print_output=none '
            "$flags",
            delegates={"xnnpack": ""},
            parse=_executor_runner,
            source="ExecuTorch's sources (its CMake target executor_runner)",
            log="ExecuTorch",
        ),
        Program(
            name="MNNV2Basic.out",
            runtime="mnn",
            # Loops, 0 = saves no tensor, $flags = forward type and threads or GPU mode, size, 1 = float32.
            words='"$file" "$runs" 0 $flags "1x3x${height}x${width}" 1',
            delegates={"cpu": "0 $threads", "opencl": "3 4", "vulkan": "7 4"},
            parse=_mnn,
            source="MNN's sources (CMake with -DMNN_BUILD_TOOLS=ON), with libMNN.so",
            log="MNNJNI",
        ),
        Program(
            name="onnxruntime_perf_test",
            runtime="onnxruntime",
            words='-I -s -m times -r "$runs" -x "$threads" -f "height:$height" -f "width:$width" '
            '$flags "$file"',
            delegates={"cpu": "-e cpu", "xnnpack": "-e xnnpack", "nnapi": "-e nnapi"},
            parse=_onnxruntime,
            source="onnxruntime's sources (build.sh --android builds it)",
        ),
    )
}
"""All programs by their names."""


def program_of(path: Path) -> Program:
    """Returns the program whose name is part of the file name of `path`, such as android_aarch64_benchmark_model.

    Raises UserError if there is no such program.
    """
    for name, program in PROGRAMS.items():
        if name.removesuffix(".out") in path.name:
            return program
    raise UserError(
        f"--program: must be one of {', '.join(PROGRAMS)}, or a file with such a name, got {shown(str(path))}"
    )
