"""The baseline: a plain training loop, as research code for super-resolution is commonly written.

In a few lines, the loop does what BasicSR does by default with PNG files. For every patch, the workers of a data loader
decode a pair of PNG files. Training runs in float32 on contiguous memory with torch's default Adam, one trial at a time
with all cores. On CUDA the loop pins memory and lets cuDNN benchmark its kernels. EDSR-PyTorch works differently: it
decodes the images once and stores the pixels in its own file format. The loop uses no part of srsweep's training.
"""

import random
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sweeps.data.cache import PairSet


def write_pngs(pairs: PairSet, folder: Path) -> list[tuple[Path, Path]]:
    """Writes each pair of images as PNG files unless they exist. Returns the (low-, high-resolution) paths."""
    paths = []
    for i, name in enumerate(pairs.names):
        both = tuple(folder / kind / f"{Path(name).name}.png" for kind in ("low", "high"))
        for path, pixels in zip(both, (pairs.low_res(i), pairs.high_res(i)), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                Image.fromarray(np.array(pixels)).save(path)
        paths.append((both[0], both[1]))
    return paths


class PngPatches(Dataset[tuple[Tensor, Tensor]]):
    """A data set of random pairs of patches. Each item decodes both PNG files of an image."""

    def __init__(self, paths: list[tuple[Path, Path]], scale: int, patch_size: int) -> None:
        self.paths, self.scale, self.patch_size = paths, scale, patch_size

    def __len__(self) -> int:
        return 1_000_000  # an epoch counts patches, not images, so that workers are not restarted

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        low_path, high_path = random.choice(self.paths)
        low_res, high_res = read(low_path), read(high_path)
        size, scale = self.patch_size, self.scale
        top = random.randrange(low_res.shape[0] - size + 1)
        left = random.randrange(low_res.shape[1] - size + 1)
        low_res = low_res[top : top + size, left : left + size]
        top, left, size = scale * top, scale * left, scale * size
        high_res = high_res[top : top + size, left : left + size]
        if random.random() < 0.5:
            low_res, high_res = low_res[:, ::-1], high_res[:, ::-1]
        if random.random() < 0.5:
            low_res, high_res = low_res[::-1], high_res[::-1]
        if random.random() < 0.5:
            low_res, high_res = low_res.swapaxes(0, 1), high_res.swapaxes(0, 1)
        return as_tensor(low_res), as_tensor(high_res)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def as_tensor(image: np.ndarray) -> Tensor:
    """Converts (H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def train_plainly(
    network: nn.Module,
    paths: list[tuple[Path, Path]],
    *,
    scale: int,
    patch_size: int,
    batch_size: int,
    learning_rate: float,
    workers: int,
) -> Generator[Tensor, None, None]:
    """Trains while the caller iterates. Yields the loss of every step."""
    on_cuda = torch.cuda.is_available()
    loader = DataLoader(
        PngPatches(paths, scale, patch_size),
        batch_size,
        num_workers=workers,
        shuffle=True,
        pin_memory=on_cuda,
    )
    torch.backends.cudnn.benchmark = on_cuda
    device = torch.device("cuda" if on_cuda else "cpu")
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    criterion = nn.L1Loss()
    for low_res, high_res in loader:
        optimizer.zero_grad()
        loss = criterion(network(low_res.to(device)), high_res.to(device))
        loss.backward()
        optimizer.step()
        yield loss.detach()


def evaluate_plainly(
    network: nn.Module, paths: list[tuple[Path, Path]], scale: int
) -> tuple[float, float]:
    """Returns the mean PSNR [dB] and SSIM of the luma. Each image is decoded from its PNG files and evaluated alone."""
    device = next(network.parameters()).device
    network.eval()
    quality = []
    with torch.no_grad():
        for low_path, high_path in paths:
            output = network(as_tensor(read(low_path))[None].to(device))[0].cpu().numpy()
            super_res = (output.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
            a, b = (
                luma(image)[scale:-scale, scale:-scale] for image in (super_res, read(high_path))
            )
            psnr = 10 * np.log10(255**2 / np.mean((a - b) ** 2))
            ssim = structural_similarity(
                a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            quality.append((psnr, ssim))
    network.train()
    psnr, ssim = np.mean(quality, 0)
    return float(psnr), float(ssim)


def luma(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float64) @ (65.481, 128.553, 24.966) / 255 + 16


def timed(losses: Iterator[Tensor], seconds: float) -> tuple[int, float]:
    """Takes training steps for about `seconds`. Returns the number of steps and their exact duration in seconds."""
    started = time.perf_counter()
    steps = 0
    for loss in losses:
        steps += 1
        if steps % 10 == 0:
            float(loss)  # waits for the GPU, so that its queue stays short
        if time.perf_counter() - started > seconds:
            break
    return steps, time.perf_counter() - started
