"""A dock that notices when it is closed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_udvd._widgets.shared.tabs import tab_with_others

__all__ = ["ClosingDock", "main_window"]


class ClosingDock(QWidget):
    """Calls :meth:`shut_down` once: when it is closed, or the window that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self._window: QMainWindow | None = None
        self._is_over = False
        QTimer.singleShot(0, self._look)  # once this is in its window

    @abstractmethod
    def shut_down(self) -> None:
        """Stop everything and let go of the viewer."""

    def event(self, event: QEvent) -> bool:
        """Notice when the dock is closed: it has no window any more."""
        if event.type() == QEvent.Type.ParentChange:
            self._look()
        return bool(super().event(event))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice when the window has closed, which others may still prevent."""
        is_hidden = event.type() == QEvent.Type.Hide and not event.spontaneous()
        if watched is self._window and is_hidden:
            self._end()
        return bool(super().eventFilter(watched, event))

    def closeEvent(self, event: Any) -> None:
        """End with the window."""
        self._end()
        super().closeEvent(event)

    def _look(self) -> None:
        window, before = main_window(self), self._window
        if window is before or self._is_over:
            return
        self._window = window
        if before is not None:
            before.removeEventFilter(self)
        if window is not None:
            window.installEventFilter(self)
            tab_with_others(self)
        else:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            if self._window is not None:
                self._window.removeEventFilter(self)
                self._window = None
            self.shut_down()


def main_window(widget: QWidget) -> QMainWindow | None:
    """Find the window that a widget is docked in, also where the dock floats."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parent()
    return parent
