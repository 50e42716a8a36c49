"""Between layers and stacks: what is on view, where shapes lie, where results go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes

from napari_udvd._widgets.shared.layers import (
    axes_of,
    box_of,
    drawn_like,
    place_seen,
    stack_of,
)
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

SHAPE = 6, 40, 60


def movie(shape: tuple[int, ...] = SHAPE, **how: Any) -> Image:
    pixels = np.zeros(shape, np.float32)
    return Image(pixels, contrast_limits=(0, 1), name="movie", **how)


def viewer_with(*layers: Layer) -> ViewerModel:
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(layer)
    return viewer


# from a layer to a stack


def test_a_stack_has_the_calibration_of_the_layer() -> None:
    layer = movie(scale=(2, 0.2, 0.1), units=("s", "um", "um"))
    stack = stack_of(layer, axes_of(layer))
    assert stack.axes == "TYX"
    assert dict(stack.scale) == pytest.approx({"T": 2, "Y": 0.2, "X": 0.1})
    assert dict(stack.units) == {"T": "s", "Y": "µm", "X": "µm"}


def test_of_a_multiscale_layer_the_finest_level_is_taken() -> None:
    levels = [np.zeros((6, 40 // k, 60 // k), np.float32) for k in (1, 2, 4)]
    layer = Image(levels, multiscale=True, contrast_limits=(0, 1))
    stack = stack_of(layer, axes_of(layer))
    assert stack.shape == SHAPE
    assert stack.data is levels[0] or np.shares_memory(stack.data, levels[0])


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Labels(np.zeros(SHAPE, int), name="cells"), r"'cells' is a Labels layer"),
        (Points(np.zeros((1, 3)), name="spots"), r"'spots' is a Points layer"),
        (
            Image(np.zeros((*SHAPE, 3), np.uint8), rgb=True, name="photo"),
            r"'photo' is a colour picture \(RGB\).*Split RGB",
        ),
        (movie((2, 6, 40, 60)), r"\(2, 6, 40, 60\).*Axes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_no_movie_is_refused_by_name(layer: Layer, said: str) -> None:
    with pytest.raises(InputError, match=said):
        axes_of(layer)


# what is on view


def test_the_frame_on_view_is_that_of_the_slider() -> None:
    layer = movie((6, 3, 40, 60), axis_labels=("t", "z", "y", "x"))
    viewer = viewer_with(layer)
    viewer.dims.set_current_step((0, 1), (4, 2))
    place = place_seen(viewer, layer, stack_of(layer, "TZYX"))
    assert (place.t, place.z) == (4, 2)


def test_the_axes_say_which_slider_is_time() -> None:
    layer = movie((3, 6, 40, 60))
    viewer = viewer_with(layer)
    viewer.dims.set_current_step((0, 1), (2, 4))
    place = place_seen(viewer, layer, stack_of(layer, "ZTYX"))
    assert (place.t, place.z) == (4, 2)


def test_a_frame_beyond_a_shorter_movie_is_its_last() -> None:
    layer = movie()
    viewer = viewer_with(layer, movie((20, 40, 60)))
    viewer.dims.set_current_step(0, 15)
    assert place_seen(viewer, layer, stack_of(layer, "TYX")).t == 5


@pytest.mark.parametrize("units", ["um and nm", "nm and um"])
def test_the_frame_on_view_where_layers_have_other_units(units: str) -> None:
    layers = {
        "um": movie(scale=(1, 0.1, 0.1), units=("s", "um", "um")),
        "nm": movie(scale=(1000, 100, 100), units=("ms", "nm", "nm")),
    }
    viewer = viewer_with(*(layers[unit] for unit in units.split(" and ")))
    viewer.dims.set_current_step(0, 3)
    for layer in layers.values():
        assert place_seen(viewer, layer, stack_of(layer, "TYX")).t == 3


def test_the_frame_on_view_where_units_cannot_be_compared() -> None:
    layer = movie(scale=(1, 0.1, 0.1), units=("s", "um", "um"))
    viewer = viewer_with(layer, movie())
    viewer.dims.set_current_step(0, 3)
    assert place_seen(viewer, layer, stack_of(layer, "TYX")).t == 3


@pytest.mark.parametrize(
    "how",
    [
        {"scale": (0.5, 0.1, 0.2)},
        {"translate": (10, 20, 30)},
        {"scale": (3, 0.1, 0.2), "translate": (-7, 5, 5)},
        {"affine": np.diag([2.0, 3, 4, 1])},
        {"rotate": 30},
    ],
    ids=str,
)
def test_the_frame_on_view_of_a_layer_that_is_placed(how: dict[str, Any]) -> None:
    layer = movie(**how)
    viewer = viewer_with(layer)
    viewer.dims.set_current_step(0, 4)
    assert place_seen(viewer, layer, stack_of(layer, "TYX")).t == 4


@pytest.fixture
def real_viewer(
    viewer_of: Callable[..., napari.Viewer], qtbot: QtBot
) -> Callable[..., napari.Viewer]:
    """Open a viewer with a canvas, which knows what it shows, zoomed in four times."""

    def show(*layers: Layer) -> napari.Viewer:
        viewer = viewer_of(*layers)
        viewer.fit_to_view()
        viewer.scene.camera.zoom *= 4
        qtbot.wait(100)  # until it is drawn
        return viewer

    return show


def assert_on_the_middle(part: slice, length: int) -> None:
    """Check that a part has the middle fifth, and lacks the ends."""
    assert 0 < part.start <= 0.4 * length
    assert 0.6 * length <= part.stop < length


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"scale": (0.5, 0.1, 0.2), "translate": (10, 20, 30)},
        {"rotate": 30, "scale": (1, 2, 2)},
    ],
    ids=str,
)
def test_the_part_on_view_is_what_the_canvas_shows(
    real_viewer: Callable[..., napari.Viewer], how: dict[str, Any]
) -> None:
    layer = movie((3, 200, 200), **how)
    viewer = real_viewer(layer)
    place = place_seen(viewer, layer, stack_of(layer, "TYX"))
    assert_on_the_middle(place.rows, 200)
    assert_on_the_middle(place.columns, 200)


def test_the_part_on_view_where_layers_have_other_units(
    real_viewer: Callable[..., napari.Viewer],
) -> None:
    micro = movie((3, 200, 200), scale=(1, 0.1, 0.1), units=("s", "um", "um"))
    nano = movie((3, 200, 200), scale=(1000, 100, 100), units=("ms", "nm", "nm"))
    viewer = real_viewer(micro, nano)
    for layer in (micro, nano):
        place = place_seen(viewer, layer, stack_of(layer, "TYX"))
        for part in (place.rows, place.columns):
            assert part.start <= 80 and part.stop >= 120


def test_the_whole_frame_counts_where_another_cut_is_shown(
    real_viewer: Callable[..., napari.Viewer],
) -> None:
    layer = movie((30, 200, 200))
    viewer = real_viewer(layer)
    viewer.dims.order = (1, 0, 2)  # time on the canvas
    place = place_seen(viewer, layer, stack_of(layer, "TYX"))
    assert (place.rows, place.columns) == (slice(0, 200), slice(0, 200))


# where another layer goes

numbers = st.floats(-5, 5)
steps = st.floats(0.05, 20)


@st.composite
def placed(draw: st.DrawFn) -> Image:
    """Draw a layer that is scaled, moved, turned, sheared and transformed."""
    ndim = draw(st.sampled_from((3, 4)))
    how: dict[str, Any] = {
        "scale": draw(st.tuples(*[steps] * ndim)),
        "translate": draw(st.tuples(*[numbers] * ndim)),
    }
    if draw(st.booleans()):
        how["rotate"] = draw(st.floats(-180, 180))
    if draw(st.booleans()):
        n = ndim * (ndim - 1) // 2
        how["shear"] = draw(st.tuples(*[st.floats(-0.5, 0.5)] * n))
    if draw(st.booleans()):
        affine = np.eye(ndim + 1)
        affine[:ndim, :ndim] += draw(
            st.lists(
                st.lists(st.floats(-0.2, 0.2), min_size=ndim, max_size=ndim),
                min_size=ndim,
                max_size=ndim,
            )
        )
        affine[:ndim, -1] = draw(st.tuples(*[numbers] * ndim))
        how["affine"] = affine
    return movie((2,) * ndim, **how)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
@settings(deadline=None, max_examples=40)
@given(layer=placed(), data=st.data())
def test_a_part_is_drawn_where_it_is_in_the_movie(
    layer: Image, data: st.DataObject
) -> None:
    at = st.tuples(*[st.integers(0, 500)] * layer.ndim)
    offset, pixel = np.array(data.draw(at)), np.array(data.draw(at))
    part = movie((1,) * layer.ndim, **drawn_like(layer, offset))
    np.testing.assert_allclose(
        part.data_to_world(pixel),
        layer.data_to_world(offset + pixel),
        rtol=1e-6,
        atol=1e-6 * np.max(layer.scale) * 500,
    )


def test_another_layer_is_calibrated_like_the_movie() -> None:
    layer = movie(
        scale=(2, 0.2, 0.1),
        translate=(5, 6, 7),
        units=("s", "um", "um"),
        axis_labels=("t", "y", "x"),
    )
    other = movie(**drawn_like(layer))
    assert other.units == layer.units
    assert other.axis_labels == layer.axis_labels
    np.testing.assert_array_equal(other.scale, layer.scale)
    np.testing.assert_array_equal(other.translate, layer.translate)


def test_another_layer_with_twice_the_pixels_fills_the_same_place() -> None:
    layer = movie((4, 20, 30), scale=(2, 0.5, 0.25), translate=(1, 100, 200))
    other = movie((4, 40, 60), **drawn_like(layer, shape=(4, 40, 60)))
    half = np.array([[-0.5], [0.5]])  # of a pixel, from its centre to its edge
    edges = [one.extent.world + half * one.scale for one in (layer, other)]
    np.testing.assert_allclose(*edges)


# the part of a frame that a shape encloses


def box(shapes: Shapes, layer: Image, axes: str = "TYX") -> tuple[slice, slice]:
    return box_of(shapes, layer, stack_of(layer, axes))


def rectangle(low: tuple[float, ...], high: tuple[float, ...], **how: Any) -> Shapes:
    """Draw the rectangle between two corners, which lie in one frame."""
    (y0, x0), (y1, x1) = low[-2:], high[-2:]
    corners = [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
    shape = np.array([(*low[:-2], *corner) for corner in corners])
    return Shapes([shape], shape_type="rectangle", name="region", **how)


def test_a_rectangle_of_two_dimensions_over_a_movie() -> None:
    assert box(rectangle((10, 20), (15, 30)), movie()) == (slice(10, 16), slice(20, 31))


def test_a_rectangle_in_a_frame_of_the_movie() -> None:
    shapes = rectangle((3, 10, 20), (3, 15, 30))
    assert box(shapes, movie()) == (slice(10, 16), slice(20, 31))


def test_a_rectangle_in_the_coordinates_of_the_world() -> None:
    layer = movie(scale=(1, 0.5, 0.25), translate=(0, 100, 200))
    shapes = rectangle((105, 205), (107.5, 207.5))
    assert box(shapes, layer) == (slice(10, 16), slice(20, 31))


def test_a_rectangle_whose_layer_is_moved_and_scaled() -> None:
    shapes = rectangle((0, 0), (5, 10), scale=(0.5, 0.5), translate=(10, 20))
    layer = movie(scale=(1, 0.5, 0.5))
    assert box(shapes, layer) == (slice(20, 26), slice(40, 51))


def test_a_rectangle_in_another_unit() -> None:
    layer = movie(scale=(1, 0.1, 0.1), units=("s", "um", "um"))
    shapes = rectangle((1000, 2000), (1500, 3000), units=("nm", "nm"))
    assert box(shapes, layer) == (slice(10, 16), slice(20, 31))


def test_a_rectangle_without_unit_over_a_calibrated_movie() -> None:
    """The viewer draws both in the same world when units cannot be compared."""
    layer = movie(scale=(1, 0.1, 0.1), units=("s", "um", "um"))
    shapes = rectangle((1, 2), (1.5, 3))
    assert box(shapes, layer) == (slice(10, 16), slice(20, 31))


def test_a_rectangle_over_a_movie_that_was_turned() -> None:
    layer = movie(rotate=90)
    corners = np.array(
        [layer.data_to_world((0, y, x)) for y in (10, 15) for x in (9, 12)]
    )
    shapes = Shapes([corners[[0, 1, 3, 2]]], shape_type="polygon")
    assert box(shapes, layer) == (slice(10, 16), slice(9, 13))


def test_what_reaches_beyond_the_movie_is_cut_off() -> None:
    shapes = rectangle((-10, 50), (5, 100))
    assert box(shapes, movie()) == (slice(0, 6), slice(50, 60))


def test_the_selected_shape_counts_and_else_the_last() -> None:
    shapes = rectangle((10, 20), (15, 30))
    shapes.add_rectangles(np.array([[0, 0], [0, 5], [5, 5], [5, 0]]))
    shapes.selected_data = set()
    assert box(shapes, movie()) == (slice(0, 6), slice(0, 6))
    shapes.selected_data = {0}
    assert box(shapes, movie()) == (slice(10, 16), slice(20, 31))


def test_an_ellipse_and_a_line_have_a_box_too() -> None:
    shapes = Shapes(ndim=2)
    shapes.add_ellipses(np.array([[10, 20], [10, 30], [15, 30], [15, 20]]))
    assert box(shapes, movie()) == (slice(10, 16), slice(20, 31))
    shapes.add_lines(np.array([[1, 2], [5, 2]]))
    shapes.selected_data = set()
    assert box(shapes, movie()) == (slice(1, 6), slice(2, 3))


@pytest.mark.parametrize("corner", [(50, 0), (0, 70), (-20, 0), (0, -20)])
def test_a_shape_off_the_movie_is_refused_by_name(corner: tuple[int, int]) -> None:
    y, x = corner
    with pytest.raises(InputError, match="'region' lies outside the movie 'movie'"):
        box(rectangle(corner, (y + 5, x + 5)), movie())


def test_a_layer_without_shape_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="'region' has no shape; draw a rectangle"):
        box(Shapes(ndim=2, name="region"), movie())
