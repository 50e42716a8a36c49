"""Folds whose content may become taller while they are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject

if TYPE_CHECKING:
    from superqt import QCollapsible

__all__ = ["Growing"]

NO_LIMIT = 2**24 - 1
"""Largest height of a widget (``QWIDGETSIZE_MAX``)."""


class Growing(QObject):
    """Gives what is in a fold as much room as it asks for.

    A fold allows its content the height that this had when it was opened: what appears
    in it later, such as a picture or another open fold, would be squeezed.

    Parameters
    ----------
    fold
        With its content. It opens at once from now on: a movement that ends after the
        content has changed would end at the height of before.
    """

    def __init__(self, fold: QCollapsible) -> None:
        super().__init__(fold)
        self._fold = fold
        fold.setDuration(0)
        fold.content().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Lift the limit as soon as the content asks for another place."""
        if event.type() == QEvent.Type.LayoutRequest and self._fold.isExpanded():
            self._fold.content().setMaximumHeight(NO_LIMIT)
        return bool(super().eventFilter(watched, event))
