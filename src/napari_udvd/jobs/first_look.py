"""A sparse movie at once: what is on view, filled without any network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.cutting import central, place_in, with_halo
from napari_udvd.inference.interpolation import Widths, choose_widths
from napari_udvd.inference.live_view import View
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.stack import Stack

__all__ = ["FirstLook"]

EDGE = 512
"""Most rows and columns that are filled: the middle of what is on view."""

CHOSEN_BY = 160, 24
"""Rows and columns, and frames, in the middle that widths are chosen by."""

REACH = 2.0
"""Standard deviations that an average sees, in time and beyond the part on view ..."""

MOST_FRAMES = 16
"""... and frames before and after, at most: reading them takes its time."""

SCARCE = 0.03
"""Share of a neighbourhood that was measured, below which a wider one stands in."""


class FirstLook:
    """Fills parts of frames with averages of what was measured around them.

    The widths of the averages are chosen once for each channel, from the middle of the
    movie, when the channel is first looked at.

    Parameters
    ----------
    stack
        The movie.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._widths: dict[int, Widths | None] = {}

    def fill(self, view: View) -> tuple[View, npt.NDArray[np.float32]]:
        """Fill what is on view.

        Returns
        -------
        View
            What was filled: the middle, at most 512 x 512 pixels.
        ndarray
            ``(C, Y, X)``, grey levels; NaN where nothing was measured around.
        """
        rows, columns = _middle(view.rows, EDGE), _middle(view.columns, EDGE)
        seen = View(view.t, view.z, rows, columns)
        channels = range(self._stack.n_channels)
        return seen, np.stack([self._channel(c, seen) for c in channels])

    def _channel(self, c: int, view: View) -> npt.NDArray[np.float32]:
        widths = self._widths_of(c)
        height, width = self._stack.frame_shape
        if widths is None:
            shape = [p.stop - p.start for p in (view.rows, view.columns)]
            return np.full(shape, np.nan, np.float32)
        halo, frames = (math.ceil(REACH * sigma) for sigma in widths)
        frames = min(frames, MOST_FRAMES)
        rows = with_halo(view.rows, height, halo, 1)
        columns = with_halo(view.columns, width, halo, 1)
        first = max(view.t - frames, 0)
        times = slice(first, min(view.t + frames + 1, self._stack.n_frames))
        seen, known = self._read(c, view.z, times, rows, columns)
        filled = _averaged(seen, known, view.t - first, widths)
        inner = place_in(rows, view.rows), place_in(columns, view.columns)
        return np.asarray(filled[inner], np.float32)

    def _widths_of(self, c: int) -> Widths | None:
        """Widths for a channel; None where nothing was measured in its middle."""
        if c not in self._widths:
            edge, most = CHOSEN_BY
            rows, columns = (central(n, edge) for n in self._stack.frame_shape)
            times = central(self._stack.n_frames, most)
            z = self._stack.n_planes // 2
            frames, measured = self._read(c, z, times, rows, columns)
            found = choose_widths(frames, measured) if measured.any() else None
            self._widths[c] = found
        return self._widths[c]

    def _read(
        self, c: int, z: int, times: slice, rows: slice, columns: slice
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
        plane = Plane(c, z)
        frames = self._stack.read(times, plane, rows, columns).astype(np.float32)
        return frames, self._stack.read_mask(times, plane, rows, columns)


def _averaged(
    frames: npt.NDArray[np.floating],
    measured: npt.NDArray[np.bool_],
    t: int,
    widths: Widths,
) -> npt.NDArray[np.floating]:
    """Average around each pixel of one frame ``(Y, X)``: all of time first.

    As :func:`~napari_udvd.inference.interpolation.interpolate` does for all frames,
    but that in gaps the average is wider in space alone.
    """
    import torch

    from napari_udvd.models.averaging import divided, gaussian, smooth

    if not measured.any():
        return np.full(frames.shape[1:], np.nan, np.float32)
    far = (np.arange(len(frames)) - t) / widths.frames
    weights = np.exp(-(far**2) / 2).astype(np.float32)
    weights /= weights.sum()
    values = np.where(measured, frames, 0).astype(np.float32)
    both = np.stack([values, measured.astype(np.float32)])
    total, known = torch.from_numpy(np.einsum("t,ctyx->cyx", weights, both))
    level = float(total.sum() / known.sum().clamp_min(1e-6))

    def around(pixels: float) -> torch.Tensor:
        taps = gaussian(pixels)
        sums, share = smooth(total, taps), smooth(known, taps)
        if pixels >= max(total.shape) or not bool((share < SCARCE).any()):
            return divided(sums, share, level)
        return divided(sums, share, around(2 * pixels))

    return around(widths.pixels).numpy()


def _middle(part: slice, edge: int) -> slice:
    inside = central(part.stop - part.start, edge)
    return slice(part.start + inside.start, part.start + inside.stop)
