"""A picture that fits the width of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QLabel, QSizePolicy

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Picture", "pixmap_of"]


class Picture(QLabel):
    """Shows a picture as large as there is room for, at most at its own size."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_picture(self, picture: npt.NDArray[np.uint8]) -> None:
        """Show ``(H, W, 3)`` or ``(H, W, 4)``."""
        self._whole = pixmap_of(picture)
        self.setVisible(True)
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        """Fit into the new width."""
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:
        """Size of the picture as it is shown."""
        return self.pixmap().size() if not self._whole.isNull() else QSize(0, 0)

    def _fit(self) -> None:
        if self._whole.isNull():
            return
        width = min(max(self.width(), 50), self._whole.width())
        self.setPixmap(
            self._whole.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        )
        self.setFixedHeight(self.pixmap().height())


def pixmap_of(picture: npt.NDArray[np.uint8]) -> QPixmap:
    """Turn ``(H, W, 3)`` or ``(H, W, 4)`` into what Qt shows."""
    picture = np.ascontiguousarray(picture)
    height, width, channels = picture.shape
    form = (
        QImage.Format.Format_RGB888 if channels == 3 else QImage.Format.Format_RGBA8888
    )
    image = QImage(picture.data, width, height, channels * width, form)
    return QPixmap.fromImage(image.copy())  # the array goes
