"""Pixels that were not measured are found, and those that were are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from drifting_spots import light, recorded, shifted, true_variance
from napari_udvd.noise import diagnose
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import inspect

FRAMES, HEIGHT, WIDTH = 24, 96, 112
Y, X = np.mgrid[:HEIGHT, :WIDTH]


@pytest.fixture(scope="module")
def movie():
    return recorded(light(FRAMES, HEIGHT, WIDTH)).astype("uint16")


def measured_of(movie, axes="TYX", plane=Plane()):
    stack = inspect(Stack.from_array(movie, axes))
    assert stack.validity is not None, "nothing was found"
    return stack, stack.validity.measured(stack.read(slice(None), plane), plane, 0)


def check_noise(stack, plane=Plane(), level=120.0):
    found = diagnose(stack, plane)
    assert float(found.noise.variance(level)) == pytest.approx(
        true_variance(level), rel=0.15
    )
    assert not found.broken
    return found


def test_a_movie_without_any_is_the_very_same_object(movie):
    stack = Stack.from_array(movie, "TYX")
    assert inspect(stack) is stack


BORDERS = {
    "left, zero": (X < 6, 0),
    "thin frame, zero": ((X < 1) | (X >= WIDTH - 1) | (Y < 1) | (Y >= HEIGHT - 1), 0),
    "cut corner, in range": (Y + X < 30, 77),
    "round aperture, minimum": ((Y - 48) ** 2 + (X - 56) ** 2 > 46**2, 94),
    "bottom, white": (Y >= 80, 65535),
    "mask inside": ((Y >= 30) & (Y < 50) & (X >= 40) & (X < 70), 0),
    "two masks inside": (((Y - 30) ** 2 + (X % 56 - 28) ** 2) < 15**2, 200),
}


@pytest.mark.parametrize("kind", BORDERS)
def test_constant_pixels_are_found_and_left_out(movie, kind):
    gone, fill = BORDERS[kind]
    stack, measured = measured_of(np.where(gone, fill, movie).astype("uint16"))
    assert np.array_equal(measured, np.broadcast_to(~gone, movie.shape))
    (note,) = stack.validity.notes
    assert f"{gone.mean():.1%}" in note
    assert f"{fill:g}" in note
    assert note in check_noise(stack).reasons


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint8"])
def test_constant_pixels_of_other_types(movie, dtype):
    if dtype == "uint8":
        values = np.clip(movie / 2.0, 0, 255).astype("uint8")
    else:
        values = (movie.astype(dtype) - 130).astype(dtype)  # many are negative
    values[:, :, -5:] = 0
    _, measured = measured_of(values)
    assert not measured[:, :, -5:].any()
    assert measured[:, :, :-5].all()


def test_text_burned_in_is_found(movie):
    movie = movie.copy()
    movie[:, 80:90, 60:100] = np.where((X[80:90, 60:100] // 3) % 2, 255, 0)
    _, measured = measured_of(movie)
    assert not measured[:, 80:90, 60:100].any()
    assert measured[:, :80].all()


def test_nan_that_stays_and_nan_that_moves(movie):
    movie = movie.astype("float32")
    movie[:, (Y < 40) & (X < 30)] = np.nan
    movie[::3, :, -4:] = np.nan
    stack, measured = measured_of(movie)
    assert np.array_equal(measured, np.isfinite(movie))
    assert all("inf" not in note for note in stack.validity.notes)
    check_noise(stack)


def test_a_border_of_one_channel_is_that_channels_own(movie):
    both = np.stack([movie, movie[:, ::-1]], axis=1).copy()
    both[:, 1, :4] = 0
    _, first = measured_of(both, "TCYX", Plane(0))
    stack, second = measured_of(both, "TCYX", Plane(1))
    assert first.all()
    assert not second[:, :4].any()
    assert second[:, 4:].all()
    assert "C = 1" in stack.validity.notes[0]
    check_noise(stack, Plane(1))


@pytest.mark.parametrize("fill", [0, 100, 65535])
def test_fill_that_moves_with_registration(movie, fill):
    rng = np.random.default_rng(3)
    steps = np.rint(np.cumsum(rng.normal(0, 1.6, (FRAMES, 2)), axis=0)).astype(int)
    moved = np.stack([shifted(f, *s, fill) for f, s in zip(movie, steps, strict=True)])
    whole = np.ones((HEIGHT, WIDTH), bool)
    true = np.stack([shifted(whole, *step, False) for step in steps])
    stack, measured = measured_of(moved)
    assert np.array_equal(measured, true)
    check_noise(stack)


def test_fill_of_frames_that_were_turned(movie):
    rng = np.random.default_rng(5)
    angles = np.cumsum(rng.normal(0, 0.7, FRAMES))
    whole = np.ones((HEIGHT, WIDTH))

    def turned(frame, angle):
        return ndimage.rotate(frame, angle, reshape=False, order=0, cval=0)

    true = np.stack([turned(whole, angle) > 0 for angle in angles])
    turns = zip(movie, angles, strict=True)
    _, measured = measured_of(np.stack([turned(f, angle) for f, angle in turns]))
    assert (measured != true).sum() < 0.05 * (~true).sum()


def test_fill_that_moves_inside_of_a_border_that_stays(movie):
    movie = movie.copy()
    for t in range(FRAMES):
        movie[t, :, : 4 + t % 6] = 0
    _, measured = measured_of(movie)
    for t in range(FRAMES):
        assert not measured[t, :, : 4 + t % 6].any()
        assert measured[t, :, 4 + t % 6 :].all()


@pytest.mark.parametrize("photons", [0.002, 0.02, 0.1, 0.3, 1.0])
def test_zeros_of_a_counting_camera_are_measured(photons):
    rate = light(FRAMES, HEIGHT, WIDTH) / 40.0 * photons
    counts = np.random.default_rng(2).poisson(rate).astype("uint8")
    stack = inspect(Stack.from_array(counts, "TYX"))
    if stack.validity is not None:
        measured = stack.validity.measured(counts, Plane(), 0)
        assert measured[counts.any(axis=(1, 2))].all()


def test_a_ground_without_photons_is_measured():
    rng = np.random.default_rng(7)
    rate = np.full((HEIGHT, WIDTH), 0.01)
    rate[20:80, 15:100] = 8.0
    rate = np.broadcast_to(ndimage.gaussian_filter(rate, 1.5), (FRAMES, HEIGHT, WIDTH))
    stack = Stack.from_array(rng.poisson(rate).astype("uint16"), "TYX")
    assert inspect(stack) is stack


def test_what_is_cut_at_zero_is_measured(movie):
    cut = np.clip(movie.astype(int) - 120, 0, None).astype("uint16")
    stack = Stack.from_array(cut, "TYX")
    assert inspect(stack) is stack


def test_saturated_cells_are_measured():
    cell = 100.0 + 900.0 * np.exp(-((Y - 48) ** 2 + (X - 60) ** 2) / 200.0)
    noisy = np.random.default_rng(0).normal(cell, 20.0, (FRAMES, HEIGHT, WIDTH))
    stack = Stack.from_array(np.clip(noisy, 0, 600).astype("uint16"), "TYX")
    assert inspect(stack) is stack


@pytest.mark.parametrize("level", [0, 400, 4000, 65535])
def test_hot_and_dead_pixels_are_found(movie, level):
    rng = np.random.default_rng(1)
    hot = np.zeros((HEIGHT, WIDTH), bool)
    hot.flat[rng.choice(hot.size, 20, replace=False)] = True
    values = np.clip(level + rng.normal(0, 20, movie.shape), 0, 65535)
    stack, _ = measured_of(np.where(hot, values, movie).astype("uint16"))
    found = stack.validity.planes[Plane()].hot
    assert not (found & ~hot).any()
    assert found.sum() >= 0.85 * hot.sum()
    check_noise(stack)


def test_dead_pixels_as_bright_as_their_surroundings_are_found(movie):
    movie = movie.copy()
    dead = [(20, 30), (50, 90), (70, 11)]
    for place in dead:
        movie[:, *place] = 118
    stack, _ = measured_of(movie)
    found = stack.validity.planes[Plane()].hot
    assert {tuple(place) for place in np.argwhere(found)} == set(dead)


@pytest.mark.parametrize("sigma", [0.5, 0.7, 1.0])
def test_sharp_points_of_the_specimen_are_no_hot_pixels(sigma):
    photons = np.full((HEIGHT, WIDTH), 10.0)
    for y, x in np.random.default_rng(4).uniform(5, 90, (25, 2)):
        photons += 400 * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * sigma**2))
    still = np.broadcast_to(photons, (FRAMES, HEIGHT, WIDTH))
    stack = Stack.from_array(recorded(still).astype("uint16"), "TYX")
    assert inspect(stack) is stack


def test_a_point_that_moves_is_no_hot_pixel(movie):
    movie = movie.copy()
    for t in range(FRAMES):
        movie[t, 40, 20 + 2 * t] = 3000
    stack = Stack.from_array(movie, "TYX")
    assert inspect(stack) is stack


EMPTY = {
    "every seventh": list(range(4, FRAMES, 7)),
    "both ends": [0, FRAMES - 1],
    "two in a row": [9, 10],
}


@pytest.mark.parametrize("fill", [0, 117, np.nan])
@pytest.mark.parametrize("kind", EMPTY)
def test_empty_frames_are_found_and_named(movie, kind, fill):
    empty = EMPTY[kind]
    movie = movie.astype("float32")
    movie[empty] = fill
    stack, measured = measured_of(movie)
    assert stack.validity.missing(Plane()) == set(empty)
    assert np.flatnonzero(~measured.all(axis=(1, 2))).tolist() == empty
    assert ", ".join(map(str, empty)) in stack.validity.notes[0]
    check_noise(stack)


def test_an_empty_plane_is_passed_over(movie):
    both = np.stack([movie, np.zeros_like(movie)], axis=1)
    stack = inspect(Stack.from_array(both, "TZYX"))
    assert stack.validity.is_empty(Plane(0, 1))
    assert not stack.validity.is_empty(Plane(0, 0))
    assert "Z = 1" in stack.validity.notes[0]


def test_validity_follows_a_crop(movie):
    movie = movie.copy()
    movie[:, :, :6] = 0
    movie[7] = 0
    stack, measured = measured_of(movie)
    part = stack.crop(slice(5, 20), slice(10, 60), slice(3, 50))
    assert part.validity.missing(Plane()) == {2}
    raw = part.read(slice(None), Plane())
    assert np.array_equal(
        part.validity.measured(raw, Plane(), 0), measured[5:20, 10:60, 3:50]
    )
