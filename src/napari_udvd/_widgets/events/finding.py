"""What the dock asks of the core: to learn from labels, to find, to suggest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.spans import Span, check_spans, labels_per_frame, spans_of_frames

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from napari_udvd._widgets.events.watched import Watched
    from napari_udvd.identification import EventFinder, Suggestion
    from napari_udvd.stack import Plane, Stack

__all__ = ["Answer", "Features", "Told", "Training", "suggested", "trained"]

ON_FEATURES = 0.5
"""Share of the bar for looking at the movie, where that was not done before."""


class Told(NamedTuple):
    """How far it is.

    Attributes
    ----------
    done
        Share of all, 0 to 1.
    what
        What is being done.
    """

    done: float
    what: str


@dataclass(frozen=True, eq=False)
class Features:
    """What was measured of all regions.

    Attributes
    ----------
    names
        Of the features.
    tables
        ``(T, F)`` of each region, NaN where it was not there.
    source
        What it was measured of: to be measured anew where this is another.
    """

    names: tuple[str, ...]
    tables: Mapping[str, npt.NDArray[np.float32]]
    source: tuple[Any, ...]

    def absent(self) -> list[Span]:
        """Frames in which regions are not there, as spans."""
        found: list[Span] = []
        for region, table in self.tables.items():
            gone = ~np.isfinite(table).any(axis=1)
            found += spans_of_frames(region, ["absent" if g else None for g in gone])
        return found


@dataclass(frozen=True, eq=False)
class Training:
    """What is learned from what.

    Attributes
    ----------
    stack, plane
        The movie, and channel and depth of it.
    denoised
        The same movie without noise, or None.
    watched
        The regions.
    spans
        Labelled ones.
    flow
        Look at the optical flow, too.
    features
        Those that were measured last.
    """

    stack: Stack
    plane: Plane
    denoised: Stack | None
    watched: Watched
    spans: tuple[Span, ...]
    flow: bool
    features: Features | None

    @property
    def source(self) -> tuple[Any, ...]:
        """What features depend on."""
        denoised = None if self.denoised is None else self.denoised.data
        return self.stack.data, self.plane, denoised, self.watched, self.flow


class Answer(NamedTuple):
    """What was learned and found.

    Attributes
    ----------
    finder
        What was learned.
    features
        What it looks at.
    spans
        What was found, in frames in which regions are there.
    """

    finder: EventFinder
    features: Features
    spans: list[Span]


def trained(
    training: Training, tell: Callable[[Told], object], cancel: threading.Event
) -> Iterator[Answer]:
    """Measure regions, learn from labels, and find in all frames.

    Cancelled, it ends early without an answer.

    Parameters
    ----------
    training
        What is learned from what.
    tell
        Told after each frame and each step.
    cancel
        Set it to stop soon.

    Raises
    ------
    InputError
        If the labels do not suffice or contradict each other.
    """
    from napari_udvd.identification import Cancelled, EventFinder

    spans = _of_regions(training)
    features, begins = training.features, 0.0
    if features is None or not _same(features.source, training.source):
        features, begins = _measured(training, tell, cancel), ON_FEATURES
    if cancel.is_set():
        return
    try:
        finder = EventFinder.train(
            features.tables,
            spans,
            feature_names=features.names,
            cancel=cancel,
            report=lambda p: tell(Told(begins + (1 - begins) * p.done, "Learning")),
        )
    except Cancelled:
        return
    found = _present(finder.find(features.tables), features)
    yield Answer(finder, features, found)


def suggested(
    answer: Answer, spans: tuple[Span, ...], frames: int
) -> Suggestion | None:
    """Return the frames whose labels would help most; None if all have one."""
    regions = answer.features.tables
    labelled = [span for span in spans if span.region in regions]
    for absent in answer.features.absent():
        taken = [s for s in labelled if s.region == absent.region]
        labels = labels_per_frame(taken, len(regions[absent.region]))
        free = [
            absent.label if absent.start <= t < absent.stop and label is None else None
            for t, label in enumerate(labels)
        ]
        labelled += spans_of_frames(absent.region, free)
    return answer.finder.suggest(regions, labelled, frames=frames)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(
        a is b or (isinstance(a, tuple | bool) and a == b)
        for a, b in zip(one, other, strict=True)
    )


def _of_regions(training: Training) -> list[Span]:
    """Labels of the regions that are watched."""
    names = training.watched.regions.names
    spans = [span for span in training.spans if span.region in set(names)]
    check_spans(
        spans or training.spans, n_frames=training.stack.n_frames, regions=names
    )
    for span in spans:
        first, stop = training.watched.there[span.region]
        if span.stop <= first or stop <= span.start:
            raise InputError(
                f"{span} lies where the region is not there: it is from frame {first} "
                f"to {stop - 1}; erase the span, or choose the layer that it belongs to"
            )
    return spans


def _measured(
    training: Training, tell: Callable[[Told], object], cancel: threading.Event
) -> Features:
    from napari_udvd.features import features_of

    def report(done: int, frames: int) -> None:
        tell(Told(ON_FEATURES * done / frames, "Looking at the movie"))

    found = features_of(
        training.stack,
        training.watched.regions,
        denoised=training.denoised,
        flow=training.flow,
        plane=training.plane,
        report=report,
        cancel=cancel,
    )
    names = next(iter(found.values())).names
    tables = {
        name: np.where(table.measured[:, None], table.values, np.float32(np.nan))
        for name, table in found.items()
    }
    return Features(names, tables, training.source)


def _present(spans: list[Span], features: Features) -> list[Span]:
    """Cut away where regions are not there."""
    found = []
    for span in spans:
        table = features.tables[span.region][span.start : span.stop]
        there = np.isfinite(table).any(axis=1)
        labels = [span.label if here else None for here in there]
        found += [
            replace(
                run,
                start=run.start + span.start,
                stop=run.stop + span.start,
                confidence=span.confidence,
            )
            for run in spans_of_frames(span.region, labels)
        ]
    return found
