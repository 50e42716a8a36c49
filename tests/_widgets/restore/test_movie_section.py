"""Choosing a movie, its axes, and the part of it to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_udvd._widgets.restore.movie_section import MovieSection
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets.shared.messages import Message

SHAPE = 6, 40, 60


def movie(name: str = "movie", shape: tuple[int, ...] = SHAPE, **how: Any) -> Image:
    pixels = np.zeros(shape, np.float32)
    return Image(pixels, contrast_limits=(0, 1), name=name, **how)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def open_section(
    viewer: ViewerModel, qtbot: QtBot
) -> Iterator[Callable[[], MovieSection]]:
    """Make the section in a viewer that is as it was left."""
    sections = []

    def make() -> MovieSection:
        section = MovieSection(viewer)
        qtbot.addWidget(section)
        sections.append(section)
        return section

    yield make
    for section in sections:
        section.shut_down()


def choices(section: MovieSection) -> list[str]:
    return [section.layer_box.itemText(k) for k in range(section.layer_box.count())]


def type_axes(section: MovieSection, text: str) -> None:
    section.axes_edit.setText(text)
    section.axes_edit.editingFinished.emit()


def says(message: Message) -> str:
    return message.text() if not message.isHidden() else ""


def pick(section: MovieSection, name: str) -> None:
    """Choose in the box, as a user does."""
    section.layer_box.setCurrentText(name)
    section.layer_box.activated.emit(section.layer_box.currentIndex())


# choosing


def test_without_a_layer_it_says_where_to_get_one(
    open_section: Callable[[], MovieSection],
) -> None:
    section = open_section()
    assert section.layer is None and section.stack is None
    assert "no movie yet" in says(section.layer_message)
    assert not section.axes_edit.isEnabled() and section.summary.isHidden()
    with pytest.raises(InputError, match="no movie yet"):
        section.training_stack()


def test_the_active_layer_is_taken_at_the_start(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    first, second = movie("first"), movie("second")
    viewer.layers.extend([first, second])
    viewer.layers.selection.active = first
    section = open_section()
    assert section.layer == first
    assert section.layer_box.currentText() == "first"
    assert choices(section) == ["second", "first"]  # as in the layer list
    assert section.summary.text() == "6 frames, 40 x 60"


def test_a_hidden_layer_is_not_what_is_meant(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    noisy, truth = movie("noisy"), movie("truth", visible=False)
    viewer.layers.extend([noisy, truth])
    viewer.layers.selection.active = truth
    section = open_section()
    assert section.layer == noisy
    assert section.layer_box.currentText() == "noisy"


def test_only_images_can_be_chosen(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.layers.extend(
        [movie(), Labels(np.zeros(SHAPE, int), name="cells"), Shapes(name="region")]
    )
    section = open_section()
    assert choices(section) == ["movie"]


def test_a_layer_of_another_kind_is_named_in_the_message(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(Labels(np.zeros(SHAPE, int), name="cells"))
    section = open_section()
    assert section.layer is None and section.stack is None
    assert "'cells' is a Labels layer" in says(section.layer_message)


def test_another_choice_is_announced_once(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.layers.extend([movie("first"), movie("second", (9, 30, 30))])
    section = open_section()
    changes: list[object] = []
    section.changed.connect(lambda: changes.append(section.layer))
    pick(section, "first")
    assert changes == [viewer.layers["first"]]
    assert section.stack is not None and section.stack.n_frames == 6


def test_the_first_movie_that_is_opened_is_taken(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    section = open_section()
    viewer.add_layer(Labels(np.zeros(SHAPE, int)))
    viewer.add_layer(movie("hidden", visible=False))
    assert section.layer is None
    viewer.add_layer(movie("first"))
    assert section.layer == viewer.layers["first"]
    assert section.layer_box.currentText() == "first"
    assert says(section.layer_message) == ""
    # a new layer is selected, and the movie follows what is selected
    viewer.add_layer(movie("second"))
    assert section.layer == viewer.layers["second"]
    viewer.layers.selection.active = viewer.layers["first"]
    assert section.layer == viewer.layers["first"]
    section.follows = False
    viewer.layers.selection.active = viewer.layers["second"]
    assert section.layer == viewer.layers["first"]


def test_layers_of_the_same_name_are_told_apart(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    below, above = movie(shape=(5, 20, 20)), movie(shape=(7, 20, 20))
    viewer.layers.extend([below, above])
    section = open_section()
    section.choose(below)
    assert section.stack is not None and section.stack.n_frames == 5
    section.choose(above)
    assert section.stack is not None and section.stack.n_frames == 7


# layers that change


def test_a_new_name_is_shown_and_nothing_else_happens(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.layers.extend([movie("first"), movie("second")])
    section = open_section()
    layer, stack = section.layer, section.stack
    assert layer is not None
    with qtbot.assertNotEmitted(section.changed):
        layer.name = "other name"
    assert section.layer_box.currentText() == "other name"
    assert section.layer == layer and section.stack is stack


def test_another_order_is_shown_and_nothing_else_happens(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.layers.extend([movie("a"), movie("b"), movie("c")])
    section = open_section()
    layer = section.layer
    with qtbot.assertNotEmitted(section.changed):
        viewer.layers.move(2, 0)
    assert choices(section) == [layer.name for layer in reversed(viewer.layers)]
    assert section.layer == layer
    assert section.layer_box.currentData() == layer


def test_the_movie_is_gone_when_its_layer_is(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.layers.extend([movie("first"), movie("second")])
    section = open_section()
    with qtbot.waitSignals([section.changed, section.removed]) as blocker:
        viewer.layers.remove("second")
    (emitted,) = [s.args for s in blocker.all_signals_and_args if s.args]
    assert emitted == ("second",)
    assert section.layer is None and section.stack is None
    assert choices(section) == ["first"] and section.layer_box.currentIndex() == -1
    assert "no movie" in says(section.layer_message)
    pick(section, "first")
    assert section.layer == viewer.layers["first"]


def test_another_layer_may_go_without_notice(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.layers.extend([movie("first"), movie("second")])
    section = open_section()
    with qtbot.assertNotEmitted(section.changed):
        viewer.layers.remove("first")
    assert choices(section) == ["second"]


def test_with_all_layers_the_movie_goes(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.layers.extend([movie("first"), movie("second"), Shapes(name="region")])
    section = open_section()
    viewer.layers.clear()
    assert section.layer is None and choices(section) == []


def test_other_data_are_read_anew(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    with qtbot.waitSignal(section.changed):
        layer.data = np.zeros((9, 30, 30), np.float32)
    assert section.summary.text() == "9 frames, 30 x 30"
    assert section.part.last_frame.value() == 8


def test_typed_axes_outlive_other_data(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie(shape=(6, 2, 40, 60)))
    section = open_section()
    type_axes(section, "TCYX")
    layer.data = np.zeros((9, 2, 30, 30), np.float32)
    assert section.stack is not None and section.stack.axes == "TCYX"
    assert section.stack.n_frames == 9


def test_data_with_another_number_of_axes_are_read_by_their_labels(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie(shape=(6, 2, 40, 60)))
    section = open_section()
    type_axes(section, "TCYX")
    layer.data = np.zeros((9, 30, 30), np.float32)
    assert section.stack is not None and section.stack.axes == "TYX"


def test_a_calibration_is_shown_and_nothing_else_happens(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    with qtbot.assertNotEmitted(section.changed):
        layer.units = ("s", "um", "um")
        layer.scale = (2, 0.2, 0.2)
    assert section.summary.text() == "6 frames, 40 x 60, 0.2 µm, 2 s"


def test_labels_say_what_the_axes_are_when_nothing_else_does(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie(shape=(6, 2, 40, 60)))
    section = open_section()
    assert section.stack is None
    layer.axis_labels = ("t", "c", "y", "x")
    assert section.stack is not None and section.stack.axes == "TCYX"
    assert says(section.axes_message) == ""


def test_a_scale_that_is_no_size_is_said_and_can_be_mended(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    layer.scale = (1, -1, 1)
    text = says(section.layer_message) + says(section.axes_message)
    assert "the scale of axis Y is -1" in text
    layer.scale = (1, 0.5, 0.5)
    assert says(section.layer_message) + says(section.axes_message) == ""
    assert section.stack is not None and section.stack.scale["Y"] == 0.5


def test_a_scale_that_was_no_size_from_the_start_can_be_mended(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie(scale=(1, -1, 1)))
    section = open_section()
    assert section.stack is None
    text = says(section.layer_message) + says(section.axes_message)
    assert "the scale of axis Y is -1" in text
    layer.scale = (1, 0.5, 0.5)
    assert says(section.layer_message) + says(section.axes_message) == ""
    assert section.stack is not None and section.stack.scale["Y"] == 0.5


def test_after_shutting_down_nothing_is_heard(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    section.shut_down()
    with qtbot.assertNotEmitted(section.changed):
        layer.data = np.zeros((9, 30, 30), np.float32)
        layer.name = "other"
        viewer.add_layer(movie("new"))
    assert choices(section) == ["movie"]


# axes


def test_axes_that_are_typed_are_taken(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], qtbot: QtBot
) -> None:
    viewer.add_layer(movie(shape=(6, 2, 40, 60)))
    section = open_section()
    assert section.stack is None
    assert "(6, 2, 40, 60)" in says(section.axes_message)
    with qtbot.waitSignal(section.changed):
        type_axes(section, " tcyx ")
    assert section.summary.text() == "6 frames, 2 channels, 40 x 60"
    assert says(section.axes_message) == ""
    assert section.axes_edit.text() == "TCYX"
    with qtbot.assertNotEmitted(section.changed):
        type_axes(section, "TCYX")  # leaving the field is no change


@pytest.mark.parametrize("typed", ["TQX", "TYYX", "YX", "TCZYX", "TCZ", "?", "T Y X"])
def test_nonsense_is_quoted_and_can_be_mended(
    viewer: ViewerModel, open_section: Callable[[], MovieSection], typed: str
) -> None:
    viewer.add_layer(movie())
    section = open_section()
    type_axes(section, typed)
    assert section.stack is None
    assert repr(typed) in says(section.axes_message)
    assert says(section.layer_message) == ""
    assert section.axes_edit.text() == typed  # to be corrected
    with pytest.raises(InputError, match=f"axes {typed!r}".replace("?", r"\?")):
        section.training_stack()
    type_axes(section, "TYX")
    assert section.stack is not None and says(section.axes_message) == ""


def test_an_empty_field_goes_back_to_the_labels(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(movie())
    section = open_section()
    type_axes(section, "ZYX")
    assert section.stack is not None and section.stack.axes == "ZYX"
    type_axes(section, "")
    assert section.stack is not None and section.stack.axes == "TYX"
    assert section.axes_edit.text() == "TYX"


def test_the_axes_of_one_layer_are_not_those_of_the_next(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.layers.extend([movie("first"), movie("second")])
    section = open_section()
    type_axes(section, "nonsense")
    pick(section, "first")
    assert section.axes_edit.text() == "TYX" and says(section.axes_message) == ""


# the part to learn from


def test_the_whole_movie_is_learned_from_unless_said_otherwise(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(movie())
    section = open_section()
    assert section.training_stack() is section.stack


def test_a_range_of_frames(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(movie())
    section = open_section()
    section.part.first_frame.setValue(2)
    section.part.last_frame.setValue(4)
    assert section.training_stack().shape == (3, 40, 60)
    section.part.first_frame.setValue(99)  # the box does not let it
    assert section.part.first_frame.value() == 5
    with pytest.raises(InputError, match=r"first .*, 5, comes after the last, 4"):
        section.training_stack()
    assert "5, comes after the last, 4" in says(section.part.message)
    section.part.last_frame.setValue(5)
    assert section.training_stack().shape == (1, 40, 60)
    assert says(section.part.message) == ""


def test_a_region(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    shapes = viewer.add_shapes(ndim=2, name="region")
    viewer.layers.selection.active = layer
    section.part.region_box.setCurrentText("region")
    with pytest.raises(InputError, match="'region' has no shape"):
        section.training_stack()
    assert "'region' has no shape" in says(section.part.message)
    shapes.add_rectangles(np.array([[10, 20], [10, 30], [15, 30], [15, 20]]))
    assert section.training_stack().shape == (6, 6, 11)
    assert says(section.part.message) == ""
    assert section.layer == layer  # and not the shapes, which came last


def test_a_region_without_unit_over_a_calibrated_movie(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(movie(scale=(1, 0.1, 0.1), units=("s", "um", "um")))
    section = open_section()
    viewer.add_shapes(np.array([[1, 2], [1, 3], [1.5, 3], [1.5, 2]]), name="region")
    section.part.region_box.setCurrentText("region")
    assert section.training_stack().shape == (6, 6, 11)


def test_a_region_that_is_gone_is_the_whole_frame(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.add_layer(movie())
    viewer.add_shapes(np.array([[10, 20], [10, 30], [15, 30], [15, 20]]), name="region")
    viewer.layers.selection.active = viewer.layers["movie"]
    section = open_section()
    section.part.region_box.setCurrentText("region")
    viewer.layers["region"].name = "other"
    assert section.part.region_box.currentText() == "other"
    viewer.layers.remove("other")
    assert section.part.region_box.currentData() is None
    assert section.training_stack() is section.stack


def test_a_new_movie_is_learned_from_as_a_whole(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    viewer.layers.extend([movie("first"), movie("second", (20, 30, 30))])
    section = open_section()
    section.part.first_frame.setValue(15)
    pick(section, "first")
    assert (section.part.first_frame.value(), section.part.last_frame.value()) == (0, 5)
    pick(section, "second")
    assert (section.part.first_frame.value(), section.part.last_frame.value()) == (
        0,
        19,
    )


def test_a_calibration_keeps_the_part(
    viewer: ViewerModel, open_section: Callable[[], MovieSection]
) -> None:
    layer = viewer.add_layer(movie())
    section = open_section()
    section.part.first_frame.setValue(3)
    layer.scale = (1, 0.5, 0.5)
    assert section.part.first_frame.value() == 3


# in a viewer, which hands out its layers by proxies


def test_the_dock_follows_its_layer(
    dock: Callable[..., Any], rest: Callable[..., None], noisy: np.ndarray
) -> None:
    viewer, widget = dock(Image(noisy, name="first"), Image(noisy, name="second"))
    section, layer = widget.movie, viewer.layers["second"]
    assert section.layer == layer
    assert section.layer_box.currentText() == "second"
    layer.name = "other"
    assert section.layer_box.currentText() == "other"
    viewer.layers.move(1, 0)
    assert section.layer == layer and choices(section) == ["first", "other"]
    assert section.layer_box.currentText() == "other"
    layer.scale = (1, 0.5, 0.5)
    assert section.stack.scale["X"] == 0.5
    layer.data = noisy[:6]
    rest(widget)
    assert section.summary.text().startswith("6 frames")
    viewer.layers.remove(layer)
    assert section.layer is None and choices(section) == ["first"]
    assert not widget.training.train_button.isEnabled()
