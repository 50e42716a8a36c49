from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd.errors import InputError, OutputError
from napari_udvd.inference.frame_store import FrameArray
from napari_udvd.stack import Plane, Stack
from napari_udvd.traces import (
    masks_of_labels,
    masks_of_polygons,
    mean_traces,
    write_traces,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def test_means_of_regions_before_and_after(tmp_path: Path) -> None:
    data = np.zeros((5, 2, 12, 10), "u2")
    data[:, 1, 2:5, 3:7] = np.arange(5)[:, None, None] * 10 + 100
    stack = Stack.from_array(data, "TCYX", scale={"T": 0.5}, units={"T": "s"})
    frames = FrameArray(stack, tmp_path)
    for t in range(4):  # the last is not there
        frames.put(t, Plane(1), np.full((12, 10), t, np.float32))
    labels = np.zeros((12, 10), int)
    labels[2:5, 3:7], labels[8:, :] = 4, 9
    masks = masks_of_labels(labels, (12, 10))
    assert list(masks) == ["4", "9"]
    traces = mean_traces(stack, frames, masks, Plane(1))
    np.testing.assert_allclose(traces["4 noisy"], np.arange(5) * 10 + 100)
    np.testing.assert_allclose(traces["9 noisy"], 0)
    np.testing.assert_allclose(traces["4 denoised"], [0, 1, 2, 3, np.nan])
    path = tmp_path / "traces.csv"
    write_traces(path, traces, stack)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0][:4] == ["frame", "time (s)", "4 noisy", "4 denoised"]
    assert rows[3][:4] == ["2", "1", "120", "2"]
    assert rows[5][3] == ""
    with pytest.raises(OutputError, match="cannot write"):
        write_traces(tmp_path / "no" / "traces.csv", traces, stack)


def test_polygons() -> None:
    square = np.array([[1.0, 1], [1, 4], [4, 4], [4, 1]])
    masks = masks_of_polygons([square, square + 3], (12, 10))
    assert list(masks) == ["1", "2"]
    assert masks["1"][2:4, 2:4].all()
    assert not masks["1"][6:].any()
    with pytest.raises(InputError, match="shape 1 holds no pixel"):
        masks_of_polygons([square + 50], (12, 10))
    with pytest.raises(InputError, match="no shape"):
        masks_of_polygons([], (12, 10))


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 4\)"):
        masks_of_labels(np.ones((3, 4), int), (12, 10))
    with pytest.raises(InputError, match="no label"):
        masks_of_labels(np.zeros((12, 10), int), (12, 10))


def test_what_was_not_measured_is_no_data() -> None:
    frames = np.full((3, 16, 16), 50.0, np.float32)
    mask = np.ones((3, 16, 16), bool)
    mask[0, :8] = mask[2] = False
    region = {"a": np.ones((16, 16), bool)}
    for movie, how in (
        (np.where(mask, frames, np.nan), {}),
        (np.where(mask, frames, 0.0), {"mask": mask}),
    ):
        stack = Stack.from_array(movie, "TYX", **how)
        found = mean_traces(stack, _Done(movie), region)
        np.testing.assert_array_equal(found["a noisy"], [50, 50, np.nan])
    # a denoised movie that kept its gaps
    found = mean_traces(stack, _Done(np.where(mask, 40.0, np.nan)), region)
    np.testing.assert_array_equal(found["a denoised"], [40, 40, np.nan])


class _Done:
    """A movie that is denoised."""

    def __init__(self, frames: npt.NDArray[np.floating]) -> None:
        self._frames = frames

    def has(self, t: int, plane: Plane) -> bool:
        return True

    def frame(self, t: int, plane: Plane) -> npt.NDArray[np.floating]:
        return self._frames[t]
