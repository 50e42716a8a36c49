"""Optical flow: where the content of one frame is in another.

What all flow networks share. They go from coarse to fine: features of the second frame
are fetched along the flow of the level above, compared with those of the first frame at
all small displacements (the cost volume), and a decoder reads a better flow from that.

A flow ``(N, 2, H, W)`` holds ``(dy, dx)`` in pixels: what is at ``(y, x)`` in the first
frame is at ``(y + dy, x + dx)`` in the second.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = ["ClipFlow", "FlowNetwork", "correlate"]

SLOPE = 0.1
"""Slope of all leaky rectifiers below zero, as published."""

TILE = 8
"""Rows and columns of the tiles in which features are compared."""


class ClipFlow(NamedTuple):
    """Flow between all neighbouring frames of a clip of T frames.

    Attributes
    ----------
    to_next
        ``(N, T - 1, 2, H, W)``: entry ``t`` leads from frame ``t`` to ``t + 1``.
    to_previous
        ``(N, T - 1, 2, H, W)``: entry ``t`` leads from frame ``t + 1`` to ``t``.
    """

    to_next: Tensor
    to_previous: Tensor


class FlowNetwork(nn.Module):
    """A network that estimates flow.

    Attributes
    ----------
    name
        What settings call it.
    channels
        Of a frame.
    grid
        Frames that are cut at multiples of it have the same flow, away from the cut
        (PWC-Net, which resizes frames: nearly).
    allows_less
        Its convolutions may be computed in less than float32.
    weights
        File name of shipped weights that it starts from, or None.
    """

    weights: str | None = None
    name: str
    channels: int
    grid: int
    allows_less: bool

    def forward(
        self, first: Tensor, second: Tensor, precision: torch.dtype = torch.float32
    ) -> Tensor:
        """Estimate the flow between two frames.

        Parameters
        ----------
        first, second
            ``(N, C, H, W)``, any height and width.
        precision
            Floating-point type of the convolutions, where the network allows a lower
            one; features are compared and displacements added in float32.

        Returns
        -------
        Tensor
            ``(N, 2, H, W)`` as (dy, dx) in pixels, from `first` to `second`.

        Raises
        ------
        ValueError
            If the frames differ in shape or have another number of channels.
        """
        if first.shape != second.shape:
            raise ValueError(
                "flow is between two frames of the same shape, got "
                f"{tuple(first.shape)} and {tuple(second.shape)}"
            )
        size = (first.shape[2], first.shape[3])
        levels = self.features(torch.cat([first, second]), precision)
        pairs = [level.chunk(2) for level in levels]
        return self.match(
            [one for one, _ in pairs], [two for _, two in pairs], size, precision
        )

    def features(
        self, frames: Tensor, precision: torch.dtype = torch.float32
    ) -> list[Tensor]:
        """Return what is compared, for whoever needs the flow to several other frames.

        Parameters
        ----------
        frames
            ``(N, C, H, W)``.
        precision
            As in :meth:`forward`.

        Returns
        -------
        list of Tensor
            Features of several resolutions, finest first; for :meth:`match`.
        """
        self._check(frames)
        with self._convolving_in(precision, frames.device):
            return self._pyramid(frames)

    def match(
        self,
        first: list[Tensor],
        second: list[Tensor],
        size: tuple[int, int],
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """Estimate the flow of frames of `size` (rows, columns) from their features."""
        with self._convolving_in(precision, first[0].device):
            return self._match(first, second, size)

    def of_clip(self, clip: Tensor, precision: torch.dtype = torch.float32) -> ClipFlow:
        """Estimate the flow between all neighbouring frames, in both directions.

        Cheaper than pair by pair: the features of every frame are computed once.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)`` with at least two frames.
        precision
            As in :meth:`forward`.

        Raises
        ------
        ValueError
            If the clip has fewer frames or another number of channels.
        """
        if clip.dim() != 5 or clip.shape[1] < 2:
            raise ValueError(
                "flow needs a clip (N, T, C, H, W) of at least two frames, got shape "
                f"{tuple(clip.shape)}"
            )
        n, frames, _, height, width = clip.shape
        levels = [
            level.unflatten(0, (n, frames))
            for level in self.features(clip.flatten(0, 1), precision)
        ]
        before = [level[:, :-1].flatten(0, 1) for level in levels]
        after = [level[:, 1:].flatten(0, 1) for level in levels]
        flows = [
            self.match(one, two, (height, width), precision)
            for one, two in ((before, after), (after, before))
        ]
        return ClipFlow(*(flow.unflatten(0, (n, frames - 1)) for flow in flows))

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change shipped weights, which are for grey frames, so that they fit."""
        return weights

    @abstractmethod
    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        """Features of frames ``(N, C, H, W)``, finest first."""

    @abstractmethod
    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Flow ``(N, 2, *size)`` as (dy, dx) in pixels, from two pyramids."""

    def _convolving_in(
        self, precision: torch.dtype, device: torch.device
    ) -> AbstractContextManager[object]:
        if precision.itemsize < 4 and self.allows_less:
            return torch.autocast(device.type, precision)
        return nullcontext()

    def _check(self, frames: Tensor) -> None:
        if frames.dim() != 4 or frames.shape[1] != self.channels:
            raise ValueError(
                f"this flow network takes frames (N, {self.channels}, H, W), got shape "
                f"{tuple(frames.shape)}"
            )


def correlate(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Compare features at all displacements up to `radius`, zero outside the image.

    Returns
    -------
    Tensor
        ``(N, (2 radius + 1)^2, H, W)``: mean over channels of the products; channel
        ``(dy + radius) * (2 radius + 1) + dx + radius`` is displacement (dy, dx).
    """
    channels, height, width = first.shape[1:]
    reach, side = 2 * radius + 1, TILE + 2 * radius
    down, right = -height % TILE, -width % TILE
    grid = {"rows": (height + down) // TILE, "columns": (width + right) // TILE}
    # every pixel of a tile with every pixel around it is one matrix product
    tiles = F.pad(first / channels, (0, right, 0, down))
    # channels stay last, as they are in memory
    tiles = rearrange(tiles, "n c h w -> n h w c")
    in_tiles = "n (rows y) (columns x) c -> (n rows columns) (y x) c"
    tiles = rearrange(tiles, in_tiles, **grid)
    around = F.pad(second, (radius, radius + right, radius, radius + down))
    around = rearrange(around, "n c h w -> n h w c")
    around = around.unfold(1, side, TILE).unfold(2, side, TILE)
    around = rearrange(around, "n rows columns c y x -> (n rows columns) (y x) c")
    with torch.autocast(first.device.type, enabled=False):
        products = torch.bmm(tiles, around.mT)
    # of these, keep the pairs that are at most the radius apart
    steps = (products.stride(0), TILE * side**2 + side, side**2 + 1, side, 1)
    costs = products.as_strided((len(products), TILE, TILE, reach, reach), steps)
    costs = rearrange(
        costs,
        "(n rows columns) y x dy dx -> n (rows y) (columns x) (dy dx)",
        **grid,
    )
    return rearrange(costs[:, :height, :width], "n h w d -> n d h w")
