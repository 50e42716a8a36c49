"""What is judged: the noisy layer, the denoised one, and regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from napari_udvd._widgets.quality.questions import Question
from napari_udvd._widgets.shared.layers import (
    RESULT,
    axes_of,
    polygons_of,
    row_of,
    stack_of,
)
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd._widgets.shared.preferences import read_preferences
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import napari.viewer

    from napari_udvd._widgets.restore.result import Result
    from napari_udvd._widgets.shared.session import Session
    from napari_udvd.inference.restorer import Denoiser

__all__ = ["Choices"]

NAME_LENGTH = 20
"""Letters of a layer's name that are always seen; the list shows all of them."""


class Choices(QWidget):
    """Lists the layers, and guesses which belong together.

    Parameters
    ----------
    viewer
        Has the layers.
    session
        Knows which results were made of which movie, and by which model.
    """

    changed = Signal()
    """Another layer, model or region was chosen."""

    def __init__(self, viewer: napari.viewer.Viewer, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self.noisy_box = _box("The movie as it was recorded")
        self.result_box = _box("Its denoised version, made by any program")
        self.model_check = QCheckBox()
        self.model_check.setChecked(True)
        self.model_check.setToolTip(
            "Judge with the model that made the result: it alone tells predicted PSNR, "
            "resolution and false spots"
        )
        self.regions_box = _box(
            "Regions whose traces are judged: a layer of shapes or labels"
        )
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Noisy", self.noisy_box)
        layout.addRow("Denoised", self.result_box)
        layout.addRow("Model", self.model_check)
        layout.addRow("Regions", self.regions_box)
        self._is_chosen = False
        self.result_box.activated.connect(self._on_result_activated)
        self.refresh()
        self.result_box.currentIndexChanged.connect(self._on_result_changed)
        self.noisy_box.currentIndexChanged.connect(self._on_chosen)
        self.regions_box.currentIndexChanged.connect(self._on_chosen)
        self.model_check.toggled.connect(self._on_chosen)

    def refresh(self) -> None:
        """List the layers that there are; what was chosen stays."""
        movies = [layer for layer in self._viewer.layers if _is_movie(layer)]
        before = self.result_box.currentData()
        _fill(self.noisy_box, movies, [])
        _fill(self.result_box, movies, [])
        regions = [
            layer for layer in self._viewer.layers if isinstance(layer, Shapes | Labels)
        ]
        _fill(self.regions_box, regions, ["none"])
        if movies and not (self._is_chosen and before in movies):
            made = [r.layer for r in self._session.results if r.layer in movies]
            results = [layer for layer in movies if RESULT in layer.metadata]
            # of files that were opened, the noisy one came first
            self._choose(self.result_box, (made or results or movies)[-1])
        if self.result_box.currentData() != before:
            self._guess_noisy()
        self._name_model()

    @property
    def result(self) -> Result | None:
        """What is known of the denoised layer where this plugin made it."""
        layer = self.result_box.currentData()
        found = (r for r in reversed(self._session.results) if r.layer == layer)
        return next(found, None)

    @property
    def denoiser(self) -> Denoiser | None:
        """The model of the result; of a layer of others, the model in use."""
        result = self.result
        return self._session.denoiser if result is None else result.denoiser

    def question(self) -> Question:
        """Put together what is asked.

        Raises
        ------
        InputError
            If a movie is missing, or both are the same.
        """
        noisy, result = self.noisy_box.currentData(), self.result_box.currentData()
        if noisy is None or result is None:
            raise InputError(
                "there is no movie and its denoised version yet; open both, or denoise "
                "a movie in the dock Denoise movie"
            )
        if noisy == result:
            raise InputError(
                f"{noisy.name!r} is chosen as noisy movie and as denoised one; choose "
                "two layers"
            )
        own = self.result
        if own is not None and not own.is_complete:
            raise InputError(
                f"{result.name!r} is not complete; wait until all frames are denoised"
            )
        stack = stack_of(noisy, axes_of(noisy))
        if own is not None and own.source == noisy:
            stack = own.stack
        std = None
        if own is not None and own.std_layer is not None:
            std = stack_of(own.std_layer, axes_of(own.std_layer))
        denoiser = self.denoiser if self.model_check.isChecked() else None
        regions: Layer | None = self.regions_box.currentData()
        labels = polygons = None
        if isinstance(regions, Shapes):
            polygons = polygons_of(regions, noisy, stack)
            if not polygons:
                raise InputError(f"there is no shape in {regions.name!r}; draw one")
        elif isinstance(regions, Labels):
            labels = regions.data
            while labels.ndim > 2 and labels.shape[0] == 1:
                labels = labels[0]
        return Question(
            source=noisy,
            noisy=stack,
            result=stack_of(result, axes_of(result)),
            std=std,
            denoiser=denoiser,
            names=(noisy.name, result.name, ""),
            device=read_preferences().device,
            polygons=polygons or [],
            labels=labels,
        )

    def _on_result_activated(self) -> None:
        """Keep what a user chose, whatever layers come."""
        self._is_chosen = True

    def _on_result_changed(self) -> None:
        self._guess_noisy()
        self._name_model()
        self.changed.emit()

    def _on_chosen(self) -> None:
        self.changed.emit()

    def _guess_noisy(self) -> None:
        """Choose the movie that the result was made of, where that is known."""
        own, result = self.result, self.result_box.currentData()
        if own is not None and own.source in self._viewer.layers:
            self._choose(self.noisy_box, own.source)
            return
        if result is None or self.noisy_box.currentData() not in (None, result):
            return
        others = (self.noisy_box.itemData(k) for k in range(self.noisy_box.count()))
        for layer in others:
            alike = layer != result and layer.data.shape == result.data.shape
            if alike and RESULT not in layer.metadata:
                self._choose(self.noisy_box, layer)
                return

    def _name_model(self) -> None:
        denoiser = self.denoiser
        self.model_check.setEnabled(denoiser is not None)
        if denoiser is None:
            self.model_check.setText("not known")
        else:
            own = "of the result" if self.result is not None else "in use"
            self.model_check.setText(f"{denoiser.net.title}, {own}")

    def _choose(self, box: QComboBox, layer: Layer) -> None:
        row = row_of(box, layer)
        if row >= 0:
            box.setCurrentIndex(row)


def _box(tip: str) -> QComboBox:
    box = QComboBox()
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(NAME_LENGTH)
    box.setToolTip(tip)
    return box


def _is_movie(layer: Layer) -> bool:
    return isinstance(layer, Image) and not layer.rgb and OWN not in layer.metadata


def _fill(box: QComboBox, layers: list[Any], first: list[str]) -> None:
    """List layers anew, and keep the one that is chosen."""
    before = box.currentData()
    blocked = box.blockSignals(True)
    box.clear()
    for name in first:
        box.addItem(name, None)
    for layer in layers:
        box.addItem(layer.name, layer)
    box.setCurrentIndex(max(row_of(box, before), 0) if box.count() else -1)
    box.blockSignals(blocked)
