"""Noise level of a clip, estimated by a network that may see every pixel.

UDVD's variant for an unknown noise level: an ordinary U-Net over the noisy frames
whose output is averaged to one number per clip (Sheth et al. 2021).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.udvd.causal import SLOPE

__all__ = ["NoiseLevelNet"]


class NoiseLevelNet(nn.Module):
    """U-Net with replicated borders; ``(N, C, H, W)`` in, ``(N,)`` out."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        wide = 2 * width
        self.enc1 = _chain(in_channels, width, width, width)
        self.enc2 = _chain(width, width, width, width)
        self.enc3 = _chain(width, wide, wide, width)
        self.dec2 = _chain(2 * width, wide, wide, wide, wide)
        self.dec1 = _chain(wide + in_channels, wide, wide, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Estimate one noise level per item."""
        half = F.max_pool2d(self.enc1(x), 2)
        low = self.enc3(F.max_pool2d(self.enc2(half), 2))
        low = self.dec2(_join(low, half))
        out: Tensor = self.dec1(_join(low, x))
        return out.float().mean(dim=(1, 2, 3))


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_normal_(self.weight, SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.leaky_relu(F.conv2d(x, self.weight.to(x.dtype)), SLOPE)


def _chain(*channels: int) -> nn.Sequential:
    pairs = pairwise(channels)
    return nn.Sequential(*(_Conv(inputs, outputs) for inputs, outputs in pairs))


def _join(low: Tensor, skip: Tensor) -> Tensor:
    """Upsample by two; odd sizes get the row or column that pooling dropped as zero."""
    up = F.interpolate(low, scale_factor=2)
    down = skip.shape[2] - up.shape[2]
    right = skip.shape[3] - up.shape[3]
    return torch.cat([F.pad(up, (0, right, 0, down)), skip], dim=1)
