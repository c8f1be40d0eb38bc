"""Predicts the peak memory of a training run from the counted costs of a network.

The prediction is made before a trial starts, so it uses only arithmetic and never runs the network. A training step
saves tensors for its gradients. Their memory is proportional to the outputs of the convolutions (factor SAVED). The
step also holds tensors at the end of its forward pass. Their memory is proportional to the memory of inference (factor
HELD). Both factors were fitted so that the predictions cover the measured peaks of all families with all strategies
(`benchmarks/training_memory.py`, `tests/sweeps/capacity/test_memory_model.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from searchspace.architecture import Architecture
from searchspace.cost import OUTPUT_SIZE, costs, low_res_size

PARAMETER_BYTES = 16
"""Bytes per parameter in float32: the weight, its gradient, and the two moments of Adam."""
NORM_BYTES = 12
"""Additional bytes per parameter: the weight that weight norm computes, its gradient, and sums over recursions."""
AVERAGE_BYTES = 8
"""Additional bytes per parameter if the weights are averaged: the average, and its difference from the weight."""
SAVED = 2.5
"""Number of elements saved for the gradients, per output element of the convolutions. The saved elements are the inputs
of convolutions, norms and activations, and sums and concatenations. Measured values range from 1.0 (VDSR: a convolution
and a ReLU) to 3.6 (MemNet)."""
HELD = 2.0
"""Number of elements and gradients held at the end of the forward pass, per element held at the peak of inference."""
PIXEL_BYTES = 60
"""Bytes per pixel of the high-resolution patches: input, target, output and loss, with gradients, in float32."""
SCORED_BYTES = 160
"""Bytes per high-resolution pixel of an evaluation. For SSIM, it holds the lumas, their squares, products and local
means in float64."""
PROMOTED_BYTES = 3.5
"""Bytes per element under bfloat16 autocast if a network has strategies that compute in float32. Channel-wise residual
scaling multiplies by float32 weights, so the features of all later blocks are float32. Attention keeps its statistics
in float32."""
OPERATOR_BYTES = 2 * 2**20
"""Bytes that operators take at any image size, for sums of partial gradients and reordered weights."""

CUDA_BYTES = 1_200 * 2**20
"""Bytes that CUDA, cuDNN and cuBLAS take in a process, workspaces included. This value is an estimate, because no GPU
was available to measure it. The context of a large GPU usually takes 0.5 to 0.8 GB."""
CPU_BYTES = 450 * 2**20
"""Bytes that a process on a processor takes once it has imported torch and srsweep."""
ALLOCATOR_SHARE = 1.15
"""Factor for two kinds of overhead: torch's allocator rounds block sizes up, and the memory pool of a CUDA graph keeps
its peak size."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The properties of a training run that determine its memory, apart from the network."""

    scale: int
    batch_size: int
    patch_size: int
    """Side of a low-resolution patch in pixels."""
    bfloat16: bool
    """Whether training steps compute under bfloat16 autocast. Evaluation never does."""
    averaged: bool = False
    """Whether the training run keeps an average of the weights."""
    teacher: Architecture | None = None
    """The teacher, which the trained network imitates. None: no distillation."""
    image_pixels: int = 0
    """High-resolution pixels of the validation images that are evaluated together. 0: no evaluation."""
    resident_bytes: int = 0
    """Bytes of training and validation images that each process keeps on the device."""
    process_bytes: int = 0
    """Bytes that a process takes before it trains."""


def predicted_bytes(architecture: Architecture, load: Load) -> int:
    """Returns the peak memory of one training process in bytes, evaluation included.

    The memory of an evaluation is added to the memory of a training step, because the pool of a CUDA graph stays
    allocated between steps. If the costs of the architecture have been counted, a call takes microseconds.
    """
    counted = costs(architecture, load.scale)
    tensors = weight_bytes(counted, load) + step_bytes(architecture, load)
    tensors += evaluation_bytes(counted, load) + teacher_bytes(load)
    return round(ALLOCATOR_SHARE * tensors) + load.resident_bytes + load.process_bytes


def weight_bytes(counted: Mapping[str, int], load: Load) -> int:
    """Returns the bytes of weights, their average, gradients and moments, and of the bfloat16 copies of autocast.

    Autocast copies a weight at each use, so a recursive network such as DRRN holds many copies. The number of uses is
    estimated as Mult-Adds divided by low-resolution pixels. The estimate is too high for convolutions on larger images.
    """
    rows, columns = low_res_size(load.scale)
    copies = 2 * counted["multadds"] // (rows * columns) if load.bfloat16 else 0
    each = PARAMETER_BYTES + NORM_BYTES + (AVERAGE_BYTES if load.averaged else 0)
    return each * counted["params_train"] + copies


def step_bytes(architecture: Architecture, load: Load) -> int:
    """Returns the bytes of activations at the peak of one training step, which is a forward and a backward pass."""
    counted = costs(architecture, load.scale)
    pixels = load.batch_size * (load.patch_size * load.scale) ** 2
    share = pixels / (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    elements = SAVED * counted["activations"] + HELD * counted["memory"] / 4
    own = share * elements * _element_bytes(architecture, load)
    return round(own) + PIXEL_BYTES * pixels + OPERATOR_BYTES


def teacher_bytes(load: Load) -> int:
    """Returns the memory in bytes that a teacher needs for its weights and for one forward pass without gradients.

    All elements are assumed to be float32.
    """
    if load.teacher is None:
        return 0
    counted = costs(load.teacher, load.scale)
    pixels = load.batch_size * (load.patch_size * load.scale) ** 2
    inference = counted["memory"] * pixels // (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    copies = weight_bytes(counted, load) - weight_bytes(counted, replace(load, bfloat16=False))
    return 4 * counted["params_train"] + inference + copies


def evaluation_bytes(counted: Mapping[str, int], load: Load) -> int:
    """Returns the memory in bytes that an evaluation needs for images of `load.image_pixels` upscaled pixels in total.

    The network upscales the images in float32. The scores are computed in float64.
    """
    inference = counted["memory"] * load.image_pixels // (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    return inference + SCORED_BYTES * load.image_pixels


def _element_bytes(architecture: Architecture, load: Load) -> float:
    if not load.bfloat16:
        return 4
    # Any family may have these two knobs.
    knobs = architecture.canonical
    strategies = (getattr(knobs, name, "none") for name in ("attention", "residual_scaling"))
    return PROMOTED_BYTES if any(chosen != "none" for chosen in strategies) else 2
