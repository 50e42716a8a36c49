"""Every control of every dock says what it does when the mouse rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.layers import Image
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QWidget,
)
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from pytestqt.qtbot import QtBot

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
)

FEWEST = {
    "Denoise movie": 43,
    "Pixel inspector": 7,
    "Motion": 11,
    "Quality": 8,
    "Plan a scan": 12,
    "Events": 20,
    "Batch": 30,
}
"""Controls that each dock has at least; else the test has not found them."""


def controls_of(dock: QWidget) -> list[QWidget]:
    """All that can be pressed, chosen or typed into, but for parts of such controls."""
    return [
        control
        for control in dock.findChildren(QWidget)
        if isinstance(control, CONTROLS)
        and not isinstance(control, QScrollBar)
        and not is_part_of_a_control(control, dock)
    ]


def is_part_of_a_control(widget: QWidget, dock: QWidget) -> bool:
    """Whether what it is in speaks for it, as a spin box does for its line."""
    parent = widget.parentWidget()
    while parent is not None and parent is not dock:
        if isinstance(parent, CONTROLS):
            return True
        parent = parent.parentWidget()
    return False


def unfolded(dock: QWidget) -> None:
    for part in dock.findChildren(QCollapsible):
        part.expand(animate=False)


@pytest.mark.parametrize("name", FEWEST)
def test_every_control_has_a_tooltip(
    viewer_of: Callable[..., Any],
    qtbot: QtBot,
    noisy: np.ndarray,
    name: str,
) -> None:
    viewer = viewer_of(Image(noisy, name="cells", axis_labels=("t", "y", "x")))
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", name)
    if name == "Denoise movie":
        qtbot.waitUntil(
            lambda: dock.is_loaded and not dock.noise.is_measuring, timeout=30_000
        )
    unfolded(dock)
    controls = controls_of(dock)
    assert len(controls) >= FEWEST[name]
    silent = [
        f"{type(control).__name__} {getattr(control, 'text', str)()!r}"
        for control in controls
        if not control.toolTip().strip()
    ]
    assert not silent
