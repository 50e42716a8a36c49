"""Series: the movies inside a stack that a network treats one at a time.

By default every (channel, depth) plane is a movie of its own; channels may also be
treated jointly, as the channels of one movie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Series",
    "measured_box",
    "measured_series",
    "middle_plane",
    "middle_planes",
    "missing_frames",
    "read_clip",
    "read_measured",
    "recorded_frames",
    "series_of",
]


class Series(NamedTuple):
    """Channels that are denoised together, at one depth."""

    channels: tuple[int, ...]
    z: int

    def planes(self) -> list[Plane]:
        """One plane per channel."""
        return [Plane(c, self.z) for c in self.channels]


def series_of(stack: Stack, joint: bool = False) -> list[Series]:
    """List the series of a stack: one per plane, or per depth if channels are joint."""
    if joint:
        channels = tuple(range(stack.n_channels))
        return [Series(channels, z) for z in range(stack.n_planes)]
    return [Series((plane.c,), plane.z) for plane in stack.planes()]


def read_clip(
    stack: Stack,
    series: Series,
    frames: Sequence[int],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> npt.NDArray[np.float32]:
    """Read frames in any order as ``(T, C, Y, X)`` float32.

    Neighbouring frames are read with one call; a frame asked for twice is read once.
    What was not measured is filled, see :mod:`napari_udvd.validity`.
    """
    return read_measured(stack, series, frames, rows, columns)[0]


def read_measured(
    stack: Stack,
    series: Series,
    frames: Sequence[int],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """Read frames as :func:`read_clip`, and which pixels were measured.

    Returns
    -------
    clip
        ``(T, C, Y, X)`` float32.
    measured
        ``(T, C, Y, X)``; None where all were.
    """
    first, last = min(frames), max(frames)
    order = [t - first for t in frames]
    span = slice(first, last + 1)
    blocks = [stack.read(span, plane, rows, columns) for plane in series.planes()]
    validity = stack.validity
    if validity is None:
        return np.stack([b[order].astype(np.float32) for b in blocks], axis=1), None
    planes, masks = [], []
    for plane, block in zip(series.planes(), blocks, strict=True):
        measured = validity.measured(block, plane, first, rows, columns)
        background = validity.background(plane, rows, columns)
        if validity.is_empty(plane) and len(series.channels) > 1:
            # says nothing against the pixels of the channels beside it
            measured = np.ones_like(measured)
            block = np.broadcast_to(background, block.shape)
        planes.append(np.where(measured, block, background)[order].astype(np.float32))
        masks.append(measured[order])
    return np.stack(planes, axis=1), np.stack(masks, axis=1)


def measured_box(stack: Stack, series: Series) -> tuple[slice, slice]:
    """Rows and columns without the borders in which nothing is ever measured.

    A network that sees no more than these meets the edge of what was recorded as the
    edge of a frame.
    """
    height, width = stack.frame_shape
    if stack.validity is None:
        return slice(0, height), slice(0, width)
    boxes = [stack.validity.box(plane) for plane in series.planes()]
    rows, columns = (
        slice(min(b[k].start for b in boxes), max(b[k].stop for b in boxes))
        for k in (0, 1)
    )
    return rows, columns


def missing_frames(stack: Stack, series: Series) -> frozenset[int]:
    """Frames in which a channel of a series holds no measurement."""
    if stack.validity is None:
        return frozenset()
    return frozenset().union(*(stack.validity.missing(p) for p in series.planes()))


def recorded_frames(stack: Stack, series: Series) -> list[int]:
    """Frames in which every channel of a series holds a measurement."""
    missing = missing_frames(stack, series)
    return [t for t in range(stack.n_frames) if t not in missing]


def measured_series(stack: Stack, joint: bool = False) -> list[Series]:
    """Series of a stack in which something was measured, see :func:`series_of`."""
    validity = stack.validity
    return [
        series
        for series in series_of(stack, joint)
        if validity is None or not all(validity.is_empty(p) for p in series.planes())
    ]


def middle_plane(stack: Stack, channel: int) -> Plane | None:
    """Plane nearest the middle of the depth in which something was measured."""
    middle = stack.n_planes // 2
    for z in sorted(range(stack.n_planes), key=lambda z: abs(z - middle)):
        plane = Plane(channel, z)
        if stack.validity is None or not stack.validity.is_empty(plane):
            return plane
    return None


def middle_planes(stack: Stack) -> list[Plane]:
    """One plane for every channel in which something was measured."""
    planes = (middle_plane(stack, channel) for channel in range(stack.n_channels))
    return [plane for plane in planes if plane is not None]
