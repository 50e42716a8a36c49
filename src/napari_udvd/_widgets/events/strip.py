"""The timeline: regions as rows, frames as columns, labels as colours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QAbstractScrollArea, QSizePolicy, QToolTip

from napari_udvd._widgets.events.strip_painting import paint
from napari_udvd._widgets.events.strip_view import GUTTER, ROW, RULER, View
from napari_udvd.spans import Span, by_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Shown", "TimelineStrip"]

FEWEST_SHOWN = 8
"""Frames side by side in the largest enlargement."""

DRAG = 4
"""Pixels that the mouse moves before a click becomes a drag."""


@dataclass(frozen=True)
class Shown:
    """What the timeline draws.

    Attributes
    ----------
    rows
        Names of the regions.
    n_frames
        Of the movie.
    there
        First frame of each region, and the one after its last.
    colours
        Of the labels.
    labelled, found
        Spans of each region, in the order of time.
    row
        Region that is chosen.
    frame
        On view.
    selected
        Span that is selected.
    asked
        Frames that are suggested: region, start, stop.
    begun
        Span that is being marked.
    """

    rows: tuple[str, ...] = ()
    n_frames: int = 1
    there: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    labelled: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    found: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    row: str | None = None
    frame: int = 0
    selected: Span | None = None
    asked: tuple[str, int, int] | None = None
    begun: Span | None = None

    def spans_at(self, region: str, frame: int) -> Span | None:
        """Span of a region in a frame: that of a person before one that was found."""
        for spans in (self.labelled, self.found):
            for span in spans.get(region, ()):
                if span.start <= frame < span.stop:
                    return span
        return None


class TimelineStrip(QAbstractScrollArea):
    """Draws the timeline in one widget, of which only what is seen is painted.

    A click tells the frame and the region; dragging marks frames. The wheel scrolls
    rows, with Ctrl it enlarges, with Shift it goes along.
    """

    picked = Signal(object, int)
    """Region that was clicked (None on the frame numbers), and frame."""

    marked = Signal(str, int, int)
    """Frames of a region that were dragged over: start, and stop (exclusive)."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()
        self._frames_shown: float | None = None  # all, until enlarged
        self._pressed: tuple[str | None, int, QPoint] | None = None
        self._dragged: tuple[int, int] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setToolTip(
            "Click to go to a frame and a region; drag to label frames. Ctrl and the "
            "wheel enlarge. Outlined: labelled by you. Without outline: found, the "
            "fainter the less sure"
        )
        self.viewport().setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(ROW)

    def show_spans(self, labelled: Sequence[Span], found: Sequence[Span]) -> None:
        """Draw other spans."""
        self.update_shown(labelled=by_region(labelled), found=by_region(found))

    def update_shown(self, **changes: Any) -> None:
        """Draw something else of what :class:`Shown` has."""
        before, self.shown = self.shown, replace(self.shown, **changes)
        if self.shown.n_frames != before.n_frames:
            self._frames_shown = None
        sizes = [(len(each.rows), each.n_frames) for each in (before, self.shown)]
        if sizes[0] != sizes[1]:
            self._set_ranges()
        self.viewport().update()

    def reveal(self, row: str | None, frame: int) -> None:
        """Scroll to a region and a frame."""
        if row in self.shown.rows:
            top = self.shown.rows.index(row) * ROW
            bar, seen = self.verticalScrollBar(), self.viewport().height() - RULER
            if top < bar.value():
                bar.setValue(top)
            elif top + ROW > bar.value() + seen:
                bar.setValue(top + ROW - seen)
        view = self.view
        if not view.first <= frame < view.first + view.shown:
            self.horizontalScrollBar().setValue(round(frame - view.shown / 2))

    @property
    def view(self) -> View:
        """The part that is seen."""
        port = self.viewport()
        return View(
            port.width(),
            port.height(),
            self.shown.n_frames,
            len(self.shown.rows),
            float(self.horizontalScrollBar().value()),
            self._frames_shown or float(self.shown.n_frames),
            self.verticalScrollBar().value(),
        )

    def enlarge(self, factor: float, at: float | None = None) -> None:
        """Show fewer frames, each of them larger.

        Parameters
        ----------
        factor
            How much larger; below 1 smaller.
        at
            Place that keeps its frame, px; the frame on view if None.
        """
        view = self.view
        shown = min(max(view.shown / factor, FEWEST_SHOWN), self.shown.n_frames)
        x = view.x(self.shown.frame) if at is None else at
        frame = view.first + (x - GUTTER) / view.per_frame
        is_all = shown >= self.shown.n_frames
        self._frames_shown = None if is_all else shown
        self._set_ranges()
        share = (frame - view.first) / view.shown
        self.horizontalScrollBar().setValue(round(frame - share * shown))
        self.viewport().update()

    def sizeHint(self) -> QSize:
        """Room for some rows."""
        return QSize(360, RULER + 10 * ROW)

    def minimumSizeHint(self) -> QSize:
        """Room for a few rows."""
        return QSize(200, RULER + 4 * ROW)

    # events of Qt

    def resizeEvent(self, event: Any) -> None:
        """Scroll over what no longer fits."""
        super().resizeEvent(event)
        self._set_ranges()

    def paintEvent(self, _event: Any) -> None:
        """Paint what is seen."""
        painter = QPainter(self.viewport())
        shown = self.shown
        if self._pressed is not None and self._dragged is not None:
            region, (start, stop) = self._pressed[0], self._dragged
            if region is not None:
                shown = replace(shown, begun=Span(region, start, stop, "marked"))
        paint(painter, self.view, shown, self.palette(), self.font())
        painter.end()

    def mousePressEvent(self, event: Any) -> None:
        """Begin a click or a drag."""
        if event.button() != Qt.MouseButton.LeftButton or not self.shown.rows:
            return
        at, view = event.position().toPoint(), self.view
        row = view.row_at(at.y())
        region = None if row is None else self.shown.rows[row]
        self._pressed = region, view.frame_at(at.x()), at

    def mouseMoveEvent(self, event: Any) -> None:
        """Drag over frames."""
        at = event.position().toPoint()
        if self._pressed is None:
            return
        region, first, start = self._pressed
        now = self.view.frame_at(at.x())
        if region is None:
            self.picked.emit(None, now)  # the frame follows along the numbers
        elif self._dragged is not None or abs(at.x() - start.x()) >= DRAG:
            self._dragged = min(first, now), max(first, now) + 1
            self.viewport().update()

    def mouseReleaseEvent(self, event: Any) -> None:
        """Tell what was clicked, or dragged over."""
        if event.button() != Qt.MouseButton.LeftButton or self._pressed is None:
            return
        (region, frame, start), dragged = self._pressed, self._dragged
        self._pressed = self._dragged = None
        self.viewport().update()
        if region is not None and dragged is not None:
            self.marked.emit(region, *dragged)
        elif start.x() >= GUTTER:
            self.picked.emit(region, frame)
        elif region is not None:
            self.picked.emit(region, self.shown.frame)

    def wheelEvent(self, event: Any) -> None:
        """Scroll or enlarge."""
        delta = event.angleDelta()
        turned = (delta.y() or delta.x()) / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.enlarge(1.25**turned, event.position().x())
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            bar = self.horizontalScrollBar()
            bar.setValue(round(bar.value() - turned * self.view.shown / 10))
        else:
            super().wheelEvent(event)
            return
        event.accept()

    def viewportEvent(self, event: Any) -> bool:
        """Say what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.words_at(event.pos()), self)
            return True
        return bool(super().viewportEvent(event))

    def words_at(self, place: QPoint) -> str:
        """Return what is to be said of a place."""
        view = self.view
        row = view.row_at(place.y())
        if row is None or place.x() < GUTTER:
            return str(self.toolTip())
        region, frame = self.shown.rows[row], view.frame_at(place.x())
        span = self.shown.spans_at(region, frame)
        what = "no label"
        if span is not None:
            who = "labelled"
            if span in self.shown.found.get(region, ()):
                who = f"found, {100 * span.confidence:.0f} % sure"
            what = f"{span.label}, {span.start} to {span.stop - 1} ({who})"
        return f"Region {region}, frame {frame}: {what}"

    def _set_ranges(self) -> None:
        shown, view = self.shown, self.view
        seen = max(self.viewport().height() - RULER, ROW)
        vertical, along = self.verticalScrollBar(), self.horizontalScrollBar()
        vertical.setPageStep(seen)
        vertical.setRange(0, max(len(shown.rows) * ROW - seen, 0))
        along.setPageStep(max(int(view.shown), 1))
        along.setRange(0, max(int(shown.n_frames - view.shown), 0))
