"""A list of the images in a file, to choose some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.formats import Image

__all__ = ["ImageList", "ask_for_images"]


class ImageList(QDialog):
    """Asks which images of a file are opened.

    Parameters
    ----------
    images
        All images of the file.
    name
        Of the file.
    """

    def __init__(
        self, images: Sequence[Image], name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Images in {name}")
        self.setMinimumWidth(420)
        question = QLabel(
            f"{name} holds {len(images)} images. Which ones should be opened?"
        )
        question.setWordWrap(True)
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setToolTip("Ctrl or Shift with a click chooses several")
        for number, image in enumerate(images, 1):
            self.list.addItem(f"{number}: {described(image)}")
        movies = [k for k, image in enumerate(images) if image.is_movie]
        self.list.setCurrentRow(movies[0] if movies else 0)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open
            | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.list.itemDoubleClicked.connect(self.accept)
        self.list.itemSelectionChanged.connect(self._enable)
        layout = QVBoxLayout(self)
        layout.addWidget(question)
        layout.addWidget(self.list)
        layout.addWidget(self.buttons)
        self._enable()

    @property
    def numbers(self) -> list[int]:
        """Positions of the images that are chosen, in the order of the file."""
        return sorted(index.row() for index in self.list.selectedIndexes())

    def _enable(self) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        button.setEnabled(bool(self.numbers))


def described(image: Image) -> str:
    """Name and size of an image: ``Series 2: 10 T x 512 Y x 512 X``."""
    sizes = " × ".join(
        f"{n} {axis}" for axis, n in zip(image.axes, image.shape, strict=True)
    )
    return f"{image.name}: {sizes}" if image.name else sizes


def ask_for_images(images: Sequence[Image], name: str) -> list[int]:
    """Show the list until it is answered; an empty list where it is cancelled."""
    dialog = ImageList(images, name, QApplication.activeWindow())
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    answer = dialog.exec()
    numbers = dialog.numbers if answer == QDialog.DialogCode.Accepted else []
    dialog.deleteLater()
    return numbers
