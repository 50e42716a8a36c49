"""Sharpening from the dock: the blur on view, and results of the model in use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.sharpen_section import SharpenSection
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from napari.layers import Image

    from napari_udvd._widgets.restore.delivery import Delivery
    from napari_udvd._widgets.restore.model_in_use import ModelInUse
    from napari_udvd._widgets.restore.movie_section import MovieSection
    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.sharpening import Optics
    from napari_udvd.stack import Stack

__all__ = ["Sharpening"]


class Sharpening(QObject):
    """Shows the blur, finds how far it can be undone, and adds the layer.

    Parameters
    ----------
    movie
        The movie that is sharpened.
    settings
        How it is denoised.
    model
        Denoises.
    delivery
        Fills the layer.

    Attributes
    ----------
    section
        Asks and shows.
    """

    def __init__(
        self,
        movie: MovieSection,
        settings: SettingsSection,
        model: ModelInUse,
        delivery: Delivery,
    ) -> None:
        super().__init__()
        self._movie, self._settings = movie, settings
        self._model, self._delivery = model, delivery
        self.section = SharpenSection()
        self._worker: Worker | None = None
        self._told: list[str] = []
        self._against: list[str] = []
        self.section.changed.connect(self.show_blur)
        self.section.fold.toggled.connect(self.show_blur)
        self.section.asked.connect(self.sharpen)
        movie.changed.connect(self.show_blur)

    @property
    def is_busy(self) -> bool:
        """Whether it is being found out how far the movie can be sharpened."""
        return self._worker is not None

    def shut_down(self) -> None:
        """Stop, and let go."""
        self.section.shut_down()
        self._movie.changed.disconnect(self.show_blur)
        if self._worker is not None:
            self._worker.cancel()

    def show_blur(self) -> None:
        """Show what a point of the chosen movie looks like."""
        section, stack = self.section, self._movie.stack
        is_open = section.fold.isExpanded()
        if stack is None or not is_open:
            section.show_nothing()
            return
        if not section.says_something and stack.instrument is None:
            section.show_nothing()
            return
        try:
            optics = _jobs.optics_of(stack, **section.values())
        except InputError as error:
            section.show_problem(as_sentence(said(error)))
            return
        words = (*optics.notes, f"a point is {optics.describe()}")
        section.show_blur(" ".join(map(as_sentence, words)), optics.psf.kernel())

    def sharpen(self) -> None:
        """Find how far the movie can be sharpened, then fill a layer."""
        layer, stack = self._movie.layer, self._movie.stack
        denoiser = self._model.denoiser
        if layer is None or stack is None or denoiser is None or self.is_busy:
            return
        try:
            optics = _jobs.optics_of(stack, **self.section.values())
        except InputError as error:
            self.section.message.fail(said(error))
            return
        self._told, self._against = [], []
        self.section.message.inform("Finding how far the movie can be sharpened …")
        work = partial(_fitted, denoiser, stack, optics, self._how(denoiser))
        self._worker = Worker(work)
        self._worker.told.connect(partial(self._on_told, layer, stack))
        self._worker.ended.connect(self._on_ended)
        self.section.button.setEnabled(False)
        self._worker.start()

    def _how(self, denoiser: Denoiser) -> dict[str, Any]:
        settings = self._settings
        return {
            "device": settings.device,
            "use_posterior": settings.posterior_check.isChecked()
            and denoiser.net.likelihood,
            "events": settings.events_check.isChecked(),
            "refine": settings.refine_check.isChecked(),
        }

    def _on_told(self, layer: Image, stack: Stack, told: Any) -> None:
        if isinstance(told, _jobs.Note):
            self._told.append(told.text)
        elif isinstance(told, _jobs.Warned):
            self._against.append(told.text)
        elif stack is self._movie.stack:  # no other was chosen meanwhile
            self._add(layer, stack, told)

    def _add(self, layer: Image, stack: Stack, sharpener: Denoiser) -> None:
        result = self._delivery.add(layer, stack, sharpener, **self._how(sharpener))
        if result is None:
            return
        result.layer.name = result.layer.name.replace("(denoised", "(sharpened")
        words = " ".join(map(as_sentence, (*self._against, *self._told)))
        if self._against:
            self.section.message.warn(words, notify=True)
        else:
            self.section.message.inform(words)
        self._delivery.fill()

    def _on_ended(self, error: BaseException | None) -> None:
        self._worker = None
        self.section.button.setEnabled(True)
        if error is not None:
            self.section.message.fail(said(error))


def _fitted(
    denoiser: Denoiser,
    stack: Stack,
    optics: Optics,
    how: dict[str, Any],
    cancel: threading.Event,
) -> Iterator[Any]:
    from napari_udvd.inference.request import Request  # brings torch along

    return _jobs.fit_sharpener(denoiser, stack, optics, Request(**how), cancel=cancel)
