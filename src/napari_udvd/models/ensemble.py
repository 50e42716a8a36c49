"""Self-ensemble: average what a network says of the views of one clip.

A movie that is mirrored or turned is as likely as the movie, but a network predicts
each a little differently; the average over all eight views is better than any (Timofte
et al. 2016).
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from napari_udvd.models.prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.models.network import Network, NetworkStream
    from napari_udvd.models.stabilise import CameraNoise

__all__ = ["EnsembleStream", "count_views"]


class View(NamedTuple):
    """Swap rows with columns, then mirror rows, then columns."""

    swap: bool
    flip_rows: bool
    flip_columns: bool

    def of(self, image: Tensor) -> Tensor:
        """Look at ``(..., H, W)``."""
        if self.swap:
            image = image.transpose(-1, -2)
        return image.flip(self._axes)

    def undo(self, image: Tensor) -> Tensor:
        """Turn what was seen back."""
        image = image.flip(self._axes)
        return image.transpose(-1, -2) if self.swap else image

    @property
    def _axes(self) -> list[int]:
        return [-2] * self.flip_rows + [-1] * self.flip_columns


def _views(hole: tuple[int, int]) -> list[View]:
    """All views under which the hole stays the same."""
    swaps = (False, True) if hole[0] == hole[1] else (False,)
    return [View(*choice) for choice in product(swaps, (False, True), (False, True))]


def count_views(hole: tuple[int, int]) -> int:
    """Count how often a clip is denoised: eight times with a square hole, else four."""
    return len(_views(hole))


class EnsembleStream:
    """Like the stream of the network, averaged over all views."""

    def __init__(
        self, net: Network, noise: CameraNoise, precision: torch.dtype
    ) -> None:
        self._streams: Sequence[tuple[View, NetworkStream]] = [
            (view, net.stream(noise, precision)) for view in _views(net.hole)
        ]

    def push(self, frame: Tensor) -> Prediction | None:
        """Take the next frame; predict the one `context` frames ago.

        The covariance is averaged as well (its factor entry by entry, which is close:
        views differ little): the errors of the views are nearly the same.
        """
        means, factors = [], []
        for view, stream in self._streams:
            prediction = stream.push(view.of(frame).contiguous())
            if prediction is not None:
                means.append(view.undo(prediction.mean))
                if prediction.factor is not None:
                    factors.append(view.undo(prediction.factor))
        if not means:
            return None
        factor = torch.stack(factors).mean(0) if factors else None
        return Prediction(torch.stack(means).mean(0), factor)
