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

__all__ = ["Series", "read_clip", "series_of", "window"]


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
    span = slice(first, last + 1)
    planes = [
        stack.read(span, plane, rows, columns)[order].astype(np.float32)
        for plane in series.planes()
    ]
    return np.stack(planes, axis=1)


def window(frame: int, context: int, n_frames: int) -> list[int]:
    """Frames around one frame, oldest first, itself in the middle.

    Beyond the ends of the movie stand the frames that are equally far away on the
    other side, or the farther end where there are none. The frame is never its own
    neighbour (unless it is the only one): a network that sees neighbours in full
    would find its noise there.
    """
    frames = []
    for step in range(-context, context + 1):
        t = frame + step
        if not 0 <= t < n_frames:
            t = frame - step
        if not 0 <= t < n_frames:
            t = 0 if 2 * frame >= n_frames else n_frames - 1
        frames.append(t)
    return frames
