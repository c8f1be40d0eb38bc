"""Looks inside networks on one image: the function `srsweep.inspect`."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.figures.theme import as_plotly
from analysis.inspection.inspect import Inspection, Subject, inspect_networks
from analysis.pages.inspection import inspection_cards, inspection_page
from analysis.tables import as_csv
from searchspace.errors import UserError
from srsweep.api.errors import with_user_errors
from srsweep.api.models import Model
from srsweep.api.pictures import pixels_of
from srsweep.networks import with_own_names
from sweeps.data.imresize import imresize
from sweeps.data.pixels import ImageSource, read_pair
from sweeps.files import write_text
from sweeps.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

Original = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
"""An image in high resolution: a file, a PIL image of mode RGB or L, or an array uint8 (H, W, 3) or (H, W)."""
PAGE = "inspect.html"
"""Name of the page that `Inspected.write` writes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspected(Inspection):
    """The result of `srsweep.inspect`: the data frames `scores`, `blocks`, `spectra`, `activations`, `contributions`."""

    def figures(self) -> dict[str, Any]:
        """Returns the figures of the page by name, such as "psd-0" and "residual", as `plotly.graph_objects.Figure`."""
        return {card.name: as_plotly(card.figure, card.title) for card in inspection_cards(self)}

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Writes the page inspect.html and one CSV file per data frame to `folder`, and returns their paths.

        The folder is created if it does not exist. Older files of the same names are replaced as a whole.
        """
        target = Path(expanded(os.fspath(folder)))
        target.mkdir(parents=True, exist_ok=True)
        content = {PAGE: inspection_page(self)}
        content |= {f"{name}.csv": as_csv(frame) for name, frame in self.tables.items()}
        for name, text in content.items():
            write_text(target / name, text)
        return [target / name for name in content]


@with_user_errors
def inspect(
    *models: Model,
    image: Original,
    name: str | None = None,
    tick: "Callable[[], None]" = lambda: None,
) -> Inspected:
    """Looks inside networks while they upscale one image, and returns the results.

    `models` come from `srsweep.load`. An exported file cannot be inspected. All models must have the same scale s.
    `image` is the original. It is cropped to multiples of s and downscaled by MATLAB's bicubic resize, and the networks
    upscale the result. `name` is the name of the image; the default is the name of its file. `tick` is called after
    each network.

    The data frames of the result hold, for each network: PSNR and SSIM of its output (`scores`); the size and the share
    of high frequencies of the output of each block and of what the block adds (`blocks`); the power spectral density of
    these outputs (`spectra`); the share of zeros after each activation (`activations`); and the PSNR that the image
    loses if the output of a parallel path, or one of the features that a pool layer joins, is replaced by its mean over
    the image (`contributions`). Raises UserError if there is no model, if a model or the image cannot be used, or if
    the image is too small.
    """
    if not models:
        raise UserError("inspect: needs at least one model; srsweep.load returns one")
    known = with_own_names(models)
    scale = known[0].scale
    low_res, high_res = pair_of(image, scale)
    found = inspect_networks(
        [_subject(model) for model in known],
        low_res,
        high_res,
        scale,
        image=name or name_of(image),
        tick=tick,
    )
    return Inspected(**{field.name: getattr(found, field.name) for field in fields(found)})


def pair_of(image: Original, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns `image` cropped to multiples of `scale`, in two sizes: downscaled (h, w, 3) and original (s h, s w, 3).

    Raises UserError if the image cannot be read or is too small.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(expanded(os.fspath(image)))
        return read_pair(ImageSource(name=path.name, high_res=path), scale)
    pixels = pixels_of(image)
    pixels = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    height, width = (side // scale * scale for side in pixels.shape[:2])
    if not (height and width):
        raise UserError(f"image: must be at least {scale}x{scale} pixels for scale {scale}")
    high_res = np.ascontiguousarray(pixels[:height, :width])
    return imresize(high_res, 1 / scale), high_res


def name_of(image: Original) -> str:
    """Returns the file name of an image, or 'image' if it does not come from a file."""
    return Path(os.fspath(image)).name if isinstance(image, str | os.PathLike) else "image"


def _subject(model: Model) -> Subject:
    if model.architecture is None or model.exported is not None:
        raise UserError(
            f"{model.name}: only a network in PyTorch can be inspected; name the trial, the folder or the checkpoint "
            "that was exported"
        )
    return Subject(
        name=model.name,
        network=model.network,
        stages=model.architecture.family.stages,
        device=model.device,
    )
