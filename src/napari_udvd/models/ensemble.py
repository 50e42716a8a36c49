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
    from collections.abc import Iterator, Sequence

    from napari_udvd.models.network import Network
    from napari_udvd.models.stabilise import CameraNoise

__all__ = ["count_views", "sweep_views"]


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


def sweep_views(
    net: Network,
    clip: Tensor,
    windows: Sequence[Sequence[int]],
    noise: CameraNoise,
    precision: torch.dtype,
) -> Iterator[Prediction]:
    """Like :meth:`Network.sweep`, averaged over all views of the clip.

    The factor of the covariance is averaged as it is: the views err nearly alike, so
    their average is hardly more certain than each.
    """
    views = _views(net.hole)
    sweeps = [
        net.sweep(view.of(clip).contiguous(), windows, noise, precision)
        for view in views
    ]
    for predictions in zip(*sweeps, strict=True):
        seen = list(zip(views, predictions, strict=True))
        mean = torch.stack([view.undo(p.mean) for view, p in seen]).mean(dim=0)
        factors = [
            view.undo(prediction.factor)
            for view, prediction in seen
            if prediction.factor is not None
        ]
        factor = torch.stack(factors).mean(dim=0) if factors else None
        yield Prediction(mean, factor)
