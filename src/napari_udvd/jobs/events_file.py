"""Find events in a file, and write a table of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import check_small_output, open_stack, seconds_between_frames
from napari_udvd.identification import EventFinder
from napari_udvd.jobs.events import Identified, Note, Opened, Written
from napari_udvd.jobs.files import axes_of_result, check_new_model
from napari_udvd.jobs.finding import ASKED, Learning, identify, read_labels
from napari_udvd.jobs.watching import Watching, regions_in
from napari_udvd.spans import write_spans
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.jobs.events import Event
    from napari_udvd.spans import Span
    from napari_udvd.stack import Stack

__all__ = ["EventsFile"]


@dataclass(frozen=True, kw_only=True)
class EventsFile:
    """The events of a movie as a table.

    Attributes
    ----------
    labels
        Table of labelled spans.
    regions
        File of what is watched; the whole frame if None.
    radius
        Of regions around points, px; None as for
        :func:`~napari_udvd.features.read_regions`.
    denoised, std
        Files of the denoised movie and of its standard deviation.
    flow
        Whether to look at the optical flow.
    plane
        Channel and depth.
    model
        File of a finder; trains one on the labels if None.
    save
        File for the one that was trained; none if None.
    learning
        How it is trained.
    ask
        Frames to ask for next, none if 0.
    interval
        Seconds between frames; those of the movie if None.
    axes, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    overwrite
        Whether earlier results may be replaced.
    """

    labels: Path | None = None
    regions: Path | None = None
    radius: float | None = None
    denoised: Path | None = None
    std: Path | None = None
    flow: bool = False
    plane: Plane = field(default_factory=Plane)
    model: Path | None = None
    save: Path | None = None
    learning: Learning = field(default_factory=Learning)
    ask: int = ASKED
    interval: float | None = None
    axes: str | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    overwrite: bool = False

    def run(
        self, file: Path, output: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Find them and write them.

        Parameters
        ----------
        file
            Movie.
        output
            Table to write, ``.csv``, see :func:`~napari_udvd.spans.write_spans`.
        cancel
            Set it to stop; nothing is written then.

        Yields
        ------
        Event
            ``Written`` or ``Stopped`` last.

        Raises
        ------
        InputError, OutputError
            Before anything is written.
        """
        self._check(file, output)
        stack = open_stack(file, self.axes, mask=self.mask, unmeasured=self.unmeasured)
        yield Opened(str(file), stack)
        interval = self.interval
        if interval is None:
            interval = seconds_between_frames(stack)
        spans, notes = self._labels(interval)
        yield from map(Note, notes)
        finder = None if self.model is None else EventFinder.load(self.model)
        regions = regions_in(stack, self.regions, radius=self.radius)
        watching = Watching(
            denoised=self._beside(self.denoised),
            std=self._beside(self.std),
            flow=self.flow,
            plane=self.plane,
        )
        for event in identify(
            stack,
            regions,
            spans,
            watching,
            self.learning,
            finder=finder,
            ask=self.ask,
            cancel=cancel,
        ):
            yield event
            if isinstance(event, Identified):
                if interval is None:
                    yield Note(
                        "the movie does not say how many seconds lie between two "
                        "frames: the table has frames only; `interval` adds seconds"
                    )
                if self.save is not None:
                    event.found.finder.save(self.save)
                    yield Written(self.save)
                write_spans(
                    output,
                    event.found.spans,
                    interval=interval,
                    overwrite=self.overwrite,
                )
                yield Written(output)

    def _labels(self, interval: float | None) -> tuple[list[Span], list[str]]:
        if self.labels is None:
            return [], []
        return read_labels(self.labels, interval)

    def _beside(self, path: Path | None) -> Stack | None:
        """Open a movie that belongs to the one that is watched."""
        if path is None:
            return None
        return open_stack(path, axes_of_result(path, self.axes))

    def _check(self, file: Path, output: Path) -> None:
        """Say what is wrong before time is spent."""
        if self.labels is None and self.model is None:
            raise InputError(
                "there is nothing to learn from: give a table of labelled spans "
                "(`labels`), or a model that was trained on one (`model`)"
            )
        if self.save is not None and self.model is not None:
            raise InputError(
                "nothing is trained where a model is given, so there is none to save; "
                "leave `model` or `save` out"
            )
        if self.interval is not None and not self.interval > 0:
            raise InputError(
                f"`interval` is {self.interval:g}; expected a positive number of "
                "seconds"
            )
        used = [file, self.labels, self.regions, self.denoised, self.std, self.model]
        given = {path.resolve() for path in used if path is not None}
        if output.resolve() in given:
            raise OutputError(
                f"{str(output)!r} is one of the files that events are found with; "
                "choose another name for the table"
            )
        check_small_output(output, (".csv",), overwrite=self.overwrite)
        if self.save is not None:
            check_new_model(self.save, self.overwrite, [*used, output])
