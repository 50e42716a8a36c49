"""A viewer that the tests of a module share: to open one takes longer than most tests.

Each test finds it as it was at first, without layers and docks, and with a plugin of
its own.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from app_model import Application
from napari import Viewer
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_viewer import QtViewer
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from napari.utils._proxies import PublicOnlyProxy
from npe2._pytest_plugin import TestPluginManager
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

__all__ = ["OneViewer"]

APP = "test_of_docks"

LISTENERS = (
    "mouse_move_callbacks",
    "mouse_drag_callbacks",
    "mouse_wheel_callbacks",
    "mouse_double_click_callbacks",
)


class OneViewer:
    """See the fixture of that name."""

    def __init__(self) -> None:
        self._patches = ExitStack()
        self._viewer = self._open()
        assert QTest.qWaitForWindowExposed(self._window, 5000)
        self._size = self._window.size()
        self._listeners = _listeners(self._viewer)

    def given(self) -> Any:
        """Return what a plugin gets of the viewer."""
        self._window.setUpdatesEnabled(True)
        return PublicOnlyProxy(self._viewer)

    @property
    def _window(self) -> Any:
        return self._viewer.window._qt_window

    def _open(self) -> Viewer:
        _forget_app()
        get_settings().reset()
        app = NapariApplication(APP)
        self._patches.callback(Application.destroy, APP)
        app.injection_store.namespace = _napari_names
        for name, other in (
            ("napari._app_model._app.NapariApplication.get_app_model", lambda: app),
            ("napari._qt.threads.status_checker.StatusChecker.start", _nothing),
            ("napari._qt.qt_viewer.QtViewer._get_console", _no_console),
        ):
            self._patches.enter_context(patch(name, other))
        plugins = TestPluginManager()
        with patch("npe2.PluginManager.instance", return_value=plugins):
            viewer = Viewer(show=True, show_welcome_screen=False)
        # the fixtures of napari take it for one that was forgotten
        QtViewer._instances.discard(viewer.window._qt_viewer)
        return viewer

    def clear(self) -> None:
        """Take out what a test has put in; a dock must leave nothing itself."""
        viewer = self._viewer
        viewer.window.remove_dock_widget("all")
        viewer.layers.clear()
        viewer.dims.ndisplay = 2
        viewer.dims.reset()
        viewer.reset_view()
        viewer.title = "napari"
        self._window.resize(self._size)
        assert _listeners(viewer) == self._listeners, "what has left listens still"

    def close(self) -> None:
        """Close it for good."""
        with patch.object(self._window, "_save_current_window_settings"):
            self._viewer.close()
        del self._viewer
        _forget_app()
        self._patches.close()
        gc.collect()


def _forget_app() -> None:
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()


def _listeners(viewer: Viewer) -> list[Any]:
    """Name who hears of the mouse."""
    return [listener for name in LISTENERS for listener in getattr(viewer, name)]


def _nothing(*_: Any) -> None:
    pass


def _no_console(*_: Any) -> QWidget:
    console = QWidget()
    console._update_theme = _nothing
    return console
