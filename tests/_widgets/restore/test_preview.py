"""The live preview: one layer, where it belongs, at its frame only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_udvd._widgets.restore.preview import PreviewLayer, contrast_limits
from napari_udvd._widgets.shared.layers import stack_of
from napari_udvd.training import LivePreview, View

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_udvd.stack import Stack

ROWS, COLUMNS = slice(8, 20), slice(10, 40)


class Scene:
    """A movie in a viewer, and its preview."""

    def __init__(self, axes: str, **how: Any) -> None:
        lengths = {"T": 6, "C": 2, "Z": 3, "Y": 40, "X": 60}
        shape = tuple(lengths[axis] for axis in axes)
        self.axes = axes
        self.viewer = ViewerModel()
        self.movie: Image = self.viewer.add_image(
            np.zeros(shape, np.float32), contrast_limits=(0, 1), name="movie", **how
        )
        self.stack: Stack = stack_of(self.movie, axes)
        self.preview = PreviewLayer(self.viewer)

    @property
    def layer(self) -> Image:
        assert self.preview.layer is not None
        return self.preview.layer

    def show(
        self,
        t: int = 2,
        z: int = 0,
        rows: slice = ROWS,
        columns: slice = COLUMNS,
        level: float = 0.0,
    ) -> np.ndarray:
        """Show a ramp; return it as ``(C, Y, X)``."""
        shape = (
            self.stack.n_channels,
            rows.stop - rows.start,
            columns.stop - columns.start,
        )
        ramp = level + np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        event = LivePreview(1, View(t, z, rows, columns), ramp)
        self.preview.show(self.movie, self.stack, event)
        return ramp

    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]

    def seen_at(self, **steps: int) -> bool:
        """Whether the preview shows anything where the sliders stand."""
        for axis, step in steps.items():
            self.viewer.dims.set_current_step(self.axes.index(axis), step)
        return self.layer._slicing_state.loaded and bool(
            np.any(self.layer._data_view != 0)
        )


CALIBRATED = {"scale": (1, 0.2, 0.1), "translate": (3, 5, 7), "rotate": 20}


def test_the_first_preview_adds_a_layer_over_the_movie() -> None:
    scene = Scene("TYX", colormap="green")
    ramp = scene.show()
    assert scene.names() == ["movie", "movie (preview)"]
    np.testing.assert_array_equal(scene.layer.data[0], ramp[0])
    assert scene.layer.colormap.name == "green"
    assert set(scene.viewer.layers.selection) == {scene.movie}


@pytest.mark.parametrize("how", [{}, CALIBRATED], ids=["pixels", "calibrated"])
def test_its_pixels_are_where_those_of_the_movie_are(how: dict[str, Any]) -> None:
    scene = Scene("TYX", **how)
    for t, rows, columns in ((2, ROWS, COLUMNS), (4, slice(0, 12), slice(30, 60))):
        scene.show(t, rows=rows, columns=columns)
        for pixel in ((0, 0, 0), (0, 11, 29)):
            np.testing.assert_allclose(
                scene.layer.data_to_world(pixel),
                scene.movie.data_to_world(
                    np.add(pixel, (t, rows.start, columns.start))
                ),
            )


def test_the_next_preview_is_shown_by_the_same_layer() -> None:
    scene = Scene("TYX")
    scene.show()
    layer = scene.layer
    ramp = scene.show(t=3, level=7.0)
    assert scene.layer is layer and len(scene.viewer.layers) == 2
    np.testing.assert_array_equal(layer.data[0], ramp[0])
    ramp = scene.show(t=3, rows=slice(0, 40), columns=slice(0, 60))  # zoomed out
    assert len(scene.viewer.layers) == 2
    np.testing.assert_array_equal(scene.layer.data[0], ramp[0])


def test_what_the_user_set_stays() -> None:
    scene = Scene("TYX")
    scene.show()
    scene.layer.visible = False
    scene.layer.contrast_limits = (3, 33)
    scene.layer.colormap = "magma"
    scene.layer.opacity = 0.5
    for rows in (ROWS, slice(0, 40)):
        scene.show(rows=rows)
        assert not scene.layer.visible
        assert scene.layer.contrast_limits == [3, 33]
        assert scene.layer.colormap.name == "magma"
        assert scene.layer.opacity == 0.5


def test_the_selection_of_the_user_stays() -> None:
    scene = Scene("TYX")
    other = scene.viewer.add_image(np.zeros((6, 40, 60), np.float32), name="other")
    scene.show()
    assert set(scene.viewer.layers.selection) == {other}
    scene.viewer.layers.selection = {scene.layer}
    scene.show(rows=slice(0, 40))
    assert set(scene.viewer.layers.selection) <= set(scene.viewer.layers)


def test_it_is_seen_at_its_frame_only() -> None:
    scene = Scene("TYX")
    scene.show(t=2)
    assert [scene.seen_at(T=t) for t in range(6)] == [t == 2 for t in range(6)]
    scene.show(t=4)
    assert [scene.seen_at(T=t) for t in range(6)] == [t == 4 for t in range(6)]


def test_it_is_seen_at_its_frame_of_a_movie_with_a_clock() -> None:
    scene = Scene("TYX", scale=(0.04, 0.2, 0.2), units=("s", "um", "um"))
    scene.show(t=3)
    assert [scene.seen_at(T=t) for t in range(6)] == [t == 3 for t in range(6)]


@pytest.mark.parametrize("axes", ["TCYX", "CTYX", "TYXC"])
def test_channels_are_in_the_order_of_the_movie(axes: str) -> None:
    scene = Scene(axes)
    if not axes.endswith("YX"):
        scene.viewer.dims.order = (0, 3, 1, 2)
    ramp = scene.show(t=2)
    assert scene.layer.data.shape == tuple(
        {"T": 1, "C": 2, "Y": 12, "X": 30}[axis] for axis in axes
    )
    for c in range(2):
        shown = scene.layer.data.take(c, axes.index("C")).squeeze()
        np.testing.assert_array_equal(shown, ramp[c])
        assert scene.seen_at(T=2, C=c) and not scene.seen_at(T=3, C=c)


def test_it_is_seen_at_its_depth_only() -> None:
    scene = Scene("TZYX")
    scene.show(t=2, z=1)
    assert [scene.seen_at(T=2, Z=z) for z in range(3)] == [False, True, False]
    assert not scene.seen_at(T=3, Z=1)


def test_all_five_axes() -> None:
    scene = Scene("TCZYX", scale=(2, 1, 0.5, 0.1, 0.1))
    ramp = scene.show(t=5, z=2)
    assert scene.layer.data.shape == (1, 2, 1, 12, 30)
    np.testing.assert_array_equal(scene.layer.data[0, :, 0], ramp)
    np.testing.assert_allclose(
        scene.layer.data_to_world((0, 0, 0, 0, 0)), (10, 0, 1, 0.8, 1.0)
    )


def test_a_layer_that_the_user_removed_comes_back() -> None:
    scene = Scene("TYX")
    scene.show()
    scene.viewer.layers.remove(scene.layer)
    scene.show()
    assert scene.names() == ["movie", "movie (preview)"]


def test_removing_it_leaves_the_movie() -> None:
    scene = Scene("TYX")
    scene.preview.remove()  # before there is one
    scene.show()
    scene.preview.remove()
    assert scene.names() == ["movie"] and scene.preview.layer is None
    scene.preview.remove()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4)),
        np.full((4, 4), 60000.0),
        np.full((4, 4), -1e-20),
        np.full((4, 4), 1e30),
    ],
    ids=["zero", "bright", "tiny", "huge"],
)
def test_limits_of_a_constant_frame_are_two_numbers(frame: np.ndarray) -> None:
    low, high = contrast_limits(frame.astype(np.float32))
    assert np.float32(low) < np.float32(high)


def test_limits_leave_out_the_outliers() -> None:
    frame = np.linspace(100, 200, 100_000, dtype=np.float32)
    frame[:20], frame[-20:] = -1e6, 1e6
    frame[50] = np.nan
    assert contrast_limits(frame) == pytest.approx((100, 200), abs=1)


def test_a_preview_of_a_training_that_diverged_does_no_harm() -> None:
    scene = Scene("TYX")
    nothing = np.full((1, 12, 30), np.nan, np.float32)
    event = LivePreview(1, View(2, 0, ROWS, COLUMNS), nothing)
    scene.preview.show(scene.movie, scene.stack, event)
    assert np.isfinite(scene.layer.contrast_limits).all()


def test_it_rests_between_trainings() -> None:
    scene = Scene("TYX")
    scene.show()
    layer = scene.layer
    scene.preview.rest()
    assert scene.layer is layer and not layer.visible
    scene.show()
    assert scene.layer is layer and layer.visible
    layer.visible = False  # by the user, who does not want to see it
    scene.show()
    assert not layer.visible


def test_a_dock_that_is_opened_again_takes_the_layer_that_rests() -> None:
    scene = Scene("TYX")
    scene.show()
    layer = scene.layer
    scene.preview.rest()
    scene.preview = PreviewLayer(scene.viewer)  # of another dock
    ramp = scene.show(t=4, level=3.0)
    assert scene.names() == ["movie", "movie (preview)"]
    assert scene.layer is layer and layer.visible
    np.testing.assert_array_equal(layer.data[0], ramp[0])


def test_the_layer_of_another_movie_is_left_alone() -> None:
    scene = Scene("TYX")
    scene.show()
    scene.preview.rest()
    other = Scene("TZYX")
    other.viewer.add_layer(scene.layer)  # of the same name, but of another shape
    other.show(t=2, z=1)
    assert other.layer is not scene.layer
    assert not scene.layer.visible
