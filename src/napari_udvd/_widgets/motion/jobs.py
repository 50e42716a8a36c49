"""What the motion dock asks of the core; heavy imports inside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd import jobs as _jobs
from napari_udvd.errors import InputError
from napari_udvd.jobs.ways import WAYS

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd._widgets.shared.session import Shown
    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["MotionQuestion", "export_motion", "find_motion"]


@dataclass(frozen=True)
class MotionQuestion:
    """The motion of one frame.

    Attributes
    ----------
    shown
        The movie, its model, and its denoised frames.
    method
        One of the :data:`~napari_udvd.jobs.ways.WAYS`.
    on_denoised
        Classical flow is computed on the denoised frames.
    spacing
        Of the grid, px.
    t, c, z
        The frame.
    """

    shown: Shown = field(compare=False)
    method: str
    on_denoised: bool
    spacing: int
    t: int
    c: int
    z: int


def find_motion(question: MotionQuestion, cancel: threading.Event) -> Any:
    """Find the motion of a frame.

    Returns
    -------
    tuple
        The question and its :class:`~napari_udvd.motion.Motion`.

    Raises
    ------
    InputError
        If the model does not fit the movie, or frames are not denoised yet.
    """
    return question, _motion(question, cancel)


def export_motion(
    question: MotionQuestion,
    path: Path,
    least_confidence: float,
    overwrite: bool,
    cancel: threading.Event,
) -> Iterator[float]:
    """Write the motion of all frames; yields the share that is done.

    Cancelled before all is done, it ends early and leaves no file.

    Raises
    ------
    InputError, OutputError
        As :func:`find_motion`, or if the file cannot be written.
    """
    q, shown = question, question.shown
    for progress in _jobs.export_motion(
        path,
        shown.stack,
        lambda t: _motion(replace(question, t=t), cancel),
        way=q.method,
        denoiser=shown.denoiser if WAYS[q.method].needs_model else None,
        spacing=q.spacing,
        overwrite=overwrite,
        least_confidence=least_confidence,
        cancel=cancel,
    ):
        yield progress.done / progress.total


def _motion(question: MotionQuestion, cancel: threading.Event) -> Motion:
    q, shown = question, question.shown
    asks_model = WAYS[q.method].needs_model
    stack = _denoised(q) if q.on_denoised and not asks_model else shown.stack
    return _jobs.motion_of_frame(
        q.method, shown.denoiser, stack, q.t, q.spacing, c=q.c, z=q.z, cancel=cancel
    )


def _denoised(q: MotionQuestion) -> Stack:
    """Movie of the denoised frames around `t`; the others are never read."""
    result = q.shown.result
    if result is None:
        raise InputError("the movie is not denoised yet; press Denoise, or take noisy")
    stack = replace(q.shown.stack, data=result.layer.data)
    near = slice(max(q.t - 1, 0), min(q.t + 2, stack.n_frames))
    index: dict[str, Any] = {"T": near, "C": q.c, "Z": q.z}
    frames = result.layer.data[
        tuple(index.get(axis, slice(None)) for axis in stack.axes)
    ]
    if not np.isfinite(np.asarray(frames)).all():
        raise InputError(
            f"frame {q.t} or one beside it is not denoised yet; wait, or take noisy"
        )
    return stack
