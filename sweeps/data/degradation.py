"""Degrades low-resolution images like a phone's camera: blur, then noise, then JPEG.

The strength of each degradation is drawn from its range in `data.degradation`. All random numbers are computed from the
raw output of the generator Philox, so they are the same in every version of numpy. JPEG makes the pixels depend on the
version of libjpeg in Pillow.
"""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sweeps.data.pixels import Pixels
from sweeps.data.settings import DegradationSettings, Range

VERSION = 1
"""Version number of the degradation. Increase it if a change of the code makes the same settings and seed give different pixels."""

STREAM = 1
"""Third word of Philox's counter. For the positions of patches, this word is 0, so the two random streams differ."""

REACH = 3.0
"""Radius, in standard deviations, at which the Gaussian of the blur is cut off."""


class Degradation:
    """Degrades images with strengths drawn from ranges."""

    def __init__(self, settings: DegradationSettings) -> None:
        self.settings = settings

    @property
    def key(self) -> str:
        """Text that identifies the degradation, for use in fingerprints."""
        return f"degradation {VERSION}: {self.settings.model_dump_json()}"

    def patches(self, low_res: Pixels, *, seed: int, step: int) -> Pixels:
        """Returns degraded copies of the patches of one training step (N, p, p, 3). Each patch is degraded
        independently.

        The result depends only on the patches, their order, the seed and the step.
        """
        return np.stack(
            [
                self._degraded(patch, seed, (0, step, STREAM, number))
                for number, patch in enumerate(low_res)
            ]
        )

    def image(self, low_res: Pixels, digest: str) -> Pixels:
        """Returns a degraded copy of the validation image `low_res` (h, w, 3).

        The result depends only on the image and on `digest`, which is the hexadecimal digest of the image's file.
        """
        return self._degraded(low_res, int(digest[:16], 16), (0, 0, STREAM, 0))

    def _degraded(self, image: Pixels, key: int, counter: Sequence[int]) -> Pixels:
        source = np.random.Philox(key=key % 2**64, counter=list(counter))
        # All three numbers are drawn even if a range is missing, so that each range always gets the same number.
        blur, noise, quality = _uniform(source, 3)
        settings, degraded = self.settings, image.astype(np.float64)
        if settings.blur is not None:
            degraded = blurred(degraded, _between(settings.blur, blur))
        if settings.noise is not None:
            degraded += _between(settings.noise, noise) * _normal(source, degraded.shape)
        pixels = degraded.round().clip(0, 255).astype(np.uint8)
        if settings.jpeg is None:
            return pixels
        low, high = map(int, settings.jpeg)
        return compressed(pixels, low + int(quality * (high - low + 1)))


def blurred(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Returns `image` (h, w, 3), convolved with a Gaussian of standard deviation `sigma` [pixels].

    At the border, the outermost pixels are repeated. If `sigma` is 0, the result equals the image.
    """
    reach = int(np.ceil(REACH * sigma))
    if reach == 0:
        return image
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(image, [(reach, reach) if a == axis else (0, 0) for a in range(3)], "edge")
        size = image.shape[axis]
        shifted = (
            weight * padded.take(range(first, first + size), axis)
            for first, weight in enumerate(weights)
        )
        image = sum(shifted, np.zeros_like(image))
    return image


def compressed(image: Pixels, quality: int) -> Pixels:
    """Returns `image` (h, w, 3) after JPEG with chroma at half the resolution and a `quality` from 1 to 100."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as decoded:
        return np.asarray(decoded)


def _between(range_: Range, uniform: float) -> float:
    low, high = range_
    return low + uniform * (high - low)


def _uniform(source: np.random.Philox, count: int) -> NDArray[np.float64]:
    """Returns `count` numbers, uniform in [0, 1)."""
    raw: NDArray[np.uint64] = source.random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _normal(source: np.random.Philox, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Returns numbers with the standard normal distribution, by the method of Box and Muller."""
    count = int(np.prod(shape))
    pairs = _uniform(source, 2 * ((count + 1) // 2)).reshape(2, -1)
    radius, angle = np.sqrt(-2 * np.log1p(-pairs[0])), 2 * np.pi * pairs[1]
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return both[:count].reshape(shape)
