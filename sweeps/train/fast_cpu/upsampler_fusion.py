"""Computes the end of a network (convolution, pixel shuffle, convolution to colours) as one convolution.

All three operators are linear, so the kernels of both convolutions can be multiplied before they are applied to an
image. The product of the kernels is the kernel of one convolution. The features of the large image, which would take
most of the time, are never computed. The parameters are still the parameters of the two convolutions, and autograd
computes their gradients through the product.

In this module, a place is a position within the r x r pixels into which the shuffle turns one pixel.

A worked example in one dimension, with factor 2, one channel and no bias. The first convolution has one kernel for
each of the two places: w0 = (1, 2, 0) and w1 = (0, 1, 3). The second convolution has the kernel v = (1, 0, 2).

    large[2j] = x[j-1] + 2 x[j]         large[2j+1] = x[j] + 3 x[j+1]         out[i] = large[i-1] + 2 large[i+1]

    out[2j]   = large[2j-1] + 2 large[2j+1] = (x[j-1] + 3 x[j]) + 2 (x[j] + 3 x[j+1])
              = x[j-1] + 5 x[j] + 6 x[j+1]        kernel over offsets -2..2: (0, 1, 5, 6, 0)
    out[2j+1] = large[2j] + 2 large[2j+2]   = (x[j-1] + 2 x[j]) + 2 (x[j] + 2 x[j+1])
              = x[j-1] + 4 x[j] + 4 x[j+1]        kernel over offsets -2..2: (0, 1, 4, 4, 0)

For x = (1, 1, 1) the large image is (2, 4, 3, 4, 3, 1), and out is (8, 8, 12, 9, 6, 3). The two product kernels give
(11, 8, 12, 9, 6, 5): equal inside, and too large at both ends. The second convolution pads the large image with zeros.
The product instead uses the values that the first convolution would compute outside the large image: large[-1] = 3 adds
1 * 3 to out[0], and large[6] = 1 adds 2 * 1 to out[5]. This excess depends only on the outermost pixels.
`_from_beyond` computes the excess and `_TakeOff` subtracts it. In two dimensions, the rows and the columns at the border
have such an excess. The four corners are part of both, so their excess is added back once.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

FEW_COLOURS = 4
"""The two convolutions are fused if the second has at most this number of output channels. With more output channels,
the product may take more Mult-Adds than the two convolutions."""
MIN_SIZE = 1 << 17
"""Minimum number of elements in a batch of input features for which the product is faster. Below it, the 1 to 2 ms for
multiplying the kernels do not pay off."""
REACH = 2
"""Number of pixels to each side that the product kernel reaches, because it combines two 3x3 kernels.

