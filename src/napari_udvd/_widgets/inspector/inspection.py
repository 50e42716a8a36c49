"""Questions of the pixel inspector to the core; heavy imports inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd._widgets.inspector.trace_plot import Trace
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import threading

    import numpy.typing as npt

    from napari_udvd._widgets.shared.session import Shown
    from napari_udvd.filters import AdaptiveFilter

__all__ = ["Inspected", "PixelQuestion", "inspect_pixel"]

TRACE_FRAMES = 400
"""Frames of a trace, around the one looked at."""


@dataclass(frozen=True, eq=False)
class PixelQuestion:
    """One pixel of a movie.

    Attributes
    ----------
    shown
        The movie, its model, and its denoised frames.
    t, c, z, y, x
        The pixel.
    posterior
        Look into the prediction combined with the noisy pixel.
    """

    shown: Shown
    t: int
    c: int
    z: int
    y: int
    x: int
    posterior: bool


@dataclass(frozen=True, eq=False)
class Inspected:
    """The answer: filter, picture of it, and the pixel over time."""

    question: PixelQuestion
    found: AdaptiveFilter
    strip: npt.NDArray[np.uint8]
    trace: Trace


def inspect_pixel(question: PixelQuestion, cancel: threading.Event) -> Inspected:
    """Find the filter of a pixel and its values over time.

    Raises
    ------
    InputError
        If the model does not fit the movie, or the pixel is not in it.
    """
    from napari_udvd.filters import adaptive_filter, draw_filter

    shown, q = question.shown, question
    assert shown.denoiser is not None
    found = adaptive_filter(
        shown.denoiser,
        shown.stack,
        q.t,
        q.y,
        q.x,
        c=q.c,
        z=q.z,
        posterior=q.posterior,
    )
    return Inspected(q, found, draw_filter(found), _trace(q, cancel))


def _trace(q: PixelQuestion, cancel: threading.Event) -> Trace:
    stack, result = q.shown.stack, q.shown.result
    first = int(
        np.clip(q.t - TRACE_FRAMES // 2, 0, max(stack.n_frames - TRACE_FRAMES, 0))
    )
    last = min(first + TRACE_FRAMES, stack.n_frames)
    here = slice(q.y, q.y + 1), slice(q.x, q.x + 1)
    noisy = stack.read(slice(first, last), Plane(q.c, q.z), *here)[:, 0, 0]
    index: dict[str, Any] = {
        "T": slice(first, last),
        "C": q.c,
        "Z": q.z,
        "Y": q.y,
        "X": q.x,
    }
    key = tuple(index[axis] for axis in stack.axes)

    def of(frames: Any) -> npt.NDArray[np.float64] | None:
        if frames is None:
            return None
        return np.atleast_1d(np.asarray(frames[key], dtype=np.float64))

    return Trace(
        np.arange(first, last),
        noisy.astype(np.float64),
        of(None if result is None else result.layer.data),
        of(
            None
            if result is None or result.std_layer is None
            else result.std_layer.data
        ),
    )
