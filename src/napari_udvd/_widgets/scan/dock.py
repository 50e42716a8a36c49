"""The dock "Plan a scan": which pixels to visit, and what would be left of a movie."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.scan.layers import MaskLayer, add_scan
from napari_udvd._widgets.scan.movie_row import MovieRow
from napari_udvd._widgets.scan.pattern_section import PatternSection
from napari_udvd._widgets.scan.planning import Question, compared, planned, simulated
from napari_udvd._widgets.shared.calm import Calm
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.column import Column
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import file_beside, point_at
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.picker import Picker
from napari_udvd._widgets.shared.tabs import skip_folded
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    import napari.viewer

    from napari_udvd._widgets.scan.planning import Planned

__all__ = ["ScanDock"]

MASK_FILES = "Mask (*.tif);;Mask (*.npy);;Positions in visiting order (*.csv)"

AFTER = 200
"""Milliseconds after the last change until the mask is made anew."""


class ScanDock(ClosingDock):
    """Plans a sparse scan, shows its mask, writes it, and tries it on a movie.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    plan
        The mask that belongs to what is chosen; None where there is none.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.plan: Planned | None = None
        self._job: Worker | None = None
        self.movie = MovieRow(viewer)
        self.pattern = PatternSection()
        self.actions = _Actions()
        self._mask = MaskLayer(viewer)
        self._picker = Picker(viewer)
        self._latest = Latest(planned)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)
        self._lay_out()

        self.movie.changed.connect(self._ask_soon)
        self.pattern.changed.connect(self._ask_soon)
        self.pattern.picking.connect(self._picker.arm)
        self._picker.picked.connect(self._on_picked)
        self._latest.answered.connect(self._on_latest_answered)
        self._latest.failed.connect(self._on_latest_failed)
        self.actions.show_check.toggled.connect(self._on_show_toggled)
        self.actions.simulate_button.clicked.connect(self.simulate)
        self.actions.save_button.clicked.connect(self._on_save_clicked)
        self.actions.compare_button.clicked.connect(self.compare)
        viewer.layers.events.inserted.connect(self._on_layers_changed)
        viewer.layers.events.removed.connect(self._on_layers_changed)
        self._ask_soon()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        for part in (self.movie, self.pattern, self.actions):
            layout.addWidget(part)
        layout.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Column(inside))
        Calm(inside)
        skip_folded(self.pattern.times_fold)

    def shut_down(self) -> None:
        """Stop, and let go of the viewer; the layers stay."""
        self._soon.stop()
        self._latest.forget()
        self._picker.arm(False)
        if self._job is not None:
            self._job.cancel()
        self._viewer.layers.events.inserted.disconnect(self._on_layers_changed)
        self._viewer.layers.events.removed.disconnect(self._on_layers_changed)

    @property
    def is_busy(self) -> bool:
        """True while something is to come."""
        is_asked = self._soon.isActive() or self._latest.is_busy
        return is_asked or self._job is not None

    # planning

    def _ask_soon(self) -> None:
        self.plan = None
        self.actions.allow(plan=False, movie=False)
        self._soon.start(AFTER)

    def _on_layers_changed(self, _event: Any = None) -> None:
        # not at once: layers may be in the middle of being removed
        QTimer.singleShot(0, self._refresh)

    def _refresh(self) -> None:
        if not self._is_over:
            self.movie.refresh()

    def _question(self) -> Question:
        frames, shape = self.movie.extent()
        return Question(
            pattern=self.pattern.pattern,
            chosen=self.pattern.chosen(),
            times=self.pattern.microseconds(),
            frames=frames,
            shape=shape,
            stack=self.movie.stack(),
            is_shown=self.actions.show_check.isChecked(),
        )

    def _ask(self) -> None:
        try:
            question = self._question()
        except InputError as error:
            self._say_refused(error)
            return
        self._latest.ask(question)

    def _on_latest_answered(self, plan: Planned) -> None:
        if self._soon.isActive():
            return  # it is out of date
        self.plan = plan
        self.actions.tell(plan.lines)
        self.actions.message.clear()
        self._enable()
        if plan.pixels is not None and self.actions.show_check.isChecked():
            name = f"scan mask ({plan.question.pattern})"
            self._mask.show(plan.pixels, self.movie.layer, name)

    def _on_latest_failed(self, error: BaseException) -> None:
        self._say_refused(error)

    def _say_refused(self, error: BaseException) -> None:
        self.actions.told.clear()
        self.actions.message.fail(said(error), notify=False)

    def _on_show_toggled(self, on: bool) -> None:
        if on:
            self._ask_soon()
        else:
            self._mask.hide()

    def _on_picked(self, world: tuple[float, ...]) -> None:
        layer = self.movie.layer
        try:
            stack = self.movie.stack()
        except InputError as error:
            self._say_refused(error)
            return
        if layer is None or stack is None:
            row, column = world[-2:]
        else:
            at = point_at(self._viewer, layer, world)
            row, column = (float(at[stack.axes.index(axis)]) for axis in "YX")
        rows, columns = self.movie.extent()[1]
        row = min(max(row, 0.0), rows - 1.0)
        self.pattern.move_centre(row, min(max(column, 0.0), columns - 1.0))

    # what is done with it

    def simulate(self) -> None:
        """Add what the scan would have recorded of the movie as a layer."""
        plan, layer = self.plan, self.movie.layer
        if plan is None or plan.question.stack is None or layer is None:
            return
        name = f"{layer.name.removesuffix(' (noisy)')} ({plan.mask.pattern.name} scan)"

        def add(sparse: Any) -> None:
            if layer in self._viewer.layers:
                self._mask.hide()
                self.actions.show_check.setChecked(False)
                add_scan(self._viewer, layer, sparse, name)
                self.actions.message.inform(
                    "The layer holds what the scan would have recorded, NaN where it "
                    "was not: the dock Denoise movie reconstructs it."
                )

        self._run(partial(simulated, plan.question.stack, plan.mask), add)

    def compare(self) -> None:
        """Measure all patterns at the share that is chosen."""
        try:
            question = self._question()
        except InputError as error:
            self._say_refused(error)
            return
        self.actions.table.setText("Measuring …")
        self._run(partial(compared, question), self.actions.table.setText)

    def save_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the mask, ``.tif`` or ``.npy``, or positions, ``.csv``."""
        if self.plan is None:
            return
        files = _jobs.ScanFiles(masks=(path,), overwrite=overwrite)
        mask = self.plan.mask
        self._run(
            lambda cancel: files.run(mask, cancel=cancel),
            lambda written: self.actions.message.done(f"Written: {written.path}"),
        )

    def _on_save_clicked(self) -> None:
        name, kind = QFileDialog.getSaveFileName(
            self,
            "Save the mask",
            file_beside(self.movie.layer, ".mask.tif"),
            MASK_FILES,
        )
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if not path.suffix:
            path = path.with_name(path.name + kind[kind.index("*") + 1 : -1])
        self.save_to(path, overwrite=may_replace)

    def _run(
        self,
        work: Callable[[threading.Event], Iterator[Any]],
        then: Callable[[Any], None],
    ) -> None:
        if self._job is not None:
            return
        self.actions.message.clear()
        worker = Worker(work)
        worker.told.connect(lambda told: None if self._is_over else then(told))
        worker.ended.connect(self._on_worker_ended)
        self._job = worker
        self._enable()
        worker.start()

    def _on_worker_ended(self, error: BaseException | None) -> None:
        self._job = None
        if self._is_over:
            return
        if error is not None:
            self.actions.message.fail(said(error))
        self._enable()

    def _enable(self) -> None:
        is_free = self.plan is not None and self._job is None
        has_movie = self.plan is not None and self.plan.question.stack is not None
        self.actions.allow(plan=is_free, movie=is_free and has_movie)


class _Actions(QWidget):
    """What the plan is worth, and what can be done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.told, self.table = QLabel(), QLabel()
        for label in (self.told, self.table):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setTextFormat(Qt.TextFormat.RichText)
        self.message = Message()
        self.show_check = QCheckBox("Show the mask")
        self.show_check.setToolTip(
            "A layer of labels, 1 where visited, which follows what is chosen here"
        )
        self.simulate_button = QPushButton("Simulate")
        self.simulate_button.setToolTip(
            "Add a layer with what the scan would have recorded of the movie: NaN "
            "where it was not, to be reconstructed in the dock Denoise movie"
        )
        self.save_button = QPushButton("Save mask …")
        self.save_button.setToolTip(
            "Write the mask (TIFF, NPY), or positions in the order of the visits (CSV)"
        )
        self.compare_button = QPushButton("Compare patterns")
        self.compare_button.setToolTip(
            "How even each pattern is at this share, and the time that it takes"
        )
        grid = QGridLayout()
        grid.addWidget(self.show_check, 0, 0)
        grid.addWidget(self.simulate_button, 0, 1)
        grid.addWidget(self.save_button, 1, 0)
        grid.addWidget(self.compare_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.told)
        layout.addLayout(grid)
        layout.addWidget(self.message)
        layout.addWidget(self.table)

    def tell(self, lines: Sequence[str]) -> None:
        """Show what there is to say of the mask, a line each."""
        parts = [line.partition(": ") for line in lines]
        self.told.setText(
            "".join(
                f'<p style="margin: 3px 0"><b>{escape(head)}</b>{colon}{escape(rest)}'
                "</p>"
                for head, colon, rest in parts
            )
        )

    def allow(self, *, plan: bool, movie: bool) -> None:
        """Enable what makes sense."""
        self.simulate_button.setEnabled(movie)
        self.save_button.setEnabled(plan)
