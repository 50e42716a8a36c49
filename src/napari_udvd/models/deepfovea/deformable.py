"""Modulated deformable convolution (Zhu et al., CVPR 2019) in plain PyTorch.

A convolution whose taps look where the input tells them to, each with a weight that the
input tells as well. What they see is gathered pixel by pixel, so positions are as exact
as their numbers, whatever the size of the image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DeformableConv2d", "deformable_convolution"]


def deformable_convolution(
    x: Tensor, offsets: Tensor, strengths: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Convolve with taps that are moved and weighed, stride one, the size kept.

    Taps are interpolated between the four pixels around them. Outside of the image
    there are zeros.

    Parameters
    ----------
    x
        ``(N, C, H, W)``.
    offsets
        ``(N, 2 K, H, W)``, px: (dy, dx) of each of the K taps, row by row.
    strengths
        ``(N, K, H, W)``: factors on what the taps see.
    weight
        ``(outputs, C, rows, columns)``, both odd, of K taps in all.
    bias
        ``(outputs,)``, or None.

    Returns
    -------
    Tensor
        ``(N, outputs, H, W)``.
    """
    n, channels, height, width = x.shape
    outputs, _, rows, columns = weight.shape
    pixels, shares = _corners(offsets, (rows, columns))
    shares = shares * strengths.unsqueeze(-1)
    first = torch.arange(n, device=x.device) * (height * width)
    pixels = pixels + first.view(n, 1, 1, 1, 1)
    # a bag is what a tap sees: the weighted sum of four pixels, in one pass
    table = x.permute(0, 2, 3, 1).reshape(-1, channels)
    sampled = F.embedding_bag(
        pixels.permute(0, 2, 3, 1, 4).reshape(-1, 4),
        table,
        per_sample_weights=shares.permute(0, 2, 3, 1, 4).reshape(-1, 4),
        mode="sum",
    )
    matrix = weight.permute(0, 2, 3, 1).reshape(outputs, -1)
    made = F.linear(sampled.view(n * height * width, -1), matrix, bias)
    return made.view(n, height, width, outputs).permute(0, 3, 1, 2)


def _corners(offsets: Tensor, kernel: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the pixels around each tap and their shares, ``(N, K, H, W, 4)`` each.

    A pixel is its number in the image, row by row. One outside has no share.
    """
    height, width = offsets.shape[2:]
    rows, columns = (_count(k, offsets) - k // 2 for k in kernel)
    tap_rows = rows.repeat_interleave(kernel[1]).view(-1, 1, 1)
    tap_columns = columns.repeat(kernel[0]).view(-1, 1, 1)
    y = _count(height, offsets).view(-1, 1) + tap_rows + offsets[:, 0::2]
    x = _count(width, offsets) + tap_columns + offsets[:, 1::2]
    # from a pixel outside onwards all is zero, and no number gets too large
    y, x = y.clamp(-1, height), x.clamp(-1, width)
    top, left = y.floor(), x.floor()
    pixels, shares = [], []
    for row, row_share in ((top, top + 1 - y), (top + 1, y - top)):
        for column, column_share in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            number = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            pixels.append(number.long())
            shares.append(row_share * column_share * inside)
    return torch.stack(pixels, -1), torch.stack(shares, -1)


def _count(n: int, like: Tensor) -> Tensor:
    return torch.arange(n, device=like.device, dtype=like.dtype)


class DeformableConv2d(nn.Module):
    """A deformable convolution that finds its own offsets and strengths.

    It begins with taps in their places, of strength one half.

    Parameters
    ----------
    inputs, outputs
        Channels.
    kernel
        Odd number of rows, and of columns.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.taps = kernel**2
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        bound = 1 / math.sqrt(inputs * self.taps)
        nn.init.uniform_(self.weight, -bound, bound)
        self.look = nn.Conv2d(inputs, 3 * self.taps, kernel, padding=kernel // 2)
        for parameter in self.look.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        offsets, strengths = self.look(x).split([2 * self.taps, self.taps], dim=1)
        return deformable_convolution(
            x, offsets, strengths.sigmoid(), self.weight, self.bias
        )
