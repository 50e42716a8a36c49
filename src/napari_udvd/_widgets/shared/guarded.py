"""A dock with work that must not be lost when it, or its window, is closed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_udvd._widgets.shared.closing import main_window
from napari_udvd._widgets.shared.tabs import tab_with_others

__all__ = ["GuardedDock"]


class GuardedDock(QWidget):
    """Asks before its window closes, and calls :meth:`end_all` once at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._window: QMainWindow | None = None
        self._is_shut_down = self._is_closing = False

    @abstractmethod
    def may_close(self) -> bool:
        """Ask the user where something would be interrupted."""

    @abstractmethod
    def end_all(self) -> None:
        """Stop everything and let go of the viewer."""

    @abstractmethod
    def wait(self) -> None:
        """Block until what was stopped has saved what must be saved."""

    def shut_down(self) -> None:
        """Stop everything, save what was learned, and let go of the viewer."""
        if not self._is_shut_down:
            self._is_shut_down = True
            self.end_all()
            self._watch_window(None)

    def event(self, event: QEvent) -> bool:
        """Notice when the dock is closed: the viewer takes this widget out of it."""
        if event.type() == QEvent.Type.ParentChange and not self._is_shut_down:
            window = main_window(self)
            if window is None and self._window is not None:
                self.shut_down()
            else:
                self._watch_window(window)
        return bool(super().event(event))

    def showEvent(self, event: Any) -> None:
        """Find the window that this is in, to be told when it closes."""
        super().showEvent(event)
        if not self._is_shut_down:
            tab_with_others(self)
            self._watch_window(main_window(self))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask once before the window closes, then end and wait."""
        is_close = watched is self._window and event.type() == QEvent.Type.Close
        if not is_close or self._is_closing or self._is_shut_down:
            return bool(super().eventFilter(watched, event))
        if not self.may_close():
            event.ignore()
            return True
        self._is_closing = True
        try:
            watched.event(event)  # the viewer may ask, too, and stay
        finally:
            self._is_closing = False
        if event.isAccepted():
            self.shut_down()
            self.wait()
        return True

    def _watch_window(self, window: QMainWindow | None) -> None:
        if window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        if window is not None:
            window.installEventFilter(self)
