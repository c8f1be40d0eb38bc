"""Measures the latency of networks in every runtime of this machine: torch, and onnxruntime with each of its providers.

    python -m benchmarks.latencies --device cuda
    python -m benchmarks.latencies --device cpu --size 36x64 --networks "fsrcnn"

On a GPU, onnxruntime's CUDA and TensorRT providers are used if the installed onnxruntime has them and they can be
loaded. In every runtime, the image is already on the device and the result stays there.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.export.target import INPUT, OUTPUT, Job
from analysis.export.targets.onnx import write
from benchmarks import table
from benchmarks.record import Record
from searchspace.architecture import Architecture, architecture
from searchspace.layers import deployed
from sweeps.device import device_model
from sweeps.measure.latency import Latency, Setting, measure
from sweeps.measure.torch_latency import torch_latency

SCALE = 4
NETWORKS = ("slwsr n_feats=16", "edsr n_feats=16 n_blocks=8", "imdn", "rlfn", "fsrcnn")
PROVIDERS = {
    "cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
    "cpu": ("CPUExecutionProvider",),
}
"""Providers of onnxruntime that run a network on a device."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=list(PROVIDERS), default="cuda")
    parser.add_argument("--size", default="180x320", help="rows and columns of the small image")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="'FAMILY KNOB=N'")
    options = parser.parse_args()
    rows, columns = (int(side) for side in options.size.split("x"))
    record = Record("latencies", size=options.size, device=options.device)
    for text in options.networks:
        for runtime, dtype, found in latencies(named(text), (rows, columns), options.device):
            shown = found if isinstance(found, Latency) else None
            record.add(
                network=text,
                runtime=runtime,
                dtype=dtype,
                height=rows,
                width=columns,
                median_ms=round(shown.median, 4) if shown else "",
                lower_ms=round(shown.lower, 4) if shown else "",
                upper_ms=round(shown.upper, 4) if shown else "",
                runs=shown.runs if shown else 0,
                reliable=int(shown.is_reliable) if shown else 0,
                failure=found if isinstance(found, str) else "",
                hardware=device_model(torch.device(options.device)),
            )
            print(record.rows[-1], flush=True)
    print(record.path, *table.latencies(record.rows), sep="\n")


def named(text: str) -> Architecture:
    """Returns the architecture that a text such as 'edsr n_feats=16' names."""
    family, *knobs = text.split()
    values = dict(knob.split("=") for knob in knobs)
    return architecture(family, {name: int(value) for name, value in values.items()})


def latencies(
    network: Architecture, size: tuple[int, int], device: str
) -> Iterator[tuple[str, str, Latency | str]]:
    """Yields (runtime, dtype, latency) of a network for each runtime.

    If a measurement fails, the reason replaces the latency.
    """
    where = torch.device(device)
    for dtype in (torch.float32, torch.bfloat16 if device == "cpu" else torch.float16):
        built = deployed(network.network(SCALE))
        name = str(dtype).removeprefix("torch.")
        yield "torch", name, torch_latency(built, size, device=where, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write(Job(network=deployed(network.network(SCALE)).eval(), calibration=()), path)
        for provider in PROVIDERS[device]:
            runtime = f"onnxruntime {provider.removesuffix('ExecutionProvider')}"
            try:
                run = session_of(path, provider, size)
            except Exception as error:  # the libraries of a provider may be missing, in many ways
                yield runtime, "float32", str(error).splitlines()[0][:200]
                continue
            setting = Setting(
                runtime="onnxruntime",
                dtype="float32",
                height=size[0],
                width=size[1],
                threads=1,
                device=device_model(where),
            )
            yield runtime, "float32", measure(run, setting)


def session_of(path: Path, provider: str, size: tuple[int, int]) -> Callable[[], object]:
    """Returns a function that runs the file with one provider of onnxruntime, without copies from or to the device.

    Raises RuntimeError if the provider is not installed or cannot be loaded.
    """
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"the installed onnxruntime has no {provider}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} could not be loaded")
    device = "cpu" if provider.startswith("CPU") else "cuda"
    image: Any = onnxruntime.OrtValue.ortvalue_from_numpy(
        np.random.default_rng(0).random((1, 3, *size), np.float32), device, 0
    )
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT, image)
    binding.bind_output(OUTPUT, device)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


if __name__ == "__main__":
    main()
