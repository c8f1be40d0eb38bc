"""Loads networks with their weights, and upscales images with them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analysis.export.files import ExportedFile, open_exported, target_of
from analysis.export.verify import AsNetwork
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.spec import Spec
from srsweep.api.errors import with_user_errors
from srsweep.api.exported import refuse
from srsweep.api.pictures import Picture, size_of, upscaled
from srsweep.api.places import database_url
from srsweep.choice import choose
from srsweep.variant import NOTE, Variant, of_checkpoint
from sweeps.device import pick_device
from sweeps.paths import expanded


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network with its weights. `srsweep.load` returns it."""

    name: str
    """SWEEP#NUMBER for a trial, the path of an exported file, otherwise the label of the architecture."""
    scale: int
    """The upscaling factor."""
    network: nn.Module
    """The network on `device`. It maps images (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W). For an exported
    file, it is a module without parameters that runs the file."""
    device: torch.device
    """The device on which images are upscaled."""
    architecture: Architecture | None
    """The family and the knobs. None for an exported file whose network is unknown."""
    exported: ExportedFile | None = None
    """The exported file. None for a network in PyTorch."""

    @with_user_errors
    def upscale(
        self, image: Picture, *, tile: int | None = None, self_ensemble: bool = False
    ) -> Picture:
        """Returns `image`, upscaled by `scale`, as the same kind of image.

        `image` is a PIL image of mode RGB or L, or a NumPy array uint8 of shape (H, W, 3) or (H, W). With `tile`, the
        network processes squares of `tile` x `tile` pixels, each with a border, one after another. This saves memory.
        With `self_ensemble`, the outputs for the eight flips and rotations of the image are averaged. Raises UserError
        for any other kind of image, and if an exported file does not accept an image of this size.
        """
        if self.exported is not None:
            refuse(self.exported, size_of(image), tile)
        return upscaled(
            self.network, image, device=self.device, tile=tile, self_ensemble=self_ensemble
        )

    @property
    def family(self) -> str:
        """The name of the family. Raises UserError if the architecture is unknown."""
        return self._known().family.name

    @property
    def spec(self) -> Spec:
        """The values of all knobs, such as `spec.n_feats`. Raises UserError if the architecture is unknown."""
        return self._known().spec

    @property
    def costs(self) -> dict[str, int]:
        """The costs by name, as `srsweep cost` counts them: params, multadds and others.

        Raises UserError if the architecture is unknown.
        """
        return costs(self._known(), self.scale)

    def _known(self) -> Architecture:
        if self.architecture is None:
            why = self.exported.unknown if self.exported is not None else ""
            raise UserError(f"{self.name}: its architecture is unknown: {why}")
        return self.architecture

    def __repr__(self) -> str:
        return f"<srsweep.Model {self.name} x{self.scale} on {self.device}>"


@with_user_errors
def load(
    source: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    scale: int | None = None,
    db: str | None = None,
    device: str = "auto",
) -> Model:
    """Returns a network with its weights.

    `source` is one of these:

    - a trial SWEEP#NUMBER, such as "first#11". Its weights are on this machine or in the object store of its sweep,
    - the output folder of `srsweep train`,
    - a file that `srsweep export` wrote, such as "out/slwsr-d0af09ba_x4.onnx", which runs on the CPU,
    - a checkpoint of srsweep, such as "best/attempt-1.pt",
    - a network, such as "imdn" or "slwsr n_feats=16", with the file `weights`.

    `weights` replaces the weights of a trial or a folder. It takes a checkpoint of srsweep or of the authors of a
    paper. If `source` is a network, `scale` is its upscaling factor; the default is 4. `db` is the URL of the database
    of a trial; the default is the environment variable SRSWEEP_DB, or sqlite:///results.db if it is not set. `device`
    is "auto", "cpu" or "cuda". Raises UserError if `source` cannot be loaded.
    """
    text = expanded(os.fspath(source))
    path = Path(text)
    if path.is_file():
        if weights is not None or scale is not None:
            raise UserError(
                f"{text}: must be loaded without weights and scale, because it is a file"
            )
        return _of_file(path, device)
    words = text.split() if text.partition(" ")[0] in FAMILIES else [text]
    if words[0] in FAMILIES:
        pass
    elif path.is_dir() and not (path / NOTE).is_file():
        raise UserError(
            f"{text}: must be an output folder of `srsweep train`, but it has no {NOTE}"
        )
    elif target_of(path) is not None or path.suffix in (".pt", ".pth"):
        raise UserError(f"{text}: there is no such file")
    file = None if weights is None else Path(expanded(os.fspath(weights)))
    return _of_variant(
        choose(words, scale=scale, weights=file, db=database_url(db)), pick_device(device)
    )


@with_user_errors
def network(family: str, /, *, scale: int = 4, **knobs: Any) -> nn.Module:
    """Returns a freshly initialised network of a family, such as `network("imdn", n_feats=16, scale=4)`.

    `knobs` are values for knobs of the family, which `srsweep families imdn` lists. Knobs that are left out keep their
    published defaults. The network maps images (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W). Its weights are
    drawn with torch's random number generator, so `torch.manual_seed` makes them repeatable. Raises UserError if there
    is no such family, knob or value, or if the family does not support the scale.
    """
    return architecture(family, knobs).network(scale)


def _of_variant(variant: Variant, device: torch.device) -> Model:
    return Model(
        name=variant.name,
        scale=variant.scale,
        network=variant.network().to(device).eval(),
        device=device,
        architecture=variant.architecture,
    )


def _of_file(path: Path, device: str) -> Model:
    if target_of(path) is None:
        variant = of_checkpoint(path)
        if variant is None:
            raise UserError(
                f"{path}: does not state the network that it is for; name the network, as in load('imdn', weights={path.name!r})"
            )
        return _of_variant(variant, pick_device(device))
    if device not in ("auto", "cpu"):
        raise UserError(
            f"device: must be auto or cpu, because {path.name} runs on the processor, got {device}"
        )
    exported = open_exported(path, torch.get_num_threads())
    return Model(
        name=str(path),
        scale=exported.scale,
        network=AsNetwork(exported.run),
        device=torch.device("cpu"),
        architecture=exported.architecture,
        exported=exported,
    )
