"""Inspects networks on one image, and returns the measurements as data frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from analysis.inspection.contributions import Contribution, Pixels, contributions
from analysis.inspection.record import Record, recording
from searchspace.errors import UserError
from searchspace.stages import Stages
from sweeps.measure.evaluate import enlarge
from sweeps.measure.metrics import WINDOW, psnr_y, ssim_y

BLOCKS = {
    "network": "str",
    "block": "int64",
    "module": "str",
    "channels": "int64",
    "rows": "int64",
    "columns": "int64",
    "high_share": "float64",
    "mean_abs": "float64",
    "residual": "float64",
    "residual_share": "float64",
    "residual_high_share": "float64",
}
SPECTRA = {"network": "str", "block": "int64", "frequency": "float64", "psd": "float64"}
ACTIVATIONS = {
    "network": "str",
    "block": "int64",
    "module": "str",
    "function": "str",
    "zeros": "float64",
    "negative": "float64",
    "pixels": "int64",
}
CONTRIBUTIONS = {
    "network": "str",
    "kind": "str",
    "layer": "str",
    "source": "str",
    "change": "float64",
    "psnr_loss": "float64",
}
SCORES = {"network": "str", "psnr_y": "float64", "ssim_y": "float64"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network to inspect."""

    name: str
    """The name of the network, unique within the inspection."""
    network: nn.Module
    stages: Stages
    """The stages of the network's family."""
    device: torch.device | str = "cpu"
    """The device of the network."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """The measurements of networks on one image. Each frame names the networks in its column `network`."""

    image: str
    """The name of the image."""
    scale: int
    scores: pd.DataFrame
    """One row per network: `psnr_y` [dB] and `ssim_y` of the upscaled image."""
    blocks: pd.DataFrame
    """One row per block. The input of the first block has the number 0. `Block` explains the columns."""
    spectra: pd.DataFrame
    """One row per block and frequency: `frequency` in cycles per pixel, and `psd`, the power spectral density."""
    activations: pd.DataFrame
    """One row per call of an activation, in the order of the calls. `Activation` explains the columns."""
    contributions: pd.DataFrame
    """One row per input of a pool layer, whole pool layer and path. `Contribution` explains the columns."""

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in order."""
        return list(self.scores["network"])

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The data frames by name."""
        return {
            "scores": self.scores,
            "blocks": self.blocks,
            "spectra": self.spectra,
            "activations": self.activations,
            "contributions": self.contributions,
        }


def inspect_networks(
    subjects: Sequence[Subject],
    low_res: Pixels,
    high_res: Pixels,
    scale: int,
    *,
    image: str,
    tick: Callable[[], None] = lambda: None,
) -> Inspection:
    """Inspects each of `subjects` on one image: `low_res` (h, w, 3) and its original `high_res` (s h, s w, 3).

    `image` is the name of the image. `tick` is called after each network. Raises UserError if the image is too small
    for SSIM, or if an output is not finite or has another size than the original.
    """
    least = WINDOW + 2 * scale
    if min(high_res.shape[:2]) < least:
        raise UserError(
            f"{image}: must be at least {least}x{least} pixels, got {high_res.shape[1]}x{high_res.shape[0]}"
        )
    frames: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("scores", "blocks", "spectra", "activations", "contributions")
    }
    for subject in subjects:

        def enlarged(subject: Subject = subject) -> Pixels:
            return enlarge(subject.network, low_res, device=subject.device)

        with recording(subject.network, subject.stages) as record:
            made = enlarged()
        pair = made, high_res, scale
        frames["scores"].append(
            {"network": subject.name, "psnr_y": psnr_y(*pair), "ssim_y": ssim_y(*pair)}
        )
        left_out = contributions(
            subject.network, subject.stages, record.sources, enlarged, made, high_res, scale
        )
        for name, rows in _rows(record, left_out).items():
            frames[name] += [{"network": subject.name, **row} for row in rows]
        tick()
    return Inspection(
        image=image,
        scale=scale,
        scores=_frame(frames["scores"], SCORES),
        blocks=_frame(frames["blocks"], BLOCKS),
        spectra=_frame(frames["spectra"], SPECTRA),
        activations=_frame(frames["activations"], ACTIVATIONS),
        contributions=_frame(frames["contributions"], CONTRIBUTIONS),
    )


def _rows(record: Record, left_out: list[Contribution]) -> dict[str, list[dict[str, object]]]:
    blocks: list[dict[str, object]] = []
    spectra: list[dict[str, object]] = []
    for block in record.blocks:
        channels, rows, columns = block.shape
        blocks.append(
            {
                "block": block.number,
                "module": block.module,
                "channels": channels,
                "rows": rows,
                "columns": columns,
                "high_share": block.spectrum.high_share,
                "mean_abs": block.mean_abs,
                "residual": block.residual,
                "residual_share": block.residual_share,
                "residual_high_share": block.residual_high_share,
            }
        )
        spectra += [
            {"block": block.number, "frequency": frequency, "psd": density}
            for frequency, density in zip(
                block.spectrum.frequencies, block.spectrum.density, strict=True
            )
        ]
    return {
        "blocks": blocks,
        "spectra": spectra,
        "activations": [dict(vars(each)) for each in record.activations],
        "contributions": [dict(vars(each)) for each in left_out],
    }


def _frame(rows: list[dict[str, object]], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)
