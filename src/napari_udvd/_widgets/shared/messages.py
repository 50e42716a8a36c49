"""Words for the user: beside a control, and as a notification."""

from __future__ import annotations

import re

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_udvd.errors import InputError, OutputError, TrainingFailed

__all__ = ["Message", "said"]


def said(error: BaseException) -> str:
    """Return what an error says to a user; its kind as well where it is not ours."""
    ours = InputError | OutputError | TrainingFailed | MemoryError
    if isinstance(error, ours) and str(error):
        return _in_words(str(error))
    if isinstance(error, FileNotFoundError):
        return f"the file {error.filename!r} is no longer there; open the movie again"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _in_words(text: str) -> str:
    """Name the choices of the docks where the library names its arguments."""
    return re.sub(r"`([a-z_]+)`", lambda name: name[1].replace("_", " "), text)


class Message(QLabel):
    """A sentence under the control that it is about; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.clear()

    def clear(self) -> None:
        """Say nothing."""
        super().clear()
        self.setVisible(False)

    def inform(self, text: str) -> None:
        """Say something that needs no action."""
        self._show(text, "")

    def warn(self, text: str, *, notify: bool = False) -> None:
        """Say what deserves a look."""
        self._show(text, "color: #d99000;")
        if notify:
            show_warning(text)

    def fail(self, text: str, *, notify: bool = True) -> None:
        """Say what went wrong."""
        self._show(text, "color: #e05050;")
        if notify:
            show_error(text)

    def done(self, text: str) -> None:
        """Say that something long has ended well."""
        self._show(text, "")
        show_info(text)

    def _show(self, text: str, style: str) -> None:
        self.setStyleSheet(style)
        self.setText(text)
        self.setVisible(True)
