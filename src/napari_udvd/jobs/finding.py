"""Find events: learn from labelled spans what happens when, and label all frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.formats import open_stack, seconds_between_frames
from napari_udvd.identification import Cancelled, EventFinder, number_labels
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Begun, Identified, Note, Stopped
from napari_udvd.jobs.found_events import FoundEvents, counted
from napari_udvd.jobs.telling import told_while
from napari_udvd.jobs.watching import (
    Watching,
    components_in,
    numbers_of,
    regions_in,
    to_keep,
)
from napari_udvd.models import find_labeller
from napari_udvd.spans import (
    Span,
    by_region,
    check_spans,
    labels_per_frame,
    read_spans,
    spans_of_frames,
)
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_udvd.features import FeatureTable, Regions
    from napari_udvd.identification import Suggestion
    from napari_udvd.jobs.events import Event
    from napari_udvd.stack import ArrayLike

    Movie = Stack | ArrayLike | str | os.PathLike[str]
    Tables = Mapping[str, FeatureTable]

__all__ = [
    "ASKED",
    "Learning",
    "find_events",
    "identify",
    "label_frames",
    "read_labels",
]

ASKED = 30
"""Frames to ask for next."""

ALMOST = 0.99999
"""Largest confidence of what was found, also as a table rounds it: 1 was labelled."""

NOISY = (
    "what is measured is that of the noisy movie; if the movie was denoised, the "
    "result can be given as `denoised`"
)


@dataclass(frozen=True)
class Learning:
    """How a finder learns.

    Attributes
    ----------
    network, seconds, steps, seed
        As for :meth:`EventFinder.train`.
    """

    network: str | None = None
    seconds: float | None = None
    steps: int | None = None
    seed: int = 0

    def check(self, spans: Sequence[Span]) -> None:
        """Check what is known before anything is measured.

        Raises
        ------
        InputError
            If there is no such network, or too little to learn from.
        """
        find_labeller(self.network)
        number_labels(spans)

    def learned(
        self,
        tables: Tables,
        spans: Sequence[Span],
        cancel: threading.Event | None = None,
    ) -> Generator[Progress, None, EventFinder | None]:
        """Train a finder; yield percents, and return None if cancelled.

        Raises
        ------
        InputError
            As :meth:`EventFinder.train`.
        """
        first = next(iter(tables.values()))

        def work(
            tell: Callable[[Progress], None], stop: threading.Event
        ) -> EventFinder | None:
            try:
                return EventFinder.train(
                    numbers_of(tables),
                    spans,
                    feature_names=first.names,
                    network=self.network,
                    seconds=self.seconds,
                    steps=self.steps,
                    seed=self.seed,
                    cancel=stop,
                    report=lambda now: tell(Progress(round(100 * now.done), 100)),
                    keep=to_keep(first.components),
                )
            except Cancelled:
                return None

        return (yield from told_while(work, cancel))


def label_frames(
    finder: EventFinder, tables: Tables, spans: Sequence[Span] = ()
) -> list[Span]:
    """Label every frame of every region, from the first to the last one measured.

    Parameters
    ----------
    finder
        What was learned.
    tables
        Features of the regions.
    spans
        What a person labelled: it stays as it is.
    """
    found = []
    own = by_region(spans)
    for name, table in numbers_of(tables).items():
        line = finder.timeline(table)
        labels: list[str | None] = list(line.labels)
        chosen = [finder.labels.index(label) for label in line.labels]
        sure = line.probabilities[np.arange(len(chosen)), chosen]
        sure = np.minimum(sure, ALMOST).tolist()
        there = np.flatnonzero(tables[name].measured)
        labels[: there[0]] = [None] * int(there[0])
        labels[there[-1] + 1 :] = [None] * (len(labels) - 1 - int(there[-1]))
        mine = own.get(name, [])
        for span in mine:
            labels[span.start : span.stop] = [None] * len(span)
        # they touch, and stay two: what was labelled is told from what was found
        found += sorted([*spans_of_frames(name, labels, sure), *mine])
    return found


def identify(
    stack: Stack,
    regions: Regions,
    spans: Sequence[Span],
    watching: Watching | None = None,
    learning: Learning | None = None,
    *,
    finder: EventFinder | None = None,
    ask: int = ASKED,
    cancel: threading.Event | None = None,
) -> Iterator[Event]:
    """Find events in a movie, step by step.

    Parameters
    ----------
    stack
        The movie.
    regions
        What is watched in it.
    spans
        What was labelled; may be empty where there is a finder.
    watching
        What is measured; in the noisy movie if None.
    learning
        How it is learned; as suits the network if None.
    finder
        One that was trained before, and is not trained further; trains one if None.
    ask
        Frames to ask for next; nothing is asked for if 0.
    cancel
        Set it to stop.

    Yields
    ------
    Event
        ``Identified`` last, or ``Stopped``.

    Raises
    ------
    InputError
        If labels, regions and movie do not belong together, there is too little to
        learn from, or the finder looks at other features.
    """
    watching, learning = watching or Watching(), learning or Learning()
    check_spans(spans, n_frames=stack.n_frames, regions=regions.names)
    notes = list(regions.notes)
    if watching.denoised is None:
        notes.append(NOISY)
    if finder is None:
        learning.check(spans)
    else:
        watching.check_fits(finder)
    yield from map(Note, notes)
    yield Begun("watching", "frames")
    components = None if finder is None else components_in(finder)
    tables = yield from watching.measured(stack, regions, components, cancel)
    if tables is None:
        yield Stopped()
        return
    seen = _seen(spans, tables)
    told = _left_out(spans, seen, tables)
    yield from map(Note, told)
    if finder is None:
        yield Begun("learning", "%")
        finder = yield from learning.learned(tables, seen, cancel)
        if finder is None:
            yield Stopped()
            return
    yield Identified(
        FoundEvents(
            tuple(label_frames(finder, tables, seen)),
            finder,
            _asked(finder, tables, seen, ask),
            (*notes, *told),
        )
    )


def find_events(
    movie: Movie,
    spans: Sequence[Span] | str | os.PathLike[str] = (),
    *,
    regions: Regions | npt.ArrayLike | str | os.PathLike[str] | None = None,
    tracks: npt.ArrayLike | None = None,
    radius: float | None = None,
    denoised: Movie | None = None,
    std: Movie | None = None,
    flow: bool = False,
    model: EventFinder | str | os.PathLike[str] | None = None,
    network: str | None = None,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    axes: str | None = None,
    channel: int = 0,
    plane: int = 0,
    interval: float | None = None,
) -> FoundEvents:
    """Learn from a few labelled spans what happens when, and say it of all frames.

    Frames without a span are unlabelled: nothing is learned from them. Quiet time needs
    a label of its own.

    Parameters
    ----------
    movie
        A stack, an array or a file.
    spans
        What was labelled, or a table of it: at least two labels. Not needed with a
        model.
    regions
        What is watched: an image of labels ``(Y, X)`` or ``(T, Y, X)``, a file (labels,
        table of tracks or points, ROIs of ImageJ), or what a function of
        ``napari_udvd.features`` returned. The whole frame, whose name is ``frame``, if
        None.
    tracks
        Regions that move instead: rows of number, frame, y and x in pixels.
    radius
        Around a point or a track, px; that of the table, or 10, if None.
    denoised, std
        The denoised movie, to measure there, and its standard deviation.
    flow
        Look at the optical flow, too; takes longer.
    model
        One that was trained before, or its file: nothing is learned then.
    network
        ``"tcn"`` or ``"seq2seq"``.
    seconds, steps, seed
        Of the training, see ``EventFinder.train``.
    axes
        Names of the axes of arrays, see :meth:`Stack.from_array`.
    channel, plane
        What is looked at, counted from 0.
    interval
        Seconds between frames, for tables that have only seconds; that of the movie if
        None.

    Returns
    -------
    FoundEvents
        Spans of all regions with their confidence, what was learned, and what to label
        next.

    Raises
    ------
    InputError
        If labels, regions and movie do not belong together, or there is too little to
        learn from.
    """
    stack = _stack(movie, axes)
    if isinstance(spans, str | os.PathLike):
        if interval is None:
            interval = seconds_between_frames(stack)
        spans, _ = read_labels(spans, interval)
    watching = Watching(
        denoised=None if denoised is None else _stack(denoised, axes),
        std=None if std is None else _stack(std, axes),
        flow=flow,
        plane=Plane(channel, plane),
    )
    finder = model
    if finder is not None and not isinstance(finder, EventFinder):
        finder = EventFinder.load(finder)
    for event in identify(
        stack,
        regions_in(stack, regions, tracks, radius),
        list(spans),
        watching,
        Learning(network, seconds, steps, seed),
        finder=finder,
    ):
        if isinstance(event, Identified):
            return event.found
    raise AssertionError("finding ended without events")


def read_labels(
    path: str | os.PathLike[str], interval: float | None
) -> tuple[list[Span], list[str]]:
    """Read what a person labelled in a table, and say what else is in it.

    Spans with a confidence below 1 were found: a table that this program wrote is no
    table of labels as a whole.

    Raises
    ------
    InputError
        As :func:`~napari_udvd.spans.read_spans`.
    """
    spans = read_spans(path, interval=interval)
    labels = [span for span in spans if span.confidence == 1]
    if found := len(spans) - len(labels):
        return labels, [
            f"{counted(found, 'span')} of {os.fspath(path)!r} with a confidence below "
            "1 are taken for found, not for labelled"
        ]
    return labels, []


def _seen(spans: Sequence[Span], tables: Tables) -> list[Span]:
    """Return labels of frames in which their region was measured."""
    found = []
    for name, its in by_region(spans).items():
        measured = tables[name].measured
        labels = labels_per_frame(its, len(measured))
        kept = [
            label if there else None
            for label, there in zip(labels, measured, strict=True)
        ]
        found += spans_of_frames(name, kept)
    return found


def _left_out(spans: Sequence[Span], seen: Sequence[Span], tables: Tables) -> list[str]:
    """Say which labels and regions nothing is made of."""
    notes = []
    if lost := sum(map(len, spans)) - sum(map(len, seen)):
        notes.append(
            f"{counted(lost, 'labelled frame')} {'is' if lost == 1 else 'are'} left "
            "out: the region is not there then, or was not measured"
        )
    if never := [name for name, table in tables.items() if not table.measured.any()]:
        shown = ", ".join(map(repr, never[:5])) + (", ..." if never[5:] else "")
        notes.append(
            f"{counted(len(never), 'region')} ({shown}) had no frame with enough "
            "pixels that were measured: nothing is found there"
        )
    return notes


def _asked(
    finder: EventFinder, tables: Tables, seen: Sequence[Span], frames: int
) -> Suggestion | None:
    """Return what to label next; a region that is not there needs no label."""
    if not frames:
        return None
    numbers = numbers_of(tables)
    away = []
    for name in numbers:
        own = labels_per_frame(
            [s for s in seen if s.region == name], len(numbers[name])
        )
        absent = [
            "absent" if label is None and not there else None
            for label, there in zip(own, tables[name].measured, strict=True)
        ]
        away += spans_of_frames(name, absent)
    return finder.suggest(numbers, [*seen, *away], frames=frames)


def _stack(movie: Movie, axes: str | None) -> Stack:
    if isinstance(movie, Stack):
        return movie
    if isinstance(movie, str | os.PathLike):
        return open_stack(movie, axes)
    return Stack.from_array(movie, axes)
