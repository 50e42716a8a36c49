"""What the dock asks of the core: masks in the axes of movies, scans of movies."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest

from napari_udvd._widgets.scan import planning
from napari_udvd.scanning import make_mask
from napari_udvd.stack import Stack

SHAPE = 6, 9, 7


@pytest.mark.parametrize("most", [2**28, 0], ids=["numpy", "dask"])
@pytest.mark.parametrize("axes", ["TYX", "CTZYX", "XTY", "TCYX"])
def test_the_mask_is_laid_on_the_movie(
    monkeypatch: pytest.MonkeyPatch, axes: str, most: int
) -> None:
    monkeypatch.setattr(planning, "IN_MEMORY", most)
    lengths = dict(zip("TYXCZ", (*SHAPE, 2, 3), strict=True))
    stack = Stack.from_array(np.zeros([lengths[axis] for axis in axes]), axes)
    mask = make_mask("random", SHAPE[0], SHAPE[1:], share=0.4)
    pixels = planning.pixels_of(mask, stack)
    assert isinstance(pixels, np.ndarray if most else da.Array)
    assert pixels.shape == stack.shape and pixels.dtype == np.uint8
    told = Stack.from_array(np.asarray(pixels), axes)
    for plane in stack.planes():
        np.testing.assert_array_equal(told.read(plane=plane), np.asarray(mask))


def test_a_fixed_mask_takes_no_memory() -> None:
    mask = make_mask("random", SHAPE[0], SHAPE[1:], share=0.4, fixed=True)
    stack = Stack.from_array(np.zeros(SHAPE), "TYX")
    pixels = planning.pixels_of(mask, stack)
    assert pixels.base.nbytes <= SHAPE[1] * SHAPE[2]
    np.testing.assert_array_equal(pixels, np.asarray(mask))


def test_a_scan_is_as_lazy_as_the_movie() -> None:
    pixels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    mask = make_mask("random", SHAPE[0], SHAPE[1:], share=0.4)
    expected = np.where(np.asarray(mask), pixels, np.nan).astype(np.float32)
    for data, kind in ((pixels, np.ndarray), (da.from_array(pixels), da.Array)):
        stack = Stack.from_array(data, "TYX", scale={"T": 2.0})
        (sparse,) = planning.simulated(stack, mask, threading.Event())
        assert isinstance(sparse.data, kind)
        assert dict(sparse.scale) == {"T": 2.0}
        np.testing.assert_array_equal(np.asarray(sparse.data), expected)
