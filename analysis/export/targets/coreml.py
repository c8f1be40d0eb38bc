"""Exports a network as a Core ML program (.mlpackage, zipped) in float16, for iOS 17 and macOS 14 and later.

A file accepts images of one size only, because the Neural Engine would run a file with a range of sizes at only one of
them. Core ML runs on macOS only. On other systems, the structure of the file is checked, and the model card says that
the file was not run.
"""

import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.programs import plain_program, without_aliases
from analysis.export.silence import silent
from analysis.export.target import INPUT, OUTPUT, Job, Run, Target


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`, for images of `job.size`."""
    with silent(), tempfile.TemporaryDirectory() as folder:
        import coremltools as ct

        example = torch.rand((1, 3, *job.size), generator=torch.Generator().manual_seed(0))
        program = plain_program(job, fixed=True)
        module = without_aliases(program.module(check_guards=False))
        model = ct.convert(
            torch.jit.trace(module, example),
            # Without dtype, the input would be float16, which Swift has only on some processors.
            inputs=[ct.TensorType(name=INPUT, shape=example.shape, dtype=np.float32)],
            outputs=[ct.TensorType(name=OUTPUT, dtype=np.float32)],
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT16,
        )
        model.save(f"{folder}/network.mlpackage")
        made = shutil.make_archive(f"{folder}/made", "zip", folder, "network.mlpackage")
        shutil.move(made, path)


@contextmanager
def unpacked(path: Path) -> Iterator[str]:
    """Yields the path of the .mlpackage in the file, which is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(path, folder, "zip")
        yield f"{folder}/network.mlpackage"


def fault(path: Path, network_input: tuple[int, ...], network_output: tuple[int, ...]) -> str:
    """Returns what is wrong with the structure of the file; '' if it is an ML program with these shapes."""
    import coremltools as ct

    with silent(), unpacked(path) as package:
        model = ct.models.MLModel(package, skip_model_load=True)
        spec: Any = model.get_spec()
        kind = spec.WhichOneof("Type")
        (function,) = spec.mlProgram.functions.values()
        (block,) = function.block_specializations.values()
        found = {value.name: value.type for value in function.inputs}
        found |= {value.name: value.type for made in block.operations for value in made.outputs}
        shapes = {
            name: tuple(size.constant.size for size in found[name].tensorType.dimensions)
            for name in (INPUT, OUTPUT)
            if name in found
        }
    if kind != "mlProgram":
        return f"the file must hold an ML program, but holds {kind}"
    if shapes != {INPUT: network_input, OUTPUT: network_output}:
        return f"the shapes must be {network_input} and {network_output}, but are {shapes}"
    return ""


def input_size(path: Path) -> tuple[int, int]:
    """Returns the (height, width) of the images that the file accepts."""
    import coremltools as ct

    with silent(), unpacked(path) as package:
        spec: Any = ct.models.MLModel(package, skip_model_load=True).get_spec()
    (source,) = spec.description.input
    height, width = list(source.type.multiArrayType.shape)[2:]
    return int(height), int(width)


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file with Core ML, which chooses its own number of threads. Needs macOS."""
    import coremltools as ct

    with unpacked(path) as package:
        model = ct.models.MLModel(package)

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        return model.predict({INPUT: low_res})[OUTPUT]

    return run


TARGET = Target(
    name="coreml",
    suffix=".mlpackage.zip",
    description="Core ML program for iOS 17 and later, float16, a zipped .mlpackage",
    runtime="coreml",
    dtype="float16",
    write=write,
    load=load,
    largest_difference=2e-2,
    largest_loss=0.05,
    fixed=True,
    input_size=input_size,
    packages=("coremltools",),
    fault=None if platform.system() == "Darwin" else fault,
)
