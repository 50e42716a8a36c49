"""Controls that the mouse wheel does not change in passing."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

__all__ = ["Calm"]


class Calm(QObject):
    """Lets the wheel scroll the dock unless the control under it has been clicked.

    Parameters
    ----------
    inside
        All combo boxes, spin boxes and sliders in it become calm.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__(inside)
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for control in inside.findChildren(kind):
                # else the wheel itself gives it the focus
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hand the wheel on to what scrolls."""
        if (
            event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))
