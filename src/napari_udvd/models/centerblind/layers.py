"""Layers of the centre-blind network; they compute in the precision of their input."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.precision import convolve, like, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "POOLING",
    "Residual",
    "apply",
    "as_channels",
    "blur",
    "chosen",
    "convolution",
    "cropped",
    "places",
    "rows_of",
    "weave_filter",
]

POOLING = 8
"""Largest pixel of the open branch."""


class Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, 3x3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = convolution(width, width, 3)
        self.b = convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Add to the input what the convolutions make of it."""
        return apply(self.b, F.relu_(apply(self.a, x))).add_(x)


@lru_cache(maxsize=1024)
def places(frames: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers of frames as an index that is on the device.

    An index in a list is copied there each time, and a card waited for.
    """
    with torch.inference_mode(False):  # it serves gradients, too
        return torch.tensor(frames, device=device)


def chosen(x: Tensor, frames: Sequence[int]) -> Tensor:
    """Return frames of ``(N, T, ...)``; where they are consecutive, without a copy."""
    first, last = frames[0], frames[-1]
    if list(frames) == list(range(first, last + 1)):
        return x[:, first : last + 1]
    return x[:, places(tuple(frames), x.device)]


def convolution(inputs: int, outputs: int, kernel: int | tuple[int, int]) -> nn.Conv2d:
    """Make a convolution that keeps rows and columns."""
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = rows // 2, columns // 2
    return nn.Conv2d(inputs, outputs, (rows, columns), padding=padding)


def apply(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Apply a layer, its weight in the memory order of the features."""
    return convolve(layer, x, like(layer.weight, x))


def weave_filter(channels: int) -> Tensor:
    """Make the weight ``(C, 1, 5, 5)`` that takes out what alternates with the pixels.

    What alternates along rows, columns or both is brought to frequency zero and found
    there by the binomial filter (1, 4, 6, 4, 1) / 16. Everything else stays, slopes
    among it, so that there is nothing to be learned anew.
    """
    smooth = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    # what is smooth and what alternates, together: of even distances alone
    either = torch.tensor([2.0, 0.0, 12.0, 0.0, 2.0]) / 16
    weight = torch.outer(smooth, smooth) - torch.outer(either, either)
    weight[2, 2] += 1
    return weight.expand(channels, 1, 5, 5).contiguous()


def as_channels(frames: Tensor, precision: torch.dtype) -> Tensor:
    """Make channels of frames ``(N, F, C, H, W)``, as the convolutions take them.

    Rows and columns of zeros are added until pooling leaves none over.
    """
    down, right = (-n % POOLING for n in frames.shape[-2:])
    if down or right:
        frames = F.pad(frames, (0, right, 0, down))
    return pack(frames.to(precision).flatten(1, 2))


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Return the first rows and columns; the very same tensor where these are all.

    What is written into a part of another tensor makes its gradient several times as
    slow, even where the part is the whole.
    """
    is_whole = x.shape[2:] == (height, width)
    return x if is_whole else x[:, :, :height, :width].contiguous()


def rows_of(x: Tensor, rows: slice) -> Tensor:
    """Return rows of ``(N, C, H, W)``; the very same tensor where these are all."""
    return x if rows == slice(0, x.shape[2]) else x[:, :, rows]


def blur(x: Tensor, side: int) -> Tensor:
    """Average over a box; at the border over what there is of it."""
    for kernel in ((side, 1), (1, side)):  # a box is the product of two lines
        x = F.avg_pool2d(
            x,
            kernel,
            stride=1,
            padding=(kernel[0] // 2, kernel[1] // 2),
            count_include_pad=False,
        )
    return x
