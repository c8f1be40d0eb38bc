"""Activations without weights, chosen by the knob `activation` of the families whose blocks allow a choice."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from torch import nn

from searchspace.spec import Search, one_of

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": partial(nn.LeakyReLU, 0.05),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
"""The builder for each value of the knob `activation`. The slope of leaky_relu below 0 is 0.05, as in IMDN and RLFN."""
ActivationName = Annotated[str, one_of(ACTIVATIONS), Search(tuple(ACTIVATIONS))]
"""The type of the knob `activation`. If a sweep file says `auto`, the sweep tries all names."""
