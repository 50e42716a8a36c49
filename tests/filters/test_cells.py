"""Many filters from few backward passes are those of the pixels one by one."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.filters import (
    CELL,
    AdaptiveFilter,
    adaptive_filter,
    filter_cells,
    filter_summary,
    grid_points,
)
from napari_udvd.filters import _cells as cells_module
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models import Clip, Network
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_center_blind, tiny_movie, tiny_net

HALF = CELL // 2

NETWORKS = {"udvd": lambda: tiny_net(frames=3), "centre-blind": tiny_center_blind}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def net(request: pytest.FixtureRequest) -> Network:
    made = request.param()
    assert isinstance(made, Network)
    return made


def around(found: AdaptiveFilter, steps: np.ndarray) -> np.ndarray:
    """Cut the cell of a pixel out of its whole filter."""
    cell = np.zeros((len(steps), CELL, CELL), np.float32)
    t, _, _, y, x = found.pixel
    top, left = found.origin[1] - y + HALF, found.origin[2] - x + HALF
    height, width = found.weights.shape[1:]
    rows = slice(max(top, 0), min(top + height, CELL))
    columns = slice(max(left, 0), min(left + width, CELL))
    for k, step in enumerate(steps):
        if t + step in found.frames:
            weights = found.weights[found.frames.index(t + step)]
            cell[k, rows, columns] = weights[
                rows.start - top : rows.stop - top,
                columns.start - left : columns.stop - left,
            ]
    return cell


@given(st.integers(1, 300), st.integers(1, 80))
def test_grid_points_are_evenly_spaced_and_in_the_middle(
    length: int, spacing: int
) -> None:
    points = grid_points(length, spacing)
    assert set(np.diff(points)) <= {spacing}
    assert 0 <= points[0] and points[-1] < length
    before, after = points[0], length - 1 - points[-1]
    assert abs(before - after) <= max(1, spacing % 2) or len(points) == 1
    assert before < max(spacing, 1) and after < max(spacing, 1) + spacing


@pytest.mark.parametrize("t", [4, 0, 7])
def test_a_single_point_is_exact(net: Network, t: int) -> None:
    denoiser = Denoiser(net, (tiny_calibration(),))
    stack = tiny_movie()
    (cells,) = filter_cells(denoiser, stack, t, spacing=100)
    ((y, x),) = cells.points
    np.testing.assert_array_equal(
        cells.steps, np.arange(-net.geometry.context, net.geometry.context + 1)
    )
    found = adaptive_filter(denoiser, stack, t, y, x)
    expected = around(found, cells.steps)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(cells.weights[0], expected, atol=1e-5 * largest)
    missing = [not 0 <= t + step < stack.n_frames for step in cells.steps]
    assert not cells.weights[0, missing].any()


def wide_movie(shape: tuple[int, int]) -> Stack:
    rng = np.random.default_rng(3)
    return Stack.from_array(rng.poisson(200, (5, *shape)).astype(np.float32), "TYX")


def test_points_far_apart_do_not_disturb_one_another() -> None:
    net = tiny_center_blind()
    denoiser = Denoiser(net, (tiny_calibration(),))
    apart = 2 * net.geometry.radius + CELL
    stack = wide_movie((24, 2 * apart))
    points = 0
    for cells in filter_cells(denoiser, stack, 2, spacing=apart):
        for point, weights in zip(cells.points, cells.weights, strict=True):
            found = adaptive_filter(denoiser, stack, 2, *map(int, point))
            expected = around(found, cells.steps)
            largest = np.abs(expected).max()
            np.testing.assert_allclose(weights, expected, atol=1e-5 * largest)
            points += 1
    assert points == 2


def test_neighbouring_cells_disturb_one_another_little() -> None:
    net = tiny_center_blind()
    denoiser = Denoiser(net, (tiny_calibration(),))
    stack = wide_movie((34, 150))
    found = {
        tuple(map(int, point)): weights
        for cells in filter_cells(denoiser, stack, 2, spacing=32)
        for point, weights in zip(cells.points, cells.weights, strict=True)
    }
    rows, columns = grid_points(34, 32), grid_points(150, 32)
    assert sorted(found) == [(y, x) for y in rows for x in columns]
    steps = np.arange(-net.geometry.context, net.geometry.context + 1)
    for point in [(rows[0], columns[0]), (rows[0], columns[2])]:
        exact = around(adaptive_filter(denoiser, stack, 2, *point), steps)
        left_over = np.square(found[point] - exact).sum() / np.square(exact).sum()
        # untrained networks reach much farther than trained ones
        assert left_over < 0.02
        peak = np.unravel_index(exact.argmax(), exact.shape)
        assert np.unravel_index(found[point].argmax(), exact.shape) == peak


def test_chosen_frames_and_averages_over_a_few_pixels() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stack = tiny_movie()
    (cells,) = filter_cells(denoiser, stack, 4, 100, steps=(1, -1), blob=3)
    assert cells.weights.shape == (1, 2, CELL, CELL)
    ((y, x),) = cells.points
    expected = np.zeros((2, CELL, CELL), np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            found = adaptive_filter(denoiser, stack, 4, y + dy, x + dx)
            one = around(found, np.array([1, -1]))
            expected += np.roll(one, (dy, dx), axis=(1, 2)) / 9
    # what was rolled around the border is not compared
    inner = (..., slice(2, -2), slice(2, -2))
    largest = np.abs(expected).max()
    np.testing.assert_allclose(
        cells.weights[0][inner], expected[inner], atol=1e-5 * largest
    )


def test_smaller_cells_are_cut_out_of_larger_ones() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    (large,) = filter_cells(denoiser, tiny_movie(), 4, 100)
    (small,) = filter_cells(denoiser, tiny_movie(), 4, 100, cell=16)
    part = slice(HALF - 8, HALF + 8)
    assert small.weights.shape[-2:] == (16, 16)
    largest = np.abs(large.weights).max()
    np.testing.assert_allclose(
        small.weights, large.weights[..., part, part], atol=1e-5 * largest
    )


def test_half_precision_is_close() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stack = tiny_movie()
    (exact,) = filter_cells(denoiser, stack, 4, 100)
    (fast,) = filter_cells(denoiser, stack, 4, 100, precision=torch.bfloat16)
    error = np.square(fast.weights - exact.weights).sum()
    assert 0 < error < 0.05 * np.square(exact.weights).sum()


def test_tiles_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stack = wide_movie((24, 150))
    spacing = 75
    whole = {tuple(c.points[0]): c for c in filter_cells(denoiser, stack, 2, spacing)}
    monkeypatch.setattr(cells_module, "TILE", 64)
    tiled = list(filter_cells(denoiser, stack, 2, spacing))
    assert sum(len(c.points) for c in tiled) == sum(
        len(c.points) for c in whole.values()
    )
    for cells in tiled:
        for point, weights in zip(cells.points, cells.weights, strict=True):
            exact = around(
                adaptive_filter(denoiser, stack, 2, *map(int, point)), cells.steps
            )
            left_over = np.square(weights - exact).sum() / np.square(exact).sum()
            assert left_over < 1e-3


def test_a_tile_too_large_for_memory_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_center_blind()
    denoiser = Denoiser(net, (tiny_calibration(),))
    stack = wide_movie((24, 230))
    predict = net.predict
    widths = []

    def scarce(clip: Clip, *rest: object) -> object:
        widths.append(clip.frames.shape[-1])
        if clip.frames.shape[-1] > 215:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return predict(clip, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(net, "predict", scarce)
    points = [
        tuple(point)
        for cells in filter_cells(denoiser, stack, 2, 64)
        for point in cells.points
    ]
    assert sorted(points) == [
        (y, x) for y in grid_points(24, 64) for x in grid_points(230, 64)
    ]
    assert widths[0] == 230 and min(widths) < 215

    def none_left(*_: object) -> object:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(net, "predict", none_left)
    with pytest.raises(MemoryError, match="smaller network"):
        list(filter_cells(denoiser, stack, 2, 32))


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = tiny_center_blind()

    def broken(*_: object) -> object:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(net, "predict", broken)
    denoiser = Denoiser(net, (tiny_calibration(),))
    with pytest.raises(RuntimeError, match="shapes"):
        list(filter_cells(denoiser, tiny_movie(), 4, 16))


def test_cancelling_stops_after_a_pass() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stop = threading.Event()
    stop.set()
    passes = list(filter_cells(denoiser, tiny_movie(), 4, 4, cancel=stop))
    assert len(passes) == 1


def test_the_network_is_left_as_it_was() -> None:
    net = tiny_center_blind()
    net.train()
    passes = filter_cells(Denoiser(net, (tiny_calibration(),)), tiny_movie(), 4, 8)
    next(passes)
    # also between the passes, when somebody else may train it
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("spacing", [0, -3])
def test_a_spacing_that_is_none(spacing: int) -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    with pytest.raises(InputError, match=f"spacing is {spacing}.*positive"):
        list(filter_cells(denoiser, tiny_movie(), 4, spacing))
    with pytest.raises(InputError, match=f"spacing is {spacing}.*positive"):
        filter_summary(denoiser, tiny_movie(), 4, spacing)


def test_the_summary_holds_the_numbers_of_the_filters(net: Network) -> None:
    denoiser = Denoiser(net, (tiny_calibration(),))
    stack = tiny_movie(9)  # frame 4 has its whole context
    maps = filter_summary(denoiser, stack, 4, 100)
    ((y,), (x,)) = maps.rows, maps.columns
    found = adaptive_filter(denoiser, stack, 4, int(y), int(x))
    for name, tolerance in (("averaged", 1e-4), ("sum", 1e-4), ("width", 1e-3)):
        value = getattr(maps, name)
        assert value.shape == (1, 1)
        assert value[0, 0] == pytest.approx(getattr(found, name), rel=tolerance)
    np.testing.assert_allclose(maps.shares[:, 0, 0], found.shares, rtol=1e-4)
    np.testing.assert_array_equal(maps.steps + 4, list(found.frames))


def test_a_cancelled_summary_is_empty_where_it_was_not_reached() -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stop = threading.Event()
    stop.set()
    maps = filter_summary(denoiser, tiny_movie(), 4, 8, cancel=stop)
    assert np.isfinite(maps.sum).sum() == 1
    assert np.isnan(maps.shares).any(axis=0).sum() == maps.sum.size - 1


def test_grey_levels_do_not_change_the_filters() -> None:
    """The weights take grey levels to grey levels, whatever the scale is."""
    net = tiny_center_blind()
    stack = tiny_movie()
    (cells,) = filter_cells(Denoiser(net, (tiny_calibration(),)), stack, 4, 100)
    doubled = Stack.from_array(stack.read().astype(np.float32) * 2, "TYX")
    noise = tiny_calibration().noise
    twice = NoiseModel(2 * noise.gain, 2 * noise.offset, 2 * noise.read_noise)
    calibration = type(tiny_calibration())(260.0, 160.0, twice)
    (other,) = filter_cells(Denoiser(net, (calibration,)), doubled, 4, 100)
    largest = np.abs(cells.weights).max()
    np.testing.assert_allclose(other.weights, cells.weights, atol=1e-4 * largest)
