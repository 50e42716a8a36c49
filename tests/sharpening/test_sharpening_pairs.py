"""What a network that sharpens learns from."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd import Stack
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.optics import Blur, Gaussian, Unblurred, richardson_lucy
from napari_udvd.sharpening import _pairs
from napari_udvd.sharpening._copies import lesson_and_test
from napari_udvd.sharpening._pairs import Material, Pair, seen_of
from tiny import CAMERA, tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Generator

PSF = Gaussian(1.2)
ITERATIONS = 3


def brightness(frames: int = 24) -> np.ndarray:
    y, x = np.mgrid[:40, :48]
    waves = 1 + np.sin(y / 3) * np.sin(x / 4)
    return np.broadcast_to(np.float32(100 + 400 * waves), (frames, 40, 48)).copy()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Frames without noise, which any model finds."""
    truth = brightness()

    def restored(
        _denoiser: Any, excerpt: Any, *_: Any
    ) -> Generator[None, None, np.ndarray]:
        yield
        return truth[: excerpt.at.stop - excerpt.at.start, None]

    monkeypatch.setattr(_pairs, "restored", restored)
    return truth


def recorded(truth: np.ndarray, holes: bool = False) -> Stack:
    noise = np.random.default_rng(0).standard_normal(truth.shape)
    noisy = np.float32(truth + noise * np.sqrt(CAMERA.variance(truth)))
    if holes:
        noisy[:, 5:15, 10:20] = np.nan
    return Stack.from_array(noisy, "TYX")


def made(
    stack: Stack, psf: Gaussian | Unblurred = PSF, zoom: int = 1
) -> tuple[float, torch.Tensor, list[Pair]]:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    denoiser = denoiser.told(stack, denoiser.calibrations)
    parts = lesson_and_test(denoiser, stack, 0)
    assert parts is not None
    material = Material(denoiser, stack, 0, psf, zoom, ITERATIONS, Request(), ())
    steps = material.pairs(parts[0], 2, seed=0)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_lesson_and_test_have_no_frame_in_common() -> None:
    frames = np.arange(24, dtype=np.float32)[:, None, None] + brightness() / 1e3
    stack = Stack.from_array(frames, "TYX")
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    parts = lesson_and_test(denoiser, stack, 0)
    assert parts is not None
    lesson, test = (
        set(np.rint(part.clip[part.at, 0].mean(axis=(1, 2)) - 0.5)) for part in parts
    )
    assert len(lesson) == 18 and len(test) == 6
    assert not lesson & test


def test_few_frames_are_not_enough() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stack = recorded(brightness(9))
    assert lesson_and_test(denoiser, stack, 0) is None


def test_the_second_copy_has_the_noise_that_it_is_said_to_have(
    known: np.ndarray,
) -> None:
    unit, seen, pairs = made(recorded(known))
    assert seen.shape == (18, 2, 40, 48)
    light = torch.from_numpy((known[:18] - np.float32(CAMERA.offset)) / unit)
    torch.testing.assert_close(seen[:, 0], light)
    for pair in pairs:
        squares = pair.weight * (pair.second - light).square()
        # of 34,560 numbers
        assert float(squares.mean()) == pytest.approx(1, abs=0.03)


def test_what_is_predicted_is_the_base_blurred(known: np.ndarray) -> None:
    unit, _, (pair, _) = made(recorded(known))
    light = torch.from_numpy(
        (known[:18] - np.float32(CAMERA.offset)) / np.float32(unit)
    )
    blur = Blur(PSF, (40, 48))
    *_, last = islice(richardson_lucy(light, blur), ITERATIONS + 1)
    torch.testing.assert_close(pair.base, blur.inside(last.scene))
    torch.testing.assert_close(pair.predicted, last.predicted)
    torch.testing.assert_close(pair.seen, seen_of(light, pair.base))


def test_nothing_is_learned_where_nothing_was_measured(known: np.ndarray) -> None:
    *_, pairs = made(recorded(known, holes=True))
    for pair in pairs:
        there = pair.weight > 0
        assert not there[:, 5:15, 10:20].any() and there[:, 15:].all()
        assert all(each.isfinite().all() for each in pair)


def test_a_movie_without_blur_is_its_own_base(known: np.ndarray) -> None:
    *_, (pair, _) = made(recorded(known), Unblurred())
    torch.testing.assert_close(pair.base, pair.seen[:, 0])
    torch.testing.assert_close(pair.predicted, pair.base)


def test_pictures_on_a_finer_grid_are_seen_on_that_of_the_movie() -> None:
    light, sharp = torch.rand(2, 6, 8), torch.rand(2, 12, 16)
    seen = seen_of(light, sharp)
    assert torch.equal(seen[:, 0], light)
    assert float(seen[1, 1, 0, 0]) == pytest.approx(float(sharp[1, :2, :2].mean()))
