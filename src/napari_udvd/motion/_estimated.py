"""Classical optical flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.filters import check_index, grid_points
from napari_udvd.motion._motion import Motion, agreement
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from napari_udvd.stack import Stack

__all__ = ["METHODS", "estimated_motion"]

METHODS = {"tvl1": "TV-L1", "ilk": "iterative Lucas-Kanade"}
"""Methods of :func:`estimated_motion`, and their names."""


def estimated_motion(
    stack: Stack,
    t: int,
    method: str = "tvl1",
    spacing: int = 1,
    *,
    c: int = 0,
    z: int = 0,
) -> Motion:
    """Estimate motion from the frames themselves, noisy or denoised.

    Parameters
    ----------
    stack
        The movie whose frames are compared.
    t
        Frame.
    method
        ``"tvl1"`` (Zach, Pock and Bischof 2007: smooth motion with sharp borders) or
        ``"ilk"`` (Lucas and Kanade 1981, repeated: the motion of small windows), both
        from scikit-image.
    spacing
        Grid on which the result is kept; every pixel by default.
    c, z
        Channel and depth.

    Raises
    ------
    InputError
        If there is no such method, frame, channel or plane, or only one frame; or if
        the movie is a sparse scan, see :attr:`Stack.is_sparse`.
    """
    from skimage.registration import optical_flow_ilk, optical_flow_tvl1

    flows: dict[str, Any] = {"tvl1": optical_flow_tvl1, "ilk": optical_flow_ilk}
    if method not in flows:
        raise InputError(
            f"method is {method!r}; choose {' or '.join(map(repr, METHODS))}"
        )
    if stack.n_frames < 2:
        raise InputError("motion needs a movie of two frames at least; this has one")
    check_index(stack, t=t, c=c, z=z)
    if spacing < 1:
        raise InputError(f"spacing is {spacing}; it must be a positive number of px")
    first, last = max(t - 1, 0), min(t + 1, stack.n_frames - 1)
    plane = Plane(c, z)
    if stack.is_scan(plane):
        raise InputError(
            "this is a sparse scan: its frames show where it was measured, not what "
            "moved; fill it with reconstruct, and estimate the motion of the result"
        )
    span = slice(first, last + 1)
    frames = _even(_filled(stack.read(span, plane), stack.read_mask(span, plane)))
    height, width = stack.frame_shape
    rows = np.array(grid_points(height, spacing))
    columns = np.array(grid_points(width, spacing))
    grid = np.ix_(rows, columns)
    ways = []
    for other in (t + 1, t - 1):
        way = np.full((len(rows), len(columns), 2), np.nan, np.float32)
        if first <= other <= last:
            flow = flows[method](frames[t - first], frames[other - first])
            way[..., 0], way[..., 1] = flow[0][grid], flow[1][grid]
        ways.append(way)
    return Motion(
        t=t,
        shape=(height, width),
        rows=rows,
        columns=columns,
        to_next=ways[0],
        to_previous=ways[1],
        confidence=agreement(*ways),
        method=method,
    )


def _filled(
    frames: npt.NDArray[np.generic], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Fill what was not measured with what was before and after, or with the mean.

    Nothing moves there, and no edge does.
    """
    grey = frames.astype(np.float32)
    if known.all() or not known.any():
        return grey
    seen = np.where(known, grey, 0.0)
    count = known.sum(axis=0)
    still = np.where(
        count > 0, seen.sum(axis=0) / np.maximum(count, 1), grey[known].mean()
    )
    return np.where(known, grey, still.astype(np.float32))


def _even(frames: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Bring grey levels to about 0 to 1, which the methods are made for."""
    grey = frames.astype(np.float32)
    low, high = np.percentile(grey, (1, 99.9))
    return np.asarray((grey - low) / max(high - low, 1e-6), dtype=np.float32)
