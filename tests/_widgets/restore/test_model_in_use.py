"""The model in use, and the movie that it comes from."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel

from napari_udvd._widgets.restore.model_in_use import ModelInUse
from napari_udvd._widgets.restore.result_section import ResultSection
from napari_udvd._widgets.shared.session import Session
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


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
