"""Motion read off the filters of a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.filters import device_of, filter_cells, grid_points, spread_of
from napari_udvd.motion._motion import Motion, agreement
from napari_udvd.runtime.device import choose_precision

if TYPE_CHECKING:
    import threading

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["implied_motion"]

BLOB = 3
"""Rows and columns of pixels whose filters are averaged: steadier than one."""

CELL = 48
"""Rows and columns in which an object is looked for in the next frame: it may move by
up to about twenty pixels."""

LOCAL = 2.0
"""Extent (px) of weights whose place is half believed."""


def implied_motion(
    denoiser: Denoiser,
    stack: Stack,
    t: int,
    spacing: int = 16,
    *,
    c: int = 0,
    z: int = 0,
    cancel: threading.Event | None = None,
) -> Motion:
    """Find how far the filters of a frame are shifted in the frames beside it.

    A denoised pixel is an average along the way of the object that it shows; the
    centroid of the weights above half their maximum is where the network found the
    object (Sheth et al. 2021, section 5). Filters that are long (along an edge) or
    wide (on an empty background) have no clear place, and ways to the next and to the
    previous frame that do not cancel are no motion: their confidence is low.

    Parameters
    ----------
    denoiser, stack, t, spacing, c, z, cancel
        As for :func:`napari_udvd.filters.filter_cells`.

    Returns
    -------
    Motion
        Where it was cancelled before, displacements are NaN and confidence is zero.

    Raises
    ------
    InputError
        If the frame is not in the movie, the model does not fit it or sees one frame
        only, or the spacing is not positive.
    MemoryError
        If not even a small tile fits in memory.
    """
    if denoiser.net.geometry.context < 1:
        raise InputError(
            "this model looks at one frame only, so its filters follow no motion; "
            "choose a model that sees several frames"
        )
    if spacing < 1:
        raise InputError(f"spacing is {spacing}; it must be a positive number of px")
    height, width = stack.frame_shape
    rows = np.array(grid_points(height, spacing))
    columns = np.array(grid_points(width, spacing))
    ways = np.full((2, len(rows), len(columns), 2), np.nan, np.float32)
    extent = np.full((2, len(rows), len(columns)), np.inf)
    for cells in filter_cells(
        denoiser,
        stack,
        t,
        spacing,
        c=c,
        z=z,
        steps=(1, -1),
        cell=CELL,
        blob=BLOB,
        precision=choose_precision(device_of(denoiser.net)),
        cancel=cancel,
    ):
        i = np.searchsorted(rows, cells.points[:, 0])
        k = np.searchsorted(columns, cells.points[:, 1])
        spread = spread_of(cells.weights)
        ways[:, i, k] = spread.centroid.swapaxes(0, 1) - CELL // 2
        extent[:, i, k] = spread.longest.T
    known = np.isfinite(ways).all(axis=-1)
    longest = np.where(known, extent, 0).max(axis=0)
    local = np.where(known.any(axis=0), 1 / (1 + (longest / LOCAL) ** 4), 0)
    return Motion(
        t=t,
        shape=(height, width),
        rows=rows,
        columns=columns,
        to_next=ways[0],
        to_previous=ways[1],
        confidence=(local * agreement(*ways)).astype(np.float32),
        method="implied",
    )
