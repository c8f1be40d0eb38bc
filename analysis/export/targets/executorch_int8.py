"""Exports a network as an ExecuTorch program in INT8, quantised statically by torchao's PT2E for XNNPACK.

Weights have one quantisation scale per output channel. Activations have one per tensor, computed from the values that
the network produces on images of the training split. If the network was trained with simulated rounding, the inputs and
outputs of its convolutions have the ranges that the training has learnt. The input and the output are float32.
"""

from collections.abc import Collection, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Node

from analysis.export.learnt import Convolution, learnt_grids
from analysis.export.programs import plain_program, retraced, unshared
from analysis.export.rewrites import ATEN
from analysis.export.silence import silent
from analysis.export.target import Job, Target, unnamed
from analysis.export.targets import executorch
from analysis.export.targets.onnx_int8 import calibration_patches

CONVOLUTIONS = (ATEN.conv2d.default, ATEN.convolution.default)
RELUS = (ATEN.relu.default, ATEN.relu_.default)


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`. Raises UserError if the job has no images for calibration."""
    with silent():
        executorch.lower(retraced(quantised(job), job, fixed=False), path)


def quantised(job: Job) -> GraphModule:
    """Returns the network with operators that quantise and dequantise its tensors.

    Raises UserError if the job has no images for calibration.
    """
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
        take_learnt(prepared, job)
        return convert_pt2e(prepared)


def take_learnt(prepared: GraphModule, job: Job) -> None:
    """Replaces the observers of inputs and outputs of convolutions by the ranges that were learnt in training.

    `prepared` is the network with torchao's observers. Operators that only move values share an observer.
    """
    from torchao.quantization.pt2e.observer import FixedQParamsObserver, ObserverBase

    modules = dict(prepared.named_modules(remove_duplicate=False))
    observers = {name for name, module in modules.items() if isinstance(module, ObserverBase)}
    for name, grid in learnt_grids(convolutions(prepared, observers), job).items():
        fixed = FixedQParamsObserver(
            scale=grid.scale,
            zero_point=grid.zero_point - 128,
            dtype=torch.int8,
            quant_min=-128,
            quant_max=127,
        )
        for other in observers:
            if modules[other] is modules[name]:
                prepared.set_submodule(other, fixed)


def convolutions(prepared: GraphModule, observers: Collection[str]) -> Iterator[Convolution]:
    """Yields the convolutions of a graph with observers in the order in which they run.

    The names of its input and its output are those of their observers. `observers` are the names of all observers.
    """
    for node in prepared.graph.nodes:
        weight = _constant(prepared, node.args[1]) if node.target in CONVOLUTIONS else None
        if weight is None:
            continue
        after = node
        if len(node.users) == 1 and next(iter(node.users)).target in RELUS:
            (after,) = node.users
        sources = [str(node.args[0].target)]
        results = [str(user.target) for user in after.users]
        yield Convolution(
            weight=weight,
            bias=_constant(prepared, node.args[2]) if len(node.args) > 2 else None,
            source=next(filter(observers.__contains__, sources), ""),
            result=next(filter(observers.__contains__, results), ""),
        )


def _constant(prepared: GraphModule, node: Any) -> NDArray[np.float32] | None:
    """Returns the constant that a convolution reads, directly or through an observer.

    Returns None if the network computes the value.
    """
    while isinstance(node, Node) and node.op == "call_module":
        node = node.args[0]
    if not isinstance(node, Node) or node.op != "get_attr":
        return None
    values: torch.Tensor = attrgetter(str(node.target))(prepared)
    return values.detach().numpy()


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
    tensors=unnamed,
    bounded=True,
    packages=("executorch", "torchao"),
    takes_learnt=True,
)
