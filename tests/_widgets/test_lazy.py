"""Each dock is imported without the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_udvd._widgets as widgets

DOCKS = {
    "DenoiseMovie": "restore",
    "MotionDock": "motion",
    "PixelInspector": "inspector",
    "QualityDock": "quality",
}

CODE = """
import sys
from napari_udvd._widgets import {name}
print(*(name for name in sys.modules if name.startswith("napari_udvd._widgets.")))
"""


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_comes_alone(name: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE.format(name=name)],
        capture_output=True,
        text=True,
        check=True,
    )
    docks = {m.split(".")[2] for m in found.stdout.split() if m.endswith(".dock")}
    assert docks == {DOCKS[name]}


def test_there_are_no_others() -> None:
    assert set(widgets.__all__) == set(DOCKS)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = widgets.Nothing
