"""Pixels that hold no measurement are found, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from napari_udvd.cutting import window
from napari_udvd.errors import InputError
from napari_udvd.noise import check_finite, check_pixels
from napari_udvd.planes import Series, measured_box, read_measured
from napari_udvd.simulation import KINDS, simulate
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import PlaneValidity, inspect

Movie = npt.NDArray[Any]


def nuclei(frames: int = 20, shape: tuple[int, int] = (48, 56), seed: int = 1) -> Movie:
    return np.asarray(
        simulate("nuclei", frames=frames, shape=shape, seed=seed).noisy.read()
    )


def found_in(movie: Movie) -> PlaneValidity | None:
    stack = inspect(Stack.from_array(movie, "TYX"))
    return None if stack.validity is None else stack.validity.planes[Plane()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_movie_that_was_measured_stays_the_very_same(kind: str) -> None:
    stack = simulate(kind, frames=12, shape=(40, 48), photons=5).noisy
    assert inspect(stack) is stack


@pytest.mark.parametrize("photons", [0.02, 0.1, 0.5, 2.0, 8.0])
def test_counts_of_zero_are_measured(photons: float) -> None:
    light = nuclei(30, (64, 64)).astype(float) - 100
    light = np.clip(light, 0, None) * photons / np.percentile(light, 99.9)
    counts = np.random.default_rng(0).poisson(light)
    counts = counts[counts.any(axis=(1, 2))]  # a frame without a photon is empty
    assert found_in(counts.astype(np.uint8)) is None


@pytest.mark.parametrize("offset", [97, 100, 103])
def test_noise_cut_off_at_zero_is_measured(offset: int) -> None:
    movie = np.clip(nuclei().astype(int) - offset, 0, None).astype(np.uint16)
    assert found_in(movie) is None


def test_a_saturated_cell_is_measured() -> None:
    movie = nuclei()
    limit = np.uint16(np.percentile(movie, 90))
    assert found_in(np.minimum(movie, limit)) is None


BORDERS = {
    "around": np.s_[:, 3:-3, 5:-5],
    "left": np.s_[:, :, 2:],
    "below": np.s_[:, :-7, :],
}


@pytest.mark.parametrize("value", [0, 100, 65535])
@pytest.mark.parametrize("side", BORDERS)
def test_constant_borders(side: str, value: int) -> None:
    movie = nuclei()
    inside = np.zeros(movie.shape, bool)
    inside[BORDERS[side]] = True
    movie[~inside] = value
    found = found_in(movie)
    assert found is not None
    np.testing.assert_array_equal(found.constant, ~inside[0])
    stack = inspect(Stack.from_array(movie, "TYX"))
    box = measured_box(stack, Series((0,), 0))
    np.testing.assert_array_equal(movie[(slice(None), *box)], movie[BORDERS[side]])
    assert stack.validity is not None
    assert "never change" in stack.validity.notes[0]


@pytest.mark.parametrize("value", [-5.0, 0.0, np.nan])
def test_cut_corners(value: float) -> None:
    movie = nuclei().astype(np.float32)
    y, x = np.mgrid[: movie.shape[1], : movie.shape[2]]
    corner = y + x < 20
    movie[:, corner] = value
    found = found_in(movie)
    assert found is not None
    kept = found.kept(movie, 0)
    assert (kept[0] & corner).sum() >= 0.9 * corner.sum()
    assert not (kept[0] & ~corner).any()


@pytest.mark.parametrize("dtype, value", [("uint16", 0), ("int16", -32768), ("f4", 0)])
def test_borders_that_move(dtype: str, value: float) -> None:
    movie = nuclei(24, (64, 72)).astype(dtype)
    rng = np.random.default_rng(2)
    shifts = np.rint(np.cumsum(rng.normal(0, 1.5, (24, 2)), axis=0)).astype(int)
    moved = np.stack(
        [
            ndimage.shift(frame, shift, order=0, cval=value)
            for frame, shift in zip(movie, shifts, strict=True)
        ]
    )
    truth = np.stack(
        [
            ndimage.shift(np.zeros(movie.shape[1:]), shift, order=0, cval=1) > 0
            for shift in shifts
        ]
    )
    found = found_in(moved)
    assert found is not None
    np.testing.assert_array_equal(found.kept(moved, 0), truth)


@pytest.mark.parametrize("value", [0, 77])
@pytest.mark.parametrize("lost", [[3], [0, 19], [7, 8], [2, 5, 11, 17]])
def test_dropped_frames(lost: list[int], value: int) -> None:
    movie = nuclei()
    movie[lost] = value
    stack = inspect(Stack.from_array(movie, "TYX"))
    assert stack.validity is not None
    assert stack.validity.missing(Plane()) == frozenset(lost)
    assert f"{len(lost)} frame(s) are empty ({lost[0]}" in stack.validity.notes[0]
    # predicted, not kept
    assert not stack.validity.kept(movie, Plane(), 0).any()


def test_many_empty_frames_in_a_row_stay_as_they_are() -> None:
    movie = nuclei()
    movie[4:12] = 0
    stack = inspect(Stack.from_array(movie, "TYX"))
    assert stack.validity is not None
    kept = stack.validity.kept(movie, Plane(), 0).all(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(kept), range(4, 12))


@pytest.mark.parametrize("level, size", [(4000, 1), (30000, 1), (2000, 1)])
def test_hot_pixels(level: int, size: int) -> None:
    movie = nuclei(30)
    rng = np.random.default_rng(3)
    hot = np.zeros(movie.shape[1:], bool)
    for y, x in [(5, 9), (20, 30), (40, 50), (0, 0)]:
        hot[y : y + size, x : x + size] = True
    movie[:, hot] = level + rng.normal(0, 15, (30, int(hot.sum())))
    found = found_in(movie)
    assert found is not None
    np.testing.assert_array_equal(found.hot, hot)
    # what stands for one is what is around it, not the pixel itself
    assert np.abs(found.background[hot].astype(float) - 110).max() < 60


def test_dead_pixels() -> None:
    movie = simulate("nuclei", frames=30, shape=(48, 48), offset=400.0).noisy.read()
    movie = np.asarray(movie).copy()
    movie[:, 10, 12] = np.random.default_rng(0).integers(3, 9, 30)
    found = found_in(movie)
    assert found is not None
    assert np.argwhere(found.hot).tolist() == [[10, 12]]


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_small_bright_spots_are_no_hot_pixels(sigma: float) -> None:
    y, x = np.mgrid[:48, :48]
    light = np.full((48, 48), 5.0)
    for a, b in [(10, 10), (20.4, 33.3), (38.5, 12.5)]:
        light += 800 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * sigma**2))
    movie = 100 + np.random.default_rng(0).poisson(light, (30, 48, 48))
    assert found_in(movie.astype(np.uint16)) is None


def test_a_cosmic_ray_is_no_hot_pixel() -> None:
    movie = nuclei(30)
    movie[11, 20, 20] = 60000
    assert found_in(movie) is None


@pytest.mark.parametrize("axes", ["TCYX", "TZYX"])
def test_an_empty_plane_among_others(axes: str) -> None:
    movie = np.stack([nuclei(seed=k) for k in range(3)], axis=1)
    movie[:, 1] = 0
    stack = inspect(Stack.from_array(movie, axes))
    assert stack.validity is not None
    empty = Plane(c=1) if "C" in axes else Plane(z=1)
    assert stack.validity.is_empty(empty)
    assert [p for p in stack.planes() if stack.validity.is_empty(p)] == [empty]
    assert f"{axes[1]} = 1" in stack.validity.notes[0]


def test_nan_here_and_there() -> None:
    movie = nuclei().astype(np.float32)
    rng = np.random.default_rng(0)
    lost = rng.random(movie.shape) < 0.01
    movie[lost] = np.nan
    stack = inspect(Stack.from_array(movie, "TYX"))
    clip, measured = read_measured(stack, Series((0,), 0), range(20))
    assert measured is not None
    np.testing.assert_array_equal(measured[:, 0], ~lost)
    assert np.isfinite(clip).all()
    np.testing.assert_array_equal(clip[:, 0][~lost], movie[~lost])


def test_what_stands_for_a_pixel_comes_from_no_single_frame() -> None:
    """A fill from the same frame, or the next, would carry its noise to a neighbour."""
    movie = nuclei(40).astype(np.float32)
    movie[7, 20, 20] = np.nan
    one = read_measured(inspect(Stack.from_array(movie, "TYX")), Series((0,), 0), [7])
    for t in (6, 7, 8):
        changed = movie.copy()
        changed[t, 18:23, 18:23] += 400
        other = inspect(Stack.from_array(changed, "TYX"))
        clip, _ = read_measured(other, Series((0,), 0), [7])
        assert abs(clip[0, 0, 20, 20] - one[0][0, 0, 20, 20]) <= 400 / 39 + 1e-3


def test_parts_of_a_movie_know_their_own() -> None:
    movie = nuclei()
    movie[:, :6] = 0
    movie[9] = 0
    stack = inspect(Stack.from_array(movie, "TYX"))
    part = stack.crop(slice(5, 15), slice(2, 30), slice(10, 40))
    assert part.validity is not None
    assert part.validity.missing(Plane()) == {4}
    whole, measured = read_measured(stack, Series((0,), 0), range(5, 15))
    clip, known = read_measured(part, Series((0,), 0), range(10))
    assert measured is not None
    assert known is not None
    np.testing.assert_array_equal(clip, whole[:, :, 2:30, 10:40])
    np.testing.assert_array_equal(known, measured[:, :, 2:30, 10:40])


@pytest.mark.parametrize("frame", range(7))
def test_missing_frames_are_nobodys_neighbours(frame: int) -> None:
    missing = frozenset({2, 5})
    seen = window(frame, 2, 7, missing)
    assert seen[2] == frame
    others = seen[:2] + seen[3:]
    assert frame not in others
    assert not missing & set(others)


def test_a_movie_without_a_measurement_is_left_to_others() -> None:
    stack = inspect(Stack.from_array(np.zeros((5, 20, 20), np.uint8), "TYX"))
    assert stack.validity is not None
    assert stack.validity.is_empty(Plane())


# --- how often a movie is read --------------------------------------------------------


class Counting:
    """Counts how often each frame is read whole."""

    def __init__(self, data: Movie) -> None:
        self._data = data
        self.shape, self.dtype = data.shape, data.dtype
        self.reads = np.zeros(len(data), int)

    def __getitem__(self, key: Any) -> Movie:
        block = self._data[key]
        if block.shape[1:] == self.shape[1:]:
            self.reads[key[0]] += 1
        return block


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_a_movie_is_looked_at_once(dtype: str, holes: bool) -> None:
    movie = nuclei(40).astype(dtype)
    if holes and dtype == "f4":
        movie[7, 20:24, 30:33] = np.nan
    data = Counting(movie)
    stack = Stack.from_array(data, "TYX")
    check_pixels(stack)
    found = inspect(stack)
    check_finite(found)
    inspect(found)
    assert data.reads[1:].tolist() == [1] * 39
    assert data.reads[0] == 2  # by itself, to see whether anything varies
    assert (found is stack) == (dtype == "u2" or not holes)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("whole", [False, True], ids=["pixel", "frame"])
def test_infinite_pixels_are_found_on_the_way(value: float, whole: bool) -> None:
    movie = nuclei(40).astype("f4")
    movie[20:21, slice(None) if whole else 5, slice(None) if whole else 6] = value
    count, place = (48 * 56, (0, 0)) if whole else (1, (5, 6))
    expected = (
        rf"{count} infinite pixel\(s\) of {movie.size}, the first at T = 20, "
        rf"Y = {place[0]}, X = {place[1]}"
    )
    for look in (inspect, check_finite):
        with pytest.raises(InputError, match=expected):
            look(Stack.from_array(movie, "TYX"))
