"""Names the parts of a family's network that papers examine: its blocks, its pool layers and its parallel paths.

Each name is a pattern for the names of modules, as `nn.Module.named_modules` gives them. A pattern is compared part by
part, and * stands for any text within one part:

    pattern                 fits                        does not fit
    blocks.*                blocks.0, blocks.11         blocks.0.body
    layers.*[02468]         layers.0, layers.12         layers.1

The wrapper of a network on the luma (`OnLuma`) adds `network.` to all names. Patterns are written without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

WRAPPER = "network."
"""The part of a name that `OnLuma` adds."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The patterns of one family. The defaults fit most families."""

    blocks: tuple[str, ...] = ("blocks.*",)
    """The modules with which blocks begin. Each call of such a module begins a new block, so a module that is called
    several times counts as several blocks. The input of a block is the first argument of this call."""
    ends: tuple[str, ...] = ("attention",)
    """Further modules whose output may be the output of a block. A block ends with the last module that fits `blocks`
    or `ends` before the next block begins. With `attention`, a block includes the attention on its output, as in "Two
    strategies toward lightweight image super-resolution" (docs/facts.md 3.1)."""
    pools: tuple[str, ...] = ()
    """Layers that fuse several feature maps. They get the feature maps as one concatenated tensor."""
    paths: tuple[str, ...] = ()
    """Modules whose outputs are added to make the image. The sum may include an image that no module computes, such as
    the bicubically upscaled input. The paths inside an upsampler are named by its attribute `paths`."""

    def first(self, network: "nn.Module") -> list[str]:
        """Returns the names of the modules of `network` with which a block begins, in the order of registration."""
        return list(fitting(network, self.blocks))

    def last(self, network: "nn.Module") -> list[str]:
        """Returns the names of the modules of `network` whose output may be the output of a block."""
        return list(fitting(network, self.blocks + self.ends))

    def pool_layers(self, network: "nn.Module") -> list[str]:
        """Returns the names of the pool layers of `network`."""
        return list(fitting(network, self.pools))

    def parallel_paths(self, network: "nn.Module") -> list[str]:
        """Returns the names of the modules of `network` that are paths, including those inside its upsampler."""
        found = list(fitting(network, self.paths))
        for name, part in network.named_modules():
            if inner := getattr(part, "paths", ()):
                found += [f"{name}.{own}" if name else own for own in fitting(part, inner)]
        return found


def fitting(network: "nn.Module", patterns: tuple[str, ...]) -> Iterator[str]:
    """Yields the name of each module of `network` that fits one of `patterns`."""
    split = [pattern.split(".") for pattern in patterns]
    for name, _ in network.named_modules():
        own = name.removeprefix(WRAPPER).split(".")
        if any(_fits(own, pattern) for pattern in split):
            yield name


def _fits(name: list[str], pattern: list[str]) -> bool:
    return len(name) == len(pattern) and all(map(fnmatchcase, name, pattern))
