"""What the dock asks of the core: to learn from labels, to find, to suggest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_udvd import jobs as _jobs
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.watching import Watching
from napari_udvd.spans import check_spans

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterator

    from napari_udvd._widgets.events.watched import Watched
    from napari_udvd.features import Components, FeatureTable, Regions
    from napari_udvd.identification import EventFinder, Suggestion
    from napari_udvd.spans import Span
    from napari_udvd.stack import Stack

__all__ = ["Answer", "Remembered", "Told", "Training", "suggested", "trained"]

ON_MOVIE = 0.5
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Remembered(Watching):
    """What is measured, once: labels change more often than movies.

    Attributes
    ----------
    known
        Tables of the regions under their own key, once they are measured.
    """

    known: dict[str, dict[str, FeatureTable]] = field(default_factory=dict)

    def measured(
        self,
        stack: Stack,
        regions: Regions,
        components: Components | None = None,
        cancel: threading.Event | None = None,
    ) -> Generator[Progress, None, dict[str, FeatureTable] | None]:
        """Measure them, or return what was measured before."""
        if "tables" not in self.known:
            tables = yield from super().measured(stack, regions, components, cancel)
            if tables is None:
                return None
            self.known["tables"] = tables
        return self.known["tables"]


@dataclass(frozen=True, eq=False)
class Training:
    """What is learned from what.

    Attributes
    ----------
    stack
        The movie.
    watched
        The regions.
    watching
        What is measured of them.
    spans
        Labelled ones.
    """

    stack: Stack
    watched: Watched
    watching: Remembered
    spans: tuple[Span, ...]

    def remembering(self, before: Training | None) -> Training:
        """Take over what was measured, where it is the same movie and regions."""
        if before is None:
            return self
        pairs = (
            (self.stack.data, before.stack.data),
            (self.watched, before.watched),
            (_data(self.watching.denoised), _data(before.watching.denoised)),
        )
        settings = [(w.flow, w.plane) for w in (self.watching, before.watching)]
        if any(a is not b for a, b in pairs) or settings[0] != settings[1]:
            return self
        return Training(self.stack, self.watched, before.watching, self.spans)

    @property
    def seen(self) -> list[Span]:
        """Labels of the regions that are watched.

        Raises
        ------
        InputError
            If all labels are of others.
        """
        names = self.watched.regions.names
        spans = [span for span in self.spans if span.region in set(names)]
        if not spans:
            check_spans(self.spans, regions=names)
        return spans


class Answer(NamedTuple):
    """What was learned and found.

    Attributes
    ----------
    training
        What was learned from what.
    finder
        What was learned.
    spans
        What was found where nothing is labelled.
    notes
        What was assumed.
    """

    training: Training
    finder: EventFinder
    spans: list[Span]
    notes: tuple[str, ...]


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
    first = 0.0 if training.watching.known else ON_MOVIE
    begins, share, what = 0.0, first, "Looking at the movie"
    for event in _jobs.identify(
        training.stack,
        training.watched.regions,
        training.seen,
        training.watching,
        ask=0,
        cancel=cancel,
    ):
        if isinstance(event, _jobs.Begun) and event.what == "learning":
            begins, share, what = first, 1 - first, "Learning"
        elif isinstance(event, Progress):
            tell(Told(begins + share * event.done / event.total, what))
        elif isinstance(event, _jobs.Identified):
            found = event.found
            guesses = [span for span in found.spans if span.confidence < 1]
            own = len(training.watched.regions.notes)  # those were said before
            yield Answer(training, found.finder, guesses, found.notes[own:])


def suggested(
    answer: Answer, spans: tuple[Span, ...], frames: int, cancel: threading.Event
) -> Iterator[Suggestion | None]:
    """Find the frames whose labels would help most; None if all have one."""
    was = answer.training
    now = Training(was.stack, was.watched, was.watching, spans)
    for event in _jobs.identify(
        now.stack,
        now.watched.regions,
        now.seen,
        now.watching,
        finder=answer.finder,
        ask=frames,
        cancel=cancel,
    ):
        if isinstance(event, _jobs.Identified):
            yield event.found.suggestion


def _data(movie: Any) -> Any:
    return None if movie is None else movie.data
