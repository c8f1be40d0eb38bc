"""Training losses by name. To add one, write a file here and add it to LOSSES.

A loss takes the network's output and the original image, both float32 (N, 3, H, W) nominally in [0, 1], and
returns one number to minimize, as a tensor that gradients flow from.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from sweeps.train.losses.l1 import l1

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: Mapping[str, Loss] = {"l1": l1}
