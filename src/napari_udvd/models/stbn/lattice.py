"""Layers that join only pixels of a lattice, and so keep a hole unseen at any depth.

The dilated blind-spot block of STBN (Chen et al., AAAI 2025), its fusion and its
spatial expansion; see :mod:`napari_udvd.models.stbn.network` for why they are blind.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from napari_udvd.models import winograd
from napari_udvd.models.precision import convolve

__all__ = [
    "GROUPS",
    "BlindSpotBlock",
    "Fusion",
    "SpatialExpansion",
    "lattice",
]

GROUPS = 2
"""Residual groups of the spatial expansion, and groups of their convolutions."""


RECTIFIED = math.sqrt(2)
"""Gain of weights behind a rectifier that keeps numbers of the same size."""

RESIDUAL = 0.1
"""What a residual adds at first, as a part of what it adds to."""


class BlindSpotBlock(nn.Module):
    """Dilated blind-spot block: output pixels see no pixel of their own hole.

    Parameters
    ----------
    seen
        Channels of the frame, and of what else is known of its pixels.
    hidden
        Channels of the features that come from another frame; 0 for none.
    outputs, width
        Channels put out, and in between (even).
    modules
        Lattice convolutions.
    hole
        Odd (rows, columns) that are not seen.
    """

    mask: Tensor

    def __init__(
        self,
        seen: int,
        hidden: int,
        outputs: int,
        width: int,
        modules: int,
        hole: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        reach, stride = lattice(hole)
        rows, columns = reach
        self.head = nn.Conv2d(seen, width, 1)
        if hidden:
            self.head_hidden = nn.Conv2d(hidden, width, 1, bias=False)
        kernel = (2 * rows + 1, 2 * columns + 1)
        self.look = nn.Conv2d(width, width, kernel, padding=reach)
        mask = torch.ones(kernel)
        mask[1:-1, 1:-1] = 0  # the hole is all but the outermost ring
        self.register_buffer("mask", mask, persistent=False)
        self.mix_a = nn.Conv2d(width, width, 1)
        self.mix_b = nn.Conv2d(width, width, 1)
        self.lattice = _residuals(width, modules, stride)
        self.mix_c = nn.Conv2d(width, width, 1)
        self.tail_a = nn.Conv2d(width, width // 2, 1)
        self.tail_b = nn.Conv2d(width // 2, width // 2, 1)
        self.tail_c = nn.Conv2d(width // 2, outputs, 1)
        # half from the frame, half from the features: what travels does not grow
        _draw(self.head, math.sqrt(0.5) if hidden else 1.0)
        if hidden:
            _draw(self.head_hidden, math.sqrt(0.5))
        for layer in (self.look, self.mix_a, self.mix_b):
            _draw(layer, RECTIFIED)
        _draw(self.mix_c, 1.0)
        for layer in (self.tail_a, self.tail_b, self.tail_c):
            _draw(layer, RECTIFIED)

    def forward(self, frame: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Join a frame ``(N, S, H, W)`` with features; None stands for zeros."""
        x = convolve(self.head, frame)
        if hidden is not None:
            x = x + convolve(self.head_hidden, hidden)
        weight = self.look.weight * self.mask
        x = F.relu_(convolve(self.look, F.relu_(x), weight))
        x = F.relu_(convolve(self.mix_a, x))
        x = F.relu_(convolve(self.mix_b, x))
        x = self.lattice(x)
        x = F.relu_(convolve(self.mix_c, x))
        x = F.relu_(convolve(self.tail_a, x))
        x = F.relu_(convolve(self.tail_b, x))
        return convolve(self.tail_c, x)


