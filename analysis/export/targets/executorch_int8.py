"""Exports a network as an ExecuTorch program in INT8, quantised statically by torchao's PT2E for XNNPACK.

Weights have one quantisation scale per output channel. Activations have one per tensor, computed from the values that
the network produces on images of the training split. The input and the output are float32.
"""

from pathlib import Path

import torch

from analysis.export.programs import plain_program, retraced, unshared
from analysis.export.silence import silent
from analysis.export.target import Job, Target
from analysis.export.targets import executorch
from analysis.export.targets.onnx_int8 import calibration_patches


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`. Raises UserError if the job has no images for calibration."""
    patches = calibration_patches(job.calibration)
    with silent():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        config = get_symmetric_quantization_config(is_per_channel=True)
        quantizer = XNNPACKQuantizer().set_global(config)
        module = plain_program(job, fixed=False).module(check_guards=False)
        prepared = prepare_pt2e(unshared(module), quantizer)
        with torch.no_grad():
            for patch in patches:
                prepared(torch.from_numpy(patch))
        executorch.lower(retraced(convert_pt2e(prepared), job, fixed=False), path)


TARGET = Target(
    name="executorch-int8",
    suffix="_int8.pte",
    description="ExecuTorch program for XNNPACK, INT8 (PT2E, static)",
    runtime="executorch",
    dtype="int8",
    write=write,
    load=executorch.load,
    largest_difference=None,
    largest_loss=0.5,
    bounded=True,
    packages=("executorch", "torchao"),
)
