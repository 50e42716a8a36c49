"""What a student learns from: the result as truth, and the noise of the movie anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.scaling import Calibration
from napari_udvd.noise import NoiseModel
from napari_udvd.planes import Series
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training import lessons as lessons_module
from napari_udvd.training.lessons import (
    Lesson,
    Lessons,
    Supervision,
    make_lessons,
)
from napari_udvd.training.sampling import Movie
from napari_udvd.validity import inspect
from tiny import tiny_calibration, tiny_center_blind, tiny_movie

CPU = torch.device("cpu")
NET = tiny_center_blind()
HELD_OUT = frozenset({3, 7})


def lessons_of(*movies: Movie, **how: Any) -> list[Lesson]:
    calibrations = [tiny_calibration()] * 2
    *_, found = make_lessons(NET, movies, calibrations, CPU, torch.float32, **how)
    return found


def whole(frames: Any) -> Movie:
    return Movie(Stack.from_array(frames, "TYX"), Series((0,), 0), HELD_OUT)


def grey(frames: int = 10) -> Any:
    return tiny_movie(frames).read().astype(np.float32)


def test_truth_and_noise_are_the_movie_without_its_frames_held_out() -> None:
    frames = grey()
    (lesson,) = lessons_of(whole(frames))
    kept = [t for t in range(10) if t not in HELD_OUT]
    deviation = lesson.scaler.noise.variance(lesson.truth[:, None])[:, 0].sqrt()
    noisy = lesson.scaler.normalise(torch.from_numpy(frames[kept])[:, None])[:, 0]
    apart = noisy - lesson.truth - lesson.noise * deviation
    # but for one number, which makes the mean of the noise zero
    torch.testing.assert_close(
        apart / deviation,
        (apart / deviation).mean().expand_as(apart),
        atol=1e-4,
        rtol=0,
    )
    assert abs(float(lesson.noise.mean())) < 1e-5


def test_nothing_of_frames_held_out_is_in_a_lesson() -> None:
    frames = grey()
    other = frames.copy()
    other[sorted(HELD_OUT)] = 7
    (one,), (two,) = lessons_of(whole(frames)), lessons_of(whole(other))
    assert torch.equal(one.truth, two.truth)
    assert torch.equal(one.noise, two.noise)


def test_where_nothing_was_measured_there_is_noise_all_the_same() -> None:
    frames = grey(12)
    frames[:, 5:9, 5:9] = np.nan
    stack = inspect(Stack.from_array(frames, "TYX"))
    (lesson,) = lessons_of(Movie(stack, Series((0,), 0), HELD_OUT))
    assert lesson.noise.isfinite().all()
    assert lesson.truth.isfinite().all()
    inside, outside = lesson.noise[:, 5:9, 5:9], lesson.noise[:, 12:, 12:]
    assert float(inside.std()) == pytest.approx(float(outside.std()), rel=0.3)


def test_lessons_are_no_larger_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons_module, "LONGEST", 4)
    monkeypatch.setattr(lessons_module, "LEAST_EDGE", 8)
    movie = Movie(tiny_movie(12), Series((0,), 0), HELD_OUT)  # 24 x 28 pixels
    for most, expected in (
        (5 * 24 * 28, (5, 24, 28)),  # whole frames, if there is room for enough
        (4 * 12**2, (4, 12, 12)),
        (1, (4, 8, 8)),
    ):
        (lesson,) = lessons_of(movie, most_pixels=most)
        assert lesson.truth.shape == expected


def test_every_channel_has_its_own_scale() -> None:
    frames = np.stack([grey(), 2 * grey()], axis=1)
    stack = Stack.from_array(frames, "TCYX")
    movies = [Movie(stack, Series((c,), 0), HELD_OUT) for c in (0, 1)]
    calibration = tiny_calibration()
    twice = Calibration(260.0, 160.0, NoiseModel(4.0, 200.0, 6.0))
    *_, found = make_lessons(NET, movies, [calibration, twice], CPU, torch.float32)
    # the same in units of either
    torch.testing.assert_close(found[0].truth, found[1].truth, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[0].noise, found[1].noise, atol=1e-3, rtol=1e-3)


def drawn(**how: Any) -> Any:
    (lesson,) = lessons_of(whole(grey()))
    usual = {"context": 4, "patch": 16, "transpose": True, "size": 6, "seed": 1}
    return lesson, Lessons([lesson], **{**usual, **how})


def test_a_batch_is_truth_with_the_noise_of_the_movie() -> None:
    lesson, lessons = drawn(size=40)
    batch, is_target = lessons.next()
    assert is_target.all()
    assert batch.clip.frames.shape == (40, 9, 1, 16, 16)
    assert batch.targets.shape == (40, 1, 1, 16, 16)
    middle = batch.clip.frames[:, 4:5]
    noise = (middle - batch.targets) / lesson.scaler.noise.variance(
        batch.targets
    ).sqrt()
    # to within rounding, each is one that the movie has
    known = lesson.noise.flatten().sort().values
    at = torch.searchsorted(known, noise.flatten().contiguous()).clamp(
        1, len(known) - 1
    )
    off = torch.minimum(
        (known[at] - noise.flatten()).abs(), (known[at - 1] - noise.flatten()).abs()
    )
    assert float(off.max()) < 1e-2
    assert float(noise.std()) == pytest.approx(float(lesson.noise.std()), rel=0.1)


def test_a_frame_that_stands_in_for_another_has_its_noise() -> None:
    _, lessons = drawn()  # eight frames: a window of nine shows some twice
    frames = lessons.next().batch.clip.frames
    for clip in frames:
        pairs = [(a, b) for a in range(9) for b in range(a)]
        alike = [torch.equal(clip[a], clip[b]) for a, b in pairs]
        close = [bool((clip[a] - clip[b]).abs().max() < 1e-3) for a, b in pairs]
        assert any(alike)
        assert alike == close
        assert not any(torch.equal(clip[4], clip[t]) for t in range(9) if t != 4)


def test_lessons_go_on_from_a_state() -> None:
    _, lessons = drawn()
    lessons.next()
    state = lessons.state
    expected = lessons.next().batch
    _, again = drawn(size=3)
    again.restore(state, keep_size=False)
    found = again.next().batch
    assert torch.equal(found.clip.frames, expected.clip.frames)
    assert torch.equal(found.targets, expected.targets)


def test_supervision_judges_by_the_truth() -> None:
    _, lessons = drawn()
    batch, _ = lessons.next()
    net = tiny_center_blind(near=2, far=(2,))
    prediction = net.predict(batch.clip, torch.float32)
    right = prediction._replace(mean=batch.targets)
    loss = Supervision().loss
    assert loss(prediction, batch).shape == batch.targets[:, :, 0].shape
    assert loss(right, batch).mean() < loss(prediction, batch).mean()
    assert Supervision().name == DENOISE.name
