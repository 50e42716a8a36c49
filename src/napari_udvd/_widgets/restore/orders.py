"""What users order of the model in use: denoised layers, and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.sharpening import Sharpening
from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.layers import axes_of, file_beside, stack_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.delivery import Delivery
    from napari_udvd._widgets.restore.model_in_use import ModelInUse
    from napari_udvd._widgets.restore.movie_section import MovieSection
    from napari_udvd._widgets.restore.result import Result
    from napari_udvd._widgets.restore.result_section import ResultSection
    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd.stack import Stack

__all__ = ["Orders"]

MOVIE_FILES = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"


class Orders(QObject):
    """Turns what is pressed into work for the delivery.

    Parameters
    ----------
    viewer
        Its selected layers can be denoised.
    movie
        The movie that is denoised else, and the part of it that is exported.
    settings
        How to denoise.
    section
        Asks.
    model
        Denoises.
    delivery
        Does the work.

    Attributes
    ----------
    sharpening
        Results whose blur is undone.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        movie: MovieSection,
        settings: SettingsSection,
        section: ResultSection,
        model: ModelInUse,
        delivery: Delivery,
    ) -> None:
        super().__init__()
        self._viewer, self._movie, self._settings = viewer, movie, settings
        self._section, self._model, self._delivery = section, model, delivery
        self.sharpening = Sharpening(viewer, movie, settings, model, delivery)
        section.denoise.connect(self.denoise)
        section.apply.connect(self.apply_to_selected)
        section.export.connect(self._on_export)
        section.cancel.connect(delivery.cancel)

    def denoise(self) -> None:
        """Add a layer with the denoised movie and fill it."""
        layer, stack = self._movie.layer, self._movie.stack
        if layer is None or stack is None:
            return
        there = self._delivery.of(layer)
        was_cancelled = there is not None and there.lacks_frames_of(
            self._model.denoiser, stack
        )
        if was_cancelled or self._add(layer, stack):
            self._delivery.fill()

    def apply_to_selected(self) -> None:
        """Denoise every selected image layer, one after the other."""
        selection = self._viewer.layers.selection
        chosen = [
            layer
            for layer in self._viewer.layers
            if layer in selection and self._delivery.showing(layer) is None
        ]
        if not chosen:
            self._section.message.fail(
                "no movie is selected; select one or more in the layer list, with Ctrl "
                "or Shift"
            )
            return
        for layer in chosen:
            try:
                stack = self._stack_of(layer)
            except InputError as error:
                self._section.message.fail(str(error))
            else:
                self._add(layer, stack)
        self._delivery.fill()

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the denoised movie: that of the selected layer, else of the movie."""
        delivery, movie = self._delivery, self._movie
        selected = self._viewer.layers.selection.active
        result = delivery.showing(selected) or delivery.of(movie.layer)
        if result is None and movie.layer is not None and movie.stack is not None:
            self._add(movie.layer, movie.stack)
            result = delivery.of(movie.layer)
        if result is None:
            return
        try:
            part = movie.part_chosen() if self._is_part_of(result) else None
        except InputError as error:
            self._section.message.fail(str(error))
            return
        dtype = str(self._section.dtype_box.currentData())
        quantity = self._section.what_box.currentData()
        delivery.export(result, path, dtype, overwrite, quantity, part)

    def _add(self, layer: Image, stack: Stack) -> bool:
        denoiser, settings = self._model.denoiser, self._settings
        if denoiser is None:
            return False
        try:
            _jobs.check_task(denoiser, self._model.task)
        except InputError as error:
            self._section.message.fail(str(error))
            return False
        likelihood = denoiser.net.likelihood
        result = self._delivery.add(
            layer,
            stack,
            denoiser,
            is_foreign=self._model.is_foreign_to(stack),
            device=settings.device,
            use_posterior=settings.posterior_check.isChecked() and likelihood,
            events=settings.events_check.isChecked(),
            refine=settings.refine_check.isChecked(),
            with_std=settings.std_check.isChecked() and likelihood,
        )
        return result is not None

    def _stack_of(self, layer: Image) -> Stack:
        own = self._movie.stack if layer == self._movie.layer else None
        return stack_of(layer, axes_of(layer)) if own is None else own

    def _is_part_of(self, result: Result) -> bool:
        is_asked = self._section.part_check.isChecked()
        return bool(is_asked and result.source == self._movie.layer)

    def _on_export(self) -> None:
        name, kind = QFileDialog.getSaveFileName(
            self._section,
            "Export",
            file_beside(self._movie.layer, f".{WORDS[self._model.task].done}.ome.tif"),
            MOVIE_FILES,
        )
        if not name:
            return
        path = Path(name)
        # the dialog has asked whether to replace the name that was typed, no other
        may_replace = bool(path.suffix) and path.exists()
        if not path.suffix:
            suffix = ".ome.zarr" if "Zarr" in kind else ".ome.tif"
            path = path.with_name(path.name + suffix)
        self.export_to(path, overwrite=may_replace)
