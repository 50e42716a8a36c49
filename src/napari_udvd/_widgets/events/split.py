"""Controls over the timeline."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from napari_udvd._widgets.shared.calm import Calm
from napari_udvd._widgets.shared.column import Column

__all__ = ["Split"]

MOST_CONTROLS = 0.65
"""Share of the height that controls take at most."""


class Split(QSplitter):
    """Controls have the room that they need, what is below has the rest.

    Until a user moves the border between them.

    Parameters
    ----------
    controls
        Sections from top to bottom; they scroll where there is less room.
    below
        What stands below, the last part as high as can be.
    """

    def __init__(self, controls: list[QWidget], below: list[QWidget]) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._is_moved = False
        self._controls, rest = QWidget(), QWidget()
        column, lower = QVBoxLayout(self._controls), QVBoxLayout(rest)
        lower.setContentsMargins(6, 0, 6, 6)
        for part in controls:
            column.addWidget(part)
        column.addStretch()
        for part in below:
            lower.addWidget(part, int(part is below[-1]))
        self.addWidget(Column(self._controls))
        self.addWidget(rest)
        self.setChildrenCollapsible(False)
        self.setStretchFactor(1, 1)
        Calm(self._controls)
        self._controls.installEventFilter(self)
        self.splitterMoved.connect(self._on_moved)

    def resizeEvent(self, event: Any) -> None:
        """Part the room anew."""
        super().resizeEvent(event)
        self._part()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Part the room anew when controls come or go."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._part()
        return bool(super().eventFilter(watched, event))

    def _on_moved(self, _place: int, _index: int) -> None:
        self._is_moved = True

    def _part(self) -> None:
        if not self._is_moved:
            wanted = self._controls.sizeHint().height() + 2
            above = min(wanted, int(MOST_CONTROLS * self.height()))
            self.setSizes([above, max(self.height() - above, 1)])
