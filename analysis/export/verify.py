"""Checks an exported file against its network in torch, and measures its PSNR, its size and its latency."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.export.images import cut
from analysis.export.silence import silent
from analysis.export.target import Job, Run, Target, largest_side
from analysis.export.targets import TARGETS
from analysis.export.tiles import InTiles
from sweeps.data.cache import PairSet
from sweeps.data.imresize import imresize
from sweeps.device import device_model
from sweeps.measure.evaluate import evaluate
from sweeps.measure.latency import Latency, Setting, measure

SIZES = ((24, 24), (17, 31), (48, 40))
"""(height, width) of the images on which a file is compared with torch. One image has odd sides."""
LARGE = 24
"""Height and width that every file must accept. The search for the smallest accepted size starts from it."""


class ExportFailed(Exception):  # noqa: N818 - reads as what happened
    """Raised if an exported file fails its check, for example because it differs too much from its network."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The measurements of an exported file."""

    differences: dict[str, float]
    """Largest difference from torch in any colour value, on a scale from 0 to 1, by image size ('WxH')."""
    psnr_torch: float
    """PSNR of the network in torch on the validation split [dB]."""
    bicubic: float
    """PSNR of bicubic on the validation split [dB]."""
    psnr: float | None
    """PSNR of the exported file on the validation split [dB]. None if this machine cannot run the file."""
    bytes: int
    """Size of the file in bytes."""
    latency: Latency | None
    """Latency of the file on this machine's processor. None if this machine cannot run the file."""
    smallest: int = 1
    """Smallest height and width, in pixels, at which the file still gives the network's output. Has no meaning if
    `fixed` is set."""
    fixed: tuple[int, int] | None = None
    """Height and width of the only image that the file accepts. None for a file of free size."""
    largest: int | None = None
    """Largest height and width that the file accepts. None if there is no limit."""
    tile: tuple[int, int] | None = None
    """Height and width of the tiles in which the PSNR of the file, of torch and of bicubic was measured. None if whole
    images were used.
    """

    @property
    def largest_difference(self) -> float | None:
        """Largest difference from torch in any colour value and over all image sizes, on a scale from 0 to 1."""
        return max(self.differences.values(), default=None)

    @property
    def loss(self) -> float | None:
        """PSNR in torch minus PSNR of the file, on the validation split [dB]. Negative if the file is better."""
        return None if self.psnr is None else self.psnr_torch - self.psnr


def verify(
    target: Target,
    path: Path,
    network: nn.Module,
    validation: PairSet,
    *,
    psnr_torch: float,
    bicubic: float,
    latency_size: tuple[int, int],
    threads: int,
) -> Verdict:
    """Compares the exported file at `path` with the deployed `network` from which it was made.

    `psnr_torch` is the PSNR of the network on `validation` in torch, and `bicubic` that of bicubic [dB]. The caller
    measures both once for all files of the network. If the file does not take all validation images in one piece, both
    are measured again, in the tiles in which the file is measured. `latency_size` is the (height, width) for which the
    file was written. The latency is measured for an image of this size. Raises ExportFailed if the file differs from
    the network by more than `target` allows.
    """
    if target.fault is not None:
        return _not_run(target, path, network, psnr_torch, bicubic, latency_size)
    run = target.load(path, threads)
    first = validation.low_res(0)
    sizes = (latency_size,) if target.fixed else SIZES
    images = {f"{w}x{h}": cut(first, (h, w)) for h, w in sizes}
    differences = {size: difference(network, run, image) for size, image in images.items()}
    smallest = min(latency_size)
    if not target.fixed:
        smallest = smallest_size(network, run, first, target.largest_difference)
        _refuse_small(target, validation, smallest)
    tile = _tile(target, validation, latency_size)
    if tile:
        psnr_torch = torch_psnr(target, network, validation, latency_size)
        bicubic = torch_psnr(target, Bicubic(validation.scale), validation, latency_size)
    after = file_psnr(target, run, validation, latency_size)
    verdict = Verdict(
        differences=differences,
        psnr_torch=psnr_torch,
        bicubic=bicubic,
        psnr=after,
        bytes=path.stat().st_size,
        latency=file_latency(target, run, latency_size, threads),
        smallest=smallest,
        fixed=latency_size if target.fixed else None,
        largest=largest_side(latency_size) if target.bounded else None,
        tile=tile,
    )
    _refuse(target, verdict)
    return verdict


def file_psnr(target: Target, run: Run, validation: PairSet, size: tuple[int, int]) -> float:
    """Returns the PSNR [dB] of an exported file on the validation images.

    The images are split into tiles unless the file takes all of them whole. `size` is the (height, width) for which the
    file was written.
    """
    return torch_psnr(target, AsNetwork(run), validation, size)


def torch_psnr(
    target: Target, network: nn.Module, validation: PairSet, size: tuple[int, int]
) -> float:
    """Returns the PSNR [dB] of a network in torch on the validation images, in the same tiles as `file_psnr`."""
    if tile := _tile(target, validation, size):
        network = InTiles(network, tile, padded=target.fixed)
    return evaluate(network, validation, device="cpu").psnr_y


