"""Pixels that were not measured stay out of training, and come back as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drifting_spots import GAIN, OFFSET, READ_NOISE, light, recorded
from napari_udvd.cutting import window
from napari_udvd.errors import InputError
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.noise import NoiseModel, check_pixels, diagnose
from napari_udvd.planes import Series, middle_planes, read_clip, read_measured
from napari_udvd.stack import Plane, Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training.sampling import ClipSampler, Movie
from napari_udvd.validity import inspect
from tiny import tiny_net

NOISE = NoiseModel(gain=GAIN, offset=OFFSET, read_noise=READ_NOISE)
SERIES = Series((0,), 0)


@pytest.fixture
def spoiled():
    """Border, hot pixels, an empty frame, NaN: and where each of them is."""
    movie = recorded(light(20, 48, 64)).astype("float32")
    movie[:, :, :5] = 0
    movie[:, 30, 40] = movie[:, 12, 20] = 5000
    movie[9] = 0
    movie[3, 40:, 50:] = np.nan
    return movie


def denoised(movie, **how):
    stack = Stack.from_array(movie, "TYX")
    blocks = BlockDenoiser(
        tiny_net(likelihood=True),
        [Calibration(150.0, 100.0, NOISE)],
        stack,
        replace(EXACT, with_std=True, **how),
    )
    mean, std = blocks.block(SERIES, 0, len(movie))
    return mean[:, 0], std[:, 0]


def test_what_is_no_measurement_is_kept_or_predicted(spoiled):
    mean, std = denoised(spoiled)
    real = np.arange(20) != 9
    assert (mean[:, :, :5] == 0).all()
    assert (std[:, :, :5] == 0).all()
    assert np.isnan(mean[3, 40:, 50:]).all()
    assert np.isnan(mean).sum() == np.isnan(spoiled).sum()
    assert (mean[real, 30, 40] != 5000).all()
    assert (mean[9, :, 5:] != 0).all()
    assert (std[9, :, 5:] > 0).all()


def test_a_result_does_not_depend_on_what_was_not_measured(spoiled):
    other = spoiled.copy()
    other[:, :, :5] = 7
    other[:, 30, 40] = other[:, 12, 20] = 60000
    other[9] = -3
    mean, std = denoised(spoiled)
    mean_too, std_too = denoised(other)
    assert np.array_equal(mean[:, :, 5:], mean_too[:, :, 5:], equal_nan=True)
    assert np.array_equal(std, std_too, equal_nan=True)


def test_tiles_and_crops_see_the_same(spoiled):
    whole, _ = denoised(spoiled)
    tiled, _ = denoised(spoiled, tile=32)
    assert np.allclose(whole, tiled, rtol=1e-4, atol=1e-2, equal_nan=True)


def test_a_run_of_empty_frames_stays_as_it_is():
    movie = recorded(light(20, 48, 64)).astype("float32")
    movie[6:12] = 0
    mean, _ = denoised(movie)
    assert (mean[6:12] == 0).all()
    assert (mean[:6] != 0).all()
    assert (mean[12:] != 0).all()


def test_windows_pass_over_missing_frames():
    missing = frozenset({4, 5, 9})
    for frame in range(12):
        seen = window(frame, 2, 12, missing)
        assert seen[2] == frame
        assert seen.count(frame) == 1
        assert not missing & (set(seen) - {frame})
    assert window(6, 2, 12, missing) == [2, 3, 6, 7, 8]


def test_what_stands_for_an_unmeasured_pixel_is_from_no_single_frame(spoiled):
    stack = inspect(Stack.from_array(spoiled, "TYX"))
    clip = read_clip(stack, SERIES, range(20))[:, 0]
    assert np.isfinite(clip).all()
    for place in ((30, 40), (12, 20), (20, 2)):
        assert np.ptp(clip[:, *place]) == 0
    assert abs(clip[0, 30, 40] - clip[0, 29:32, 39:42].mean()) < 40


def test_the_calibration_knows_nothing_of_them(spoiled):
    plain = recorded(light(20, 48, 64)).astype("float32")
    ours = calibrate([inspect(Stack.from_array(spoiled, "TYX"))], 0, NOISE)
    true = calibrate([Stack.from_array(plain, "TYX")], 0, NOISE)
    assert ours.offset == pytest.approx(true.offset, rel=0.05)
    assert ours.scale == pytest.approx(true.scale, rel=0.1)


def test_empty_frames_are_no_targets_and_not_held_out(spoiled):
    stack = inspect(Stack.from_array(spoiled, "TYX"))
    held_out = DENOISE.hold_out(20, frozenset({9}))
    assert 9 not in held_out
    sampler = ClipSampler(
        [Movie(stack, SERIES, held_out)],
        context=2,
        targets=1,
        patch=32,
        transpose=False,
        rng=np.random.default_rng(0),
    )
    for _ in range(40):
        draw = sampler.draw(4)
        assert np.isfinite(draw.clips).all()
        assert draw.clips.max() < 4000
        assert draw.clips.min() > 0
        assert draw.measured.mean() > 0.3


def test_a_movie_without_any_is_read_as_before():
    movie = recorded(light(20, 48, 64)).astype("uint16")
    stack = Stack.from_array(movie, "TYX")
    assert inspect(stack) is stack
    clip = read_clip(stack, SERIES, range(20))
    assert np.array_equal(clip[:, 0], movie.astype("float32"))


def test_infinite_pixels_are_refused_and_nan_is_not(spoiled):
    check_pixels(Stack.from_array(spoiled, "TYX"))
    spoiled[2, 3, 30] = np.inf
    with pytest.raises(InputError, match="infinite"):
        check_pixels(Stack.from_array(spoiled, "TYX"))


def test_a_movie_of_which_every_plane_is_empty_is_refused():
    empty = np.full((6, 2, 32, 32), 5, "uint8")
    with pytest.raises(InputError, match="5"):
        check_pixels(Stack.from_array(empty, "TZYX"))


def test_the_networks_input_is_finite_where_a_plane_is_empty():
    movie = np.stack([recorded(light(20, 48, 64)), np.zeros((20, 48, 64))], axis=1)
    stack = Stack.from_array(movie.astype("float32"), "TZYX")
    blocks = BlockDenoiser(
        tiny_net(likelihood=True), [Calibration(150.0, 100.0, NOISE)], stack
    )
    with torch.inference_mode():
        mean, _ = blocks.block(Series((0,), 1), 0, 20)
    assert (mean == 0).all()
    assert inspect(stack).validity.is_empty(Plane(0, 1))


def test_a_movie_with_one_frame_that_was_recorded_is_refused():
    movie = recorded(light(8, 48, 64)).astype("uint16")
    movie[1:] = 0
    with pytest.raises(InputError, match="measured in 1 of the frames"):
        diagnose(Stack.from_array(movie, "TYX"))


def test_a_picture_that_is_shown_again_and_again_is_no_border():
    picture = recorded(light(1, 48, 64)).astype("uint16")
    stack = Stack.from_array(np.repeat(picture, 8, axis=0), "TYX")
    assert inspect(stack) is stack


def test_an_empty_channel_says_nothing_against_the_others():
    movie = np.stack([recorded(light(20, 48, 64)), np.zeros((20, 48, 64))], axis=1)
    stack = inspect(Stack.from_array(movie, "TCYX"))
    _, measured = read_measured(stack, Series((0, 1), 0), range(3))
    assert measured.all()
    _, alone = read_measured(stack, Series((1,), 0), range(3))
    assert not alone.any()
    assert middle_planes(stack) == [Plane(0, 0)]
    assert calibrate([stack], 1, NOISE).scale == 1.0
