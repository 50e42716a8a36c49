"""Find motion: of a frame, and of a whole movie as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_udvd._version import __version__
from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.loading import load
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Begun, Opened, Stopped, Written
from napari_udvd.jobs.ways import WAYS
from napari_udvd.motion import (
    METHODS,
    check_motion_output,
    estimated_motion,
    flow_network,
    implied_motion,
    learned_motion,
    write_motion,
)
from napari_udvd.noise import check_finite
from napari_udvd.runtime.device import choose_device

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["MotionFile", "export_motion", "motion_of_frame"]


def motion_of_frame(
    way: str,
    denoiser: Denoiser | None,
    stack: Stack,
    t: int,
    spacing: int,
    *,
    c: int = 0,
    z: int = 0,
    cancel: threading.Event | None = None,
) -> Motion:
    """Find the motion of a frame in one of the :data:`~napari_udvd.jobs.ways.WAYS`.

    Parameters
    ----------
    way
        Name of it.
    denoiser
        The model, for ways that need one.
    stack
        The noisy movie; for ways without a model it may be the denoised one.
    t, spacing, c, z, cancel
        As for :func:`~napari_udvd.motion.implied_motion`.

    Raises
    ------
    InputError
        If there is no such frame or way, or the model does not fit.
    """
    if way not in WAYS or not WAYS[way].needs_model:
        return estimated_motion(stack, t, way, spacing, c=c, z=z)
    assert denoiser is not None
    if way == "learned":
        return learned_motion(denoiser, stack, t, spacing, c=c, z=z)
    return implied_motion(denoiser, stack, t, spacing, c=c, z=z, cancel=cancel)


def _record(
    way: str, denoiser: Denoiser | None, stack: Stack, spacing: int
) -> dict[str, Any]:
    """Return what a file of motion records of how it was found."""
    if denoiser is not None:
        return denoiser.provenance(stack, method=way, spacing=spacing)
    return {
        "method": METHODS[way],
        "spacing": spacing,
        "program": "napari-udvd",
        "version": __version__,
        "source": stack.source,
        **stack.mask_record,
    }


class _CancelledError(Exception):
    """Nobody waits for the file any more."""


def export_motion(
    path: Path,
    stack: Stack,
    find: Callable[[int], Motion],
    *,
    way: str,
    denoiser: Denoiser | None,
    spacing: int,
    overwrite: bool = False,
    least_confidence: float = 0.0,
    cancel: threading.Event | None = None,
) -> Iterator[Progress]:
    """Write the motion of all frames of a movie.

    Parameters
    ----------
    path, stack, overwrite, least_confidence
        As for :func:`~napari_udvd.motion.write_motion`.
    find
        Finds the motion of a frame.
    way, denoiser, spacing
        How it does that, for the record; no denoiser where the way needs none.
    cancel
        Set it to stop; no file is left then.

    Yields
    ------
    Progress
        After each frame.

    Raises
    ------
    InputError, OutputError
        If motion cannot be found, or not be written.
    """

    def motions() -> Iterator[Motion]:
        for t in range(stack.n_frames):
            motion = find(t)
            if cancel is not None and cancel.is_set():
                raise _CancelledError  # the writer tidies up
            yield motion

    check_motion_output(path, stack, overwrite=overwrite)
    record = _record(way, denoiser, stack, spacing)
    try:
        for done in write_motion(
            path,
            stack,
            motions(),
            overwrite=overwrite,
            least_confidence=least_confidence,
            record=record,
        ):
            yield Progress(done, stack.n_frames)
    except _CancelledError:
        return


@dataclass(frozen=True, kw_only=True)
class MotionFile:
    """The motion of every frame of a file.

    Attributes
    ----------
    model
        Model file; not read where the way needs none.
    way
        One of the :data:`~napari_udvd.jobs.ways.WAYS`.
    spacing
        Grid, px.
    channel, plane
        Counted from 0.
    confidence
        What is less sure is left out, 0 to 1.
    axes, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    device
        Where the model computes.
    overwrite
        Whether an earlier result may be replaced.
    """

    model: Path
    way: str = "implied"
    spacing: int = 16
    channel: int = 0
    plane: int = 0
    confidence: float = 0.0
    axes: str | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    device: str = "auto"
    overwrite: bool = False

    def run(
        self, file: Path, output: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Find it and write it.

        Raises
        ------
        InputError, OutputError
            Then nothing is left behind.
        """
        if not 0 <= self.confidence <= 1:
            raise InputError(
                f"`confidence` is {self.confidence:g}; choose a number from 0 (keep "
                "all) to 1"
            )
        stack = open_stack(file, self.axes, mask=self.mask, unmeasured=self.unmeasured)
        yield Opened(str(file), stack)
        check_motion_output(output, stack, overwrite=self.overwrite)
        denoiser = self._denoiser_for(stack) if WAYS[self.way].needs_model else None
        check_finite(stack)

        def find(t: int) -> Motion:
            return motion_of_frame(
                self.way,
                denoiser,
                stack,
                t,
                self.spacing,
                c=self.channel,
                z=self.plane,
                cancel=cancel,
            )

        yield Begun("motion", "frames")
        yield from export_motion(
            output,
            stack,
            find,
            way=self.way,
            denoiser=denoiser,
            spacing=self.spacing,
            overwrite=self.overwrite,
            least_confidence=self.confidence,
            cancel=cancel,
        )
        is_stopped = cancel is not None and cancel.is_set()
        yield Stopped() if is_stopped else Written(output)

    def _denoiser_for(self, stack: Stack) -> Denoiser:
        denoiser = load(self.model)
        check_fits(denoiser, stack)
        if self.way == "learned":
            flow_network(denoiser)  # says so if there is none
        denoiser.net.to(choose_device(self.device))
        return denoiser
