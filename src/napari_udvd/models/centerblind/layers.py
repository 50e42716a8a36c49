"""Layers of the centre-blind network; they compute in the precision of their input."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.precision import convolve, like

__all__ = ["Residual", "apply", "blur", "convolution", "places"]


class Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, 3x3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = convolution(width, width, 3)
        self.b = convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Add to the input what the convolutions make of it."""
        return x + apply(self.b, F.relu_(apply(self.a, x)))


@lru_cache(maxsize=1024)
def places(frames: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers of frames as an index that is on the device.

    An index in a list is copied there each time, and a card waited for.
    """
    with torch.inference_mode(False):  # it serves gradients, too
        return torch.tensor(frames, device=device)


def convolution(inputs: int, outputs: int, kernel: int | tuple[int, int]) -> nn.Conv2d:
    """Make a convolution that keeps rows and columns."""
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = rows // 2, columns // 2
    return nn.Conv2d(inputs, outputs, (rows, columns), padding=padding)


def apply(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Apply a layer, its weight in the memory order of the features."""
    return convolve(layer, x, like(layer.weight, x))


def blur(x: Tensor, side: int) -> Tensor:
    """Average over a box; at the border over what there is of it."""
    return F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)
