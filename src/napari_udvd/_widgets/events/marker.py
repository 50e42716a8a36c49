"""Marking: which region, from where to where, and what was selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QObject, Signal

from napari_udvd.errors import InputError
from napari_udvd.spans import Span

if TYPE_CHECKING:
    from napari_udvd._widgets.events.record import Record

__all__ = ["Begun", "Marker"]


class Begun(NamedTuple):
    """A span whose end is not marked yet."""

    region: str
    label: str
    frame: int

    def until(self, frame: int) -> Span:
        """Return the span that ends with a frame, or begins with it."""
        first, last = sorted((self.frame, frame))
        return Span(self.region, first, last + 1, self.label)


class Marker(QObject):
    """Changes spans of one region at a time.

    Parameters
    ----------
    record
        Has the spans.

    Attributes
    ----------
    region
        The one that is chosen, or None.
    selected
        The span that is selected, or None.
    begun
        A span whose end is not marked yet, or None.
    asked
        Frames that are suggested: region, start, stop; or None.
    """

    changed = Signal()
    """Something else is chosen, selected, begun or suggested."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record
        self.region: str | None = None
        self.selected: Span | None = None
        self.begun: Begun | None = None
        self.asked: tuple[str, int, int] | None = None

    def forget(self) -> None:
        """Drop all: there is another movie."""
        self.region = self.selected = self.begun = self.asked = None
        self.changed.emit()

    def choose(self, region: str | None, selected: Span | None = None) -> None:
        """Take a region, and perhaps a span of it."""
        self.region, self.selected = region, selected
        self.changed.emit()

    def suggest(self, asked: tuple[str, int, int]) -> None:
        """Point to frames that are worth a label."""
        self.asked, self.region, self.selected = asked, asked[0], None
        self.changed.emit()

    def begin(self, label: str | None, frame: int) -> None:
        """Let a span of the chosen region begin.

        Raises
        ------
        InputError
            If no region or no label is chosen.
        """
        if self.region is None:
            raise InputError("no region is chosen; click on its row in the timeline")
        if label is None:
            raise InputError("there is no label; press Add, and type its name")
        self.begun = Begun(self.region, label, frame)
        self.changed.emit()

    def end(self, frame: int) -> Span:
        """Let the span that was begun end, and return it.

        Raises
        ------
        InputError
            If none was begun.
        """
        if self.begun is None:
            raise InputError(
                "no span was begun; go to its first frame and press Begin, then to its "
                "last one and press End"
            )
        span, self.begun = self.begun.until(frame), None
        self.mark(span)
        return span

    def mark(self, span: Span) -> None:
        """Label frames; what they were labelled before gives way."""
        self._put(span)

    def accept(self) -> None:
        """Make a label of the selected span as it was found.

        Raises
        ------
        InputError
            If none is selected, or it is a label already.
        """
        span = self._chosen()
        if span in self._record.now.labelled:
            raise InputError(f"{span} is a label already; it needs no Accept")
        self._put(span)

    def correct(self, label: str | None) -> None:
        """Give the selected span another label.

        Raises
        ------
        InputError
            If none is selected, or there is no label.
        """
        span = self._chosen()
        if label is None:
            raise InputError("there is no label; press Add, and type its name")
        self._put(Span(span.region, span.start, span.stop, label))

    def erase(self) -> None:
        """Take the label of the selected span away.

        Raises
        ------
        InputError
            If none is selected, or it is none that a person has labelled.
        """
        span = self._chosen()
        if span not in self._record.now.labelled:
            raise InputError(
                f"{span} was found, not labelled: choose what it is and press Correct"
            )
        self.selected = None
        self._record.put(self._record.now.erased(span.region, span.start, span.stop))
        self.changed.emit()

    def _chosen(self) -> Span:
        if self.selected is None:
            raise InputError("no span is selected; click on one in the timeline")
        return self.selected

    def _is_labelled(self, region: str, start: int, stop: int) -> bool:
        known = [
            min(span.stop, stop) - max(span.start, start)
            for span in self._record.now.labelled
            if span.region == region and span.start < stop and start < span.stop
        ]
        return sum(known) == stop - start

    def _put(self, span: Span) -> None:
        self._record.put(self._record.now.marked(span))
        if self.asked is not None and self._is_labelled(*self.asked):
            self.asked = None
        self.region = span.region
        self.selected = next(
            other
            for other in self._record.now.labelled
            if other.region == span.region and other.start <= span.start < other.stop
        )
        self.changed.emit()
