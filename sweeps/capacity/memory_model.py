"""Predicts the peak memory of a training from a network's counted costs.

The prediction is made before a trial is placed, so it is arithmetic and never runs the network. The memory that a
step saves for its gradients is proportional to the outputs of the convolutions. The memory that it holds at the end
of the forward pass is proportional to that of inference. The two factors were fitted to cover the measured peaks of
all families with all strategies (`benchmarks/training_memory.py`, `tests/sweeps/capacity/test_memory_model.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from searchspace.architecture import Architecture
from searchspace.cost import OUTPUT_SIZE, costs, low_res_size

PARAMETER_BYTES = 16
"""Bytes for each parameter in float32: the weight, its gradient, and the two moments of Adam."""
NORM_BYTES = 12
"""Further bytes for each parameter: the weight that weight norm computes, its gradient, and sums over recursions."""
SAVED = 2.5
"""Elements saved for the gradients, for each element that a convolution writes: its input, the inputs of norms and
activations, sums and concatenations. Measured from 1.0 (VDSR: a convolution and a ReLU) to 3.6 (MemNet)."""
HELD = 2.0
"""Elements and gradients at the end of the forward pass, for each element that inference holds at its peak."""
PIXEL_BYTES = 60
"""Bytes for each pixel of the large patches: input, target, output and loss, with gradients, in float32."""
SCORED_BYTES = 160
"""Bytes for each scored pixel: the lumas, their squares, products and local means in float64, for SSIM."""
PROMOTED_BYTES = 3.5
"""Bytes of an element under bfloat16 autocast with strategies that compute in float32. Channel-wise residual scaling
multiplies by float32 weights, so that all blocks after it are float32. Attention keeps its statistics in float32."""
OPERATOR_BYTES = 2 * 2**20
"""Bytes that operators take whatever the image size: sums of partial gradients, reordered weights."""

CUDA_BYTES = 1_200 * 2**20
"""Bytes that CUDA, cuDNN and cuBLAS take in a process, workspaces included. This was not measured, for want of a GPU;
the context of a large GPU usually takes 0.5 to 0.8 GB."""
CPU_BYTES = 450 * 2**20
"""Bytes of a process that has imported torch and srsweep, on a processor."""
ALLOCATOR_SHARE = 1.15
"""Factor for torch's allocator, which rounds block sizes up, and for the pool of a CUDA graph, which keeps its peak."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Everything besides the network that the memory of a training depends on."""

    scale: int
    batch_size: int
    patch_size: int
    """Side of a low-resolution patch in pixels."""
    bfloat16: bool
    """Whether training steps compute under bfloat16 autocast. Evaluation never does."""
    image_pixels: int = 0
    """High-resolution pixels of the validation images that are evaluated together. 0: no evaluation."""
    resident_bytes: int = 0
    """Bytes of training images that each process keeps on the device."""
    process_bytes: int = 0
    """Bytes that a process takes before it trains."""


def predicted_bytes(architecture: Architecture, load: Load) -> int:
    """Largest number of bytes that one training process takes, evaluation included. Takes microseconds once the costs
    are counted.

    Evaluation is added to the step, because the pool of a CUDA graph stays allocated between steps.
    """
    counted = costs(architecture, load.scale)
    tensors = weight_bytes(counted, load) + step_bytes(architecture, load)
    tensors += evaluation_bytes(counted, load)
    return round(ALLOCATOR_SHARE * tensors) + load.resident_bytes + load.process_bytes


def weight_bytes(counted: Mapping[str, int], load: Load) -> int:
    """Bytes of weights, gradients and moments, and of the bfloat16 copies that autocast makes.

    Autocast copies a weight at each use, so a recursive network (DRRN) holds many copies. Mult-Adds divided by
    low-resolution pixels count the weight uses. They overestimate them for convolutions on larger images.
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
    """Bytes while the largest validation images are enlarged in float32 and scored in float64."""
    inference = counted["memory"] * load.image_pixels // (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    return inference + SCORED_BYTES * load.image_pixels


def _element_bytes(architecture: Architecture, load: Load) -> float:
    if not load.bfloat16:
        return 4
    # Both are knobs that any family may have.
    knobs = architecture.canonical
    strategies = (getattr(knobs, name, "none") for name in ("attention", "residual_scaling"))
    return PROMOTED_BYTES if any(chosen != "none" for chosen in strategies) else 2
