"""Views: average what a network says of a clip that is mirrored and turned.

A movie that is mirrored or turned is as likely as the movie, but a network predicts
each a little differently; the average over all eight views is better than any (Timofte
et al. 2016), and two of them give half of what eight do. The second one is turned by
half a turn and, where a network takes every window by itself, runs backwards in time.

Networks that pool see even and odd pixels differently, which leaves a weave of period
two in what they predict. A mirrored side of even length swaps even and odd, so that the
average takes it out. Of a side of odd length a mirrored view leaves the last pixel out,
and is of even length, too. Nothing could be put in its place: a reflected row would
show the network the noise that its hole hides.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from napari_udvd.models.base import Clip
from napari_udvd.models.likelihood import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from napari_udvd.models.base import Network

__all__ = [
    "Views",
    "count_views",
    "predict_frame_in_views",
    "predict_pixel_in_views",
    "sweep_views",
]


class View(NamedTuple):
    """Swap rows with columns, mirror rows, then columns, and time.

    Attributes
    ----------
    swap, mirror_rows, mirror_columns
        Whether to.
    backwards
        Frames in the opposite order.
    evens
        Leave out the last pixel of a mirrored side whose length is odd.
    """

    swap: bool
    mirror_rows: bool
    mirror_columns: bool
    backwards: bool
    evens: bool

    def of(self, image: Tensor) -> Tensor:
        """Look at ``(..., H, W)``."""
        if self.swap:
            image = image.transpose(-1, -2)
        for axis in self._axes:
            image = image.narrow(axis, 0, self._kept(image.shape[axis]))
        # a flip of nothing would copy
        return image.flip(self._axes) if self._axes else image

    def undo(self, image: Tensor, shape: tuple[int, int]) -> Tensor:
        """Turn what was seen back; zero in the `shape` is what was left out."""
        image = image.flip(self._axes) if self._axes else image
        if self.swap:
            image = image.transpose(-1, -2)
        down, right = (
            whole - seen for whole, seen in zip(shape, image.shape[-2:], strict=True)
        )
        return F.pad(image, (0, right, 0, down)) if down or right else image

    def place(self, y: int, x: int, height: int, width: int) -> tuple[int, int] | None:
        """Find a pixel of ``(..., H, W)`` in the view; None where it is left out."""
        if self.swap:
            y, x, height, width = x, y, width, height
        if self.mirror_rows:
            y = self._kept(height) - 1 - y
        if self.mirror_columns:
            x = self._kept(width) - 1 - x
        return (y, x) if min(y, x) >= 0 else None

    def clip(self, clip: Clip) -> Clip:
        """Look at a clip, in its own order of time."""
        mask = None if clip.mask is None else self.of(clip.mask).contiguous()
        return Clip(self.of(clip.frames).contiguous(), clip.noise, mask)

    @property
    def _axes(self) -> list[int]:
        return [-2] * self.mirror_rows + [-1] * self.mirror_columns

    def _kept(self, length: int) -> int:
        return length - length % 2 if self.evens and length > 1 else length


def _views(net: Network, count: int) -> list[View]:
    """Return views under which the hole stays the same; the first one is the clip."""
    turns = [(False, False), (True, True), (True, False), (False, True)]
    # a row of windows that share work has one order; elsewhere that of one view in two
    alternates = not net.shares_frames
    # a grid of an odd number of pixels has no weave of two
    evens = net.geometry.grid % 2 == 0
    views = [
        View(swap, *turn, alternates and k % 2 == 1, evens)
        for k, (swap, turn) in enumerate(product((False, True), turns))
    ]
    return views[:count]


def count_views(net: Network, every: bool = False) -> int:
    """Count the views of a movie that a result is averaged over.

    Parameters
    ----------
    net
        The network.
    every
        All that there are (self-ensemble): eight with a square hole, else four, since
        a hole must not be turned. Otherwise the fewest that the network needs.
    """
    if every:
        return 8 if net.hole[0] == net.hole[1] else 4
    return net.least_views


class Views:
    """Views of a clip, made once, however many windows of it are swept at a time.

    Parameters
    ----------
    net
        The network.
    clip
        Frames ``(1, T, C, H, W)``.
    count
        How many views, see :func:`count_views`.
    """

    def __init__(self, net: Network, clip: Clip, count: int) -> None:
        self._net = net
        self._shape = clip.frames.shape[-2], clip.frames.shape[-1]
        self._views = _views(net, count)
        prepared = net.prepare(clip)
        self._clips = [view.clip(prepared) for view in self._views]

    def sweep(
        self, windows: Sequence[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Like :meth:`Network.sweep`, averaged over the views.

        The factor of the covariance is averaged as it is: the views err nearly alike,
        so their average is hardly more certain than each.

        Parameters
        ----------
        windows, precision
            As for :meth:`Network.sweep`.

        Yields
        ------
        Prediction
            Of each window.
        """
        net = self._net
        if len(self._views) == 1:
            yield from net.sweep_prepared(self._clips[0], windows, precision)
            return
        sweeps = (
            self._seen_through(view, clip, windows, precision)
            for view, clip in zip(self._views, self._clips, strict=True)
        )
        totals: Iterable[Prediction]
        if net.geometry.recurrent:
            # one view after the other: each keeps the features of all frames meanwhile
            totals = list(next(sweeps))
            for sweep in sweeps:
                totals = [_sum(*pair) for pair in zip(totals, sweep, strict=True)]
        else:
            totals = (reduce(_sum, seen) for seen in zip(*sweeps, strict=True))
        # pixels that some views leave out are averaged over the others
        ones = self._clips[0].frames.new_ones(self._shape)
        often = _how_often(self._views, ones, net.geometry.zoom)
        for total in totals:
            yield _over(total, often)

    def _seen_through(
        self,
        view: View,
        clip: Clip,
        windows: Sequence[Sequence[int]],
        precision: torch.dtype,
    ) -> Iterator[Prediction]:
        """Predict windows of a view, and turn the predictions back."""
        if view.backwards:
            windows = [window[::-1] for window in windows]
        for prediction in self._net.sweep_prepared(clip, windows, precision):
            yield _back(view, self._net, self._shape, prediction)


