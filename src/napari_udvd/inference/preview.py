"""A dense movie in a second, of any stack: averages, and how far they may be off.

Widths are chosen for every channel (see `interpolation`). What the average is off by
is told by the pixels that were left out to choose them: their squared distance from
what the others say, less the noise. It is larger where fewer pixels were measured
around, and where there is more light.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_udvd.cutting import blocks
from napari_udvd.inference.interpolation import (
    MOST_FRAMES,
    Widths,
    choose_widths,
    density,
    interpolate,
    leave_out,
)
from napari_udvd.noise import diagnose
from napari_udvd.planes import Series, read_measured, series_of
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_udvd.noise import NoiseModel
    from napari_udvd.stack import Plane, Stack

    Frames = npt.NDArray[np.float32]

__all__ = ["Previewed", "previews"]

DARKEST = 0.05
"""Photons below which the variance of counting them is not told from zero."""

BINS = 8
"""Densities that errors are measured at, as many pixels at each."""

LEAST_ERROR = 0.003
"""Variance of an average, in variances of the noise, at least."""


class Previewed(NamedTuple):
    """Some frames of a plane.

    Attributes
    ----------
    plane, start
        Which plane, and the first of the frames.
    mean
        ``(T, Y, X)`` in grey levels; NaN in a plane in which nothing was measured.
    std
        Its standard deviation; None unless asked for.
    """

    plane: Plane
    start: int
    mean: Frames
    std: Frames | None


class Spread(NamedTuple):
    """How far averages are off.

    Attributes
    ----------
    densities, variances
        Rising, and what the variance is there in those of the noise.
    noise
        Of the movie.
    """

    densities: npt.NDArray[np.float64]
    variances: npt.NDArray[np.float64]
    noise: NoiseModel

    def std(self, mean: Frames, share: Frames) -> Frames:
        """Return the standard deviation of averages."""
        relative = np.interp(share, self.densities, self.variances)
        found = np.sqrt(relative * variance_of(self.noise, mean))
        return found.astype(np.float32)


def variance_of(noise: NoiseModel, mean: Frames) -> npt.NDArray[np.float64]:
    """Variance of the noise, not zero in the dark either."""
    return np.maximum(noise.variance(mean), DARKEST * noise.gain**2)


def previews(stack: Stack, *, with_std: bool = False) -> Iterator[Previewed]:
    """Average what was measured, block by block.

    Parameters
    ----------
    stack
        A movie with gaps.
    with_std
        Tell how far the averages may be off.

    Yields
    ------
    Previewed
        All frames of one plane after those of another.
    """
    stack = inspect(stack)
    chosen: dict[int, tuple[Widths, Spread | None]] = {}
    for series in series_of(stack, False):
        (channel,) = series.channels
        (plane,) = series.planes()
        for start, stop in blocks(stack):
            if channel not in chosen:
                chosen[channel] = _chosen(stack, series, with_std)
            widths, spread = chosen[channel]
            # twice the reach: gaps are averaged over twice the widths
            halo = math.ceil(6 * widths.frames)
            first, last = max(start - halo, 0), min(stop + halo, stack.n_frames)
            clip, measured = _read(stack, series, first, last)
            inner = slice(start - first, stop - first)
            mean = interpolate(clip, measured, widths)[inner]
            std = None
            if spread is not None:
                std = spread.std(mean, density(measured, widths)[inner])
            yield Previewed(plane, start, mean, std)


def _chosen(
    stack: Stack, series: Series, with_std: bool
) -> tuple[Widths, Spread | None]:
    """Look at the middle of a movie."""
    first = max(stack.n_frames - MOST_FRAMES, 0) // 2
    last = min(first + MOST_FRAMES, stack.n_frames)
    clip, measured = _read(stack, series, first, last)
    if not measured.any():
        return Widths(1.0, 1.0), None
    widths = choose_widths(clip, measured)
    if not with_std:
        return widths, None
    noise = diagnose(stack, series.planes()[0]).noise
    found = leave_out(clip, measured, widths)
    variance = variance_of(noise, found.predicted)
    excess = np.square(found.measured - found.predicted) / variance - 1
    order = np.argsort(found.density)
    parts = np.array_split(order, min(BINS, order.size))
    return widths, Spread(
        np.array([found.density[part].mean() for part in parts]),
        np.array([max(excess[part].mean(), LEAST_ERROR) for part in parts]),
        noise,
    )


def _read(
    stack: Stack, series: Series, first: int, last: int
) -> tuple[Frames, npt.NDArray[np.bool_]]:
    clip, known = read_measured(stack, series, range(first, last))
    measured = np.ones(clip.shape, bool) if known is None else known
    return clip[:, 0], measured[:, 0]