class Fusion(nn.Module):
    """Lattice convolutions between two 1x1 convolutions without biases."""

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        modules: int,
        stride: tuple[int, int],
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 1, bias=False)
        self.lattice = _residuals(width, modules, stride)
        self.leave = nn.Conv2d(width, outputs, 1, bias=False)
        _draw(self.enter, 1.0)
        _draw(self.leave, 1.0)

    def features(self, x: Tensor) -> Tensor:
        """All but the last layer."""
        features: Tensor = self.lattice(convolve(self.enter, x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Fuse ``(N, inputs, H, W)`` into ``(N, outputs, H, W)``."""
        return convolve(self.leave, self.features(x))


class SpatialExpansion(nn.Module):
    """Spatial receptive-field expansion: join both directions, and see further.

    Two by two neighbours of the lattice become the channels of one, so its
    convolutions reach twice as far (after CAIN, Choi et al. 2020).
    """

    def __init__(
        self, features: int, blocks: int = 8, stride: tuple[int, int] = (2, 2)
    ) -> None:
        super().__init__()
        self.stride = stride
        width = 4 * features
        self.head = _lattice_convolution(2 * width, width, stride)
        self.groups = nn.ModuleList(
            _residuals(width, blocks, stride, GROUPS) for _ in range(GROUPS)
        )
        self.tail_a = _lattice_convolution(width, width, stride)
        self.tail_b = nn.Conv2d(width, width, 1)
        self.tail_c = nn.Conv2d(width, width, 1)
        _draw(self.head, 1.0)
        # every group begins by doubling what it is given
        _draw(self.tail_a, 0.5**GROUPS)
        _draw(self.tail_b, 1.0)
        _draw(self.tail_c, 1.0)

    def forward(self, both: Tensor) -> Tensor:
        """Join ``(N, 2 features, H, W)``, one direction after the other."""
        height, width = both.shape[2:]
        down, right = (
            -n % (2 * stride)
            for n, stride in zip((height, width), self.stride, strict=True)
        )
        x = _on_lattice(self.head, self._gather(F.pad(both, (0, right, 0, down))))
        for group in self.groups:
            x = x + group(x)
        x = _on_lattice(self.tail_a, x)
        for layer in (self.tail_b, self.tail_c):
            x = convolve(layer, x)
        return self._spread(x)[:, :, :height, :width]

    def _gather(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 4 C, H / 2, W / 2)``, each on its lattice."""
        rows, columns = self.stride
        x = rearrange(
            x,
            "n c (h two rows) (w too columns) -> n (h rows) (w columns) (c two too)",
            two=2,
            too=2,
            rows=rows,
            columns=columns,
        )
        return rearrange(x, "n h w c -> n c h w")

    def _spread(self, x: Tensor) -> Tensor:
        """Inverse of :meth:`_gather`."""
        rows, columns = self.stride
        x = rearrange(x, "n c h w -> n h w c")  # as in memory, of gradients too
        x = rearrange(
            x,
            "n (h rows) (w columns) (c two too) -> n (h two rows) (w too columns) c",
            two=2,
            too=2,
            rows=rows,
            columns=columns,
        )
        return rearrange(x, "n h w c -> n c h w")


class _LatticeResidual(nn.Module):
    """``x + 1x1(relu(3x3(x)))`` on the lattice."""

    def __init__(self, width: int, stride: tuple[int, int], groups: int = 1) -> None:
        super().__init__()
        self.spread = _lattice_convolution(width, width, stride, groups)
        self.mix = nn.Conv2d(width, width, 1)
        _draw(self.spread, 1.0)
        _draw(self.mix, RECTIFIED * RESIDUAL)

    def forward(self, x: Tensor) -> Tensor:
        return x + convolve(self.mix, F.relu_(_on_lattice(self.spread, x)))


def lattice(hole: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Reach of the mask and stride of the lattice that keep a hole unseen.

    The mask sees one ring around the hole. The stride exceeds reach and hole together,
    so a ring pixel plus any multiple of the stride never lies in the hole.

    Parameters
    ----------
    hole
        Odd (rows, columns).

    Returns
    -------
    reach, stride
        (rows, columns) each, px.
    """
    rows, columns = hole
    return (rows // 2 + 1, columns // 2 + 1), (rows + 1, columns + 1)


def _residuals(
    width: int, count: int, stride: tuple[int, int], groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        *[_LatticeResidual(width, stride, groups) for _ in range(count)]
    )


def _lattice_convolution(
    inputs: int, outputs: int, stride: tuple[int, int], groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=stride, dilation=stride, groups=groups)


def _on_lattice(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a lattice convolution; without gradient by fewer products where it pays."""
    weight, groups = layer.weight, layer.groups
    if torch.is_grad_enabled() or not winograd.pays(x, weight, groups):
        return convolve(layer, x)
    rows, columns = layer.dilation
    out = winograd.convolve_rows(x, weight, -1, (rows, columns), groups)
    return out if layer.bias is None else out.add_(layer.bias[:, None, None])


def _draw(layer: nn.Conv2d, gain: float) -> None:
    """Draw weights that put out `gain` times the size of what comes in."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    with torch.no_grad():
        layer.weight *= gain
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
