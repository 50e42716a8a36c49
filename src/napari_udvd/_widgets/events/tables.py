"""Spans from and to tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_udvd._widgets.shared.layers import file_beside
from napari_udvd._widgets.shared.messages import said
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import seconds_between_frames
from napari_udvd.spans import check_spans, read_spans, write_spans

if TYPE_CHECKING:
    from napari_udvd._widgets.events.movie_section import MovieSection
    from napari_udvd._widgets.events.record import Record
    from napari_udvd._widgets.events.region_watch import RegionWatch
    from napari_udvd._widgets.shared.messages import Message

__all__ = ["TableSection"]

TABLES = "Spans (*.csv)"


class TableSection(QWidget):
    """Asks for a table and reads or writes it.

    Parameters
    ----------
    record
        Has the spans.
    movie, regions
        What they must suit.
    message
        Says how that went.
    """

    def __init__(
        self,
        record: Record,
        movie: MovieSection,
        regions: RegionWatch,
        message: Message,
    ) -> None:
        super().__init__()
        self._record, self._movie = record, movie
        self._regions, self._message = regions, message
        self.import_button = QPushButton("Import …")
        self.import_button.setToolTip(
            "Read a table of spans (CSV): those with a confidence of 1 are labels, "
            "others were found"
        )
        self.export_button = QPushButton("Export …")
        self.export_button.setToolTip(
            "Write all spans, labelled and found, to a table (CSV)"
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.import_button)
        layout.addWidget(self.export_button)
        self.import_button.clicked.connect(self._on_import_clicked)
        self.export_button.clicked.connect(self._on_export_clicked)

    def import_from(self, path: Path) -> None:
        """Read a table; what is wrong with it is said, and nothing is taken of it."""
        try:
            stack = self._movie.stack()
            spans = read_spans(path, interval=seconds_between_frames(stack))
            watched = self._regions.watched
            names = None if watched is None else watched.regions.names
            check_spans(spans, n_frames=stack.n_frames, regions=names)
            known = self._record.now.imported(spans, stack.n_frames)
        except InputError as error:
            self._message.fail(said(error))
            return
        self._record.put(known)
        self._message.inform(f"{len(spans)} spans were read from {path.name}.")

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the spans that are labelled, and found ones elsewhere."""
        spans = self._record.now.timeline()
        try:
            interval = seconds_between_frames(self._movie.stack())
            write_spans(path, spans, interval=interval, overwrite=overwrite)
        except (InputError, OutputError) as error:
            self._message.fail(said(error))
            return
        self._message.done(f"{len(spans)} spans are exported as {path.name}.")

    def _on_import_clicked(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Import spans", "", TABLES)
        if name:
            self.import_from(Path(name))

    def _on_export_clicked(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export spans", file_beside(self._movie.layer, ".events.csv"), TABLES
        )
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if not path.suffix:
            path = path.with_name(f"{path.name}.csv")
        self.export_to(path, overwrite=may_replace)
