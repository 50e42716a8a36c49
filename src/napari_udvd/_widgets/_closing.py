"""A dock that notices when it is closed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QMainWindow, QWidget

__all__ = ["ClosingDock", "main_window"]


class ClosingDock(QWidget):
    """Calls :meth:`shut_down` once, when the viewer takes it out of its window."""

    def __init__(self) -> None:
        super().__init__()
        self._was_docked = self._is_over = False

    @abstractmethod
    def shut_down(self) -> None:
        """Stop everything and let go of the viewer."""

    def event(self, event: QEvent) -> bool:
        """Notice when the dock is closed: it has no window any more."""
        if event.type() == QEvent.Type.ParentChange:
            self._look()
        return bool(super().event(event))

    def showEvent(self, event: Any) -> None:
        """Find the window that this is in."""
        super().showEvent(event)
        self._look()

    def closeEvent(self, event: Any) -> None:
        """End with the window."""
        self._end()
        super().closeEvent(event)

    def _look(self) -> None:
        docked = main_window(self) is not None
        if self._was_docked and not docked:
            self._end()
        self._was_docked = docked

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.shut_down()


def main_window(widget: QWidget) -> QMainWindow | None:
    """Find the window that a widget is docked in, also where the dock floats."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parent()
    return parent
