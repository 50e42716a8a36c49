"""What a user looks at while a network trains.

One thread says where it looks, the thread that trains answers between two steps.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.cutting import central, place_in, with_halo
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import Request
from napari_udvd.planes import series_of
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["FEWEST_PIXELS", "LiveView", "View"]

EDGE = 512
"""Most rows and columns that are denoised: the middle of what is on view."""

SMALLEST = 48
"""Rows and columns that are worth looking at."""

INTERVAL = 1.0
"""Seconds after which the same place is worth another look."""

FEWEST_PIXELS = 64 * 64
"""With less to compute there is nothing to see."""

SHARE = 0.15
"""Share of the time that looking again and again at the same place may take."""


@dataclass(frozen=True)
class View:
    """A part of one frame: time, depth, rows and columns."""

    t: int
    z: int
    rows: slice
    columns: slice


class LiveView:
    """Denoises the place on view now and then; all methods are quick or thread-safe.

    Parameters
    ----------
    stack
        The whole movie, also where the network learns from a part of it.
    use_posterior
        As for the result.
    """

    def __init__(self, stack: Stack, *, use_posterior: bool = True) -> None:
        self._stack, self._request = stack, Request(use_posterior=use_posterior)
        self._lock = threading.Lock()
        self._view: View | None = None
        self._is_new = False
        self._rested = self._due = 0.0
        self._part: tuple[slice, slice, Stack] | None = None

    def look_at(self, view: View) -> None:
        """Say where the user looks now."""
        with self._lock:
            if view != self._view:
                self._view, self._is_new = view, True

    def is_due(self) -> bool:
        """Whether a place is new, or was seen long enough ago."""
        with self._lock:
            if self._view is None:
                return False
            return time.monotonic() >= (self._rested if self._is_new else self._due)

    def denoise(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        joint: bool,
        device: torch.device,
        precision: torch.dtype,
        most: int | None = None,
        task: Task = DENOISE,
    ) -> tuple[View, npt.NDArray[np.float32]]:
        """Denoise the place on view with these weights.

        Parameters
        ----------
        net, calibrations, joint
            As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
        device, precision
            Where and in which floating-point type it is being trained.
        most
            Pixels to compute; a smaller part is shown where all would be more.
        task
            Finishes what the network predicts.

        Returns
        -------
        View
            Where it is, at most 512 x 512 pixels.
        ndarray
            ``(C, Y, X)``, grey levels.
        """
        began = time.monotonic()
        with self._lock:
            assert self._view is not None
            view, self._is_new = self._view, False
        height, width = self._stack.frame_shape
        edge, halo = EDGE, net.geometry.radius
        while True:
            rows, columns = _middle(view.rows, edge), _middle(view.columns, edge)
            seen = View(view.t, view.z, rows, columns)
            rows = with_halo(seen.rows, height, halo, net.geometry.grid)
            columns = with_halo(seen.columns, width, halo, net.geometry.grid)
            computed = (rows.stop - rows.start) * (columns.stop - columns.start)
            if most is None or computed <= most or edge <= SMALLEST:
                break
            # what is far away matters little, and not at all for a first look
            edge, halo = edge * 3 // 4, min(halo, edge // 4)
        view = seen
        part = self._part_seen(rows, columns)
        request = replace(self._request, device=device, precision=precision)
        blocks = BlockDenoiser(net, calibrations, part, request, joint=joint, task=task)
        frames = [
            blocks.block(series, view.t, view.t + 1)[0][0]
            for series in series_of(part, joint)
            if series.z == view.z
        ]
        inner = ..., place_in(rows, seen.rows), place_in(columns, seen.columns)
        denoised = np.concatenate(frames)[inner]
        now = time.monotonic()
        cost = now - began
        self._rested, self._due = now + cost, now + max(INTERVAL, cost / SHARE)
        return view, denoised

    def _part_seen(self, rows: slice, columns: slice) -> Stack:
        """Crop the movie; the very same part again for somebody who stays there.

        What was measured in it is then known, without looking at all its frames.
        """
        if self._part is None or self._part[:2] != (rows, columns):
            part = self._stack.crop(slice(0, self._stack.n_frames), rows, columns)
            self._part = rows, columns, part
        return self._part[2]


def _middle(part: slice, edge: int) -> slice:
    inside = central(part.stop - part.start, edge)
    return slice(part.start + inside.start, part.start + inside.stop)
