from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd.inference.frame_store import FrameArray
from napari_udvd.inference.pictures import Curtain, Residual
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from pathlib import Path

CASES = [("TYX", (4, 6, 8)), ("TCYX", (3, 2, 5, 7)), ("CTZYX", (2, 3, 2, 4, 6))]


def made(axes: str, shape: tuple[int, ...], tmp_path: Path) -> tuple[Stack, FrameArray]:
    data = np.random.default_rng(0).poisson(50, shape).astype("u2")
    stack = Stack.from_array(data, axes)
    frames = FrameArray(stack, tmp_path)
    for plane in stack.planes():
        for t in range(stack.n_frames):
            frames.put(t, plane, stack.read(t, plane)[0] * np.float32(0.5))
    return stack, frames


@pytest.mark.parametrize(("axes", "shape"), CASES)
def test_the_residual_is_what_was_taken_away(
    axes: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    stack, frames = made(axes, shape, tmp_path)
    residual = Residual(stack, frames)
    expected = np.asarray(stack.data) * 0.5
    assert residual.shape == shape
    np.testing.assert_allclose(np.asarray(residual), expected)
    np.testing.assert_allclose(residual[1], expected[1])
    np.testing.assert_allclose(residual[..., 1:4], expected[..., 1:4])
    last = next(reversed(list(stack.planes())))
    np.testing.assert_allclose(residual.frame(2, last), stack.read(2, last)[0] * 0.5)


@pytest.mark.parametrize(("axes", "shape"), CASES)
@pytest.mark.parametrize("column", [0, 3, 99])
def test_a_curtain_is_noisy_left_of_its_column(
    axes: str, shape: tuple[int, ...], column: int, tmp_path: Path
) -> None:
    stack, frames = made(axes, shape, tmp_path)
    curtain = Curtain(stack, frames)
    curtain.column = column
    expected = np.asarray(stack.data).astype(float)
    expected[..., column:] *= 0.5
    np.testing.assert_allclose(np.asarray(curtain), expected)
    np.testing.assert_allclose(curtain[0, ..., 2], expected[0, ..., 2])
    np.testing.assert_allclose(curtain[..., ::2], expected[..., ::2])


def test_frames_that_are_not_there_are_not_a_number(tmp_path: Path) -> None:
    stack = Stack.from_array(np.ones((3, 4, 5), "u1"), "TYX")
    frames = FrameArray(stack, tmp_path)
    frames.put(1, Plane(), np.zeros((4, 5), np.float32))
    residual = Residual(stack, frames)
    assert np.isnan(residual[0]).all()
    assert (residual[1] == 1).all()
    with pytest.raises(ValueError, match="not there"):
        residual.frame(0)
