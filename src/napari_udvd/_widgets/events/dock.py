"""The dock "Events": a timeline of a movie from a few labelled spans."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QVBoxLayout

from napari_udvd._widgets.events.controls import (
    BEGIN_KEY,
    END_KEY,
    SUGGEST_KEY,
    LearnControls,
    MarkControls,
)
from napari_udvd._widgets.events.finding import Remembered, Training
from napari_udvd._widgets.events.keeping import Keeping
from napari_udvd._widgets.events.label_section import LabelSection
from napari_udvd._widgets.events.learner import Learner
from napari_udvd._widgets.events.marker import Marker
from napari_udvd._widgets.events.movie_section import MovieSection
from napari_udvd._widgets.events.record import Record
from napari_udvd._widgets.events.region_watch import RegionWatch
from napari_udvd._widgets.events.sight import Sight
from napari_udvd._widgets.events.split import Split
from napari_udvd._widgets.events.state import Known
from napari_udvd._widgets.events.strip import TimelineStrip
from napari_udvd._widgets.events.tables import TableSection
from napari_udvd._widgets.events.words import foreign, learned, sentences
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.session import session_of
from napari_udvd.errors import InputError, OutputError
from napari_udvd.spans import Span
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_udvd._widgets.events.finding import Answer, Told
    from napari_udvd._widgets.events.watched import Watched
    from napari_udvd.identification import Suggestion

__all__ = ["EventsDock"]


class EventsDock(ClosingDock):
    """Marks spans, learns from them, and shows what happens when.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    record
        Labels and spans, and how they were before.
    learner
        What was learned.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._keeping: Keeping | None = None
        self.record = Record()
        self.marker = Marker(self.record)
        self.learner = Learner()
        self.message = Message()
        self.movie = MovieSection(viewer, session_of(viewer))
        self.labels = LabelSection(self.record, self.message)
        self.marking, self.learning = MarkControls(), LearnControls()
        self.strip = TimelineStrip()
        self.regions = RegionWatch(self.movie)
        self.tables = TableSection(self.record, self.movie, self.regions, self.message)
        self.sight = Sight(viewer, self.movie)
        self._lay_out()
        self._connect()
        self._bind_keys()
        self._on_movie_changed()
        self._enable()

    def _lay_out(self) -> None:
        above = [self.movie, self.labels, self.marking, self.learning, self.tables]
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Split(above, [self.message, self.strip]))

    def _connect(self) -> None:
        viewer, marking, learning = self.sight.viewer, self.marking, self.learning
        self.movie.movie_changed.connect(self._on_movie_changed)
        self.movie.regions_changed.connect(self.regions.ask)
        self.regions.found.connect(self._on_regions_found)
        self.regions.failed.connect(self._on_regions_failed)
        self.record.changed.connect(self._on_record_changed)
        self.marker.changed.connect(self._on_marker_changed)
        self.strip.picked.connect(self.go_to)
        self.strip.marked.connect(self._on_strip_marked)
        marking.region_box.currentTextChanged.connect(self._on_region_chosen)
        label = self.labels
        for button, action in (
            (marking.begin_button, self.begin),
            (marking.end_button, self.end),
            (marking.accept_button, self.marker.accept),
            (marking.correct_button, lambda: self.marker.correct(label.label)),
            (marking.erase_button, self.marker.erase),
            (marking.undo_button, self.record.undo),
            (marking.redo_button, self.record.redo),
            (learning.train_button, self.train),
            (learning.suggest_button, self.suggest),
        ):
            button.clicked.connect(partial(self._try, action))
        learning.cancel_button.clicked.connect(self.learner.cancel)
        self.learner.told.connect(self._on_learner_told)
        self.learner.trained.connect(self._on_learner_trained)
        self.learner.suggested.connect(self._on_learner_suggested)
        self.learner.failed.connect(self._say_failed)
        self.learner.changed.connect(self._enable)
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.layers.events.inserted.connect(self._on_layers_changed)
        viewer.layers.events.removed.connect(self._on_layers_changed)

    @property
    def _keys(self) -> dict[str, Callable[[], None]]:
        return {
            BEGIN_KEY: self.begin,
            END_KEY: self.end,
            SUGGEST_KEY: self.suggest,
        }

    def _bind_keys(self) -> None:
        """Listen to keys on the canvas, and while a control of the dock has them."""
        for key, action in self._keys.items():
            self.sight.viewer.bind_key(
                key, lambda _viewer, act=action: self._try(act), overwrite=True
            )
        for keys, action in (
            *self._keys.items(),
            (QKeySequence.StandardKey.Undo, self.record.undo),
            (QKeySequence.StandardKey.Redo, self.record.redo),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(partial(self._try, action))

    def shut_down(self) -> None:
        """Stop, and let go of the viewer; labels are kept with the movie."""
        self.learner.cancel()
        self.regions.shut_down()
        for key in self._keys:
            self.sight.viewer.bind_key(key, None, overwrite=True)
        self.sight.hide_marks()
        self.sight.viewer.dims.events.current_step.disconnect(self._on_step)
        self.sight.viewer.layers.events.inserted.disconnect(self._on_layers_changed)
        self.sight.viewer.layers.events.removed.disconnect(self._on_layers_changed)

    @property
    def is_busy(self) -> bool:
        """True while something is to come."""
        return self.regions.is_busy or self.learner.is_running

    @property
    def watched(self) -> Watched | None:
        """The regions, or None while there are none."""
        return self.regions.watched

    # the movie and its regions

    def _on_layers_changed(self, _event: Any = None) -> None:
        # not at once: layers may be in the middle of being removed
        QTimer.singleShot(0, self._refresh)

    def _refresh(self) -> None:
        if not self._is_over:
            self.movie.refresh()

    def _on_movie_changed(self) -> None:
        """Take the labels that are kept with the movie."""
        self._keeping = None
        self._forget_learned()
        self.marker.forget()
        self.message.clear()
        known, trouble = None, ""
        try:
            stack = self.movie.stack()
            self._keeping = Keeping(self.movie.chosen, stack)
            self.strip.update_shown(n_frames=stack.n_frames)
            known = self._keeping.read()
        except InputError as error:
            trouble = str(error)
        first = Known().with_label("event").with_label("quiet", "#999999")
        self.record.begin(known or first)
        if trouble:
            self.message.fail(trouble, notify=self._keeping is not None)
        self.regions.ask()

    def _on_regions_found(self, watched: Watched, is_same: bool) -> None:
        names = watched.regions.names
        self._forget_learned()
        if not is_same and self.record.now.found:
            self.record.put(self.record.now.with_found([]))
        region = self.marker.region if self.marker.region in names else names[0]
        self.strip.update_shown(rows=names, there=watched.there)
        self.marking.list_regions(names, region)
        self._on_step()
        self.marker.choose(region)
        said_now = [*watched.regions.notes, *foreign(self.record.now.labelled, names)]
        if said_now:
            self.message.warn(sentences(said_now))
        self._enable()

    def _on_regions_failed(self, error: BaseException) -> None:
        self.strip.update_shown(rows=())
        self.marking.list_regions([], None)
        self.marker.choose(None)
        if self.movie.layer is not None or not self.message.text():
            self.message.fail(said(error), notify=False)
        self._enable()

    # the frame on view

    def go_to(self, region: str | None, frame: int) -> None:
        """Show a frame and choose a region; where it is not on view, move there.

        Raises
        ------
        InputError
            If there is no movie.
        """
        centre = None
        if region is not None and self.watched is not None:
            centre = self.watched.centre(region, frame)
        self.sight.go_to(frame, centre)
        if region is not None:
            self.marker.choose(region, self.strip.shown.spans_at(region, frame))

    def _on_step(self, _event: Any = None) -> None:
        layer = self.movie.layer
        if self.watched is None or layer not in self.sight.viewer.layers:
            self.sight.hide_marks()
            return
        frame, begun = self.sight.frame, self.marker.begun
        self.strip.update_shown(
            frame=frame, begun=None if begun is None else begun.until(frame)
        )
        self.sight.draw_marks(self.watched, self.strip.shown)

    # marking

    def begin(self) -> None:
        """Let a span of the chosen label begin with the frame on view."""
        self.marker.begin(self.labels.label, self.sight.frame)

    def end(self) -> None:
        """Let the span end with the frame on view."""
        self.marker.end(self.sight.frame)

    def _on_strip_marked(self, region: str, start: int, stop: int) -> None:
        label = self.labels.label
        if label is None:
            self.message.fail("there is no label; press Add", notify=False)
            return
        self.message.clear()
        self.marker.mark(Span(region, start, stop, label))

    def _on_region_chosen(self, region: str) -> None:
        if region:
            self.go_to(region, self.strip.shown.frame)

    def _on_marker_changed(self) -> None:
        marker, frame = self.marker, self.strip.shown.frame
        begun = None if marker.begun is None else marker.begun.until(frame)
        self.strip.update_shown(
            row=marker.region, selected=marker.selected, asked=marker.asked, begun=begun
        )
        box = self.marking.region_box
        if marker.region is not None and box.currentText() != marker.region:
            blocked = box.blockSignals(True)
            box.setCurrentText(marker.region)
            box.blockSignals(blocked)
        self.strip.reveal(marker.region, frame)
        self._enable()

    def _on_record_changed(self) -> None:
        known = self.record.now
        self.strip.update_shown(colours=known.labels)
        self.strip.show_spans(known.labelled, known.found)
        if self.marker.selected not in (*known.labelled, *known.found):
            self.marker.choose(self.marker.region)
        self._on_step()
        self._enable()
        if self._keeping is None:
            return
        try:
            self._keeping.write(known)
        except OutputError as error:
            self.message.fail(str(error), notify=False)

    # learning

    def train(self) -> None:
        """Learn from the labelled spans, and find in all frames.

        Raises
        ------
        InputError
            If there is no movie, or no region.
        """
        stack, watched, place = self.movie.stack(), self.watched, self.sight.place
        if watched is None:
            raise InputError("there is no region; choose a layer that has some")
        watching = Remembered(
            denoised=self.movie.denoised(),
            flow=self.learning.flow_check.isChecked(),
            plane=Plane(place.c, place.z),
        )
        labelled = self.record.now.labelled
        self.learner.train(Training(stack, watched, watching, labelled))

    def _forget_learned(self) -> None:
        self.learner.forget()
        self.learning.show_learned("")

    def suggest(self) -> None:
        """Go to the frames whose label would help most.

        Raises
        ------
        InputError
            If nothing was learned yet.
        """
        if self.learner.answer is None:
            raise InputError("nothing was learned yet; label some spans, and Train")
        frames = self.learning.frames_spin.value()
        self.learner.suggest(self.record.now.labelled, frames)

    def _on_learner_told(self, told: Told) -> None:
        self.learning.tell(told.done, told.what)

    def _on_learner_trained(self, answer: Answer) -> None:
        if self._is_over:
            return
        self.record.put(self.record.now.with_found(answer.spans))
        text = learned(answer, self.record.now.labelled)
        self.learning.show_learned(text)
        if answer.notes:
            self.message.inform(sentences(answer.notes))

    def _on_learner_suggested(self, found: Suggestion | None) -> None:
        if self._is_over:
            return
        if found is None:
            self.message.inform("Every frame of every region has a label.")
            return
        self.go_to(found.region, found.start)
        self.marker.suggest((found.region, found.start, found.stop))
        self.message.inform(
            f"Label frames {found.start} to {found.stop - 1} of region "
            f"{found.region}: there it is least sure."
        )

    # what is said, and what can be pressed

    def _try(self, action: Callable[[], object], *_: Any) -> None:
        """Do something, and say what is wrong."""
        self.message.clear()
        try:
            action()
        except (InputError, OutputError) as error:
            self._say_failed(error)

    def _say_failed(self, error: BaseException) -> None:
        if not self._is_over:
            self.message.fail(said(error), notify=False)

    def _enable(self) -> None:
        marking, learning = self.marking, self.learning
        is_any, is_busy = self.watched is not None, self.learner.is_running
        for button in (marking.begin_button, learning.train_button):
            button.setEnabled(is_any and not is_busy)
        marking.end_button.setEnabled(self.marker.begun is not None)
        for button in (
            marking.accept_button,
            marking.correct_button,
            marking.erase_button,
        ):
            button.setEnabled(self.marker.selected is not None)
        marking.undo_button.setEnabled(self.record.can_undo)
        marking.redo_button.setEnabled(self.record.can_redo)
        learning.suggest_button.setEnabled(
            self.learner.answer is not None and not is_busy
        )
        learning.show_busy(is_busy)
