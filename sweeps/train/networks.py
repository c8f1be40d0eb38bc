"""Builds the network to train: plain, or with simulated rounding."""

from pathlib import Path

import torch
from torch import nn

from searchspace.architecture import Architecture, Built
from searchspace.rounding import Rounded, rounded
from sweeps.checkpoints.warm_start import Started, warm_start
from sweeps.train.settings import TrainSettings


def network_to_train(architecture: Architecture, scale: int, settings: TrainSettings) -> nn.Module:
    """Returns a newly initialised network, in the form that `settings` train: plain, or with simulated rounding.

    Raises UserError if the family does not support the scale, or if the settings ask for rounding and the family cannot
    be quantised.
    """
    network = architecture.network(scale)
    return network if settings.quantize is None else rounded(network)


def start(network: nn.Module, path: Path) -> Started:
    """Loads weights from `path`, which were trained without rounding, into `network`. Returns what was taken over.

    Raises UserError like `warm_start`. The state of torch's random generator is unchanged.
    """
    if not isinstance(network, Rounded):
        return warm_start(network, path)
    built: Built = network.built
    with torch.random.fork_rng(devices=[]):
        plain = built.architecture.network(built.scale)
    started = warm_start(plain, path)
    network.load_state_dict(rounded(plain).state_dict())
    return started
