"""The dock that shows where things move, in a real viewer."""

from __future__ import annotations

import csv
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from napari.layers import Image, Shapes
from qtpy.QtWidgets import QFileDialog
from scipy.ndimage import gaussian_filter

import napari_udvd as nu
from napari_udvd._widgets import MotionDock
from napari_udvd._widgets.motion import finder
from napari_udvd._widgets.motion.export_section import MOTION_FILES
from napari_udvd._widgets.motion.jobs import find_motion
from napari_udvd._widgets.shared.layers import axes_of, stack_of
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.motion import flow_colours
from tiny import tiny_calibration

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

FRAMES, HEIGHT, WIDTH = 6, 64, 80

WAY = 1, -2
"""Motion of everything, px per frame: down and to the left."""

SPACING, EDGE = 16, 12
"""Of the grid; and beside the border, where the hand-made filters wrap around."""

CALIBRATED = {
    "scale": (2.0, 0.5, 0.5),
    "units": ("s", "um", "um"),
    "translate": (4, 10, -3),
}


class Opened(NamedTuple):
    viewer: napari.Viewer
    dock: MotionDock


class Slow:
    """Finds motion while `go` is set, and counts."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.frames: list[int] = []

    def __call__(self, question: Any, cancel: threading.Event) -> Any:
        self.frames.append(question.t)
        assert self.go.wait(10)
        return find_motion(question, cancel)


@pytest.fixture(autouse=True)
def said_aloud(notified: list[str]) -> list[str]:
    """Keep what would be a window of its own."""
    return notified


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Denoiser]:
    """Make a model that follows the motion."""
    net = import_module("fields").Following(lambda k: (k * WAY[0], k * WAY[1]))
    return lambda channels=1: Denoiser(net, (tiny_calibration(),) * channels)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Slow()
    monkeypatch.setattr(finder, "find_motion", made)
    yield made
    made.go.set()


@pytest.fixture
def opened(
    slow: Slow,
    viewer_of: Callable[..., napari.Viewer],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
) -> Callable[..., Opened]:
    """Open the dock on some layers, with a model."""

    def open_dock(*layers: Layer, model: Denoiser | None = None) -> Opened:
        viewer = viewer_of(*layers)
        dock = dock_in(viewer)
        dock._session.update(denoiser=model or following())
        viewer.layers.selection.active = viewer.layers[0]
        viewer.dims.set_current_step(viewer.dims.ndim - 3, 3)
        qtbot.wait(10)
        return Opened(viewer, dock)

    return open_dock


def dock_in(viewer: napari.Viewer) -> MotionDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Motion")
    assert isinstance(dock, MotionDock)
    return dock


def movie(axes: str = "TYX", name: str = "cells", **how: Any) -> Image:
    """Move a texture, with little noise."""
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 2, mode="wrap")
    frames = np.stack(
        [
            np.roll(texture, (t * WAY[0], t * WAY[1]), (0, 1)) / texture.std()
            for t in range(FRAMES)
        ]
    )
    pixels = rng.poisson(400 + 80 * frames).astype(np.uint16)
    for position, axis in enumerate(axes):
        if axis in "CZ":
            pixels = np.stack([pixels] * 2, position)
    if axes == "YXT":
        pixels = np.moveaxis(pixels, 0, -1)
    return Image(pixels, name=name, axis_labels=tuple(axes.lower()), **how)


def soon(qtbot: QtBot, dock: MotionDock) -> None:
    """Wait until it has asked."""
    qtbot.waitUntil(lambda: not dock._soon.isActive(), timeout=10_000)


def at_rest(qtbot: QtBot, dock: MotionDock) -> None:
    soon(qtbot, dock)
    qtbot.waitUntil(lambda: dock._finder._latest._worker is None, timeout=20_000)


def exported(qtbot: QtBot, dock: MotionDock) -> None:
    qtbot.waitUntil(lambda: dock.export._worker is None, timeout=20_000)


def says(dock: MotionDock) -> str:
    return dock.message.text() if not dock.message.isHidden() else ""


def shown(qtbot: QtBot, dock: MotionDock) -> None:
    """Press the button and wait."""
    dock.show_button.click()
    at_rest(qtbot, dock)
    assert dock.motion is not None, says(dock)


def arrows_of(viewer: napari.Viewer) -> Any:
    return viewer.layers["motion"]


def has_arrows(viewer: napari.Viewer) -> bool:
    arrows = arrows_of(viewer)
    return bool(arrows.visible and len(arrows.data))


def check_arrows(viewer: napari.Viewer, layer: Image, axes: str, t: int) -> None:
    """Check where the arrows are and where they point."""
    arrows = arrows_of(viewer)
    assert arrows.visible and arrows.units == layer.units
    y, x = axes.index("Y"), axes.index("X")
    starts, ways = arrows.data[:, 0], arrows.data[:, 1]
    inside = (
        (starts[:, y] >= EDGE)
        & (starts[:, y] < HEIGHT - EDGE)
        & (starts[:, x] >= EDGE)
        & (starts[:, x] < WIDTH - EDGE)
    )
    assert inside.sum() >= 6
    assert (starts[:, axes.index("T")] == t).all()
    # as long as a step of the grid
    expected = np.array(WAY) / np.hypot(*WAY) * SPACING
    np.testing.assert_allclose(ways[inside][:, [y, x]], [expected] * inside.sum(), 0.1)
    others = [k for k in range(len(axes)) if k not in (y, x)]
    assert not ways[:, others].any()
    for start in starts[:2]:
        np.testing.assert_allclose(
            arrows.data_to_world(start), layer.data_to_world(start), rtol=1e-6
        )


def check_colours(viewer: napari.Viewer, layer: Image, axes: str, t: int) -> None:
    """Check where the colours are, and which."""
    colours = viewer.layers["motion colours"]
    assert colours.visible and colours.rgb and colours.units == layer.units
    size = {"Y": HEIGHT, "X": WIDTH}
    assert colours.data.shape == (*(size.get(axis, 1) for axis in axes), 4)
    start = arrows_of(viewer).data[0, 0]
    at = np.where([axis in "YX" for axis in axes], 0, start)  # of time and channel
    np.testing.assert_allclose(colours.data_to_world(0 * at), layer.data_to_world(at))
    index = {"Y": HEIGHT // 2, "X": WIDTH // 2}
    pixel = colours.data[tuple(index.get(axis, 0) for axis in axes)]
    full = flow_colours(1e6 * np.array(WAY, float)[:, None, None], 1)[0, 0]
    np.testing.assert_allclose(pixel[:3], full, atol=12)
    assert pixel[3] > 200


def test_arrows_colours_and_numbers(
    opened: Callable[..., Opened], qtbot: QtBot, said_aloud: list[str]
) -> None:
    layer = movie(**CALIBRATED)
    viewer, dock = opened(layer)
    dock.controls.colours_check.click()
    shown(qtbot, dock)
    check_arrows(viewer, layer, "TYX", 3)
    check_colours(viewer, layer, "TYX", 3)
    assert viewer.layers.selection.active == layer
    names = [each.name for each in viewer.layers]
    assert names.index("motion") > names.index("motion colours")
    assert not dock.legend.wheel.pixmap().isNull()
    text = dock.legend.statistics.text()
    speed = np.hypot(*WAY)
    assert text.startswith("Frame 3: ") and "of 20 points are sure" in text
    assert f"{speed:.1f}" in text and "px/frame" in text
    (rate,) = [word for word in text.split() if word.endswith("µm/s")] or [""]
    assert rate or "µm/s (median)" in text
    said = float(text.split(" = ")[1].split()[0])
    assert said == pytest.approx(speed * 0.5 / 2, rel=0.05)

    before = arrows_of(viewer).data.copy()
    dock.controls.length_spin.setValue(2)
    np.testing.assert_allclose(
        arrows_of(viewer).data[:, 1], 2 * before[:, 1], rtol=1e-5
    )
    dock.controls.length_spin.setValue(1)
    dock.controls.confidence_slider.setValue(1)
    assert not len(arrows_of(viewer).data)
    assert "nothing is sure enough" in dock.legend.statistics.text()
    viewer.window.screenshot(canvas_only=False, flash=False)  # it can be drawn
    dock.controls.confidence_slider.setValue(0)
    assert len(arrows_of(viewer).data) == 20
    dock.controls.confidence_slider.setValue(0.5)
    for seen in (False, True):
        dock.controls.arrows_check.click()
        assert has_arrows(viewer) is seen
        dock.controls.colours_check.click()
        assert viewer.layers["motion colours"].visible is seen
    for length, name in enumerate(("motion", "motion colours"), 2):
        viewer.layers.remove(name)
        dock.controls.length_spin.setValue(length)
        assert viewer.layers[name].visible  # it comes back with the next change
    dock.show_button.click()
    assert not has_arrows(viewer) and not viewer.layers["motion colours"].visible
    assert says(dock) == "" and not said_aloud


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
def test_movies_with_other_axes(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer = movie(rotate=20, translate=(0, 7, 8))
    viewer, dock = opened(layer)
    dock.controls.colours_check.click()
    shown(qtbot, dock)
    check_arrows(viewer, layer, "TYX", 3)
    check_colours(viewer, layer, "TYX", 3)
    for axes, channels, t in (("TCYX", 2, 2), ("YXT", 1, 4)):
        other = viewer.add_layer(movie(axes, name=axes, scale=(2,) * len(axes)))
        dock._session.update(denoiser=following(channels))
        viewer.layers.selection.active = other
        time = axes.index("T") + viewer.dims.ndim - len(axes)
        viewer.dims.order = (time, *(k for k in range(viewer.dims.ndim) if k != time))
        viewer.dims.set_point(time, 2.0 * t)
        at_rest(qtbot, dock)
        assert dock.motion.t == t
        check_arrows(viewer, other, axes, t)
        check_colours(viewer, other, axes, t)
        names = [each.name for each in viewer.layers]
        assert names.index("motion") > names.index(axes)  # it can be seen
        assert sum(name.startswith("motion") for name in names) == 2
    assert says(dock) == "" and not said_aloud


def test_it_follows_the_slider(
    slow: Slow, opened: Callable[..., Opened], qtbot: QtBot
) -> None:
    layer = movie()
    viewer, dock = opened(layer)
    shown(qtbot, dock)
    slow.go.clear()
    for t in (4, 5, 4, 2, 1):
        viewer.dims.set_current_step(0, t)
        soon(qtbot, dock)
    # what is drawn anew meanwhile is the motion that is there, in its frame
    dock.controls.length_spin.setValue(1.5)
    assert (arrows_of(viewer).data[:, 0, 0] == 3).all()
    assert dock.show_button.text() != "Show motion"
    slow.go.set()
    at_rest(qtbot, dock)
    assert slow.frames == [3, 4, 1]
    assert dock.motion.t == 1 and (arrows_of(viewer).data[:, 0, 0] == 1).all()
    assert dock.legend.statistics.text().startswith("Frame 1:")
    assert dock.show_button.text() == "Show motion"
    for t in (3, 4, 1):  # known already
        viewer.dims.set_current_step(0, t)
        soon(qtbot, dock)
        assert dock.motion.t == t and dock._finder._latest._worker is None
    assert slow.frames == [3, 4, 1]
    dock.controls.spacing_spin.setValue(32)  # another question
    at_rest(qtbot, dock)
    assert slow.frames == [3, 4, 1, 1] and dock.motion.to_next.shape == (2, 2, 2)
    dock.show_button.click()
    viewer.dims.set_current_step(0, 5)
    soon(qtbot, dock)
    assert dock._finder._latest._worker is None and not has_arrows(viewer)


def test_classical_flow(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer = movie()
    viewer, dock = opened(layer)
    assert (
        not dock.controls.frames_box.isEnabled()
        and not dock.export.export_button.isEnabled()
    )
    dock._session.denoiser = None  # it needs no model
    dock.show_button.click()
    assert "no model yet" in says(dock) and "optical flow" in says(dock)
    dock.controls.method_box.setCurrentIndex(dock.controls.method_box.findData("tvl1"))
    at_rest(qtbot, dock)
    assert dock.controls.frames_box.isEnabled() and dock.motion is None
    assert "is not denoised yet" in says(dock)
    dock.controls.frames_box.setCurrentIndex(1)
    at_rest(qtbot, dock)
    for method in ("tvl1", "ilk"):
        dock.controls.method_box.setCurrentIndex(
            dock.controls.method_box.findData(method)
        )
        at_rest(qtbot, dock)
        assert says(dock) == "" and dock.motion.method == method
        middle = dock.motion.per_frame[1:-1, 1:-1].reshape(-1, 2)
        np.testing.assert_allclose(np.median(middle, axis=0), WAY, atol=0.3)

    mean = np.full(layer.data.shape, np.nan, np.float32)
    denoised = Image(mean, name="denoised", contrast_limits=(0, 800))
    viewer.add_layer(denoised)
    viewer.layers.selection.active = denoised
    result: Any = SimpleNamespace(
        layer=denoised,
        std_layer=None,
        source=layer,
        stack=stack_of(layer, axes_of(layer)),
        denoiser=following(),
    )
    mean[:4] = 400  # nothing moves there
    dock._session.update(results=[result])
    dock.controls.frames_box.setCurrentIndex(0)
    at_rest(qtbot, dock)
    assert "frame 3 or one beside it is not denoised yet" in says(dock)
    assert not has_arrows(viewer)
    viewer.dims.set_current_step(0, 2)
    at_rest(qtbot, dock)
    assert says(dock) == "" and dock.motion.t == 2
    np.testing.assert_allclose(dock.motion.per_frame, 0, atol=0.01)
    assert not said_aloud


def test_answers_that_nobody_waits_for_are_dropped(
    slow: Slow, opened: Callable[..., Opened], qtbot: QtBot, said_aloud: list[str]
) -> None:
    first, second = movie(), movie(name="others")
    viewer, dock = opened(first, second)
    taken: list[Any] = []
    dock._finder._latest.answered.connect(
        lambda answer: taken.append(answer[0].shown.source)
    )

    def ask(layer: Layer, t: int) -> None:
        slow.go.clear()
        viewer.layers.selection.active = layer
        viewer.dims.set_current_step(0, t)
        soon(qtbot, dock)

    dock.show_button.click()
    at_rest(qtbot, dock)
    ask(first, 1)
    dock.show_button.click()
    slow.go.set()
    at_rest(qtbot, dock)
    assert taken == [first]

    dock.show_button.click()
    at_rest(qtbot, dock)
    ask(first, 2)
    ask(second, 4)
    slow.go.set()
    at_rest(qtbot, dock)
    assert taken == [first, first, second]

    ask(second, 5)
    viewer.layers.remove(second)
    slow.go.set()
    at_rest(qtbot, dock)
    assert len(taken) == 3
    assert not dock.show_button.isChecked() and not has_arrows(viewer)
    assert all(key[0].shown.source == first for key in dock._finder._known)
    viewer.layers.selection.active = first
    shown(qtbot, dock)
    assert not said_aloud


# files


def test_exports(
    slow: Slow,
    opened: Callable[..., Opened],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said_aloud: list[str],
) -> None:
    layer = movie(**CALIBRATED)
    viewer, dock = opened(layer)
    shown(qtbot, dock)
    answer = "", ""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    dock.export.export_button.click()
    assert dock.export._worker is None
    shares: list[float] = []
    for kind in MOTION_FILES.split(";;"):
        answer = str(tmp_path / "motion"), kind
        dock.export.export_button.click()
        assert (
            not dock.export.export_button.isEnabled()
            and dock.export.cancel_button.isEnabled()
        )
        dock.export._worker.told.connect(shares.append)
        exported(qtbot, dock)
        assert says(dock).startswith("The motion is exported as motion.")
        assert shares[-1] == 1 and sorted(shares) == shares and len(shares) >= FRAMES
        shares.clear()
        assert dock.export.export_button.isEnabled() and dock.export.progress.isHidden()
    with np.load(tmp_path / "motion.npz") as file:
        assert file["to_next"].shape == (FRAMES, 4, 5, 2)
        np.testing.assert_allclose(file["to_next"][2, 1:3, 1:4].mean((0, 1)), WAY, 0.1)
    dense = nu.open(tmp_path / "motion.ome.tif")
    assert dense.axes == "TCYX" and dense.shape == (FRAMES, 2, HEIGHT, WIDTH)
    assert dict(dense.scale) == pytest.approx({"T": 2, "Y": 0.5, "X": 0.5})
    with (tmp_path / "motion.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len({row["track"] for row in rows}) == 20

    for path, said in (
        (tmp_path / "motion.npz", "exists"),
        (tmp_path / "no" / "motion.npz", "does not exist"),
        (tmp_path / "motion.xls", "suffix"),
    ):
        dock.export_to(path)
        exported(qtbot, dock)
        assert said in says(dock) and said_aloud[-1] == says(dock)
    before = set(tmp_path.iterdir())
    said_aloud.clear()
    for suffix in (".npz", ".ome.tif"):
        dock.export_to(tmp_path / f"cancelled{suffix}")
        dock.export._worker.told.connect(
            lambda share: dock.export.cancel_button.click()
        )
        exported(qtbot, dock)
        if "cancelled; nothing" in says(dock):
            assert set(tmp_path.iterdir()) == before
        else:  # it was quicker than the button
            assert (tmp_path / f"cancelled{suffix}").exists()
            before = set(tmp_path.iterdir())
    at_rest(qtbot, dock)
    assert has_arrows(viewer)
    # what is cancelled before it begins
    dock.export_to(tmp_path / "early.csv")
    dock.export.cancel_button.click()
    exported(qtbot, dock)
    assert "cancelled; nothing was written" in says(dock)
    assert not (tmp_path / "early.csv").exists()

    # the dock is closed while a file is written
    at_rest(qtbot, dock)
    dock.export_to(tmp_path / "closed.ome.tif")
    worker = dock.export._worker
    viewer.window.remove_dock_widget(dock)
    assert worker.is_cancelled
    qtbot.waitUntil(lambda: not worker.is_running, timeout=10_000)
    qtbot.wait(20)
    assert not list(tmp_path.glob("*closed*"))


# closing


@pytest.mark.usefixtures("own_viewer")
@pytest.mark.parametrize("how", ["dock", "window"])
def test_closing_while_computing(
    slow: Slow,
    opened: Callable[..., Opened],
    qtbot: QtBot,
    said_aloud: list[str],
    how: str,
) -> None:
    viewer, dock = opened(movie())
    shown(qtbot, dock)
    slow.go.clear()
    viewer.dims.set_current_step(0, 1)
    soon(qtbot, dock)
    worker, model = dock._finder._latest._worker, dock._session.denoiser
    if how == "dock":
        viewer.window.remove_dock_widget(dock)
        assert not has_arrows(viewer)
        viewer.dims.set_current_step(0, 2)  # nobody listens
    else:
        viewer.__wrapped__.window._qt_window.close()
        viewer.close()  # the window alone leaves parts of the viewer
    assert worker.is_cancelled and dock._is_over
    slow.go.set()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=10_000)
    qtbot.wait(20)
    assert dock.motion.t == 3 and slow.frames == [3, 1]
    if how == "dock":
        again = dock_in(viewer)
        again._session.update(denoiser=model)
        viewer.layers.selection.active = viewer.layers["cells"]
        shown(qtbot, again)
        assert again.motion.t == 2
    assert not said_aloud


# bad input: a word in the dock


def test_what_has_no_motion(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer = movie()
    viewer, dock = opened(layer, Shapes(name="box", ndim=3))
    photo = Image(np.zeros((6, 64, 80, 3), np.uint8), rgb=True, name="photo")
    still = Image(layer.data[:1], name="still", axis_labels=("t", "y", "x"))
    for each in (photo, still):
        viewer.add_layer(each)

    def refused(said: str, on: Any = layer) -> None:
        viewer.layers.selection.active = on
        dock.show_button.click()
        at_rest(qtbot, dock)
        assert said in says(dock), (said, dock.message.text())
        assert dock.motion is None
        dock.export_to(Path("never.npz"))
        exported(qtbot, dock)
        assert not Path("never.npz").exists() and said_aloud
        said_aloud.clear()
        dock.show_button.click()

    refused("'box' is not a movie", viewer.layers["box"])
    refused("'photo' is a colour picture", photo)
    refused("no layer is selected", None)
    for method, said in (("implied", ""), ("tvl1", "two frames at least")):
        dock.controls.method_box.setCurrentIndex(
            dock.controls.method_box.findData(method)
        )
        dock.controls.frames_box.setCurrentIndex(1)
        viewer.layers.selection.active = still
        dock.show_button.click()
        at_rest(qtbot, dock)
        assert said in says(dock) and bool(said) == bool(says(dock))
        assert not has_arrows(viewer)
        assert said or "nothing is sure enough" in dock.legend.statistics.text()
        dock.show_button.click()
    dock.controls.method_box.setCurrentIndex(0)
    dock.motion = None
    dock._session.update(denoiser=following(channels=2))
    refused("1 channel(s), but the model was trained on 2")
    dock._session.update(denoiser=following(), is_training=True)
    refused("is being trained")
    dock._session.update(is_training=False)
    viewer.dims.ndisplay = 3
    refused("the view is in 3D")
    viewer.dims.ndisplay = 2

    # a training hides what is shown, and its end shows it again
    viewer.layers.selection.active = layer
    shown(qtbot, dock)
    dock._session.update(is_training=True)
    soon(qtbot, dock)
    assert not has_arrows(viewer) and "is being trained" in says(dock)
    dock._session.update(is_training=False)
    at_rest(qtbot, dock)
    assert has_arrows(viewer) and says(dock) == "" and not said_aloud
