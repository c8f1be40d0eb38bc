"""The rules by which papers count parameters and Mult-Adds (docs/facts.md 0), applied to the network itself.

srsweep counts all networks by its own rule. It uses the rule of a paper only to check the numbers that this paper
prints.
"""

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import nn

from searchspace.cost import params, params_train
from searchspace.cost.counting.subject import Subject, trace
from searchspace.family import Convention

MEAN_SHIFT_PARAMS = 24
"""Parameters of the two mean shifts in papers that count each as a 1x1 convolution from 3 to 3 colours with a bias."""


def _weights(network: nn.Module) -> int:
    """Counts the weights of convolutions and linear layers, without biases, scalars and norms (CARN-M, DRCN, LapSRN)."""
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, layers))


def _trained(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _three_scales(subject: Subject, count: Callable[[nn.Module], int]) -> int:
    """Counts one network for x2, x3 and x4. The three scales share all layers except `upsample` (CARN, docs/facts.md 6)."""
    assert subject.at_scale is not None
    with torch.device("meta"):
        others = [subject.at_scale(scale) for scale in (2, 3, 4)]
    shared = count(subject.network) - count(subject.network.get_submodule("upsample"))
    return shared + sum(count(other.get_submodule("upsample")) for other in others)


def _multadds(subject: Subject) -> int:
    return sum(operator.multadds for operator in subject.trace.operators)


def _multadds_with_bias(subject: Subject) -> int:
    """Counts the Mult-Adds, plus one for each output element of a convolution with a bias (old thop, MSSN)."""
    operators = subject.trace.operators
    return _multadds(subject) + sum(op.outputs for op in operators if op.has_bias)


def _multadds_with_mean_shift(subject: Subject) -> int:
    """Counts the Mult-Adds, including the two mean shifts as 1x1 convolutions from 3 to 3 colours."""
    rows, columns = subject.low_res
    scale = 720 // rows
    return _multadds(subject) + 9 * rows * columns * (1 + scale**2)


def _multadds_exact_third(subject: Subject) -> int:
    """Counts the Mult-Adds for exactly 921,600 / s^2 input pixels at scale s, as some papers do. Only x3 differs."""
    rows, columns = subject.low_res
    scale = 720 // rows
    pixels = Fraction(720 * 1280, scale**2)
    return round(_multadds(subject) * pixels / (rows * columns))


def _multadds_at_256(subject: Subject) -> int:
    """Counts the Mult-Adds for an input of 256x256 pixels, as the NTIRE challenges on efficient super-resolution do."""
    record = trace(subject.deployed, torch.empty((1, 3, 256, 256), device="meta"))
    return sum(operator.multadds for operator in record.operators)


CONVENTIONS: dict[Convention, Callable[[Subject], int]] = {
    "deployed": params.count,
    "trained": params_train.count,
    "trained_with_mean_shift": lambda subject: params_train.count(subject) + MEAN_SHIFT_PARAMS,
    "weights": lambda subject: _weights(subject.deployed),
    "trained_three_scales": lambda subject: _three_scales(subject, _trained),
    "weights_three_scales": lambda subject: _three_scales(subject, _weights),
    "params_times_low_res_pixels": lambda subject: (
        (params_train.count(subject) + MEAN_SHIFT_PARAMS) * subject.low_res[0] * subject.low_res[1]
    ),
    "weights_times_output_pixels": lambda subject: _weights(subject.deployed) * 1280 * 720,
    "multadds": _multadds,
    "multadds_with_bias": _multadds_with_bias,
    "multadds_with_mean_shift": _multadds_with_mean_shift,
    "multadds_exact_third": _multadds_exact_third,
    "multadds_at_256": _multadds_at_256,
}
"""Maps each convention to the function that counts by it. The function returns parameters, or Mult-Adds for one
1280x720 output image."""
