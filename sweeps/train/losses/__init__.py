"""Training losses by name. To add one, write a file here and add it to LOSSES.

A loss takes the network's output and the original images, both float32 (N, 3, H, W). The originals are in [0, 1], and
the output is close to that range. The loss returns the number to minimize as a scalar tensor, from which PyTorch can
compute gradients.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from sweeps.train.losses.l1 import l1

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: Mapping[str, Loss] = {"l1": l1}