The product kernel has five taps along each axis, and no place uses all five. The last place never uses the first tap,
and the other places never use the last tap. If the kernel of the last place is shifted by one pixel, four taps are
enough.
"""


class ShuffleToColours(nn.Module):
    """A 3x3 convolution, a pixel shuffle by factor r, and a 3x3 convolution to colours.

    Maps features (N, C, H, W) to an image (N, O, rH, rW) with O colours. Both convolutions pad with zeros. r is at
    least 2.
    """

    taps: Tensor
    """A matrix of 0 and 1 that selects which taps of the two kernels combine along one axis.

    Its shape is (3 * r * 5, 3 * r * 3), with rows (e, a, u) and columns (k, i, p). An entry is 1 if output place a uses
    the input pixel at offset u by way of tap k of the second kernel, place i of the large image, and tap p of the first
    kernel. Rows with e = 0 contain all combinations. Rows with e = 1 contain only the combinations by way of a pixel
    before the first pixel of the large image, and rows with e = 2 those by way of a pixel behind its last pixel."""

    def __init__(self, conv: nn.Conv2d, to_colours: nn.Conv2d, factor: int) -> None:
        super().__init__()
        self.conv, self.to_colours, self.factor = conv, to_colours, factor
        self.register_buffer("taps", _taps(factor), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the image (N, O, rH, rW) of the features `x` (N, C, H, W)."""
        if x.numel() < MIN_SIZE or min(x.shape[2:]) < 2:
            colours: Tensor = self.to_colours(
                spread(convolve_by_place(self.conv, x, self.factor), self.factor)
            )
            return colours
        with torch.autocast(x.device.type, enabled=False):
            kernels, constants = self._products()
            inner, bias = self._inner(kernels, constants)
        framed = spread(conv2d(x, inner, bias, padding=REACH), self.factor)
        image: Tensor = _TakeOff.apply(  # type: ignore[no-untyped-call]
            framed, self.factor, *self._from_beyond(x, kernels, constants)
        )
        return image

    def _inner(self, kernels: Tensor, constants: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the kernel (r * r * O, C, 4, 4) and the bias (r * r * O,) of the interior. The last place comes first."""
        whole = kernels[:, :, 0, :, :, 0].permute(2, 3, 4, 5, 0, 1)
        rows = _four_taps(whole)  # (a, u, b, v, o, c)
        both = _four_taps(rows.movedim((2, 3), (0, 1)))  # (b, v, a, u, o, c)
        inner = both.permute(2, 0, 4, 5, 3, 1).flatten(0, 2)
        bias = constants[:, 0, :, 0].permute(1, 2, 0).roll((1, 1), (0, 1))
        if self.to_colours.bias is not None:
            bias = bias + self.to_colours.bias
        return inner.contiguous(memory_format=torch.channels_last), bias.flatten()

    def _products(self) -> tuple[Tensor, Tensor]:
        """Returns the products as kernels (o, c, e, a, u, f, b, v) and constants (o, e, a, f, b).

        c is the input channel and o is the colour. The indices e, a, u mean the same as in `taps`, along the height. The
        indices f, b, v mean the same along the width.
        """
        r, first = self.factor, self.conv.weight.unflatten(0, (-1, self.factor, self.factor))
        bias = first.new_zeros(first.shape[:3]) if self.conv.bias is None else self.conv.bias
        # The bias becomes the kernel of an additional channel that is 1 everywhere, even outside the image.
        constant = pad(bias.view(-1, r, r, 1, 1, 1), (1, 1, 1, 1))
        both = torch.einsum(
            "omkl,mijcpq->ockipljq", self.to_colours.weight, torch.cat([first, constant], 3)
        )
        products = self.taps @ both.flatten(5).flatten(2, 4) @ self.taps.T
        products = products.unflatten(3, (3, r, -1)).unflatten(2, (3, r, -1))
        return products[:, :-1], products[:, -1].sum((3, 6))

    def _from_beyond(
        self, x: Tensor, kernels: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the excess of the product along the border, for `_TakeOff`.

        It has three parts: the first and last row (N, O, 2, rW), the first and last column (N, O, rH, 2), and the four
        corners (N, O, 2, 2), which the rows and the columns contain too.
        """
        (n, c, h, w), colours = x.shape, len(kernels)
        with torch.autocast(x.device.type, enabled=False):
            by_row = kernels[:, :, 1:, :, REACH, 0].sum(3).permute(2, 3, 0, 1, 4)
            by_column = kernels[:, :, 0, :, :, 1:, :, REACH].sum(5).permute(4, 2, 0, 1, 3)
            by_corner = kernels[:, :, 1:, :, REACH, 1:, :, REACH].sum((3, 5))
            to_row = constants[:, 1:, :, 0].sum(2).permute(1, 2, 0).flatten()
            to_column = constants[:, 0, :, 1:].sum(3).permute(2, 1, 0).flatten()
            to_corner = constants[:, 1:, :, 1:].sum((2, 4))
        rows, columns, corners = _Edges.apply(x)  # type: ignore[no-untyped-call]
        rows = rows.transpose(1, 2).reshape(n, 2 * c, 1, w)
        rows = conv2d(rows, by_row.flatten(0, 2).unsqueeze(2), to_row, padding=(0, REACH), groups=2)
        rows = rows.view(n, 2, self.factor, colours, w).permute(0, 3, 1, 4, 2).flatten(3)
        columns = columns.permute(0, 3, 1, 2).reshape(n, 2 * c, 1, h)
        columns = conv2d(
            columns, by_column.flatten(0, 2).unsqueeze(2), to_column, padding=(0, REACH), groups=2
        )
        columns = columns.view(n, 2, self.factor, colours, h).permute(0, 3, 4, 2, 1).flatten(2, 3)
        corners = torch.einsum("ncyx,ocyx->noyx", corners, by_corner) + to_corner
        return rows, columns, corners


def convolve_by_place(conv: nn.Conv2d, x: Tensor, r: int) -> Tensor:
    """Returns the output (N, r * r * C', H, W) of `conv` for `x` (N, C, H, W), with its channels in a different order.

    The channels are sorted by their place (row, column) in the shuffled block, and within each place by their channel
    after the shuffle.
    """
    weight = _by_place(conv.weight, r).contiguous(memory_format=torch.channels_last)
    bias = None if conv.bias is None else _by_place(conv.bias, r)
    return conv._conv_forward(x, weight, bias)


def _by_place(parameter: Tensor, r: int) -> Tensor:
    return parameter.unflatten(0, (-1, r, r)).movedim((1, 2), (0, 1)).flatten(0, 2)


def spread(x: Tensor, r: int) -> Tensor:
    """Returns the pixel shuffle (N, C, rH, rW) of `x` (N, r * r * C, H, W), the output of `convolve_by_place`.

    In that order of channels, the shuffle moves whole pixels.
    """
    return _Spread.apply(x, r)  # type: ignore[no-untyped-call]


def _four_taps(kernels: Tensor) -> Tensor:
    """Moves the last place of `kernels` (a, u, ...) to the front and shifts it by one tap. Four taps then remain."""
    return torch.cat([kernels[-1:, 1:], kernels[:-1, :-1]])


def _taps(r: int) -> Tensor:
    """Returns `ShuffleToColours.taps` for factor `r`."""
    taps = torch.zeros(3, r, 2 * REACH + 1, 3, r, 3)
    for a in range(r):
        for k in range(3):
            neighbour, i = divmod(a + k - 1, r)
            for p in range(3):
                taps[0, a, neighbour + p + 1, k, i, p] = 1
    taps[1, 0, :, 0] = taps[0, 0, :, 0]
    taps[2, r - 1, :, 2] = taps[0, r - 1, :, 2]
    return taps.flatten(3).flatten(0, 2)


class _Spread(torch.autograd.Function):
    """The computation of `spread`.

    Its backward pass moves one row of places at a time, which is three times as fast as moving all places together.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, r: int) -> Tensor:
        ctx.r = r
        rows = x.permute(0, 2, 3, 1).unflatten(3, (r, -1)).transpose(2, 3)
        n, h, _, w, _ = rows.shape
        return rows.reshape(n, r * h, r * w, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        pixels = gradients[0].permute(0, 2, 3, 1).unflatten(1, (-1, ctx.r))
        n, h, r, w, c = pixels.shape
        rows = pixels.reshape(n, h, r, w // r, r * c)
        whole = rows.new_empty(n, h, w // r, r, r * c)
        for place in range(r):
            whole[:, :, :, place] = rows[:, :, place]
        return whole.flatten(3).permute(0, 3, 1, 2), None


class _Edges(torch.autograd.Function):
    """Cuts out the outermost rows, columns and corners. Their gradients are summed into one dense tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.like = x.shape
        rows, columns = x[:, :, :: x.shape[2] - 1], x[:, :, :, :: x.shape[3] - 1]
        return rows.clone(), columns.clone(), rows[:, :, :, :: x.shape[3] - 1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        rows, columns, corners = gradients
        n, c, h, w = ctx.like
        whole = rows.new_zeros(n, h, w, c).permute(0, 3, 1, 2)
        whole[:, :, :: h - 1] = rows
        whole[:, :, :, :: w - 1] += columns
        whole[:, :, :: h - 1, :: w - 1] += corners
        return whole


class _TakeOff(torch.autograd.Function):
    """Cuts the image out of its frame and removes the excess along the border.

    The frame is one pixel wide before the image and r - 1 pixels wide behind it. The excess of rows and columns is
    subtracted. The excess of the corners is then added back, because it was subtracted twice.
    """

    @staticmethod
    def forward(ctx: Any, framed: Tensor, r: int, *beyond: Tensor) -> Tensor:
        ctx.r = r
        rows, columns, corners = beyond
        image = _within(framed, r).clone(memory_format=torch.channels_last)
        down, right = image.shape[2] - 1, image.shape[3] - 1
        image[:, :, ::down] -= rows
        image[:, :, :, ::right] -= columns
        image[:, :, ::down, ::right] += corners
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (image,) = gradients
        n, colours, h, w = image.shape
        framed = image.new_zeros(n, h + ctx.r, w + ctx.r, colours).permute(0, 3, 1, 2)
        _within(framed, ctx.r).copy_(image)
        rows, columns = image[:, :, :: h - 1], image[:, :, :, :: w - 1]
        return framed, None, -rows, -columns, rows[:, :, :, :: w - 1]


def _within(framed: Tensor, r: int) -> Tensor:
    return framed[:, :, 1 : 1 + framed.shape[2] - r, 1 : 1 + framed.shape[3] - r]
