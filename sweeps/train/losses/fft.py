"""The frequency loss: the mean absolute difference of two-dimensional spectra.

Source: FFTLoss in `basicsr/losses/losses.py` of https://github.com/sunny2109/SAFMN (commit abe5ffd). Each channel
undergoes a real two-dimensional transform without normalisation. The real and imaginary parts count as separate
numbers, and the loss is the mean over all of them. In that repository, `options/train/SAFMN/train_DF2K_X4.yml` gives
the loss the weight 0.05 beside l1.
"""

import torch
from torch import Tensor


def fft(super_res: Tensor, high_res: Tensor) -> Tensor:
    """Returns the mean of |real part| and |imaginary part| of the spectrum of super_res - high_res, as a scalar.

    Both images are float32 (N, 3, H, W). The transform is linear, so the spectrum of the difference is the difference
    of the two spectra. An unnormalised transform adds up H * W pixels. The loss therefore grows with the patch size,
    and is larger than l1 by about a factor of sqrt(H * W / 2) for differences that resemble noise.
    """
    spectrum = torch.fft.rfft2((super_res - high_res).contiguous())
    return torch.view_as_real(spectrum).abs().mean()
