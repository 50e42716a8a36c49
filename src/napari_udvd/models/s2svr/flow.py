"""PWCLite: the small flow network of ARFlow that S2SVR aligns frames with.

Liu et al., *Learning by Analogy: Reliable Supervision from Transformations for
Unsupervised Optical Flow Estimation*, CVPR 2020; the version with fewer connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.flow.base import FlowNetwork, correlate
from napari_udvd.models.flow.warp import sample_bilinear
from napari_udvd.models.s2svr.blocks import conv, leaky
from napari_udvd.models.s2svr.settings import LEAST_LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PWCLite"]

PYRAMID = (16, 32, 64, 96, 128, 192)
"""Features of the levels, from half resolution to a 64th."""

MATCHED = 32
"""Features of the first frame that the estimator sees, at every level."""

ESTIMATOR = (128, 128, 96, 64, 32)
"""Features of the layers of the estimator."""

REFINER = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
"""Features and dilation of the layers that see the flow's surroundings."""

QUARTER = 4
"""Pixels of the frame in one of the finest level at which flow is estimated."""


class PWCLite(FlowNetwork):
    """PWCLite; see the module's docstring.

    One estimator serves all levels. Its weights were learned on red, green and blue
    from 0 to 1. With as many levels and the same radius, they give the same flow as
    published where both sizes are multiples of 64; frames of other sizes are extended
    by their border.

    Parameters
    ----------
    channels
        Of a frame.
    levels
        How often the frame is halved, 2 to 6.
    radius
        Largest displacement in the cost volume.
    size
        Rows and columns of the square that frames are resized to, or None for frames
        as they are. Movement in frames that are not square is seen distorted then, and
        that of large ones is seen less well.
    border
        Features outside of the frame are those of its border, otherwise zeros.
    """

    name = "pwclite"
    allows_less = False  # displacements of many pixels go through its layers

    def __init__(
        self,
        channels: int = 3,
        levels: int = 6,
        radius: int = 4,
        size: int | None = None,
        border: bool = True,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.grid = 2**levels
        self.radius = radius
        self.size = size
        self._outside = "border" if border else "zeros"
        self.pyramid, self.project = nn.ModuleList(), nn.ModuleList()
        inputs = channels
        for level, features in enumerate(PYRAMID[:levels], start=1):
            shrink = nn.Conv2d(inputs, features, 3, stride=2, padding=1)
            self.pyramid.append(nn.ModuleList([shrink, conv(features, features)]))
            if level >= LEAST_LEVELS:
                self.project.append(nn.Conv2d(features, MATCHED, 1))
            inputs = features
        self.estimator = _Estimator((2 * radius + 1) ** 2 + MATCHED + 2)
        self.refiner = nn.ModuleList()
        seen = ESTIMATOR[-1] + 2
        for features, dilation in REFINER:
            self.refiner.append(
                nn.Conv2d(seen, features, 3, padding=dilation, dilation=dilation)
            )
            seen = features
        self.refiner_flow = conv(seen, 2)
        self._initialise()

    def levels(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Estimate the flow at several resolutions, for training.

        Frames are taken at the size that they have.

        Parameters
        ----------
        first, second
            ``(N, C, H, W)``; both sizes multiples of the grid.

        Returns
        -------
        list of Tensor
            ``(N, 2, h, w)`` as (dy, dx) in pixels of that resolution: the first has the
            size of the frame, each other half the rows and columns of the one before.
            There is one less than the network has levels.

        Raises
        ------
        ValueError
            If sizes are no multiples of the grid.
        """
        height, width = first.shape[2:]
        if height % self.grid or width % self.grid:
            raise ValueError(
                f"frames to train flow on have sizes that are multiples of {self.grid},"
                f" got {height} x {width}"
            )
        levels = self._levels(torch.cat([first, second]))
        pairs = [level.chunk(2) for level in levels]
        flows = self._descend([one for one, _ in pairs], [two for _, two in pairs])
        return [_enlarged(flow, QUARTER).flip(1) for flow in flows][::-1]

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        if self.size is not None:
            frames = _resized(frames, (self.size, self.size))
        height, width = frames.shape[2:]
        margin = (0, -width % self.grid, 0, -height % self.grid)
        return self._levels(F.pad(frames, margin, mode="replicate"))

    def _levels(self, frames: Tensor) -> list[Tensor]:
        """Features of those levels at which flow is estimated, finest first."""
        x = frames.contiguous(memory_format=torch.channels_last)
        levels = []
        for level in self.pyramid:
            assert isinstance(level, nn.ModuleList)
            for layer in level:
                x = leaky(layer(x))
            levels.append(x)
        return levels[LEAST_LEVELS - 1 :]

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        *_, flow = self._descend(first, second)
        flow = _enlarged(flow, QUARTER).flip(1)
        if self.size is None:
            return flow[:, :, : size[0], : size[1]]
        scale = flow.new_tensor(size) / self.size
        return _resized(flow, size) * scale.view(1, 2, 1, 1)

    def _descend(self, first: list[Tensor], second: list[Tensor]) -> Iterator[Tensor]:
        """Flow of every level as (dx, dy), in its pixels, coarsest first."""
        n, _, height, width = first[-1].shape
        flow = first[-1].new_zeros(n, 2, height, width)
        for k in range(len(first) - 1, -1, -1):
            one, two = first[k], second[k]
            if one.shape[2:] != flow.shape[2:]:
                flow = _enlarged(flow, 2)
                two = sample_bilinear(two, flow.flip(1), self._outside)
            costs = leaky(correlate(one, two, self.radius))
            x = torch.cat([costs, leaky(self.project[k](one)), flow], dim=1)
            features, change = self.estimator(x)
            flow = flow + change
            x = torch.cat([features, flow], dim=1)
            for layer in self.refiner:
                x = leaky(layer(x))
            flow = flow + self.refiner_flow(x)
            yield flow

    def _initialise(self) -> None:
        """Start from no movement at all."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.estimator.flow.weight)
        nn.init.zeros_(self.refiner_flow.weight)


class _Estimator(nn.Module):
    """Reads a change of the flow, (dx, dy), from what is seen at a level.

    Every layer but the first two sees the two before it.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        before, seen = 0, inputs
        for features in ESTIMATOR:
            self.layers.append(conv(seen, features))
            seen, before = before + features, features
        self.flow = conv(seen, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        before, joined = None, x
        for layer in self.layers:
            x = leaky(layer(joined))
            joined = x if before is None else torch.cat([before, x], dim=1)
            before = x
        return x, self.flow(joined)


def _enlarged(flow: Tensor, factor: int) -> Tensor:
    """Flow of a finer level, in its pixels."""
    size = (factor * flow.shape[2], factor * flow.shape[3])
    return factor * _resized(flow, size)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate so that the centres of the outermost pixels stay where they are."""
    return F.interpolate(images, size, mode="bilinear", align_corners=True)
