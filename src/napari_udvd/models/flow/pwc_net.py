"""PWC-Net, the published flow network, for published weights.

Sun et al., CVPR 2018, as it stands inside STBN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.flow.base import SLOPE, FlowNetwork, correlate
from napari_udvd.models.flow.warp import sample_bilinear

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PWCNet", "fetch_inside"]

GRID = 64
"""Rows and columns of the image that PWC-Net sees are multiples of it."""

UNIT = 20.0
"""Pixels in PWC-Net's unit of flow."""

RADIUS = 4
"""Largest displacement in PWC-Net's cost volume."""

PYRAMID = (16, 32, 64, 96, 128, 196)
"""Features of PWC-Net's levels, from half resolution to a 64th."""

DECODER = (128, 128, 96, 64, 32)
"""Features of the layers of each of PWC-Net's decoders."""

REFINER = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
"""Features and dilation of the layers of PWC-Net's last decoder."""


class PWCNet(FlowNetwork):
    """PWC-Net as published; see the module's docstring.

    Its weights were learned on red, green and blue from 0 to 1. Frames are resized to
    multiples of 64 px, and the flow is resized back.

    Parameters
    ----------
    channels
        3, or 1 for grey frames, which are shown as red, green and blue alike.

    Raises
    ------
    ValueError
        If `channels` is neither.
    """

    name = "pwc"
    grid = GRID
    allows_less = False  # displacements of many pixels go through its layers

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(
                f"PWC-Net sees RGB (3 channels) or grey (1), not {channels} channels; "
                "choose the light flow network, which takes any number"
            )
        self.channels = channels
        self.pyramid = nn.ModuleList()
        inputs = 3
        for features in PYRAMID:
            self.pyramid.append(
                nn.ModuleList(
                    [
                        nn.Conv2d(inputs, features, 3, stride=2, padding=1),
                        nn.Conv2d(features, features, 3, padding=1),
                        nn.Conv2d(features, features, 3, padding=1),
                    ]
                )
            )
            inputs = features
        # from the coarsest level to a quarter of the resolution
        self.decoders = nn.ModuleList()
        above = 0
        for level in range(len(PYRAMID), 1, -1):
            decoder = _PWCDecoder(level, above, self._fetch)
            self.decoders.append(decoder)
            above = decoder.features
        self.refiner = nn.ModuleList()
        for features, dilation in REFINER:
            self.refiner.append(
                nn.Conv2d(above, features, 3, padding=dilation, dilation=dilation)
            )
            above = features
        self.refiner_flow = nn.Conv2d(above, 2, 3, padding=1)

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        size = [-(-n // GRID) * GRID for n in frames.shape[2:]]
        return self._levels(
            F.interpolate(frames, size, mode="bilinear", align_corners=False)
        )

    def _levels(self, frames: Tensor) -> list[Tensor]:
        """Features of frames whose sizes are multiples of 64, finest first."""
        x = frames.expand(-1, 3, -1, -1)
        levels = []
        for level in self.pyramid:
            assert isinstance(level, nn.ModuleList)
            for layer in level:
                x = F.leaky_relu(layer(x), SLOPE)
            levels.append(x)
        return levels

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        flow = self._quarter(first, second)
        seen = [4 * n for n in flow.shape[2:]]
        flow = F.interpolate(flow, size, mode="bilinear", align_corners=False)
        # the published order is (dx, dy)
        scale = flow.new_tensor([size[0] / seen[0], size[1] / seen[1]])
        return flow.flip(1) * scale.view(1, 2, 1, 1)

    def _quarter(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Flow as (dx, dy) in pixels of the frames, at a quarter of their size."""
        flow = features = None
        for k, decoder in enumerate(self.decoders):
            flow, features = decoder(first[-1 - k], second[-1 - k], flow, features)
        assert flow is not None and features is not None
        x = features
        for layer in self.refiner:
            x = F.leaky_relu(layer(x), SLOPE)
        refined: Tensor = flow + self.refiner_flow(x)
        return UNIT * refined

    @staticmethod
    def _fetch(image: Tensor, flow: Tensor) -> Tensor:
        """Interpolate along a flow (dy, dx); zero where the image does not reach.

        As published: the flow is stretched by half a pixel per half image, and whatever
        needs more than a thousandth of a pixel from outside counts as outside.
        """
        height, width = image.shape[2:]
        stretch = flow.new_tensor([height / (height - 1), width / (width - 1)])
        return fetch_inside(image, flow * stretch.view(1, 2, 1, 1), 0.999)


class _PWCDecoder(nn.Module):
    """One level of PWC-Net: flow (dx, dy) in units of 20 px, and features.

    Every layer sees all that were before it.
    """

    def __init__(
        self, level: int, above: int, fetch: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.fetch = fetch
        self.unit = UNIT / 2**level  # of flow, in pixels of this level
        seen = (2 * RADIUS + 1) ** 2
        if above:
            self.up_flow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
            self.up_features = nn.ConvTranspose2d(above, 2, 4, stride=2, padding=1)
            seen += PYRAMID[level - 1] + 4
        self.layers = nn.ModuleList()
        for features in DECODER:
            self.layers.append(nn.Conv2d(seen, features, 3, padding=1))
            seen += features
        self.flow = nn.Conv2d(seen, 2, 3, padding=1)
        self.features = seen

    def forward(
        self,
        first: Tensor,
        second: Tensor,
        flow: Tensor | None,
        features: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        if flow is None or features is None:
            x = F.leaky_relu(correlate(first, second, RADIUS), SLOPE)
        else:
            flow, features = self.up_flow(flow), self.up_features(features)
            second = self.fetch(second, flow.flip(1) * self.unit)
            costs = F.leaky_relu(correlate(first, second, RADIUS), SLOPE)
            x = torch.cat([costs, first, flow, features], dim=1)
        for layer in self.layers:
            x = torch.cat([F.leaky_relu(layer(x), SLOPE), x], dim=1)
        return self.flow(x), x


def fetch_inside(image: Tensor, flow: Tensor, share: float) -> Tensor:
    """Interpolate along a flow; zero where too little is from inside of the image.

    Parameters
    ----------
    image
        ``(N, C, H, W)``.
    flow
        ``(N, 2, H, W)`` as (dy, dx), px.
    share
        Part of a fetched pixel that has to be exceeded, 0 to 1.
    """
    inside = torch.ones_like(image[:, :1])
    fetched = sample_bilinear(torch.cat([image, inside], dim=1), flow, "zeros")
    return fetched[:, :-1] * (fetched[:, -1:] > share)
