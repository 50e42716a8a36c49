"""What a movie is told to be fit for, and models that are of another task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import Cache, Suited, check_task, diagnose_movie, train_movies
from napari_udvd.jobs.states import State
from napari_udvd.scanning import make_mask, scan
from napari_udvd.stack import Stack
from napari_udvd.training import estimate
from tiny import tiny_movie, tiny_net

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tasks whose times are asked for; nothing is timed."""
    names: list[str] = []

    def remember(*_: object) -> list[object]:
        names.append(_[-1].name)  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr(estimate, "denoising_seconds", remember)
    return names


def test_a_sparse_scan_is_to_be_filled(tmp_path: Path, asked: list[str]) -> None:
    movie = tiny_movie()
    size = movie.n_frames, movie.frame_shape
    sparse = scan(movie, make_mask("random", *size, share=0.6))
    for stack, task in ((movie, "denoise"), (sparse, "reconstruct")):
        first, *_ = diagnose_movie(stack, Cache(tmp_path))
        assert first == Suited(task)
    told = list(diagnose_movie(movie, Cache(tmp_path), task="reconstruct"))
    assert not any(isinstance(event, Suited) for event in told)  # that was decided
    assert asked == ["denoise", "reconstruct", "reconstruct"]


def test_a_model_is_of_one_task() -> None:
    denoiser = Denoiser(tiny_net(), ())
    check_task(denoiser, "denoise")
    with pytest.raises(InputError, match="the task 'denoise' and cannot reconstruct"):
        check_task(denoiser, "reconstruct")


def test_a_state_knows_its_task(tmp_path: Path) -> None:
    pixels = tiny_movie().read().astype(np.float32)
    pixels[:, :, 20:] = np.nan
    holed = Stack.from_array(pixels, "TYX")
    values = {"steps": 1, "preset": "small"}
    events = train_movies([holed], values, Cache(tmp_path), task="reconstruct")
    (state,) = (event for event in events if isinstance(event, State))
    assert state.task == "reconstruct"
