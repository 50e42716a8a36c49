"""Circles around the events that were put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_udvd._widgets.restore.flash_layer import COLOURS, FlashLayer
from napari_udvd.inference.flashes import KINDS, Flash
from napari_udvd.inference.live_movie import Filled
from napari_udvd.inference.stream import Progress
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from napari.layers import Image

DONE = Progress(1, 2)


def flash(frame: int, row: int, column: int, kind: str = "pixel") -> Flash:
    return Flash(frame, 1, 0, row, column, kind, 20.0 + row, 8.0, 0.99)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def result(viewer: ViewerModel) -> Image:
    data = np.zeros((2, 8, 20, 30), "f4")
    layer: Image = viewer.add_image(
        data, name="a (denoised)", scale=(1, 1, 0.5, 0.5), translate=(0, 0, 3, 4)
    )
    return layer


@pytest.fixture
def shown(viewer: ViewerModel, result: Image) -> FlashLayer:
    return FlashLayer(
        viewer, result, Stack.from_array(np.zeros((2, 8, 20, 30)), "CTYX")
    )


def test_every_kind_has_a_colour() -> None:
    assert set(COLOURS) == set(KINDS)


def test_there_is_no_layer_without_events(
    viewer: ViewerModel, shown: FlashLayer
) -> None:
    shown.take(Filled((Plane(1, 0),), 0, 4, DONE))
    assert shown.layer is None
    assert len(viewer.layers) == 1


def test_events_are_where_they_are_in_the_movie(
    viewer: ViewerModel, result: Image, shown: FlashLayer
) -> None:
    viewer.layers.selection = {result}
    shown.take(
        Filled((Plane(1, 0),), 4, 8, DONE, (flash(5, 6, 7), flash(6, 1, 2, "spot")))
    )
    shown.take(Filled((Plane(1, 0),), 0, 4, DONE, (flash(3, 9, 9, "3x3"),)))
    layer = shown.layer
    assert layer is not None
    assert layer.name == "a (denoised) events"
    expected = [[1, 3, 9, 9], [1, 5, 6, 7], [1, 6, 1, 2]]
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_allclose(
        layer.data_to_world(layer.data[0]), result.data_to_world([1, 3, 9, 9])
    )
    assert list(layer.features["kind"]) == ["3x3", "pixel", "spot"]
    assert list(layer.features["amplitude"]) == [29.0, 26.0, 21.0]
    assert list(layer.features["z"]) == [8.0] * 3
    np.testing.assert_array_equal(layer.size, 1)
    assert viewer.layers.selection == {result}
    # circles must not make the movie seem longer
    assert [r.stop for r in viewer.dims.range][:2] == [1, 7]


def test_a_frame_that_is_denoised_again_has_its_events_once(shown: FlashLayer) -> None:
    for found in ((), (flash(5, 6, 7),), (flash(5, 6, 7),)):
        shown.take(Filled((Plane(1, 0),), 5, 6, DONE, found))
    assert shown.layer is not None
    assert len(shown.layer.data) == 1
    shown.take(Filled((Plane(1, 0),), 5, 6, DONE))
    assert len(shown.layer.data) == 0


def test_a_layer_that_was_removed_stays_away(
    viewer: ViewerModel, shown: FlashLayer
) -> None:
    shown.take(Filled((Plane(1, 0),), 5, 6, DONE, (flash(5, 6, 7),)))
    viewer.layers.remove(shown.layer)
    shown.take(Filled((Plane(1, 0),), 6, 7, DONE, (flash(6, 6, 7),)))
    assert len(viewer.layers) == 1