def _not_run(
    target: Target,
    path: Path,
    network: nn.Module,
    psnr_torch: float,
    bicubic: float,
    size: tuple[int, int],
) -> Verdict:
    """Checks the structure of a file that this machine cannot run. Raises ExportFailed if the check fails."""
    assert target.fault is not None
    example = torch.zeros(1, 3, *size)
    with torch.no_grad():
        shape = tuple(network(example).shape)
    if fault := target.fault(path, tuple(example.shape), shape):
        raise ExportFailed(f"export: {target.name}: {fault}")
    return Verdict(
        differences={},
        psnr_torch=psnr_torch,
        bicubic=bicubic,
        psnr=None,
        bytes=path.stat().st_size,
        latency=None,
        smallest=min(size),
        fixed=size if target.fixed else None,
    )


def difference(network: nn.Module, run: Run, low_res: NDArray[np.float32]) -> float:
    """Returns the largest absolute difference between corresponding colour values of the outputs of `network` and `run`.

    `low_res` is an image (1, 3, h, w) in [0, 1]. Raises ExportFailed if the outputs differ in shape.
    """
    with torch.no_grad():
        expected = network(torch.from_numpy(low_res)).numpy()
    given = run(low_res)
    if given.shape != expected.shape:
        raise ExportFailed(
            f"export: the output must have torch's shape {expected.shape}, the file's has {given.shape}"
        )
    return float(np.abs(given - expected).max())


def smallest_size(
    network: nn.Module, run: Run, image: NDArray[np.uint8], most: float | None
) -> int:
    """Returns the minimum height and width, in pixels, of the images that the file accepts.

    Bisection with parts of `image` (H, W, 3) finds the result, which is at most LARGE. This assumes that a file that
    accepts a size accepts all larger sizes. A size counts as accepted if the output differs from the network's by at
    most `most` in any colour value; None allows any difference.
    """

    def works(side: int) -> bool:
        sizes = ((side, side), (side, LARGE), (LARGE, side))
        try:
            with silent():  # runtimes print, from C++, why they refuse an image
                differences = [difference(network, run, cut(image, size)) for size in sizes]
        # Each runtime has its own errors, and torch raises several types for images that are too small.
        except Exception:
            return False
        return most is None or all(value <= most for value in differences)

    fails, smallest = 0, LARGE
    while smallest - fails > 1:
        middle = (fails + smallest) // 2
        if works(middle):
            smallest = middle
        else:
            fails = middle
    return smallest


def file_latency(target: Target, run: Run, size: tuple[int, int], threads: int) -> Latency:
    """Measures the latency of an exported file on this machine's processor, for one image of `size` (height, width)."""
    setting = Setting(
        runtime=target.runtime,
        dtype=target.dtype,
        height=size[0],
        width=size[1],
        threads=threads,
        device=device_model(),
    )
    low_res = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)
    return measure(lambda: run(low_res), setting)


def onnx_latency(network: nn.Module, size: tuple[int, int], threads: int) -> Latency:
    """Exports a deployed network to ONNX and measures its latency in onnxruntime on this machine's processor.

    `size` is the (height, width) of the image.
    """
    target = TARGETS["onnx"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        target.write(Job(network=network, calibration=()), path)
        return file_latency(target, target.load(path, threads), size, threads)


class AsNetwork(nn.Module):
    """Wraps an exported file as a torch network, so that `evaluate` can measure the file."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, low_res: Tensor) -> Tensor:
        return torch.from_numpy(self.run(low_res.contiguous().numpy()))


class Bicubic(nn.Module):
    """Upscales as `bicubic_scores` does: the image is rounded to 8 bits before and after the enlargement."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, low_res: Tensor) -> Tensor:
        """Upscales one image (1, 3, h, w) in [0, 1] to (1, 3, s * h, s * w)."""
        image = (255 * low_res[0]).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        enlarged = torch.from_numpy(imresize(image, self.scale))
        return enlarged.permute(2, 0, 1)[None].float() / 255


def _tile(target: Target, validation: PairSet, size: tuple[int, int]) -> tuple[int, int] | None:
    """Returns the (height, width) of the tiles, or None if the file takes every validation image in one piece."""
    if target.fixed:
        return size
    side = largest_side(size)
    return (side, side) if target.bounded and validation.sizes.max() > side else None


def _refuse_small(target: Target, validation: PairSet, smallest: int) -> None:
    """Raises ExportFailed if a validation image is too small for the file."""
    for name, size in zip(validation.names, validation.sizes.tolist(), strict=True):
        if min(size) < smallest:
            raise ExportFailed(
                f"export: {target.name} takes images from {smallest}x{smallest} pixels on, but the validation image "
                f"{name} has {size[1]}x{size[0]} low-resolution pixels"
            )


def _refuse(target: Target, verdict: Verdict) -> None:
    most = target.largest_difference
    assert verdict.largest_difference is not None
    assert verdict.loss is not None
    # Both conditions are negated, so that NaN fails the check.
    if most is not None and not verdict.largest_difference <= most:
        raise ExportFailed(
            f"export: {target.name} may differ from torch by at most {most:g} (for colours from 0 to 1), "
            f"but differs by {verdict.largest_difference:.2g}"
        )
    if not verdict.loss <= target.largest_loss:
        raise ExportFailed(
            f"export: {target.name} may lose at most {target.largest_loss:g} dB on the validation split, "
            f"but loses {verdict.loss:.2f} dB ({verdict.psnr_torch:.2f} -> {verdict.psnr_torch - verdict.loss:.2f})"
        )
