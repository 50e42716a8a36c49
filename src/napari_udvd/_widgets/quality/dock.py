"""The dock "Quality": what a denoised movie is worth."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.quality.choices import Choices
from napari_udvd._widgets.quality.figures import Figures
from napari_udvd._widgets.quality.maps import MapLayers
from napari_udvd._widgets.quality.questions import Question, judge
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.column import Column
from napari_udvd._widgets.shared.layers import file_beside
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.model_row import ModelRow
from napari_udvd._widgets.shared.session import session_of
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    import napari.viewer

    from napari_udvd.quality import Report

__all__ = ["QualityDock"]

COLOURS = {"trust": "#50c878", "care": "#d99000", "do not trust": "#e05050"}
"""Of the verdict."""

REPORT_FILES = "Page (*.html);;Numbers (*.json)"
SUFFIXES = {"Page": ".html", "Numbers": ".json"}


class QualityDock(ClosingDock):
    """Judges a denoised layer by the noisy one, and by the model that made it.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    report
        What was found last, or None.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session_of(viewer)
        self._worker: Worker | None = None
        self._question: Question | None = None
        self.report: Report | None = None

        self.message = Message()
        self.choices = Choices(viewer, self._session)
        self.model = ModelRow(self._session, self.message)
        self.run_button = QPushButton("Judge")
        self.run_button.setToolTip(
            "Compare both movies; with the model it takes about a quarter of a minute"
        )
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; there is no report then")
        self.progress = QProgressBar()
        self.verdict = QLabel()
        self.numbers = QLabel()
        self.figures = Figures()
        self.maps_button = QPushButton("Show maps")
        self.maps_button.setToolTip(
            "Add layers: the residual, its mean over time, and its variance over that "
            "of the noise"
        )
        self.save_button = QPushButton("Save report…")
        self.save_button.setToolTip("Write a page (HTML), or all numbers (JSON)")
        self._maps = MapLayers(viewer)
        self._lay_out()

        # not at once: layers may be in the middle of being removed
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.choices.refresh)
        self.run_button.clicked.connect(self.judge)
        self.cancel_button.clicked.connect(self.cancel)
        self.maps_button.clicked.connect(self.show_maps)
        self.save_button.clicked.connect(self._on_save_clicked)
        viewer.layers.events.inserted.connect(self._refresh_soon)
        viewer.layers.events.removed.connect(self._refresh_soon)
        self._session.changed.connect(self._refresh_soon)
        self._enable()

    def _lay_out(self) -> None:
        for label in (self.verdict, self.numbers):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setVisible(False)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.choices)
        column.addWidget(self.model)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 1)
        buttons.addWidget(self.cancel_button)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self.message)
        column.addWidget(self.verdict)
        column.addWidget(self.numbers)
        column.addWidget(self.figures)
        more = QHBoxLayout()
        more.addWidget(self.maps_button)
        more.addWidget(self.save_button)
        column.addLayout(more)
        column.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Column(inside))

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.cancel()
        self._soon.stop()
        self._viewer.layers.events.inserted.disconnect(self._refresh_soon)
        self._viewer.layers.events.removed.disconnect(self._refresh_soon)
        self._session.changed.disconnect(self._refresh_soon)
        self.model.shut_down()

    @property
    def is_judging(self) -> bool:
        """True while a report is being made."""
        return self._worker is not None

    # judging

    def judge(self) -> None:
        """Begin to judge what is chosen."""
        if self._worker is not None:
            return
        self.message.clear()
        try:
            question = self.choices.question()
        except InputError as error:
            self.message.fail(str(error))
            return
        self._show(None)
        worker = Worker(partial(judge, question))
        worker.told.connect(self._on_worker_told)
        worker.ended.connect(partial(self._on_worker_ended, worker))
        self._worker, self._question = worker, question
        self.progress.setRange(0, 0)
        self._enable()
        worker.start()

    def cancel(self) -> None:
        """End early; there is no report then."""
        if self._worker is not None:
            self._worker.cancel()

    def _on_worker_told(self, told: Any) -> None:
        from napari_udvd.quality import Report

        if isinstance(told, Report):
            self._show(told)
        else:
            self.progress.setRange(0, told.total)
            self.progress.setValue(told.done)

    def _on_worker_ended(self, worker: Worker, error: BaseException | None) -> None:
        self._worker = None
        if error is not None:
            self.message.fail(said(error))
        elif worker.is_cancelled and self.report is None:
            self.message.inform("Cancelled; there is no report.")
        self._enable()

    # showing

    def _show(self, report: Report | None) -> None:
        self.report = report
        for label in (self.verdict, self.numbers):
            label.setVisible(report is not None)
        self.figures.clear()
        if report is None:
            return
        verdict = report.verdict
        colour = COLOURS[verdict.level]
        # other layers may be chosen meanwhile: it says what it is about
        name = "" if self._question is None else self._question.names[1]
        told = "".join(f"<li>{escape(r.sentence)}</li>" for r in verdict.reasons)
        good = "".join(f"<li>{escape(sentence)}</li>" for sentence in verdict.good)
        self.verdict.setText(
            f"<p>{escape(name)}</p>"
            f'<b style="color: {colour}">{escape(verdict.summary)}</b>'
            f"<ul>{told or good}</ul>"
        )
        self.numbers.setText("<br>".join(escape(line) for line in report.numbers()))
        self.figures.show_plane(report.planes[0])

    def show_maps(self) -> None:
        """Add the maps as layers."""
        question, report = self._question, self.report
        if question is None or report is None:
            return
        if question.source not in self._viewer.layers:
            self.message.fail("the noisy movie is no longer in the viewer")
            return
        self._maps.show(question, report)
        self.message.inform(f"Added, hidden: {', '.join(self._maps.names)}.")

    def _on_save_clicked(self) -> None:
        source = None if self._question is None else self._question.source
        name, kind = QFileDialog.getSaveFileName(
            self, "Save report", file_beside(source, "-quality.html"), REPORT_FILES
        )
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if path.suffix.lower() not in SUFFIXES.values():
            path = Path(f"{name}{SUFFIXES[kind.split()[0]]}")
        self.save_to(path, overwrite=may_replace)

    def save_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the report; the suffix chooses page or numbers."""
        if self.report is None:
            return
        write = self.report.write_html
        if path.suffix.lower() == ".json":
            write = self.report.write_json
        try:
            write(path, overwrite=overwrite)
        except OutputError as error:
            self.message.fail(str(error))
            return
        self.message.done(f"Written: {path}")

    def _refresh_soon(self, _event: Any = None) -> None:
        self._soon.start()

    def _enable(self) -> None:
        running, there = self._worker is not None, self.report is not None
        self.run_button.setEnabled(not running)
        self.cancel_button.setVisible(running)
        self.progress.setVisible(running)
        self.choices.setEnabled(not running)
        for button in (self.maps_button, self.save_button):
            button.setEnabled(there and not running)
