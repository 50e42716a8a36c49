"""A filter as it is shown in the dock: a strip of panels, words, and the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_udvd._widgets.inspector.trace_plot import TracePlot
from napari_udvd._widgets.shared.picture import Picture

if TYPE_CHECKING:
    from napari_udvd._widgets.inspector.inspection import Inspected

__all__ = ["FilterView"]

HOW = (
    "Press Inspect, then click a pixel of the movie or of its denoised layer, or drag "
    "over it: the weights are shown over the movie, in the frames that they are in."
)


class FilterView(QWidget):
    """Shows what was found at a pixel; before that, how to look into one."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)  # only moves: a filter takes as long as it takes
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setVisible(False)
        self.how = QLabel(HOW)
        self.how.setWordWrap(True)
        self.strip = Picture()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.trace = TracePlot()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.bar, self.how, self.strip, self.words, self.trace):
            layout.addWidget(part)

    def clear(self) -> None:
        """Show how to look into a pixel, and no filter."""
        self.how.setVisible(True)
        self.strip.setVisible(False)
        self.words.clear()
        self.trace.clear()

    def show_busy(self, busy: bool) -> None:
        """Show whether a filter is being computed."""
        self.bar.setVisible(busy)

    def show_inspected(self, inspected: Inspected) -> None:
        """Show a filter, in words too, and the pixel over time."""
        self.how.setVisible(False)
        self.strip.show_picture(inspected.strip)
        self.words.setText(_words(inspected))
        self.trace.show_trace(inspected.trace, inspected.found.pixel[0])


def _words(inspected: Inspected) -> str:
    found, stack = inspected.found, inspected.question.shown.stack
    t, c, z, y, x = found.pixel
    place = f"t = {t}, y = {y}, x = {x}"
    if stack.n_channels > 1:
        place += f", channel {c}"
    if stack.n_planes > 1:
        place += f", plane {z}"
    std = "" if found.std is None else f" ± {found.std:.3g}"
    return (
        f"<b>{place}</b><br>{found.prediction:.4g}{std}: {found.describe()}.<br>"
        f"Weights add up to {found.sum:.3f}, the bias is {found.bias:.3g}; width "
        f"{found.width:.1f} px."
    )
