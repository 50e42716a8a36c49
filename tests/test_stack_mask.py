"""A movie knows which of its pixels were measured: by a mask, a value, or NaN."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.noise import subtract_dark
from napari_udvd.stack import Plane, Stack

T, C, Y, X = 6, 2, 20, 24
RNG = np.random.default_rng(4)
MOVIE = RNG.integers(1, 200, (T, C, Y, X)).astype(np.uint16)
EACH = RNG.random((T, Y, X)) < 0.4
"""A mask for each frame."""

MASKS: dict[str, tuple[Any, npt.NDArray[np.bool_]]] = {
    "one for all frames": (EACH[0], np.broadcast_to(EACH[0], (C, T, Y, X))),
    "one for each frame": (EACH, np.broadcast_to(EACH, (C, T, Y, X))),
    "of the movie's shape": (
        np.stack([EACH, ~EACH], axis=1),
        np.stack([EACH, ~EACH]),
    ),
    "one for each channel": (
        np.stack([EACH, ~EACH], axis=1)[:1],
        np.stack([np.broadcast_to(m, (T, Y, X)) for m in (EACH[0], ~EACH[0])]),
    ),
    "with axes of length one": (EACH[:, None], np.broadcast_to(EACH, (C, T, Y, X))),
    "labels": (EACH.astype(np.int32) * 7, np.broadcast_to(EACH, (C, T, Y, X))),
    "numbers and NaN": (
        np.where(EACH, np.float32(1), np.float32(np.nan)),
        np.broadcast_to(EACH, (C, T, Y, X)),
    ),
    "dask": (da.from_array(EACH), np.broadcast_to(EACH, (C, T, Y, X))),
    "a list": (EACH[0].tolist(), np.broadcast_to(EACH[0], (C, T, Y, X))),
    "a Labels layer": (
        SimpleNamespace(data=EACH.astype(np.uint8)),
        np.broadcast_to(EACH, (C, T, Y, X)),
    ),
}


def check(stack: Stack, truth: npt.NDArray[np.bool_]) -> None:
    for c in range(stack.n_channels):
        np.testing.assert_array_equal(stack.read_mask(plane=Plane(c)), truth[c])


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_shape(kind: str) -> None:
    mask, truth = MASKS[kind]
    stack = Stack.from_array(MOVIE, "TCYX", mask=mask)
    check(stack, truth)
    np.testing.assert_array_equal(stack.read(), MOVIE[:, 0])
    part = stack.read_mask(3, Plane(1), slice(2, 9), slice(4, 11))
    np.testing.assert_array_equal(part, truth[1, 3:4, 2:9, 4:11])


@pytest.mark.parametrize("kind", MASKS)
def test_a_part_of_a_movie_has_its_part_of_the_mask(kind: str) -> None:
    mask, truth = MASKS[kind]
    stack = Stack.from_array(MOVIE, "TCYX", mask=mask)
    part = stack.crop(slice(1, 5), slice(3, 18), slice(2, -2))
    check(part, truth[:, 1:5, 3:18, 2:-2])
    check(part.crop(slice(2, 3)), truth[:, 3:4, 3:18, 2:-2])


@pytest.mark.parametrize("axes", ["YXT", "XYT", "TYX", "YTX"])
def test_a_mask_in_the_order_of_the_movie(axes: str) -> None:
    order = ["TYX".index(axis) for axis in axes]
    movie = MOVIE[:, 0].transpose(order)
    stack = Stack.from_array(movie, axes, mask=EACH.transpose(order))
    check(stack, EACH[None])


def test_axes_that_are_named_tell_what_a_shape_does_not() -> None:
    movie = np.concatenate([MOVIE] * 3, axis=1)  # six channels, as many as frames
    stack = Stack.from_array(movie, "TCYX")
    check(stack.with_mask(EACH), np.broadcast_to(EACH, (6, T, Y, X)))
    by_channel = np.broadcast_to(EACH[:, None], (6, T, Y, X))
    check(stack.with_mask(EACH, "CYX"), by_channel)


def test_a_value_of_what_was_not_measured() -> None:
    movie = np.where(EACH, MOVIE[:, 0], 0)
    stack = Stack.from_array(movie, "TYX", unmeasured=0)
    check(stack, EACH[None])
    both = stack.with_mask(EACH[0], unmeasured=0)
    check(both, (EACH & EACH[0])[None])
    check(stack.crop(slice(2, 4)), EACH[None, 2:4])


def test_a_value_is_that_of_before_a_dark_frame_was_subtracted() -> None:
    movie = np.where(EACH, MOVIE[:, 0], 0)
    dark = RNG.normal(10, 2, (Y, X))
    plain = Stack.from_array(movie, "TYX")
    for stack in (
        subtract_dark(plain.with_mask(unmeasured=0), dark),
        subtract_dark(plain, dark).with_mask(unmeasured=0),
    ):
        check(stack, EACH[None])
        assert not (stack.read() == 0).any()


def test_nan_needs_no_mask() -> None:
    movie = np.where(EACH, MOVIE[:, 0], np.nan)
    stack = Stack.from_array(movie, "TYX")
    assert stack.mask is None
    check(stack, EACH[None])
    check(stack.with_mask(EACH[0]), (EACH & EACH[0])[None])


def test_a_movie_without_a_mask_is_measured() -> None:
    stack = Stack.from_array(MOVIE, "TCYX")
    assert stack.with_mask() is stack
    assert stack.mask is None
    assert stack.mask_record == {}
    check(stack, np.ones((C, T, Y, X), bool))
    assert stack.share_measured() == 1
    assert not stack.is_sparse


def test_a_mask_can_be_taken_away_and_replaced() -> None:
    stack = Stack.from_array(MOVIE, "TCYX", mask=EACH)
    assert stack.with_mask().mask is None
    check(stack.with_mask(~EACH), np.broadcast_to(~EACH, (C, T, Y, X)))


def test_renamed_axes_keep_the_mask() -> None:
    stack = Stack.from_array(MOVIE, "ZCYX", mask=EACH[:, None])
    check(stack.with_axes("TCYX"), np.broadcast_to(EACH, (C, T, Y, X)))


def test_other_masks_are_other_movies() -> None:
    stack = Stack.from_array(MOVIE, "TCYX")
    told = {
        s.fingerprint() for s in (stack, stack.with_mask(EACH), stack.with_mask(~EACH))
    }
    assert len(told) == 3


def test_what_a_result_records() -> None:
    stack = Stack.from_array(MOVIE, "TCYX", mask=EACH, unmeasured=3)
    assert stack.mask_record == {"mask": "array", "unmeasured": 3}


def test_the_share_that_was_measured() -> None:
    stack = Stack.from_array(MOVIE, "TCYX", mask=EACH)
    assert stack.share_measured() == pytest.approx(EACH.mean())
    long = Stack.from_array(np.zeros((300, 8, 8), np.uint8), "TYX", mask=np.eye(8))
    assert long.share_measured() == pytest.approx(1 / 8)


def scans(shape: tuple[int, int, int]) -> dict[str, npt.NDArray[np.bool_]]:
    t, y, x = np.indices(shape)
    rng = np.random.default_rng(0)
    middle = (y - shape[1] / 2) ** 2 + (x - shape[2] / 2) ** 2
    return {
        "20 % random": rng.random(shape) < 0.2,
        "1 % random": rng.random(shape) < 0.01,
        "rows, shifted": y % 5 == 2 * t % 5,
        "rows, fixed": y % 10 == 0,
        "a fovea": rng.random(shape) < np.where(middle < 150, 1.0, 0.1),
        "chessboard": (y + x) % 2 == 0,
    }


def frames_with_holes(shape: tuple[int, int, int]) -> dict[str, npt.NDArray[np.bool_]]:
    t, y, x = np.indices(shape)
    return {
        "borders": (y > 9) & (x > 5 + t),
        "a disc": (y - 32) ** 2 + (x - 32) ** 2 < 500,
        "dead lines": (y % 16 != 3) & (x != 7),
        "a window of text": ~((y < 30) & (y > 9) & (x < 50) & (x > 4)),
        "two fields": (x < 10) | (x > 50),
        "dropped frames": t % 3 != 1,
        "a turned frame": np.abs(y - 32) + np.abs(x - 32) < 40,
    }


SHAPE = (8, 64, 64)


@pytest.mark.parametrize("kind", scans(SHAPE))
def test_a_scan_is_sparse(kind: str) -> None:
    stack = Stack.from_array(np.ones(SHAPE, np.uint8), "TYX", mask=scans(SHAPE)[kind])
    assert stack.is_sparse


@pytest.mark.parametrize("kind", frames_with_holes(SHAPE))
def test_borders_and_holes_are_no_scan(kind: str) -> None:
    mask = frames_with_holes(SHAPE)[kind]
    stack = Stack.from_array(np.ones(SHAPE, np.uint8), "TYX", mask=mask)
    assert not stack.is_sparse
    nan = np.where(mask, np.float32(1), np.float32(np.nan))
    assert not Stack.from_array(nan, "TYX").is_sparse


def test_a_large_hole_between_corners_is_no_scan() -> None:
    mask = np.zeros((700, 700), bool)
    mask[:20, :20] = mask[:20, -20:] = mask[-20:, :20] = mask[-20:, -20:] = True
    movie = np.ones((2, 700, 700), np.uint8)
    assert not Stack.from_array(movie, "TYX", mask=mask).is_sparse


@pytest.mark.parametrize("shape", [(Y, X - 1), (T + 1, Y, X), (T, C + 1, Y, X), (X,)])
def test_a_mask_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="does not fit the movie") as caught:
        Stack.from_array(MOVIE, "TCYX", mask=np.ones(shape))
    assert str(shape) in str(caught.value)
    assert str((T, Y, X)) in str(caught.value)


@pytest.mark.parametrize("axes", ["TYX", "QYX", "YX", "TTYX"])
def test_axes_that_do_not_fit(axes: str) -> None:
    with pytest.raises(InputError, match="does not fit"):
        Stack.from_array(MOVIE, "TCYX").with_mask(np.ones((C, Y, X)), axes)


def test_a_mask_of_no_numbers() -> None:
    with pytest.raises(InputError, match="0 where nothing was measured"):
        Stack.from_array(MOVIE, "TCYX", mask=np.full((Y, X), 1 + 0j))


def test_a_name_is_no_mask() -> None:
    with pytest.raises(InputError, match=r"opened with napari_udvd\.open"):
        Stack.from_array(MOVIE, "TCYX", mask="mask.tif")


@pytest.mark.parametrize("value", [-1, 65536, 0.5, np.inf])
def test_a_value_that_no_pixel_can_have(value: float) -> None:
    with pytest.raises(InputError, match="can never be"):
        nu.Stack.from_array(MOVIE, "TCYX", unmeasured=value)


def test_files_of_a_mask_are_inputs() -> None:
    class Stored(np.ndarray):
        files = ("mask.tif",)

    stack = Stack.from_array(MOVIE, "TCYX", source="movie.tif", mask=EACH.view(Stored))
    assert stack.files == ("movie.tif", "mask.tif")
    assert stack.mask_record == {"mask": "mask.tif"}
