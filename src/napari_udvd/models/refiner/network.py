"""Refiner: a small U-Net that corrects a posterior where its neighbours know better.

Pre-activation residual blocks (He et al. 2016) on three resolutions. Pixels are
averaged on the way down and interpolated on the way up, so that even and odd rows and
columns are treated alike: strided or transposed convolutions of 2x2 would leave a weave
of period two.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.precision import convolve, like, pack
from napari_udvd.models.refiner.inputs import INPUTS

__all__ = ["GRID", "RADIUS", "Refiner"]

WIDTHS = 16, 32, 64
"""Features at full, half and quarter resolution."""

GRID = 4
"""Rows and columns of its coarsest pixel."""

RADIUS = 56
"""Pixels in any direction that a refined pixel can depend on, at most."""


class Refiner(nn.Module):
    """The network; see the module's docstring.

    It begins as the identity: neither mean nor standard deviation are changed.
    """

    def __init__(self) -> None:
        super().__init__()
        full, half, quarter = WIDTHS
        self.enter = _convolution(INPUTS, full)
        self.full_down, self.full_up = Residual(full), Residual(full)
        self.to_half = _convolution(full, half)
        self.half_down, self.half_up = Residual(half), Residual(half)
        self.to_quarter = _convolution(half, quarter)
        self.quarter = nn.Sequential(Residual(quarter), Residual(quarter))
        self.from_quarter = _convolution(quarter, half)
        self.from_half = _convolution(half, full)
        self.leave = nn.Conv2d(full, 2, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, precision: torch.dtype | None = None) -> Tensor:
        """Correct the posterior.

        Parameters
        ----------
        x
            What `inputs_of` says of the frames, ``(N, 12, H, W)``.
        precision
            Floating-point type of the convolutions; that of `x` if None.

        Returns
        -------
        Tensor
            ``(N, 2, H, W)`` float32: what is added to the mean, in posterior standard
            deviations, and the logarithm of what the standard deviation is multiplied
            by.
        """
        height, width = x.shape[-2:]
        down, right = -height % GRID, -width % GRID
        if down or right:
            # the border is repeated: pixels of coarser resolutions have to be whole
            x = F.pad(x, (0, right, 0, down), mode="replicate")
        full = self.full_down(_apply(self.enter, pack(x.to(precision or x.dtype))))
        half = self.half_down(_apply(self.to_half, F.avg_pool2d(full, 2)))
        low = self.quarter(_apply(self.to_quarter, F.avg_pool2d(half, 2)))
        half = self.half_up(_twice(_apply(self.from_quarter, low)).add_(half))
        full = self.full_up(_twice(_apply(self.from_half, half)).add_(full))
        # the correction is a sum of many features: in float32
        out = convolve(self.leave, F.relu_(full).to(torch.float32))
        return out[..., :height, :width]


class Residual(nn.Module):
    """``x + conv(relu(conv(relu(x))))``, 3x3; the identity to begin with."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = _convolution(width, width), _convolution(width, width)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Add to the input what the convolutions make of it."""
        return _apply(self.b, F.relu_(_apply(self.a, F.relu(x)))).add_(x)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _apply(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return convolve(layer, x, like(layer.weight, x))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
