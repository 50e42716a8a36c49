"""The list of the images in a file."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QDialog, QDialogButtonBox

from napari_udvd._napari.image_list import ImageList
from napari_udvd.formats import Image

IMAGES = (
    Image("overview", "YX", (64, 64)),
    Image("Series 2", "TYX", (10, 32, 32)),
    Image("", "TCYX", (5, 2, 32, 32)),
)


def test_shows_name_and_size(qtbot: Any) -> None:
    dialog = ImageList(IMAGES, "movie.lif")
    qtbot.addWidget(dialog)
    shown = [dialog.list.item(k).text() for k in range(3)]
    assert shown == [
        "1: overview: 64 Y × 64 X",
        "2: Series 2: 10 T × 32 Y × 32 X",
        "3: 5 T × 2 C × 32 Y × 32 X",
    ]


def test_the_first_movie_is_chosen_to_begin_with(qtbot: Any) -> None:
    dialog = ImageList(IMAGES, "movie.lif")
    qtbot.addWidget(dialog)
    assert dialog.numbers == [1]


def test_nothing_chosen_cannot_be_opened(qtbot: Any) -> None:
    dialog = ImageList(IMAGES, "movie.lif")
    qtbot.addWidget(dialog)
    button = dialog.buttons.button(QDialogButtonBox.StandardButton.Open)
    assert button.isEnabled()
    dialog.list.clearSelection()
    assert not button.isEnabled() and dialog.numbers == []
    dialog.list.selectAll()
    assert button.isEnabled() and dialog.numbers == [0, 1, 2]


def test_a_double_click_opens(qtbot: Any) -> None:
    dialog = ImageList(IMAGES, "movie.lif")
    qtbot.addWidget(dialog)
    dialog.list.itemDoubleClicked.emit(dialog.list.item(1))
    assert dialog.result() == QDialog.DialogCode.Accepted
