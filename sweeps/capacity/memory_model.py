"""How much memory a training takes at its peak, predicted from a network's stored costs.

Asked before a trial is placed, so that it is arithmetic on counted costs and never runs the network. What a step
saves for its gradients is proportional to the outputs of the convolutions, and what it holds for a moment at its
end to the memory of inference; the two factors were fitted to cover real peaks of all families with all
strategies (`benchmarks/training_memory.py`, `tests/sweeps/capacity/test_memory_model.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from searchspace.architecture import Architecture
from searchspace.cost import OUTPUT_SIZE, costs, low_res_size

PARAMETER_BYTES = 16
"""float32: the weight, its gradient, and the two moments of Adam."""
NORM_BYTES = 12
"""More for each parameter: the weight that weight norm computes, its gradients, sums of a recursion's gradients."""
SAVED = 2.5
"""Elements kept for the gradients, for each that a convolution writes: its input, inputs of norms and
activations, sums and concatenations. From 1.0 (VDSR: a convolution and a ReLU) to 3.6 (MemNet) were seen."""
HELD = 2.0
"""Elements at the end of the forward pass and of their gradients, for each that inference holds at its peak."""
PIXEL_BYTES = 60
"""For each pixel of the large patches: input, target, output and loss with their gradients in float32."""
SCORED_BYTES = 160
"""For each pixel that is scored: the lumas, their squares and products and local means in float64, for SSIM."""
PROMOTED_BYTES = 3.5
"""An element's bytes under bfloat16 with strategies that leave it: channel-wise residual scaling multiplies by float32
weights, and all blocks after it are float32; statistics of attention are computed and kept in float32."""
OPERATOR_BYTES = 2 * 2**20
"""What single operators take for themselves, whatever the image: sums of partial gradients, reordered weights."""

CUDA_BYTES = 1_200 * 2**20
"""What CUDA, cuDNN and cuBLAS take for a process before it holds a tensor, and their workspaces. Not measured here:
no GPU was at hand; 0.5 to 0.8 GB are usual for the context of a large GPU."""
CPU_BYTES = 450 * 2**20
"""A process that has imported torch and srsweep, on a processor."""
ALLOCATOR_SHARE = 1.15
"""torch's allocator holds blocks in sizes of its own, and a CUDA graph has a pool that keeps its peak."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a sweep's trainings have in common: all that memory depends on besides the network."""

    scale: int
    batch_size: int
    patch_size: int
    """Side of a low-resolution patch in pixels."""
    bfloat16: bool
    """Whether the step computes under bfloat16 autocast; evaluation never does."""
    image_pixels: int = 0
    """Of the validation images that are evaluated together, at high resolution; 0: no evaluation."""
    resident_bytes: int = 0
    """Training images that every process keeps on the device."""
    process_bytes: int = 0
    """What a process takes before it trains."""


def predicted_bytes(architecture: Architecture, load: Load) -> int:
    """Bytes that one training process takes at most, evaluation and all; microseconds where the costs are known.

    Evaluation comes on top of the step: the pool of a CUDA graph stays the graph's own between steps.
    """
    counted = costs(architecture, load.scale)
    tensors = weight_bytes(counted, load) + step_bytes(architecture, load)
    tensors += evaluation_bytes(counted, load)
    return round(ALLOCATOR_SHARE * tensors) + load.resident_bytes + load.process_bytes


def weight_bytes(counted: Mapping[str, int], load: Load) -> int:
    """Bytes of weights, gradients, moments, and of the bfloat16 copies that autocast makes.

    Autocast copies a weight at each use: a network that uses its weights again and again (DRRN) holds as many
    copies. Mult-Adds over low-resolution pixels are the weights used, or more where convolutions run on larger
    images.
    """
    rows, columns = low_res_size(load.scale)
    copies = 2 * counted["multadds"] // (rows * columns) if load.bfloat16 else 0
    return (PARAMETER_BYTES + NORM_BYTES) * counted["params_train"] + copies


def step_bytes(architecture: Architecture, load: Load) -> int:
    """Bytes of activations at the peak of one step, forward and backward."""
    counted = costs(architecture, load.scale)
    pixels = load.batch_size * (load.patch_size * load.scale) ** 2
    share = pixels / (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    elements = SAVED * counted["activations"] + HELD * counted["memory"] / 4
    own = share * elements * _element_bytes(architecture, load)
    return round(own) + PIXEL_BYTES * pixels + OPERATOR_BYTES


def evaluation_bytes(counted: Mapping[str, int], load: Load) -> int:
    """Bytes while the largest validation images are enlarged in float32, and scored in float64."""
    inference = counted["memory"] * load.image_pixels // (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    return inference + SCORED_BYTES * load.image_pixels


def _element_bytes(architecture: Architecture, load: Load) -> float:
    if not load.bfloat16:
        return 4
    # Any family may have these two.
    knobs = architecture.canonical
    strategies = (getattr(knobs, name, "none") for name in ("attention", "residual_scaling"))
    return PROMOTED_BYTES if any(chosen != "none" for chosen in strategies) else 2
