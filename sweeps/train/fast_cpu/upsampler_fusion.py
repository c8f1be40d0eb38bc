"""The end of a network, convolution, pixel shuffle, convolution to colours, as one convolution.

Nothing between the three is not linear, so that their kernels can be multiplied before they meet an
image: the features of the large image, most of what such an end computes and moves, are never made.
The parameters stay those of the two convolutions; their gradients follow from the product.

At the border the second convolution takes zeros for what lies outside the large image, where the product sees
what the first one would have computed there. That depends on the outermost rows and columns alone, and is
taken away again.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

FEW_COLOURS = 4
"""Channels of the second convolution up to which the product is the smaller one."""
MIN_SIZE = 1 << 17
"""Elements of a batch of features from which the product pays: multiplying kernels costs 1 to 2 ms."""
REACH = 2
"""Pixels to every side that the product sees: a 3x3 kernel behind another, the shuffle in between.

No place within an enlarged pixel needs all five: the last one does without the first, the others without the last.
With the last place of the pixel before beside the others of this one, four are enough.
"""


class ShuffleToColours(nn.Module):
    """A 3x3 convolution, a pixel shuffle by r and a 3x3 one to colours: (N, C, H, W) -> (N, 3, rH, rW).

    Both convolutions have a border of zeros; r is 2 or more.
    """

    taps: Tensor
    """(3 * r * 5, 3 * r * 3) of 0 and 1, along one axis, for rows (e, a, u) and columns (k, i, p): whether
    pixel a of an enlarged pixel meets tap p of the first kernel at offset u by way of tap k of the second and
    pixel i between. e = 0 has all, 1 and 2 only what comes from beyond the first and the last edge."""

    def __init__(self, conv: nn.Conv2d, to_colours: nn.Conv2d, factor: int) -> None:
        super().__init__()
        self.conv, self.to_colours, self.factor = conv, to_colours, factor
        self.register_buffer("taps", _taps(factor), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged image."""
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
        """Kernel (r * r * 3, C, 4, 4) and bias for everywhere, the last place before the others."""
        whole = kernels[:, :, 0, :, :, 0].permute(2, 3, 4, 5, 0, 1)
        rows = _four_taps(whole)  # (a, u, b, v, o, c)
        both = _four_taps(rows.movedim((2, 3), (0, 1)))  # (b, v, a, u, o, c)
        inner = both.permute(2, 0, 4, 5, 3, 1).flatten(0, 2)
        bias = constants[:, 0, :, 0].permute(1, 2, 0).roll((1, 1), (0, 1))
        if self.to_colours.bias is not None:
            bias = bias + self.to_colours.bias
        return inner.contiguous(memory_format=torch.channels_last), bias.flatten()

    def _products(self) -> tuple[Tensor, Tensor]:
        """Kernels (o, c, e, a, u, f, b, v) and constants (o, e, a, f, b): e, a, u of `taps` for rows, f, b, v
        for columns, from channel c to colour o.
        """
        r, first = self.factor, self.conv.weight.unflatten(0, (-1, self.factor, self.factor))
        bias = first.new_zeros(first.shape[:3]) if self.conv.bias is None else self.conv.bias
        # The bias is the kernel of one more channel, which is 1 everywhere, outside the image, too.
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
        """What the product adds from beyond the edges: to the first and last row (N, 3, 2, rW), to the first and
        last column (N, 3, rH, 2), and to the four corners (N, 3, 2, 2), which are in both of them.
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
    """`conv` of `x` with the place within the enlarged pixel (row, column) before the channel."""
    weight = _by_place(conv.weight, r).contiguous(memory_format=torch.channels_last)
    bias = None if conv.bias is None else _by_place(conv.bias, r)
    return conv._conv_forward(x, weight, bias)


def _by_place(parameter: Tensor, r: int) -> Tensor:
    return parameter.unflatten(0, (-1, r, r)).movedim((1, 2), (0, 1)).flatten(0, 2)


def spread(x: Tensor, r: int) -> Tensor:
    """(N, r * r * C, H, W), places before channels -> (N, C, rH, rW): a shuffle of whole pixels."""
    return _Spread.apply(x, r)  # type: ignore[no-untyped-call]


def _four_taps(kernels: Tensor) -> Tensor:
    """`kernels` (a, u, ...) with the last place first and shifted by one tap."""
    return torch.cat([kernels[-1:, 1:], kernels[:-1, :-1]])


def _taps(r: int) -> Tensor:
    """`ShuffleToColours.taps`."""
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
    """A shuffle of pixels; its gradient is moved a row of places at a time, three times as fast as all at once."""

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
    """The outermost rows, columns and corners; one dense gradient instead of one for each."""

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
    """The image within its frame, one pixel before it and r - 1 behind, with rows and columns taken off and corners,
    which are in both, added again.
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
