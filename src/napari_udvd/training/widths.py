"""Over how many pixels and frames the movies of a training are best averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.inference.interpolation import MOST_FRAMES, Widths, choose_widths
from napari_udvd.planes import Series, middle_plane, read_measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.stack import Stack

__all__ = ["widths_of"]

EDGE = 512
"""Rows and columns in the middle of a frame that are read."""


def widths_of(stacks: Sequence[Stack]) -> Widths | None:
    """Choose one average for all channels of all movies.

    Parameters
    ----------
    stacks
        Movies that were inspected.

    Returns
    -------
    Widths
        Geometric mean of those of each channel, see
        :func:`~napari_udvd.inference.interpolation.choose_widths`; None where nothing
        was measured that is looked at.
    """
    found = []
    for stack in stacks:
        frames = _middle(stack.n_frames, MOST_FRAMES)
        rows, columns = (_middle(n, EDGE) for n in stack.frame_shape)
        for channel in range(stack.n_channels):
            plane = middle_plane(stack, channel)
            if plane is None:
                continue
            clip, known = read_measured(
                stack,
                Series((channel,), plane.z),
                range(frames.start, frames.stop),
                rows,
                columns,
            )
            measured = np.ones(clip.shape, bool) if known is None else known
            if measured.any():
                found.append(choose_widths(clip[:, 0], measured[:, 0]))
    if not found:
        return None
    return Widths(*np.exp(np.log(found).mean(axis=0)).tolist())


def _middle(length: int, most: int) -> slice:
    first = max(length - most, 0) // 2
    return slice(first, min(first + most, length))
