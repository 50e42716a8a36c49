"""Each dock is imported without the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_udvd._widgets as widgets

DOCKS = {
    "BatchDock": "batch",
    "DenoiseMovie": "restore",
    "EventsDock": "events",
    "MotionDock": "motion",
    "PixelInspector": "inspector",
    "QualityDock": "quality",
    "ScanDock": "scan",
}

CODE = """
import sys
for name in sys.argv[1:]:
    for module in [m for m in sys.modules if m.split(".")[0] == "napari_udvd"]:
        del sys.modules[module]  # as in a new process, but for what others wrote
    widgets = __import__("napari_udvd._widgets", fromlist=[name])
    getattr(widgets, name)
    print(name, *(m for m in sys.modules if m.startswith("napari_udvd._widgets.")))
"""


def test_a_dock_comes_alone() -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE, *DOCKS],
        capture_output=True,
        text=True,
        check=True,
    )
    docks = {
        name: [m.split(".")[2] for m in modules if m.endswith(".dock")]
        for name, *modules in map(str.split, found.stdout.splitlines())
    }
    assert docks == {name: [folder] for name, folder in DOCKS.items()}


def test_there_are_no_others() -> None:
    assert set(widgets.__all__) == set(DOCKS)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = widgets.Nothing
