"""Networks that go on from a denoised movie are taught, and told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Note
from napari_udvd.sharpening import DEFAULT
from napari_udvd.steadying import SteadyDenoiser

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.sharpening import Effort
    from napari_udvd.stack import Stack

__all__ = ["fit_students"]


def fit_students(
    network: str,
    denoiser: Denoiser,
    stack: Stack,
    request: Request,
    cancel: threading.Event | None = None,
    *,
    effort: Effort = DEFAULT,
) -> Iterator[Progress | Note | SteadyDenoiser]:
    """Teach networks that go on from a denoised movie.

    Parameters
    ----------
    network, denoiser, stack, request, effort
        As for :meth:`SteadyDenoiser.fitted`.
    cancel
        Set it to stop.

    Yields
    ------
    Progress, Note or SteadyDenoiser
        Percent of a network's training for a channel, what was found, and the model
        last; no model if that was cancelled.
    """
    steps = SteadyDenoiser.fitted(network, denoiser, stack, request, effort)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            steady: SteadyDenoiser = end.value
            break
        if step is not None:
            yield Progress(round(100 * step.progress), 100)
        if cancel is not None and cancel.is_set():
            return
    for channel, student in enumerate(steady.students):
        where = f"channel {channel}: " if stack.n_channels > 1 else ""
        yield Note(f"{where}{student.reason}")
    yield steady
