"""The task: what suits the movie or a user wants, told to all who need to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.restore.first_look import FirstLooks
from napari_udvd._widgets.restore.task_section import TaskSection
from napari_udvd._widgets.restore.words import RECONSTRUCT

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_udvd._widgets.restore.delivery import Delivery
    from napari_udvd._widgets.restore.model_in_use import ModelInUse
    from napari_udvd._widgets.restore.movie_section import MovieSection
    from napari_udvd._widgets.restore.result_section import ResultSection
    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd._widgets.restore.training_control import TrainingControl

__all__ = ["TaskControl"]


class TaskControl(QObject):
    """Names the task to settings, result and model, and shows a first look.

    Parameters
    ----------
    viewer
        Shows the first look at a movie that is to be filled.
    movie
        What is looked at.
    settings, result, model
        Are told.
    trainer, delivery
        Have more to show, once there is something.

    Attributes
    ----------
    section
        Asks.
    looks
        Fill what is on view, while there is nothing better.
    """

    changed = Signal()
    """Another task."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        movie: MovieSection,
        settings: SettingsSection,
        result: ResultSection,
        model: ModelInUse,
        trainer: TrainingControl,
        delivery: Delivery,
    ) -> None:
        super().__init__()
        self._movie, self._model = movie, model
        self._layer: Layer | None = None
        self._trainer, self._delivery = trainer, delivery
        self._told = settings, result, model
        self.section = TaskSection()
        self.looks = FirstLooks(viewer, trainer.preview)
        self.section.changed.connect(self._on_section_changed)

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.section.task

    @property
    def chosen(self) -> str | None:
        """Name of the task where a user has chosen it."""
        return self.section.task if self.section.is_chosen else None

    def forget(self) -> None:
        """Nothing is known yet of what the movie is now.

        What a user has chosen for a layer stays, such as when a mask is chosen as well.
        """
        self._hide()
        layer, self._layer = self._layer, self._movie.layer
        if layer is None or layer != self._layer or not self.section.is_chosen:
            self.section.forget()

    def look(self) -> None:
        """Show a first look at what is to be filled, until there is more."""
        layer, stack = self._movie.layer, self._movie.stack
        if self._trainer.is_running:  # which shows what it learns in the same place
            self.looks.end()
        elif (
            self.name == RECONSTRUCT
            and layer is not None
            and stack is not None
            and self._model.is_foreign_to(stack)
            and self._delivery.of(layer) is None
        ):
            self.looks.begin(layer, stack)
        elif self.looks.is_on:
            self._hide()

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self._hide()
        self.looks.shut_down()

    def _hide(self) -> None:
        if self.looks.is_on:
            self.looks.end()
            self._trainer.preview.rest()

    def _on_section_changed(self) -> None:
        for each in self._told:
            each.ask_for(self.name)
        self.changed.emit()
