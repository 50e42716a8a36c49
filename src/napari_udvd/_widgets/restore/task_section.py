"""What a network is to do with the movie: chosen by the movie, or by the user."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from napari_udvd._widgets.restore.words import DENOISE, RECONSTRUCT, WORDS
from napari_udvd._widgets.shared.messages import Message

__all__ = ["TaskSection"]


class TaskSection(QWidget):
    """Asks for the task; what suits the movie is chosen unless a user knows better.

    Attributes
    ----------
    is_settled
        Whether it is known what suits the movie, or a user has said it.
    is_chosen
        Whether a user has said it.
    """

    changed = Signal()
    """Another task."""

    chosen = Signal()
    """A user has chosen another task; `changed` came before."""

    def __init__(self) -> None:
        super().__init__()
        self.is_settled = self.is_chosen = False
        self.box = QComboBox()
        for name, words in WORDS.items():
            self.box.addItem(words.title, name)
            row = self.box.count() - 1
            self.box.setItemData(row, words.tip, Qt.ItemDataRole.ToolTipRole)
        self.box.setToolTip(
            "Remove noise, or also fill what was not measured; a sparse scan is to be "
            "filled"
        )
        self.note = Message()
        self._label = QLabel("Task")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self._label, self.box)
        form.addRow(self.note)
        self.box.activated.connect(self._on_box_activated)

    @property
    def task(self) -> str:
        """Name of the task."""
        return str(self.box.currentData())

    def align(self, label_width: int) -> None:
        """Begin the box where those of a form below it begin, px."""
        self._label.setMinimumWidth(label_width)

    def forget(self) -> None:
        """Another movie: nothing is known of it yet."""
        self.is_settled = self.is_chosen = False
        self._show(DENOISE)

    def suggest(self, task: str) -> None:
        """Take what suits the movie, unless a user has chosen."""
        if not self.is_chosen:
            self.is_settled = True
            self._show(task)
            if task == RECONSTRUCT:
                self.note.inform(
                    "A sparse scan: what was not measured between the pixels that "
                    "were is to be filled."
                )

    def choose(self, task: str) -> None:
        """Take what the user wants."""
        self.is_settled = self.is_chosen = True
        self._show(task)

    def _show(self, task: str) -> None:
        self.note.clear()
        if task != self.task:
            self.box.setCurrentIndex(self.box.findData(task))
            self.changed.emit()

    def _on_box_activated(self, _index: int) -> None:
        self.is_settled = self.is_chosen = True
        self.note.clear()
        self.changed.emit()
        self.chosen.emit()
