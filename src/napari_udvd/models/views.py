"""Self-ensemble: average what a network says of the views of one clip.

A movie that is mirrored or turned is as likely as the movie, but a network predicts
each a little differently; the average over all eight views is better than any (Timofte
et al. 2016).
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.models.base import Clip
from napari_udvd.models.likelihood import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    from torch import Tensor

    from napari_udvd.models.base import Network

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
    clip: Clip,
    windows: Sequence[Sequence[int]],
    precision: torch.dtype,
) -> Iterator[Prediction]:
    """Like :meth:`Network.sweep`, averaged over all views of the clip.

    The factor of the covariance is averaged as it is: the views err nearly alike, so
    their average is hardly more certain than each.
    """
    views = _views(net.hole)
    sweeps = (
        _seen_through(view, net.sweep(_turned(clip, view), windows, precision))
        for view in views
    )
    totals: Iterable[Prediction]
    if net.geometry.recurrent:
        # one view after the other: each keeps the features of all frames meanwhile
        totals = list(next(sweeps))
        for sweep in sweeps:
            totals = [_sum(*pair) for pair in zip(totals, sweep, strict=True)]
    else:
        totals = (reduce(_sum, seen) for seen in zip(*sweeps, strict=True))
    for mean, factor in totals:
        count = len(views)
        yield Prediction(mean / count, None if factor is None else factor / count)


def _turned(clip: Clip, view: View) -> Clip:
    mask = None if clip.mask is None else view.of(clip.mask).contiguous()
    return Clip(view.of(clip.frames).contiguous(), clip.noise, mask)


def _seen_through(view: View, sweep: Iterator[Prediction]) -> Iterator[Prediction]:
    """Turn what was predicted of a view back."""
    for mean, factor in sweep:
        yield Prediction(view.undo(mean), None if factor is None else view.undo(factor))


def _sum(one: Prediction, two: Prediction) -> Prediction:
    if one.factor is None or two.factor is None:
        return Prediction(one.mean + two.mean)
    return Prediction(one.mean + two.mean, one.factor + two.factor)
