"""What the motion dock asks of the core; heavy imports inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd._widgets.shared.session import Shown
    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["CHOICES", "MODEL_NEEDED", "MotionQuestion", "export_motion", "find_motion"]

CHOICES = {
    "implied": "Implied by the filters",
    "learned": "Learned optical flow (STBN)",
    "tvl1": "TV-L1 optical flow",
    "ilk": "Lucas-Kanade optical flow",
}
"""Ways to find motion, and what users call them."""

MODEL_NEEDED = ("implied", "learned")
"""Those that a model is asked for."""


@dataclass(frozen=True)
class MotionQuestion:
    """The motion of one frame.

    Attributes
    ----------
    shown
        The movie, its model, and its denoised frames.
    method
        One of :data:`CHOICES`.
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


class _CancelledError(Exception):
    """Nobody waits for the file any more."""


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
    from dataclasses import replace

    from napari_udvd.motion import check_motion_output, write_motion

    stack = question.shown.stack
    check_motion_output(path, stack, overwrite=overwrite)

    def motions() -> Iterator[Motion]:
        for t in range(stack.n_frames):
            motion = _motion(replace(question, t=t), cancel)
            if cancel.is_set():
                raise _CancelledError  # the writer tidies up
            yield motion

    try:
        for done in write_motion(
            path,
            stack,
            motions(),
            overwrite=overwrite,
            least_confidence=least_confidence,
            record={"program": "napari-udvd", "method": question.method},
        ):
            yield done / stack.n_frames
    except _CancelledError:
        return


def _motion(question: MotionQuestion, cancel: threading.Event) -> Motion:
    from napari_udvd.motion import estimated_motion, implied_motion, learned_motion

    q, shown = question, question.shown
    if q.method in MODEL_NEEDED:
        assert shown.denoiser is not None
        denoiser = shown.denoiser
        if q.method == "learned":
            return learned_motion(denoiser, shown.stack, q.t, q.spacing, c=q.c, z=q.z)
        return implied_motion(
            denoiser, shown.stack, q.t, q.spacing, c=q.c, z=q.z, cancel=cancel
        )
    stack = _denoised(q) if q.on_denoised else shown.stack
    return estimated_motion(stack, q.t, q.method, q.spacing, c=q.c, z=q.z)


def _denoised(q: MotionQuestion) -> Stack:
    """Movie of the denoised frames around `t`; the others are never read."""
    from dataclasses import replace

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
