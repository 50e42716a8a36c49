"""Sharpening from the dock: the blur on view, and results of the model in use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.sharp_looks import SharpLooks
from napari_udvd._widgets.restore.sharpen_section import SharpenSection
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.delivery import Delivery
    from napari_udvd._widgets.restore.model_in_use import ModelInUse
    from napari_udvd._widgets.restore.movie_section import MovieSection
    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.sharpening import Look, Optics
    from napari_udvd.stack import Stack

__all__ = ["Sharpening"]


class Sharpening(QObject):
    """Shows the blur, finds how far it can be undone, and adds the layer.

    Parameters
    ----------
    viewer
        Shows the frame on view sharpened.
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
    looks
        Sharpen what is on view.
    """

    changed = Signal()
    """It began or ended to find out how far the movie can be sharpened."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        movie: MovieSection,
        settings: SettingsSection,
        model: ModelInUse,
        delivery: Delivery,
    ) -> None:
        super().__init__()
        self._movie, self._settings = movie, settings
        self._model, self._delivery = model, delivery
        self.section, self.looks = SharpenSection(), SharpLooks(viewer)
        self._may_look = False
        self._worker: Worker | None = None
        self._told: list[str] = []
        self._against: list[str] = []
        self._optics: Optics | None = None
        self.section.changed.connect(self.show_blur)
        self.section.fold.toggled.connect(self.show_blur)
        self.section.asked.connect(self.sharpen)
        self.looks.shown.connect(self._on_look_shown)
        self.looks.failed.connect(self._on_look_failed)
        movie.changed.connect(self.show_blur)

    @property
    def is_busy(self) -> bool:
        """Whether it is being found out how far the movie can be sharpened."""
        return self._worker is not None

    def shut_down(self) -> None:
        """Stop, and let go."""
        self.section.shut_down()
        self.looks.shut_down()
        self._movie.changed.disconnect(self.show_blur)
        if self._worker is not None:
            self._worker.cancel()

    def allow(self, *, sharpen: bool, look: bool) -> None:
        """Say what the user may do now.

        Parameters
        ----------
        sharpen
            There are a movie and a model, and nothing else is done with them.
        look
            The processor is free for the frame on view, too.
        """
        self.section.allow(begin=sharpen, is_busy=self.is_busy)
        self._may_look = look and not self.is_busy
        self._look()

    def show_blur(self) -> None:
        """Show what a point of the chosen movie looks like, and the frame on view."""
        section, stack = self.section, self._movie.stack
        self._optics = None
        is_told = section.fields.says_something
        if stack is None or not section.fold.isExpanded():
            section.show_nothing()
        elif not is_told and stack.instrument is None:
            section.show_nothing()
        else:
            self._show_blur_of(stack)
        self._look()

    def _show_blur_of(self, stack: Stack) -> None:
        try:
            optics = _jobs.optics_of(stack, **self.section.fields.values())
        except InputError as error:
            self.section.show_problem(as_sentence(said(error)))
            return
        words = (*optics.notes, f"a point is {optics.describe()}")
        text = " ".join(map(as_sentence, words))
        self.section.show_blur(text, optics.psf.kernel())
        self._optics = optics

    def _look(self) -> None:
        """Show the frame on view sharpened, where that can be and is wanted."""
        layer, stack = self._movie.layer, self._movie.stack
        denoiser, optics = self._model.denoiser, self._optics
        if (
            layer is None
            or stack is None
            or denoiser is None
            or optics is None
            or not self._may_look
            or not self.section.live_check.isChecked()
        ):
            if self.looks.is_on:
                self.looks.end()
                self.section.live.clear()
            return
        how = self._how(denoiser)
        kept = {name: how[name] for name in ("device", "use_posterior")}
        self.looks.begin(layer, stack, denoiser, optics, kept)

    def _on_look_shown(self, look: Look) -> None:
        counts = sorted(set(look.iterations))
        several = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        plural = "" if counts[-1] == 1 else "s"
        self.section.live.inform(
            f"The frame on view, by {several} iteration{plural}; the movie may ask for "
            "others."
        )

    def _on_look_failed(self, error: BaseException) -> None:
        self.section.live.fail(said(error), notify=False)

    def sharpen(self) -> None:
        """Find how far the movie can be sharpened, then fill a layer; or stop that."""
        if self._worker is not None:
            self._worker.cancel()
            return
        layer, stack = self._movie.layer, self._movie.stack
        denoiser = self._model.denoiser
        if layer is None or stack is None or denoiser is None:
            return
        try:
            optics = _jobs.optics_of(stack, **self.section.fields.values())
        except InputError as error:
            self.section.message.fail(said(error))
            return
        self._told, self._against = [], []
        self.section.message.inform("Finding how far the movie can be sharpened …")
        network = self.section.network
        minutes = self._settings.minutes_spin.value() / stack.n_channels
        how = self._how(denoiser)
        work = partial(_fitted, denoiser, stack, optics, how, network, minutes)
        self._worker = Worker(work)
        self._worker.told.connect(partial(self._on_told, layer, stack))
        self._worker.ended.connect(self._on_ended)
        self._worker.start()
        self.changed.emit()

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
        elif isinstance(told, float):
            network = self.section.network
            self.section.message.inform(f"{network} learns: {told:.0%}")
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
        worker, self._worker = self._worker, None
        if error is not None:
            self.section.message.fail(said(error))
        elif worker is not None and worker.is_cancelled:
            self.section.message.inform("Stopped; no layer was added.")
        self.changed.emit()


def _fitted(
    denoiser: Denoiser,
    stack: Stack,
    optics: Optics,
    how: dict[str, Any],
    network: str | None,
    minutes: float,
    cancel: threading.Event,
) -> Iterator[Any]:
    """Yield what is found; of a network's training the share that is over."""
    # they bring torch along
    from napari_udvd.inference.request import Request
    from napari_udvd.inference.stream import Progress

    for told in _jobs.fit_sharpener(
        denoiser,
        stack,
        optics,
        Request(**how),
        cancel=cancel,
        network=network,
        effort=_jobs.Effort(minutes),
    ):
        yield told.done / told.total if isinstance(told, Progress) else told
