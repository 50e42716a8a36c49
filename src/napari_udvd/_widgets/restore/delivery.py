"""Results: denoised movies in the viewer and on the disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.result import Result
from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.activity import Activity
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError, OutputError
from napari_udvd.jobs.states import Cache

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.result_section import ResultSection
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.stream import Progress
    from napari_udvd.stack import Stack

__all__ = ["Delivery"]


class Delivery(QObject):
    """Fills one result after the other, and exports.

    Parameters
    ----------
    viewer
        Gets the layers.
    section
        Shows progress and messages.
    folder
        Where frames are kept while their layers exist.

    Attributes
    ----------
    results
        Those whose layer is in the viewer, oldest first.
    """

    changed = Signal()
    """A result or an export began or ended."""

    def __init__(
        self, viewer: napari.viewer.Viewer, section: ResultSection, folder: Path
    ) -> None:
        super().__init__()
        self._viewer, self._section, self._folder = viewer, section, folder
        self.results: list[Result] = []
        self._against: list[str] = []
        self._numbers: dict[tuple[int, str], int] = {}
        self._exporting: Worker | None = None
        self._exported: Result | None = None
        self._written = 0.0
        self._activity: Activity | None = None
        self._after_filling: Callable[[], None] | None = None
        self._is_shut_down = False

    @property
    def is_exporting(self) -> bool:
        """Whether a file is being written."""
        return self._exporting is not None or self._after_filling is not None

    @property
    def is_filling(self) -> bool:
        """Whether frames are being denoised for a layer."""
        return any(result.is_filling for result in self.results)

    def add(
        self,
        layer: Image,
        stack: Stack,
        denoiser: Denoiser,
        *,
        is_foreign: bool = False,
        **how: Any,
    ) -> Result | None:
        """Add a result layer for a movie; a message says why if that fails.

        Parameters
        ----------
        layer, stack
            The movie.
        denoiser
            The network.
        is_foreign
            It has learned from another movie.
        **how
            Device, posterior, events, refinement and uncertainty, see
            :class:`~napari_udvd.inference.request.Request`.
        """
        # they bring torch along
        from napari_udvd.inference.live_movie import DenoisedMovie
        from napari_udvd.inference.request import Request

        try:
            Cache(self._folder).make()
            movie = DenoisedMovie(denoiser, stack, Request(**how), folder=self._folder)
        except (InputError, OutputError, OSError) as error:
            self._section.message.fail(said(error))
            return None
        key = id(stack.data), layer.name
        number = self._numbers[key] = self._numbers.get(key, 0) + 1
        if not any(each.source == layer for each in self.results):
            number = self._numbers[key] = 1
        result = Result(self._viewer, layer, movie, denoiser, number, is_foreign)
        result.progressed.connect(partial(self._on_progress, result))
        result.filled.connect(partial(self._on_filled, result))
        result.closed.connect(partial(self._on_closed, result))
        self.results.append(result)
        self._section.message.clear()
        self._against = []
        self.changed.emit()
        return result

    def fill(self) -> None:
        """Fill what is not complete, one at a time: they share one processor."""
        if self.is_exporting or self.is_filling:
            return
        for result in self.results:
            if not result.is_complete:
                self._close_activity()
                doing = WORDS[result.denoiser.task].doing
                self._activity = Activity(f"UDVD: {doing}")
                result.fill()
                self.changed.emit()
                return

    def cancel(self) -> None:
        """Stop filling and exporting; frames that are done are kept."""
        self._after_filling = None
        if self._exporting is not None:
            self._exporting.cancel()
        for result in self.results:
            result.cancel()

    def export(
        self,
        result: Result,
        path: Path,
        dtype: str,
        overwrite: bool,
        quantity: Literal["mean", "std", "residual"] = "mean",
        part: tuple[slice, slice, slice] | None = None,
    ) -> None:
        """Write a result, or a part of it, denoising first what is missing."""
        if self.is_exporting:
            return
        work = partial(result.export, path, dtype, overwrite, quantity, part)
        begin = partial(self._export, result, path, work)
        if not self.is_filling:
            begin()
            return
        self._after_filling = begin
        for each in self.results:
            each.cancel()
        self.changed.emit()

    def shut_down(self) -> None:
        """Stop; the layers stay with the frames that are done."""
        self._is_shut_down = True
        self.cancel()
        self._close_activity()

    def of(self, layer: Image | None) -> Result | None:
        """Newest result of a movie."""
        for result in reversed(self.results):
            if result.source == layer:
                return result
        return None

    def showing(self, layer: Any) -> Result | None:
        """Find the result that a layer shows."""
        for result in self.results:
            if layer is not None and layer in result.layers:
                return result
        return None

    def _on_progress(self, result: Result, share: float) -> None:
        if self._is_shut_down or self._exporting or result not in self.results:
            return
        text = f"{WORDS[result.denoiser.task].doing}: {share:.0%}"
        self._section.show_progress(share, text)
        if self._activity is not None:  # last: the viewer handles events in it
            self._activity.update(share)

    def _on_filled(self, result: Result, error: BaseException | None) -> None:
        if self._is_shut_down or result not in self.results:
            return
        self._close_activity()
        self._section.end_progress()
        then, self._after_filling = self._after_filling, None
        if error is not None:
            self._section.message.fail(said(error))
        elif then is not None:
            then()
        elif result.is_complete:
            self._say_complete(result)
            self.fill()
        self.changed.emit()

    def _say_complete(self, result: Result) -> None:
        """Say that a result is there, and what speaks against it and those before."""
        name, message = result.source.name, self._section.message
        text = f"{name} is {WORDS[result.denoiser.task].done}."
        if result.warnings:
            reasons = " ".join(map(as_sentence, result.warnings))
            text = f"Do not trust the result for {name}. {reasons}"
            self._against.append(text)
            message.warn(" ".join(self._against), notify=True)
        elif self._against:  # which must not give way to good news of another movie
            message.warn(" ".join((*self._against, text)))
        else:
            message.done(text)

    def _on_closed(self, result: Result) -> None:
        self.results.remove(result)
        if self._is_shut_down:
            return
        if result.is_filling:
            self._close_activity()
            self._section.end_progress()
            if self._after_filling is not None:
                self._after_filling = None
                self._section.message.warn(
                    "The export was cancelled: the layer was removed."
                )
        if result is self._exported and self._exporting is not None:
            self._exporting.cancel()
        self.changed.emit()

    def _export(
        self,
        result: Result,
        path: Path,
        work: Callable[[threading.Event], Iterator[Progress]],
    ) -> None:
        worker = Worker(work)
        worker.told.connect(partial(self._on_written, path))
        worker.ended.connect(partial(self._on_export_ended, path))
        self._exporting, self._exported, self._written = worker, result, 0.0
        self._activity = Activity("UDVD: export")
        self._section.show_progress(0.0, "writing …")
        worker.start()
        self.changed.emit()

    def _on_written(self, path: Path, progress: Progress) -> None:
        if self._is_shut_down:
            return
        self._written = progress.done / progress.total
        text = f"writing: {self._written:.0%}"
        self._section.show_progress(self._written, text)
        if self._activity is not None:
            self._activity.update(self._written)

    def _on_export_ended(self, path: Path, error: BaseException | None) -> None:
        self._exporting = self._exported = None
        if self._is_shut_down:
            return
        self._close_activity()
        self._section.end_progress()
        if error is not None:
            self._section.message.fail(said(error))
        elif self._written < 1:
            self._section.message.warn(
                f"The export was cancelled and {path.name} not written. Frames that "
                "were denoised are kept."
            )
        else:
            self._section.message.done(f"Written: {path}")
            self.fill()
        self.changed.emit()

    def _close_activity(self) -> None:
        if self._activity is not None:
            self._activity.close()
            self._activity = None
