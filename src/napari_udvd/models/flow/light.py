"""LightFlow: a small flow network that learns from the movie itself.

It has less than a tenth of PWC-Net's parameters, takes any number of channels and is
trained without supervision (compare ARFlow, Liu et al., CVPR 2020).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.flow.base import SLOPE, FlowNetwork, correlate
from napari_udvd.models.flow.warp import sample_bilinear

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LightFlow"]

PYRAMID = (32, 64, 96, 128)
"""Features of LightFlow's levels, from half resolution to a sixteenth."""

MATCHED = 32
"""Features that LightFlow compares, at every level."""

RADIUS = 2
"""Largest displacement in LightFlow's cost volume."""

DECODER = (96, 64, 48, 32)
"""Features of the layers of LightFlow's decoder."""

LOCAL = 4
"""Features are compared with their mean over so many pixels on each side taken off."""

SHARPNESS = 10.0
"""How much LightFlow prefers the best match to all others, before it has learned."""


class LightFlow(FlowNetwork):
    """The light network; see the module's docstring.

    Frames are extended to multiples of 16 px by their border. One decoder serves all
    levels, so it learns from every scale of every movement. It improves on the average
    of the displacements, weighted by how well they match, which lets the features
    learn from the first step on.

    Parameters
    ----------
    channels
        Of a frame.

    Raises
    ------
    ValueError
        If `channels` is not positive.
    """

    weights = "flow-light.safetensors"
    name = "light"
    grid = 2 ** len(PYRAMID)
    allows_less = True

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels is {channels!r}; it must be positive")
        self.channels = channels
        self.shrink, self.refine, self.project = (nn.ModuleList() for _ in range(3))
        inputs = channels
        for features in PYRAMID:
            self.shrink.append(nn.Conv2d(inputs, features, 3, stride=2, padding=1))
            self.refine.append(nn.Conv2d(features, features, 3, padding=1))
            self.project.append(nn.Conv2d(features, MATCHED, 1))
            inputs = features
        self.decoder = nn.ModuleList()
        seen = (2 * RADIUS + 1) ** 2 + MATCHED + 2
        for features in DECODER:
            self.decoder.append(nn.Conv2d(seen, features, 3, padding=1))
            seen = features
        self.flow = nn.Conv2d(seen, 2, 3, padding=1)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self._initialise()

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        height, width = frames.shape[2:]
        x = F.pad(frames, (0, -width % self.grid, 0, -height % self.grid), "replicate")
        x = x.contiguous(memory_format=torch.channels_last)
        levels = []
        for shrink, refine, project in zip(
            self.shrink, self.refine, self.project, strict=True
        ):
            x = F.leaky_relu_(shrink(x), SLOPE)
            x = F.leaky_relu_(refine(x), SLOPE)
            levels.append(_normalised(project(x)))
        return levels

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Look at all channels alike, and average them."""
        first = next(name for name in weights if name.endswith("shrink.0.weight"))
        alike = weights[first].repeat(1, self.channels, 1, 1) / self.channels
        return {**weights, first: alike}

    def levels(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Estimate the flow of every level, for training.

        Parameters
        ----------
        first, second
            ``(N, C, H, W)``; height and width are multiples of the grid.

        Returns
        -------
        list of Tensor
            ``(N, 2, h, w)`` in pixels of the level, from a sixteenth of the resolution
            to half of it.
        """
        pairs = [level.chunk(2) for level in self._pyramid(torch.cat([first, second]))]
        return list(self._descend([one for one, _ in pairs], [two for _, two in pairs]))

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        *_, flow = self._descend(first, second)
        return _double(flow)[:, :, : size[0], : size[1]]

    def _descend(self, first: list[Tensor], second: list[Tensor]) -> Iterator[Tensor]:
        """Flow of every level, coarsest first."""
        n, _, height, width = first[-1].shape
        flow = first[-1].new_zeros(n, 2, height, width)
        for one, two in zip(reversed(first), reversed(second), strict=True):
            if one.shape[2:] != flow.shape[2:]:
                flow = _double(flow)
            costs = correlate(one, sample_bilinear(two, flow), RADIUS)
            x = torch.cat([costs, one, flow], dim=1)
            for layer in self.decoder:
                x = F.leaky_relu_(layer(x), SLOPE)
            flow = flow + _best_match(costs, self.sharpness) + self.flow(x)
            yield flow

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.flow.weight)


def _best_match(costs: Tensor, sharpness: Tensor) -> Tensor:
    """Displacement ``(N, 2, H, W)`` that a cost volume speaks for, on average."""
    reach = math.isqrt(costs.shape[1])
    axis = torch.arange(reach, device=costs.device, dtype=costs.dtype) - reach // 2
    shares = (sharpness * costs).softmax(dim=1).unflatten(1, (reach, reach))
    return torch.stack(
        [
            (shares.sum(dim=other) * axis.view(1, -1, 1, 1)).sum(dim=1)
            for other in (2, 1)
        ],
        dim=1,
    )


def _normalised(features: Tensor) -> Tensor:
    """Take the local mean off, and divide by the root mean square of each pixel.

    Products of such features tell what stands out alike from its surroundings, at any
    brightness and contrast (compare Jonschkowski et al. 2020: "What matters in
    unsupervised optical flow").
    """
    features = features.to(torch.promote_types(features.dtype, torch.float))
    mean = features
    for side in ((2 * LOCAL + 1, 1), (1, 2 * LOCAL + 1)):
        margin = (side[0] // 2, side[1] // 2)
        mean = F.avg_pool2d(mean, side, 1, margin, count_include_pad=False)
    features = features - mean
    power = features.square().mean(dim=1, keepdim=True)
    return features * (power + 1e-2).rsqrt()


def _double(flow: Tensor) -> Tensor:
    """Flow of the next finer level, in its pixels."""
    return 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
