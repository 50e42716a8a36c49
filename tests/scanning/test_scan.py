"""The scan of a full movie: its pixels where the mask is, NaN elsewhere, lazily."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.scanning import make_mask, scan
from napari_udvd.stack import Plane, Stack


def pixels(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


MASK = make_mask("random", 6, (10, 12), share=0.3)


@pytest.mark.parametrize("axes", ["TYX", "YXT", "XTY"])
def test_what_is_left_of_a_movie(axes: str) -> None:
    movie = pixels((6, 10, 12))
    turned = movie.transpose(["TYX".index(axis) for axis in axes])
    stack = Stack.from_array(turned, axes, scale={"T": 2.0, "X": 0.1})
    scanned = scan(stack, MASK)
    assert (scanned.axes, scanned.shape, scanned.dtype) == (axes, turned.shape, "f4")
    assert dict(scanned.scale) == {"T": 2.0, "X": 0.1}
    expected = np.where(np.asarray(MASK), movie, np.nan).astype("f4")
    np.testing.assert_array_equal(scanned.read(), expected)
    part = scanned.read(slice(1, 4), rows=slice(2, 7), columns=slice(5, 9))
    np.testing.assert_array_equal(part, expected[1:4, 2:7, 5:9])
    np.testing.assert_array_equal(scanned.read(3), expected[3:4])
    cropped = scanned.crop(slice(2, 5), slice(1, 9), slice(3, 12))
    np.testing.assert_array_equal(cropped.read(), expected[2:5, 1:9, 3:12])
    np.testing.assert_array_equal(
        np.asarray(scanned.data), expected.transpose(["TYX".index(a) for a in axes])
    )
    assert "taken out of a full movie" in scanned.notes[-1]


@pytest.mark.parametrize("axes", ["TCZYX", "CYXZT"])
def test_all_channels_and_planes_are_scanned_alike(axes: str) -> None:
    movie = pixels((6, 2, 3, 10, 12))
    turned = movie.transpose(["TCZYX".index(axis) for axis in axes])
    scanned = scan(turned, MASK, axes)
    for plane in scanned.planes():
        expected = np.where(np.asarray(MASK), movie[:, plane.c, plane.z], np.nan)
        np.testing.assert_array_equal(scanned.read(slice(None), plane), expected)
    one = scanned.read(2, Plane(1, 2), slice(3, 5), slice(None))
    assert one.shape == (1, 2, 12)


def test_masks_of_others() -> None:
    movie = pixels((6, 10, 12))
    one = np.zeros((10, 12), np.uint8)
    one[::3] = 1
    for mask in (one, one.astype(float), one.astype(bool), np.stack([one] * 6)):
        expected = np.where(one, movie, np.nan)
        np.testing.assert_array_equal(scan(movie, mask).read(), expected)
    picture = scan(movie[0], one, "YX")
    np.testing.assert_array_equal(picture.read()[0], np.where(one, movie[0], np.nan))


def test_nothing_is_read_before_it_is_asked_for() -> None:
    asked = []

    class Recording:
        shape, dtype = (6, 10, 12), np.dtype(np.uint16)

        def __getitem__(self, key: Any) -> Any:
            asked.append(key)
            return pixels((6, 10, 12))[key]

    scanned = scan(Recording(), MASK)
    assert not asked
    scanned.read(2, rows=slice(0, 4))
    assert asked == [(slice(2, 3, 1), slice(0, 4, 1), slice(0, 12, 1))]


def test_movies_of_dask_and_what_was_not_measured_before() -> None:
    movie = pixels((6, 10, 12)).astype("f4")
    movie[0, MASK.frame(0)] = np.nan
    scanned = scan(da.from_array(movie), MASK)
    assert np.isnan(scanned.read(0)).all()
    expected = np.where(np.asarray(MASK), movie, np.nan)
    np.testing.assert_array_equal(scanned.to_dask().compute(), expected)


@pytest.mark.parametrize("shape", [(5, 10, 12), (12, 10), (10,), (6, 2, 10, 12)])
def test_a_mask_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"6 frame\(s\) of 10 x 12 pixels"):
        scan(pixels((6, 10, 12)), np.ones(shape, bool))


def test_a_mask_that_is_none() -> None:
    with pytest.raises(InputError, match="other values than 0"):
        scan(pixels((6, 10, 12)), np.full((10, 12), 255))
