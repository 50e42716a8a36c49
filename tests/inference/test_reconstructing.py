"""A sparse movie through the restorer: dense, honest, and the same from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_udvd as nu
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models.centerblind import SparseCenterBlind
from napari_udvd.planes import Series
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE, RECONSTRUCT
from tiny import fill, learned_from, tiny_calibration, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.tasks import Task

torch.set_num_threads(1)

FRAMES, SHAPE = 14, (32, 40)


def net() -> SparseCenterBlind:
    made = SparseCenterBlind(preset="small", near=2, far=(2,))
    fill(made)
    return made.eval()


def sparse(share: float = 0.3) -> tuple[Any, Any]:
    """Frames with NaN, a border that is never measured and a lost frame."""
    frames = tiny_movie(FRAMES, SHAPE).read().astype(np.float32)
    measured = np.random.default_rng(0).random(frames.shape) < share
    measured[:, :, :3] = False
    measured[6] = False
    return np.where(measured, frames, np.nan), measured


def restored(frames: Any, task: Task = RECONSTRUCT, **how: Any) -> tuple[Any, Any]:
    blocks = BlockDenoiser(
        net(),
        [tiny_calibration()],
        Stack.from_array(frames, "TYX"),
        replace(EXACT, with_std=True, **how),
        task=task,
    )
    mean, std = blocks.block(Series((0,), 0), 0, len(frames))
    assert std is not None
    return mean[:, 0], std[:, 0]


def test_every_pixel_is_there_and_knows_how_sure_it_is() -> None:
    frames, measured = sparse()
    mean, std = restored(frames)
    assert mean.shape == frames.shape
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert std[~measured].mean() > std[measured].mean()
    # what only denoises leaves them as they were
    kept, _ = restored(frames, DENOISE)
    assert np.isnan(kept).any()


def test_tiles_are_the_whole() -> None:
    frames, _ = sparse()
    whole, tiled = restored(frames), restored(frames, tile=32)
    for one, two in zip(whole, tiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-2)


def test_what_stands_where_nothing_was_measured_does_not_matter() -> None:
    frames, _ = sparse()
    expected = restored(frames)
    # a border of zeros is no measurement, and no more is one of ones
    for value in (0.0, 1.0):
        other = frames.copy()
        other[:, :, :3] = value
        other[6] = np.nan  # lost as a whole: so few pixels of one value may be measured
        for one, two in zip(expected, restored(other), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-2)


def test_a_model_file_reconstructs(tmp_path: Path) -> None:
    frames, _ = sparse()
    stack = Stack.from_array(frames, "TYX")
    made = Denoiser(
        net(),
        (tiny_calibration(),),
        record=learned_from(stack),
        task=RECONSTRUCT.name,
    )
    path = tmp_path / "model.safetensors"
    made.save(path)
    again = nu.load(path)
    assert again.task == "reconstruct"
    assert isinstance(again.net, SparseCenterBlind)
    found = again.denoise(stack, device="cpu")
    np.testing.assert_array_equal(found, made.denoise(stack, device="cpu"))
    assert np.isfinite(found).all()
    assert not again.looks_for_events(stack, EXACT)
