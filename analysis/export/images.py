"""Cuts images of a given size from photographs."""

import numpy as np
from numpy.typing import NDArray


def cut(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Returns the top left part of `image` (H, W, 3) as (1, 3, height, width) in [0, 1].

    `size` is (height, width). An image smaller than `size` is tiled until it fills it.
    """
    rows, columns = (np.arange(n) % side for n, side in zip(size, image.shape[:2], strict=True))
    part = image[rows][:, columns].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(part, dtype=np.float32) / np.float32(255)
