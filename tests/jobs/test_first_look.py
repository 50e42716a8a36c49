"""The first look: averages in place, of each channel, of what the mask leaves."""

from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.jobs import FirstLook
from napari_udvd.scanning import make_mask
from napari_udvd.stack import Stack
from napari_udvd.training import View

SHAPE = 8, 60, 50


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Two channels of blobs that hardly move, ``(T, C, Y, X)``."""
    t, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    one = 100 + 50 * np.sin((y + 0.2 * t) / 6) * np.cos(x / 6)
    return np.stack([one, 300 - one], axis=1).astype(np.float32)


def test_what_is_on_view_is_filled_from_what_was_measured(truth: np.ndarray) -> None:
    mask = np.asarray(make_mask("random", SHAPE[0], SHAPE[1:], share=0.3))
    # what was not measured is far off: an average that takes it in shows it
    pixels = np.where(mask[:, None], truth, -10_000)
    stack = Stack.from_array(pixels, "TCYX", mask=mask)
    look = FirstLook(stack)
    rows, columns = slice(7, 40), slice(11, 50)
    view, filled = look.fill(View(3, 0, rows, columns))
    assert view == View(3, 0, rows, columns)
    expected = truth[3, :, rows, columns]
    assert filled.shape == expected.shape and filled.dtype == np.float32
    # each channel where it belongs: the mean alone is off by its contrast
    assert np.sqrt(np.mean((filled - expected) ** 2)) < 0.2 * expected[0].std()
    whole = look.fill(View(3, 0, slice(0, 60), slice(0, 50)))[1]
    np.testing.assert_allclose(whole[:, rows, columns], filled, rtol=0.02)


def test_a_channel_of_which_nothing_was_measured_stays_empty(truth: np.ndarray) -> None:
    pixels = truth.copy()
    pixels[:, 1] = np.nan
    pixels[:, 0, ::2] = np.nan
    look = FirstLook(Stack.from_array(pixels, "TCYX"))
    _, filled = look.fill(View(0, 0, slice(0, 60), slice(0, 50)))
    assert np.isfinite(filled[0]).all() and np.isnan(filled[1]).all()
