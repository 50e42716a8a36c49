"""Order of docks in the window, and of controls under the Tab key."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from superqt import QCollapsible

__all__ = ["skip_folded", "tab_order", "tab_with_others"]

PLUGIN = "napari_udvd"


def tab_order(*controls: QWidget) -> None:
    """Let the Tab key go from each to the next."""
    for before, after in pairwise(controls):
        QWidget.setTabOrder(before, after)


def skip_folded(folded: QCollapsible) -> None:
    """Take what is folded away out of the way of the Tab key."""
    content = folded.content()
    content.setVisible(folded.isExpanded())
    folded.toggled.connect(content.setVisible)


def tab_with_others(widget: QWidget) -> None:
    """Put the dock of a widget behind another one of the plugin, as a tab.

    Side by side or over each other they would squeeze one another.
    """
    own = _dock_of(widget)
    window = None if own is None else own.parent()
    if own is None or not isinstance(window, QMainWindow) or own.isFloating():
        return
    area = window.dockWidgetArea(own)
    for other in window.findChildren(QDockWidget):
        is_beside = window.dockWidgetArea(other) == area and not other.isFloating()
        if other is not own and other.isVisible() and is_beside and _is_ours(other):
            if own not in window.tabifiedDockWidgets(other):
                window.tabifyDockWidget(other, own)
                own.raise_()
            return


def _is_ours(dock: QDockWidget) -> bool:
    children = dock.findChildren(QWidget)
    return any(type(child).__module__.startswith(PLUGIN) for child in children)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent
