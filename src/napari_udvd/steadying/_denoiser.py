"""A model that denoises, with its students."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.planes import read_measured
from napari_udvd.sharpening import DEFAULT
from napari_udvd.steadying._student import CONTEXT, SEGMENT, Student, learn_student
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Sequence

    from napari_udvd.inference.block_denoiser import Blocks, Denoised
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.request import Request
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.inference.survey import Surveys
    from napari_udvd.models import Network
    from napari_udvd.planes import Series
    from napari_udvd.sharpening import Effort, Learned
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["SteadyBlocks", "SteadyDenoiser", "check_saved"]

Floats = npt.NDArray[np.float32]

AROUND_EVENTS = 3
"""Rows and columns around an event that was put back, in which nothing is added: what
lasts a single frame is just what a student smooths away."""


@dataclass(frozen=True, eq=False)
class SteadyDenoiser(Denoiser):
    """A model whose results flicker less.

    Attributes
    ----------
    students
        For each channel what goes on from the denoised movie.
    """

    students: tuple[Student, ...] = ()

    @classmethod
    def fitted(
        cls,
        name: str,
        denoiser: Denoiser,
        stack: Stack,
        request: Request,
        effort: Effort = DEFAULT,
    ) -> Generator[Learned | None, None, SteadyDenoiser]:
        """Teach a network for each channel of a movie, with pauses.

        Parameters
        ----------
        name
            Of the network.
        denoiser
            Trained on the movie.
        stack
            The movie.
        request
            How it is denoised.
        effort
            What it may cost for each channel.

        Yields
        ------
        Learned or None
            After each step of a network, and wherever it can be left.

        Raises
        ------
        InputError
            If there is no such network.
        """
        known = {f.name: getattr(denoiser, f.name) for f in fields(Denoiser) if f.init}
        surveys = denoiser.survey(stack, request)
        students = []
        for channel in range(stack.n_channels):
            student = yield from learn_student(
                name, denoiser, stack, channel, request, surveys, effort
            )
            students.append(student)
        return cls(**known, students=tuple(students))

    def provenance(
        self, stack: Stack, request: Request | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return what a result records of how it was made."""
        students = [each.to_dict() for each in self.students]
        return super().provenance(stack, request, students=students, **more)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Refuse: students belong to a movie, and model files do not hold them.

        Raises
        ------
        InputError
            Always.
        """
        check_saved(path)

    def _blocks(
        self,
        surveys: Surveys,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request,
        *,
        joint: bool,
        task: Task,
    ) -> Blocks:
        inner = super()._blocks(
            surveys, net, calibrations, stack, request, joint=joint, task=task
        )
        if request.with_std:
            raise InputError(
                "there is no standard deviation of what a student makes of the "
                "denoised movie; leave `std` out, or `network`"
            )
        if not any(each.used for each in self.students):
            return inner
        offsets = [each.noise.offset for each in calibrations]
        return SteadyBlocks(inner, stack, self.students, offsets)


def check_saved(path: str | os.PathLike[str] | None) -> None:
    """Check that no model with students is to be saved.

    Raises
    ------
    InputError
        If it is.
    """
    if path is not None:
        raise InputError(
            "a model file does not hold what goes on from the denoised movie, which "
            "belongs to this movie alone; leave `save` out, or `network`"
        )


class SteadyBlocks:
    """Adds to denoised frames what students do; has the face of what denoises.

    Segments are counted from the beginning of the movie, so that a frame is the same
    whatever it is asked for with.

    Parameters
    ----------
    inner
        Denoises any frames of the movie.
    stack
        The movie.
    students, offsets
        For each channel, and the grey level without light.

    Attributes
    ----------
    series
        As those of `inner`.
    """

    def __init__(
        self,
        inner: Blocks,
        stack: Stack,
        students: Sequence[Student],
        offsets: Sequence[float],
    ) -> None:
        self._inner, self._stack = inner, stack
        self._students, self._offsets = students, offsets
        self.series = inner.series

    @property
    def pixels_seen(self) -> int:
        """Pixels of a frame that the denoiser computes."""
        return self._inner.pixels_seen

    def flashes_in(self, series: Series, start: int, stop: int) -> list[Flash]:
        """Return the events that were put back."""
        return self._inner.flashes_in(series, start, stop)

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        """Denoise frames ``start .. stop - 1``, and go on from there."""
        for result in self.steps(series, start, stop):
            if result is not None:
                return result
        raise AssertionError("the steps ended without a result")

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        """Do what :meth:`block` does with pauses, in which other runs may be done."""
        n_frames = self._stack.n_frames
        segments = range(start - start % SEGMENT, stop, SEGMENT)
        first = max(segments[0] - CONTEXT, 0)
        last = min(segments[-1] + SEGMENT + CONTEXT, n_frames)
        for result in self._inner.steps(series, first, last):
            if result is None:
                yield None
                continue
            mean, std = result
            noisy, known = self._read(series, first, last)
            found = mean.copy()
            for begin in segments:
                seen = slice(
                    max(begin - CONTEXT, 0) - first,
                    min(begin + SEGMENT + CONTEXT, n_frames) - first,
                )
                own = slice(begin - first, min(begin + SEGMENT, n_frames) - first)
                within = slice(own.start - seen.start, own.stop - seen.start)
                for k, c in enumerate(series.channels):
                    yield None
                    offset = np.float32(self._offsets[c])
                    light = np.where(known[seen, k], mean[seen, k] - offset, np.nan)
                    added = self._students[c].added(noisy[seen, k] - offset, light)
                    found[own, k] += np.where(known[own, k], added[within], 0)
            for flash in self._inner.flashes_in(series, first, last):
                k = series.channels.index(flash.channel)
                rows, columns = (
                    slice(max(at - AROUND_EVENTS, 0), at + AROUND_EVENTS + 1)
                    for at in (flash.row, flash.column)
                )
                place = (flash.frame - first, k, rows, columns)
                found[place] = mean[place]
            yield found[start - first : stop - first], std

    def _read(
        self, series: Series, start: int, stop: int
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Read frames ``(T, C, Y, X)``, and which pixels were measured."""
        stack, frames = inspect(self._stack), range(start, stop)
        noisy, measured = read_measured(stack, series, frames)
        if stack.validity is None or measured is None:
            return noisy, np.ones(noisy.shape, bool)
        kept = [
            stack.validity.kept(stack.read(slice(start, stop), plane), plane, start)
            for plane in series.planes()
        ]
        return noisy, ~np.stack(kept, axis=1)
