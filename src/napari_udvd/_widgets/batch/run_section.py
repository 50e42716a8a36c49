"""Start, stop and resume, and how far all of it is."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_udvd._widgets.shared.messages import Message

__all__ = ["RunSection"]

STEPS = 1000


class RunSection(QWidget):
    """Three buttons, a bar and what there is to say."""

    start = Signal()
    """A user wants the batch to begin."""

    stop = Signal()
    """A user wants it to end."""

    resume = Signal()
    """A user wants it to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.start_button = QPushButton("Start")
        self.start_button.setToolTip("Do all movies in the list, from above to below")
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip(
            "End after the block that is computed; trainings are saved. What is done "
            "stays, and Resume goes on with the rest"
        )
        self.resume_button = QPushButton("Resume")
        self.resume_button.setToolTip(
            "Go on with the batch that was stopped, with its settings: results are as "
            "if it had not been"
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setFormat("%p %")
        self.bar.setToolTip("How much of all movies is done")
        self.message = Message()
        buttons = QHBoxLayout()
        for button in (self.start_button, self.stop_button, self.resume_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.message)
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.resume_button.clicked.connect(self.resume)
        self.bar.setVisible(False)

    def show_share(self, share: float) -> None:
        """Show how much is done, 0 to 1."""
        self.bar.setVisible(True)
        self.bar.setValue(round(STEPS * share))

    def end(self) -> None:
        """Take the bar away."""
        self.bar.setVisible(False)
