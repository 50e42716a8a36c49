"""Fixtures for the dock: its plugin, a viewer that holds it, and a check for leaks."""

from __future__ import annotations

import gc
import threading
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from napari.settings import get_plugin_settings, get_settings
from npe2 import PluginManifest
from one_viewer import OneViewer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_udvd._widgets import DenoiseMovie
from napari_udvd._widgets.shared import worker as _worker
from napari_udvd.models.catalogue import specs
from napari_udvd.simulation import simulate
from napari_udvd.training import estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import napari
    import numpy as np
    from napari.layers import Layer
    from npe2._pytest_plugin import TestPluginManager
    from pytestqt.qtbot import QtBot

MANIFEST = PluginManifest.from_file(
    Path(__file__).parents[2] / "src" / "napari_udvd" / "napari.yaml"
)

WORKER = "napari-udvd"
"""Name of the thread of every worker."""

ENDS_WITHIN = 10.0
"""Seconds that a thread and a widget have to go away after the test."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Draw nothing any more once the body of a test has ended.

    What follows takes the layers out one by one, and pictures of that prove nothing:
    they take time, and software renderers may crash on them.
    """
    _stop_drawing()
    return (yield)


def _stop_drawing() -> None:
    # by itself: a name for a window would keep it alive all through the teardown
    for window in QApplication.topLevelWidgets():
        window.setUpdatesEnabled(False)


class Docked(NamedTuple):
    """The dock and the viewer that it is in."""

    viewer: napari.Viewer
    widget: DenoiseMovie


@pytest.fixture(scope="session")
def quick_collection() -> Iterator[None]:
    """Let the collector look only at what tests make, not at all that is imported.

    It runs several times in every test, of ours and of the viewer's.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as these are no faster on many cores, and wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def quick_estimate(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time one network only when a movie is chosen, but in tests of the whole path."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(
            estimate, "specs", lambda task: dict(islice(specs(task).items(), 1))
        )


@pytest.fixture
def no_leak(
    qapp: QApplication, request: pytest.FixtureRequest, quick_collection: None
) -> Iterator[None]:
    """Fail a test that leaves a widget, a worker or a thread."""
    widgets, threads = set(QApplication.topLevelWidgets()), set(threading.enumerate())
    yield
    request.node.funcargs.clear()  # which keep what fixtures returned until later
    end = time.monotonic() + ENDS_WITHIN
    _delete_what_was_closed()
    while left := _left(widgets, threads):
        if request.node.rep_call.failed:
            return  # its traceback holds what it has seen
        if time.monotonic() > end:
            _worker._running.clear()  # the next test is not to blame
            pytest.fail(f"the test left {', '.join(left)}")
        gc.collect()
        time.sleep(0.01)
        _delete_what_was_closed()


def _delete_what_was_closed() -> None:
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _left(widgets: set[QWidget], threads: set[threading.Thread]) -> list[str]:
    """Describe what is there that was not there before."""
    return [
        *(
            f"the widget {widget!r} {widget.objectName()!r}"
            for widget in set(QApplication.topLevelWidgets()) - widgets
            if not _is_of_the_viewer(widget)
        ),
        *(f"the worker of {worker._work}" for worker in _worker._running),
        *(
            f"the thread {thread}"
            for thread in set(threading.enumerate()) - threads
            if thread.name == WORKER  # with a number: the pool of the process
        ),
    ]


def _is_of_the_viewer(widget: QWidget) -> bool:
    """Tell the canvas, which it leaves without a dock, too, and what sliders pop up."""
    named, inside = type(widget).__name__, widget
    while inside is not None and type(inside).__name__ != "QtDims":
        inside = inside.parentWidget()
    return named == "CanvasBackendDesktop" or inside is not None


@pytest.fixture(autouse=True)
def plugin(
    no_leak: None, npe2pm: TestPluginManager, plugin_settings: None, tmp_path: Path
) -> Any:
    """Register the plugin with preferences of its own; return their page."""
    npe2pm.register(MANIFEST)
    page = get_plugin_settings("napari-udvd")
    page.storage.cache_folder = str(tmp_path / "cache")
    page.training.device = "cpu"
    return page


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is said in notifications, which are not shown."""
    from napari.utils import notifications

    said: list[str] = []
    manager = notifications.notification_manager
    monkeypatch.setattr(
        manager, "dispatch", lambda notification: said.append(notification.message)
    )
    return said


@pytest.fixture(scope="session")
def noisy() -> np.ndarray:
    """Twelve frames of 48 x 48 with the noise of a camera, as ``(T, Y, X)``."""
    movie = simulate("nuclei", frames=12, shape=(48, 48), photons=20, seed=1)
    pixels = movie.noisy.read()
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="module")
def one_viewer(qapp: QApplication) -> Iterator[list[OneViewer]]:
    """Keep one viewer for all tests of a module; none, for a moment, if one failed."""
    kept = [OneViewer()]
    yield kept
    for viewer in kept:
        viewer.close()


@pytest.fixture
def own_viewer(
    make_napari_viewer_proxy: Callable[..., napari.Viewer],
) -> Callable[..., napari.Viewer]:
    """Give a test that closes its viewer one of its own."""
    return make_napari_viewer_proxy


@pytest.fixture
def viewer_of(
    one_viewer: list[OneViewer],
    plugin: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., napari.Viewer]]:
    """Put layers into the viewer of the module, and take all out after the test."""
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "True")
    is_own = "own_viewer" in request.fixturenames

    def viewer_of(*layers: Layer) -> napari.Viewer:
        viewer: napari.Viewer
        if is_own:
            viewer = request.getfixturevalue("own_viewer")(show=True)
        else:
            viewer = one_viewer[0].given()
        for layer in layers:
            viewer.add_layer(layer)
        return viewer

    yield viewer_of
    if is_own:
        return
    if request.node.rep_call.failed:
        one_viewer.pop().close()  # whatever is wrong with it
        one_viewer.append(OneViewer())
    else:
        one_viewer[0].clear()
        get_settings().reset()


@pytest.fixture
def dock(
    viewer_of: Callable[..., napari.Viewer], qtbot: QtBot
) -> Callable[..., Docked]:
    """Open the dock in a viewer that holds some layers, and let it come to rest.

    Results are those of the network alone: the second stage takes ten times as long
    on movies as small as these, and has tests of its own.
    """

    def open_dock(*layers: Layer) -> Docked:
        viewer = viewer_of(*layers)
        _, widget = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
        assert isinstance(widget, DenoiseMovie)
        come_to_rest(qtbot, widget)
        assert widget.settings.events_check.isChecked()
        assert widget.settings.refine_check.isChecked()
        widget.settings.events_check.setChecked(False)
        widget.settings.refine_check.setChecked(False)
        return Docked(viewer, widget)

    return open_dock


@pytest.fixture
def rest(qtbot: QtBot) -> Callable[[DenoiseMovie], None]:
    """Wait until a dock has loaded and its diagnosis has ended."""
    return lambda widget: come_to_rest(qtbot, widget)


def come_to_rest(qtbot: QtBot, widget: DenoiseMovie) -> None:
    def is_at_rest() -> bool:
        return widget.is_loaded and not widget.noise.is_measuring

    qtbot.waitUntil(is_at_rest, timeout=30_000)