def sweep_views(
    net: Network,
    clip: Clip,
    windows: Sequence[Sequence[int]],
    precision: torch.dtype,
    count: int,
) -> Iterator[Prediction]:
    """Sweep views of a clip once, see :class:`Views`.

    Parameters
    ----------
    net, clip, count
        As for :class:`Views`.
    windows, precision
        As for :meth:`Views.sweep`.
    """
    return Views(net, clip, count).sweep(windows, precision)


def predict_frame_in_views(
    net: Network, clip: Clip, at: int, precision: torch.dtype, count: int
) -> Prediction:
    """Like :meth:`Network.predict_frame`, averaged over views of the clip.

    Parameters
    ----------
    net, clip, at, precision
        As for :meth:`Network.predict_frame`.
    count
        How many views, see :func:`count_views`.
    """
    views = _views(net, count)
    height, width = clip.frames.shape[-2:]

    def seen_through(view: View) -> Prediction:
        found = net.predict_frame(*_turned(view, clip, at), precision)
        return _back(view, net, (height, width), found)

    total = reduce(_sum, map(seen_through, views))
    ones = clip.frames.new_ones(height, width)
    return _over(total, _how_often(views, ones, net.geometry.zoom))


def predict_pixel_in_views(
    net: Network, clip: Clip, at: int, y: int, x: int, count: int
) -> Prediction:
    """Like :meth:`Network.predict_pixel`, averaged over views of the clip.

    Parameters
    ----------
    net, clip, at, y, x
        As for :meth:`Network.predict_pixel`.
    count
        How many views, see :func:`count_views`.
    """
    found = []
    height, width = clip.frames.shape[-2:]
    for view in _views(net, count):
        place = view.place(y, x, height, width)
        if place is None:
            continue
        found.append(net.predict_pixel(*_turned(view, clip, at), *place))
    return _over(reduce(_sum, found), len(found))


def _how_often(views: Sequence[View], ones: Tensor, zoom: int) -> Tensor:
    """Count the views that see a pixel of `ones`, ``(H, W)``, in what is predicted."""
    shape = ones.shape[0], ones.shape[1]
    seen = (view.undo(view.of(ones), shape) for view in views)
    often = reduce(torch.add, seen)
    return often.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)


def _turned(view: View, clip: Clip, at: int) -> tuple[Clip, int]:
    """Look at a window of frames, and find one of them."""
    seen = view.clip(clip)
    if not view.backwards:
        return seen, at
    mask = None if seen.mask is None else seen.mask.flip(1)
    turned = seen._replace(frames=seen.frames.flip(1), mask=mask)
    return turned, clip.frames.shape[1] - 1 - at


def _back(
    view: View, net: Network, shape: tuple[int, int], prediction: Prediction
) -> Prediction:
    """Turn back what was predicted of a view of frames of this shape."""
    height, width = (net.geometry.zoom * side for side in shape)
    mean, factor = prediction
    turned = None if factor is None else view.undo(factor, (height, width))
    return Prediction(view.undo(mean, (height, width)), turned)


def _over(total: Prediction, often: Tensor | int) -> Prediction:
    mean, factor = total
    return Prediction(mean / often, None if factor is None else factor / often)


def _sum(one: Prediction, two: Prediction) -> Prediction:
    if one.factor is None or two.factor is None:
        return Prediction(one.mean + two.mean)
    return Prediction(one.mean + two.mean, one.factor + two.factor)
