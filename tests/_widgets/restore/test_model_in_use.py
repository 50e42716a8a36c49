"""The model in use, and the movie that it comes from."""

from __future__ import annotations

import gc
import io
import json
import weakref
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog

from napari_udvd._widgets.restore.model_in_use import ModelInUse
from napari_udvd._widgets.restore.result_section import ResultSection
from napari_udvd._widgets.shared.session import Session
from napari_udvd.inference.packaged import HEADER, WEIGHTS
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot


def packed(path: Path, denoiser: Denoiser) -> Path:
    """Put what a package of bioimage.io is read by into a zip file."""
    state, weights = denoiser.net.state_dict(), io.BytesIO()
    torch.save({f"net.{name}": tensor for name, tensor in state.items()}, weights)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("rdf.yaml", b"type: model")
        file.writestr(HEADER, json.dumps(denoiser.header()))
        file.writestr(WEIGHTS, weights.getvalue())
    return path


def test_packages_of_bioimage_io_are_offered_and_read(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = ResultSection()
    qtbot.addWidget(section)
    movie: Any = SimpleNamespace(stack=None, layer=None)
    model = ModelInUse(Session(ViewerModel()), movie, section)
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    chosen = packed(tmp_path / "model.zip", denoiser)

    def choose(_parent: Any, _title: str, _at: str, kinds: str) -> tuple[str, str]:
        assert "*.zip" in kinds
        return str(chosen), kinds

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    section.load_model.emit()
    qtbot.waitUntil(lambda: not model.is_busy, timeout=60_000)
    assert "read from model.zip" in section.model_message.text()
    assert model.denoiser is not None
    assert model.denoiser.header() == denoiser.header()

    chosen.write_bytes(b"PK")  # such as a download that broke off
    section.load_model.emit()
    qtbot.waitUntil(lambda: not model.is_busy, timeout=60_000)
    assert "model.zip" in section.model_message.text()
    assert "read from" not in section.model_message.text()


def test_a_model_does_not_keep_its_movie(qtbot: QtBot) -> None:
    section = ResultSection()
    qtbot.addWidget(section)
    movie: Any = SimpleNamespace(stack=None, layer=None)
    model = ModelInUse(Session(ViewerModel()), movie, section)
    own, other = (
        Stack.from_array(np.zeros((4, 8, 8), np.uint16), "TYX") for _ in range(2)
    )
    model.take(Denoiser(tiny_center_blind(), (tiny_calibration(),)), "trained", own)
    assert not model.is_foreign_to(own) and model.is_foreign_to(other)
    gone = weakref.ref(own)
    del own
    gc.collect()
    assert gone() is None and model.is_foreign_to(other)
