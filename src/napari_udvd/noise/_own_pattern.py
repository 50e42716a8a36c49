"""Offsets of the camera's pixels, estimated from the movie itself.

Frames without light tell them exactly (see :func:`subtract_dark`). Where there are
none, a time average holds them beside the specimen: offsets are independent from pixel
to pixel, and the specimen, which was imaged by a lens, is smooth. So the finest detail
of the average is taken as offset as far as there is no more of it than offsets explain
(a local Wiener filter). Where there is more, the specimen is textured and little is
taken; where a spot stands out, nothing is. What is faint, as small as the lens allows
and never moves looks like an offset, and loses a part of its brightness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import spread
from napari_udvd.noise._diagnosis import diagnose
from napari_udvd.noise._fixed_pattern import fixed_pattern
from napari_udvd.planes import Series, middle_plane, read_clip, recorded_frames
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from napari_udvd.noise import NoiseModel

__all__ = ["own_pattern"]

Doubles = npt.NDArray[np.float64]

FRAMES = 256
"""Frames that are averaged, of all planes together: the camera is the same."""
SMOOTH = 1.2
"""Standard deviation of the blur, in pixels, below which detail may be offset."""
AROUND = 4.0
"""Standard deviation of the surroundings in which there may be more than that."""
SPOT, SURE = 1.0, 4.0
"""Size of the image of a point, and standard errors from which on it is one."""
NEAR = 5
"""Side of the square around a spot in which nothing is taken."""


def own_pattern(stack: Stack) -> tuple[Stack | None, float]:
    """Estimate the offsets of single pixels.

    Parameters
    ----------
    stack
        The movie.

    Returns
    -------
    pattern
        ``(Y, X)``, or ``(C, Y, X)`` where there are channels, in grey levels; None
        where none were found in any channel.
    spread
        Standard deviation of the offsets, that of the worst channel.

    Raises
    ------
    InputError
        If the noise of the movie cannot be measured, see :func:`diagnose`.
    """
    stack = inspect(stack)
    patterns, spreads = [], []
    for c in range(stack.n_channels):
        plane = middle_plane(stack, c)
        spread = 0.0
        if plane is not None:
            found = diagnose(stack, plane)
            spread = fixed_pattern(stack, plane, found.fine_share).pixels
        spreads.append(spread)
        if plane is None or spread == 0.0:
            patterns.append(np.zeros(stack.frame_shape))
            continue
        mean, count = _mean(stack, c)
        patterns.append(_offsets(mean, spread, found.noise, count))
    if not any(spreads):
        return None, 0.0
    axes = "CYX" if "C" in stack.axes else "YX"
    data = np.stack(patterns) if axes == "CYX" else patterns[0]
    return Stack.from_array(data.astype(np.float32), axes), max(spreads)


def _mean(stack: Stack, channel: int) -> tuple[Doubles, int]:
    """Mean of frames of one channel, and of how many."""
    total, count = np.zeros(stack.frame_shape), 0
    each = -(-FRAMES // stack.n_planes)
    for z in range(stack.n_planes):
        series = Series((channel,), z)
        validity = stack.validity
        if validity is not None and validity.is_empty(Plane(channel, z)):
            continue
        there = recorded_frames(stack, series)
        for k in spread(len(there), each):
            total += read_clip(stack, series, [there[k]])[0, 0]
            count += 1
    return total / count, count


def _offsets(mean: Doubles, spread: float, noise: NoiseModel, count: int) -> Doubles:
    """Take from the fine detail of a mean of `count` frames what is offset."""
    detail = mean - ndimage.gaussian_filter(mean, SMOOTH)
    left = noise.variance(ndimage.gaussian_filter(mean, AROUND)) / count
    share, spot_share = _of_white_noise()
    there = ndimage.gaussian_filter(detail**2, AROUND)
    weight = spread**2 * share / np.maximum(there, (spread**2 + left) * share)
    spots = np.abs(ndimage.gaussian_filter(detail, SPOT))
    is_spot = spots > SURE * np.sqrt((spread**2 + left) * spot_share)
    weight[ndimage.binary_dilation(is_spot, np.ones((NEAR, NEAR)))] = 0.0
    return np.asarray(weight * detail)


def _of_white_noise() -> tuple[float, float]:
    """Shares of the variance of white noise that are detail, and detail like a spot."""
    point = np.zeros((41, 41))
    point[20, 20] = 1.0
    detail = point - ndimage.gaussian_filter(point, SMOOTH)
    like_spot = ndimage.gaussian_filter(detail, SPOT)
    return float((detail**2).sum()), float((like_spot**2).sum())
