"""Numbers of filters made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.filters import spread_of
from napari_udvd.filters._numbers import averaged_pixels, shares_of, width_of


def box(
    rows: slice, columns: slice, shape: tuple[int, int] = (21, 23), value: float = 1.0
) -> np.ndarray:
    weights = np.zeros(shape, np.float32)
    weights[rows, columns] = value
    return weights


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10), st.integers(0, 10))
def test_the_centroid_and_extent_of_a_box(
    height: int, width: int, top: int, left: int
) -> None:
    found = spread_of(box(slice(top, top + height), slice(left, left + width)))
    middle = top + (height - 1) / 2, left + (width - 1) / 2
    np.testing.assert_allclose(found.centroid, middle, atol=1e-9)
    # of a box of whole pixels: the side over the square root of twelve
    assert found.longest == pytest.approx(max(height, width) / np.sqrt(12))


def test_the_extent_is_along_the_direction_in_which_the_weights_reach_farthest() -> (
    None
):
    size = 41
    y, x = np.mgrid[:size, :size] - size // 2
    for angle in (0.0, 0.4, np.pi / 4, 2.0):
        along = np.cos(angle) * y + np.sin(angle) * x
        across = -np.sin(angle) * y + np.cos(angle) * x
        weights = ((np.abs(along) < 15) & (np.abs(across) < 2)).astype(np.float32)
        assert spread_of(weights).longest == pytest.approx(30 / np.sqrt(12), rel=0.05)


def test_only_weights_above_half_of_the_largest_count_for_the_centroid() -> None:
    weights = box(slice(4, 6), slice(7, 8), value=2.0)
    weights[15:, :] = 0.999
    weights[:, 20] = -5
    np.testing.assert_allclose(spread_of(weights).centroid, (4.5, 7))


def test_a_frame_without_positive_weights_has_no_place() -> None:
    weights = np.stack([box(slice(3, 4), slice(5, 6)), -np.ones((21, 23), "f4")])
    found = spread_of(np.stack([weights, np.zeros_like(weights)]))
    assert found.centroid.shape == (2, 2, 2) and found.longest.shape == (2, 2)
    np.testing.assert_allclose(found.centroid[0, 0], (3, 5))
    for place in ((0, 1), (1, 0), (1, 1)):
        assert np.isnan(found.centroid[place]).all()
        assert np.isnan(found.longest[place])


@given(st.integers(1, 400), st.floats(0.01, 100))
def test_equal_weights_average_as_many_pixels_as_they_are(
    count: int, total: float
) -> None:
    weights = np.zeros(1000, np.float32)
    weights[:count] = total / count
    found = averaged_pixels(weights.reshape(10, 10, 10), axis=(-3, -2, -1))
    assert found == pytest.approx(count / total**2, rel=1e-5)


def test_no_weights_average_nothing() -> None:
    assert averaged_pixels(np.zeros((2, 3, 4), "f4"), axis=(-3, -2, -1)) == np.inf


def test_shares_count_negative_weights_too_and_add_up_to_one() -> None:
    weights = np.zeros((2, 3, 4, 5), np.float32)  # (points, frames, rows, columns)
    weights[0, 0, 1, 1], weights[0, 2, 2, 2], weights[0, 2, 3, 3] = 1, -2, 1
    weights[1] = 1
    np.testing.assert_allclose(
        shares_of(weights, frames=-3), [[0.25, 0, 0.75], [1 / 3, 1 / 3, 1 / 3]]
    )


def test_the_width_is_measured_from_the_centroid_of_each_frame() -> None:
    still = np.zeros((3, 21, 23), np.float32)
    moving = still.copy()
    for k in range(3):
        still[k, 9:12, 10:13] = 0.1
        moving[k, 9 + 3 * k - 3 : 12 + 3 * k - 3, 10:13] = 0.1
    # mean square distance in a box of three: 2/3 along each axis
    assert width_of(still) == pytest.approx(np.sqrt(4 / 3))
    assert width_of(moving) == pytest.approx(np.sqrt(4 / 3))


def test_frames_without_a_place_do_not_count_for_the_width() -> None:
    weights = np.zeros((2, 21, 23), np.float32)
    weights[0, 9:12, 10:13] = 0.1
    weights[1] = -1
    assert width_of(weights) == pytest.approx(np.sqrt(4 / 3))
