"""Exports a network as a LiteRT file with weights in float16, which halves the size of the file.

A processor computes in float32 with these weights. A GPU delegate computes in float16.
"""

import tempfile
from pathlib import Path

from analysis.export.silence import silent
from analysis.export.target import Job, Target
from analysis.export.targets import litert


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`, for images of `job.size`."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.tflite"
        litert.write(job, whole)
        with silent():
            from ai_edge_quantizer import qtyping, quantizer, recipe_manager
            from ai_edge_quantizer.algorithm_manager import AlgorithmName

            recipe = recipe_manager.RecipeManager()
            recipe.add_weight_only_config(
                regex=".*",
                operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
                num_bits=16,
                algorithm_key=AlgorithmName.FLOAT_CASTING,
            )
            made = quantizer.Quantizer(str(whole), recipe.get_quantization_recipe()).quantize()
            path.write_bytes(bytes(made.quantized_model))


TARGET = Target(
    name="litert-float16",
    suffix="_float16.tflite",
    description="LiteRT, weights in float16",
    runtime="litert",
    dtype="float16",
    write=write,
    load=litert.load,
    largest_difference=2e-2,
    largest_loss=0.01,
    fixed=True,
    input_size=litert.input_size,
    tensors=litert.tensors,
    packages=litert.PACKAGES,
)
