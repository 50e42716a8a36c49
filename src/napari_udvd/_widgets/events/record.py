"""What is known of a movie's events now, and before: undo and redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.events.state import Known

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Record"]

KEPT_STATES = 200
"""Changes that can be undone."""


class Record(QObject):
    """Holds the state, and those that it had.

    Attributes
    ----------
    now
        The state.
    """

    changed = Signal()
    """There is another state."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Known()
        self._before: list[Known] = []
        self._after: list[Known] = []

    @property
    def labels(self) -> Mapping[str, str]:
        """Colour of each label."""
        return self.now.labels

    @property
    def can_undo(self) -> bool:
        """True where there is a state to go back to."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """True where a change was undone."""
        return bool(self._after)

    def begin(self, known: Known) -> None:
        """Take the state of another movie; there is nothing to undo."""
        self.now, self._before, self._after = known, [], []
        self.changed.emit()

    def put(self, known: Known) -> None:
        """Change the state."""
        if known == self.now:
            return
        self._before = [*self._before[1 - KEPT_STATES :], self.now]
        self._after = []
        self.now = known
        self.changed.emit()

    def undo(self) -> None:
        """Go back by one change."""
        if self._before:
            self._after.append(self.now)
            self.now = self._before.pop()
            self.changed.emit()

    def redo(self) -> None:
        """Take back what was undone last."""
        if self._after:
            self._before.append(self.now)
            self.now = self._after.pop()
            self.changed.emit()
