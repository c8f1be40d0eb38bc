"""Times exported files on this machine. srsweep itself measures them in their runtimes, without a benchmark program."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from analysis.device.programs import Times
from analysis.device.results import HERE, MARK, words_of
from analysis.export.files import open_exported, target_of
from analysis.export.verify import file_latency
from searchspace.errors import UserError
from sweeps.device import device_model
from sweeps.files import write_text
from sweeps.measure.latency import Latency

PACKAGES = {
    "onnxruntime": ("onnxruntime", "cpu"),
    "executorch": ("executorch", "xnnpack"),
    "litert": ("ai-edge-litert", "xnnpack"),
    "mnn": ("MNN", "cpu"),
    "torch.export": ("torch", "cpu"),
}
"""For each runtime, the package that determines its version, and the delegate that the runtime uses on this machine."""


def time_here(
    paths: list[Path], size: tuple[int, int], threads: int, results: Path, *, again: bool
) -> Iterator[tuple[Path, Latency | None]]:
    """Times each file for an image of `size` (height, width) and writes a result into the folder `results`.

    Yields each path and its latency. The latency is None if the file already has a result and `again` is False. Raises
    UserError for a file that this machine cannot run.
    """
    for path in paths:
        target = target_of(path)
        assert target is not None
        if target.runtime not in PACKAGES:
            raise UserError(f"{path}: {target.runtime} does not run files on this system")
        package, delegate = PACKAGES[target.runtime]
        out = results / f"{delegate}-{threads}-{size[1]}x{size[0]}" / f"{path.name}.txt"
        if out.is_file() and not again:
            yield path, None
            continue
        latency = file_latency(target, open_exported(path, threads).run, size, threads)
        times = Times(
            typical=latency.median, lower=latency.lower, upper=latency.upper, runs=latency.runs
        )
        conditions = {
            "program": HERE,
            "size": f"{size[1]}x{size[0]}",
            "delegate": delegate,
            "threads": threads,
            "device": words_of(device_model()),
            "runtime": f"{target.runtime} {version(package)}",
            "doubt": latency.doubt,
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, f"{MARK}{json.dumps(conditions)}\n{json.dumps(asdict(times))}\n")
        yield path, latency
