"""Train on a file, denoise it, and go on from there, so that it flickers less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.jobs.efforts import shared
from napari_udvd.jobs.events import Begun, Stopped
from napari_udvd.jobs.restoring import TrainAndRestore
from napari_udvd.jobs.students import fit_students
from napari_udvd.models import check_student
from napari_udvd.steadying import SteadyDenoiser, check_saved
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.stack import Stack

__all__ = ["TrainAndSteady"]


@dataclass(frozen=True, kw_only=True)
class TrainAndSteady(TrainAndRestore):
    """Train on the file itself, denoise it, and make it flicker less.

    Attributes
    ----------
    network
        Name of what goes on from the denoised movie, see
        :func:`~napari_udvd.models.improver_names`.
    """

    network: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_student(self.network)
        check_saved(self.save)
        if self.task != DENOISE.name:
            raise InputError(
                f"`network` goes on from a denoised movie, and the task is "
                f"{self.task!r}; leave it out"
            )
        if self.std is not None:
            raise InputError(
                "there is no standard deviation of what `network` makes of the "
                "denoised movie; leave `std` out, or `network`"
            )

    def denoiser_for(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Train on the movie, and teach a network what of the result is chance."""
        values, effort = shared(self.values, self.network, stack)
        with_less = replace(self, values=values)
        denoiser = yield from TrainAndRestore.denoiser_for(
            with_less, stack, output, cancel
        )
        if denoiser is None:
            return None
        yield Begun("steadying", "% learned")
        for told in fit_students(
            self.network, denoiser, stack, self.request, cancel, effort=effort
        ):
            if isinstance(told, SteadyDenoiser):
                return told
            yield told
        yield Stopped(self.state_of(output))
        return None
