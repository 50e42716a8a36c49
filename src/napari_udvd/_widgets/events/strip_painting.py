"""Painting the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPalette, QPen, QPolygonF

from napari_udvd._widgets.events.strip_view import GUTTER, ROW, RULER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QFont

    from napari_udvd._widgets.events.strip import Shown
    from napari_udvd._widgets.events.strip_view import View
    from napari_udvd.spans import Span

__all__ = ["paint"]

FAINTEST = 0.2
"""Opacity of what was found without being sure at all."""

INSET, GAP = 5, 1
"""Pixels above and below spans that were found, and those that were labelled."""

NAME = 0.85
"""Size of the writing, as a share of that of the window."""


def paint(
    painter: QPainter, view: View, shown: Shown, palette: QPalette, font: QFont
) -> None:
    """Paint the part of a timeline that is seen.

    Parameters
    ----------
    painter
        Of the widget.
    view
        The part.
    shown
        What there is.
    palette, font
        Of the widget.
    """
    ink = palette.color(QPalette.ColorRole.WindowText)
    ground = palette.color(QPalette.ColorRole.Window)
    small = painter.font() if font is None else font
    small.setPointSizeF(max(small.pointSizeF() * NAME, 6.0))
    painter.setFont(small)
    painter.fillRect(0, 0, view.width, view.height, ground)
    painter.save()
    painter.setClipRect(0, RULER, view.width, max(view.height - RULER, 0))
    _paint_rows(painter, view, shown, ink)
    painter.setClipRect(
        GUTTER, RULER, max(view.width - GUTTER, 0), max(view.height - RULER, 0)
    )
    for row in view.rows_seen:
        _paint_row(painter, view, shown, row, ink)
    painter.restore()
    _paint_ruler(painter, view, shown, ink)


def _paint_rows(painter: QPainter, view: View, shown: Shown, ink: QColor) -> None:
    """Paint names, and where regions are there."""
    metrics = QFontMetrics(painter.font())
    for row in view.rows_seen:
        name, y = shown.rows[row], view.y(row)
        is_chosen = name == shown.row
        if is_chosen:
            painter.fillRect(0, y, view.width, ROW, _clear(ink, 0.10))
        first, stop = shown.there.get(name, (0, shown.n_frames))
        left = max(view.x(first), GUTTER)
        right = min(view.x(stop), view.x(view.first + view.shown))
        painter.fillRect(
            QRectF(left, y + 2, max(right - left, 0), ROW - 4), _clear(ink, 0.09)
        )
        painter.setPen(ink if is_chosen else _clear(ink, 0.7))
        text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, GUTTER - 12)
        box = QRectF(4, y, GUTTER - 12, ROW)
        painter.drawText(
            box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text
        )


def _paint_row(
    painter: QPainter, view: View, shown: Shown, row: int, ink: QColor
) -> None:
    name, y = shown.rows[row], view.y(row)
    for span in _seen(shown.found.get(name, ()), view):
        box = _box(view, span.start, span.stop, y, INSET)
        opacity = FAINTEST + (1 - FAINTEST) * span.confidence
        painter.fillRect(box, _clear(QColor(shown.colours[span.label]), opacity))
        if span == shown.selected:
            _frame(painter, box, ink, 2.0)
    for span in _seen(shown.labelled.get(name, ()), view):
        box = _box(view, span.start, span.stop, y, GAP)
        painter.fillRect(box, QColor(shown.colours[span.label]))
        _frame(painter, box, ink, 3.0 if span == shown.selected else 1.2)
    if shown.asked is not None and shown.asked[0] == name:
        box = _box(view, *shown.asked[1:], y, GAP)
        _frame(painter, box, ink, 1.6, Qt.PenStyle.DashLine)
    if shown.begun is not None and shown.begun.region == name:
        box = _box(view, shown.begun.start, shown.begun.stop, y, GAP)
        colour = QColor(shown.colours.get(shown.begun.label, ink.name()))
        painter.fillRect(box, QBrush(colour, Qt.BrushStyle.BDiagPattern))
        _frame(painter, box, colour, 1.2)


def _paint_ruler(painter: QPainter, view: View, shown: Shown, ink: QColor) -> None:
    """Paint frame numbers, and the frame on view."""
    painter.setPen(_clear(ink, 0.7))
    for t in view.ticks():
        x = view.x(t) + view.per_frame / 2
        painter.drawLine(QPointF(x, RULER - 4), QPointF(x, RULER - 1))
        box = QRectF(x - 30, 0, 60, RULER - 5)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(t))
    if not shown.rows or not view.first <= shown.frame < view.first + view.shown:
        return
    x = view.x(shown.frame) + view.per_frame / 2
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(ink, 1.0))
    painter.drawLine(QPointF(x, RULER - 3), QPointF(x, view.height))
    painter.setBrush(ink)
    painter.drawPolygon(
        QPolygonF(
            [
                QPointF(x - 4.5, RULER - 8),
                QPointF(x + 4.5, RULER - 8),
                QPointF(x, RULER - 1),
            ]
        )
    )


def _seen(spans: Iterable[Span], view: View) -> list[Span]:
    last = view.first + view.shown
    return [span for span in spans if span.start < last and span.stop > view.first]


def _box(view: View, start: int, stop: int, y: int, inset: int) -> QRectF:
    """Rectangle of some frames of a row, at least a pixel wide."""
    left, right = view.x(start), view.x(stop)
    return QRectF(left, y + inset, max(right - left, 1.0), ROW - 2 * inset)


def _frame(
    painter: QPainter,
    box: QRectF,
    colour: QColor,
    width: float,
    style: Qt.PenStyle = Qt.PenStyle.SolidLine,
) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, width, style))
    half = width / 2
    painter.drawRect(box.adjusted(half, half, -half, -half))


def _clear(colour: QColor, opacity: float) -> QColor:
    found = QColor(colour)
    found.setAlphaF(opacity)
    return found
