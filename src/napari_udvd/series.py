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

__all__ = ["Series", "read_clip", "reflected", "series_of"]


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
    """
    first, last = min(frames), max(frames)
    order = [t - first for t in frames]
    window = slice(first, last + 1)
    planes = [
        stack.read(window, plane, rows, columns)[order].astype(np.float32)
        for plane in series.planes()
    ]
    return np.stack(planes, axis=1)


def reflected(frame: int, n_frames: int) -> int:
    """Index of a frame beyond the ends of the movie, mirrored at the end frames."""
    if n_frames == 1:
        return 0
    period = 2 * (n_frames - 1)
    frame %= period
    return min(frame, period - frame)
