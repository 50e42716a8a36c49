"""Regions from layers of the viewer, in the pixels of the movie."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes, Tracks, Vectors

from napari_udvd._widgets.events.watched import asked_of, watched
from napari_udvd._widgets.shared.layers import stack_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_udvd._widgets.events.watched import Watched

SCALE = {"scale": (2.0, 0.5, 0.5), "units": ("s", "µm", "µm"), "translate": (0, 3, 4)}


@pytest.fixture
def movie() -> Image:
    return Image(np.zeros((6, 40, 50), np.uint8), axis_labels=("t", "y", "x"), **SCALE)


def of(layer: Layer | None, movie: Image, radius: float = 5.0) -> Watched:
    stack = stack_of(movie, "TYX")
    return watched(asked_of(layer, movie, stack, radius), threading.Event())


def test_without_a_layer_it_is_the_whole_frame(movie: Image) -> None:
    found = of(None, movie)
    assert found.is_whole and found.regions.names == ("frame",)
    assert found.there == {"frame": (0, 6)}


def test_tracks_are_converted_and_end(movie: Image) -> None:
    rows = np.array([[7, t, 10 + t, 20] for t in range(1, 4)], float)
    nm = {"scale": (2.0, 500, 500), "units": ("s", "nm", "nm")}
    tracks = Tracks(rows, translate=(0, 3000, 4000), **nm)
    found = of(tracks, movie)
    assert found.there == {"7": (1, 4)} and found.radius == pytest.approx(5, abs=1)
    np.testing.assert_allclose(found.centre("7", 2), (12, 20))
    assert found.centre("7", 5) is None


def test_points_stay_or_move(movie: Image) -> None:
    still = of(
        Points([[10, 20], [30, 40]], **{k: v[1:] for k, v in SCALE.items()}), movie
    )
    assert still.regions.names == ("1", "2")
    np.testing.assert_allclose(still.centre("2", 5), (30, 40))
    moving = of(Points([[0, 10, 20], [5, 20, 20]], **SCALE), movie)
    assert moving.regions.names == ("1",)
    np.testing.assert_allclose(moving.centre("1", 2), (14, 20))
    with pytest.raises(InputError, match="belong together"):
        of(Points([[0, 10, 20], [0, 5, 5], [5, 20, 20]], **SCALE), movie)


def test_a_shape_keeps_its_name_when_another_one_goes(movie: Image) -> None:
    boxes = [np.array([[y, 2], [y, 8], [y + 5, 8], [y + 5, 2]]) for y in (2, 12, 22)]
    shapes = Shapes(boxes, **{k: v[1:] for k, v in SCALE.items()})
    assert of(shapes, movie).regions.names == ("1", "2", "3")
    shapes.selected_data = {1}
    shapes.remove_selected()
    assert of(shapes, movie).regions.names == ("1", "3")
    shapes.add(boxes[1])
    found = of(shapes, movie)
    assert found.regions.names == ("1", "3", "4")
    np.testing.assert_allclose(found.centre("4", 0), (14.5, 5.0), atol=1)


def test_labels_may_have_axes_of_length_one(movie: Image) -> None:
    image = np.zeros((1, 40, 50), int)
    image[0, 5:9, 6:11] = 3
    found = of(Labels(image, **SCALE), movie)
    assert found.regions.names == ("3",)
    np.testing.assert_allclose(found.centre("3", 4), (6.5, 8.0))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda: Shapes(), "no shape"),
        (lambda: Points(np.empty((0, 2))), "no point"),
        (lambda: Points([[500.0, 20.0]]), "outside of the frame"),
        (lambda: Labels(np.zeros((9, 9), int)), "another movie"),
        (lambda: Tracks([[1, 0, 5, 5], [1, 9, 5, 5.0]]), "another movie"),
        (lambda: Vectors(np.zeros((1, 2, 2))), "has no regions"),
    ],
)
def test_what_does_not_suit_the_movie_is_refused(
    movie: Image, layer: Any, why: str
) -> None:
    plain = Image(movie.data, axis_labels=("t", "y", "x"))
    with pytest.raises(InputError, match=why):
        of(layer(), plain)
