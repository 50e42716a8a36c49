from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.formats import ArraySink
from napari_udvd.inference.live_view import EDGE
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.stack import Stack
from napari_udvd.training import (
    Finished,
    LivePreview,
    LiveView,
    View,
    train_events,
)
from tiny import tiny_calibration, tiny_center_blind, tiny_movie, tiny_net

CPU = torch.device("cpu")


@pytest.mark.parametrize("make", [tiny_center_blind, tiny_net])
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 40), (0, 44)), ((9, 23), (17, 31)), ((31, 40), (0, 5))]
)
def test_a_view_is_a_part_of_the_result(
    make: object, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    stack = tiny_movie(frames=7, shape=(40, 44))
    net = make(likelihood=True)  # type: ignore[operator]
    calibration = tiny_calibration()
    with ArraySink(stack, "f4") as sink:
        for _ in denoise_stack(net, [calibration], stack, sink):
            pass
    live = LiveView(stack)
    live.look_at(View(4, 0, slice(*rows), slice(*columns)))
    view, denoised = live.denoise(net, [calibration], False, CPU, torch.float32)
    expected = sink.array[4, slice(*rows), slice(*columns)]
    np.testing.assert_allclose(denoised[0], expected, rtol=1e-4, atol=1e-2)
    assert (view.rows, view.columns) == (slice(*rows), slice(*columns))


@pytest.mark.parametrize("corner", [(100, 96), (1, 163), (99, 2)])
def test_a_view_ends_on_the_pooling_grid(corner: tuple[int, int]) -> None:
    """Half-planes that look down or right count it from the far end of the frame."""
    net, calibration = tiny_net(frames=1, likelihood=True), tiny_calibration()
    radius, grid = net.geometry.radius, net.geometry.grid
    rows, columns = (slice(start, start + 11) for start in corner)
    shape = 240, 250
    beyond = [
        n - part.stop - radius for n, part in zip(shape, (rows, columns), strict=True)
    ]
    assert any(rest > 0 and rest % grid for rest in beyond)  # else nothing is aligned
    data = np.random.default_rng(0).poisson(20, (3, *shape)).astype("u2")
    stack = Stack.from_array(data, "TYX")
    with ArraySink(stack, "f4") as sink:
        for _ in denoise_stack(net, [calibration], stack, sink):
            pass
    live = LiveView(stack)
    live.look_at(View(1, 0, rows, columns))
    _, denoised = live.denoise(net, [calibration], False, CPU, torch.float32)
    expected = sink.array[1, rows, columns]
    np.testing.assert_allclose(denoised[0], expected, rtol=0, atol=1e-3)


def test_somebody_who_stays_costs_no_second_look_at_the_movie() -> None:
    class Counting:
        shape, dtype, read = (60, 40, 44), np.dtype("u2"), 0

        def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
            block = np.random.default_rng(0).poisson(20, self.shape).astype("u2")[key]
            Counting.read += len(block)
            return block

    live = LiveView(Stack.from_array(Counting(), "TYX"))
    net, calibration = tiny_center_blind(), tiny_calibration()
    frames = []
    for t in (3, 3, 50):
        live.look_at(View(t, 0, slice(4, 30), slice(3, 40)))
        before = Counting.read
        live.denoise(net, [calibration], False, CPU, torch.float32)
        frames.append(Counting.read - before)
    assert frames[0] >= 60
    assert max(frames[1:]) <= 2 * net.geometry.context + 1


def test_channels_and_depth() -> None:
    data = np.random.default_rng(0).poisson(20, (6, 2, 3, 24, 20)).astype("u2")
    stack = Stack.from_array(data, "TCZYX")
    net = tiny_center_blind()
    calibrations = [tiny_calibration()] * 2
    live = LiveView(stack)
    live.look_at(View(2, 1, slice(0, 24), slice(0, 20)))
    _, denoised = live.denoise(net, calibrations, False, CPU, torch.float32)
    assert denoised.shape == (2, 24, 20)
    with ArraySink(stack, "f4") as sink:
        for _ in denoise_stack(net, calibrations, stack, sink):
            pass
    np.testing.assert_allclose(denoised, sink.array[2, :, 1], rtol=1e-4, atol=1e-2)


def test_only_the_middle_of_a_large_view() -> None:
    data = np.random.default_rng(0).poisson(20, (5, 32, EDGE + 100)).astype("u2")
    stack = Stack.from_array(data, "TYX")
    live = LiveView(stack)
    live.look_at(View(0, 0, slice(0, 32), slice(0, EDGE + 100)))
    net, calibration = tiny_center_blind(), tiny_calibration()
    view, denoised = live.denoise(net, [calibration], False, CPU, torch.float32)
    assert view.columns == slice(50, 50 + EDGE)
    assert denoised.shape == (1, 32, EDGE)


def test_a_new_place_comes_first_and_an_old_one_again_later() -> None:
    stack = tiny_movie()
    live = LiveView(stack)
    assert not live.is_due()  # nobody looks
    here = View(1, 0, slice(0, 24), slice(0, 28))
    live.look_at(here)
    assert live.is_due()
    live.denoise(tiny_center_blind(), [tiny_calibration()], False, CPU, torch.float32)
    live.look_at(here)
    assert not live.is_due()
    live.look_at(View(2, 0, slice(0, 24), slice(0, 28)))
    end = time.monotonic() + 5
    while not live.is_due() and time.monotonic() < end:
        time.sleep(0.01)
    assert live.is_due()


def test_training_shows_what_is_looked_at() -> None:
    stack = tiny_movie(frames=8, shape=(32, 32))
    live, cancel = LiveView(stack), threading.Event()
    live.look_at(View(5, 0, slice(4, 20), slice(0, 32)))
    settings = make_settings(model="centerblind", preset="small", steps=4, patch=16)
    part = stack.crop(slice(0, 6), slice(0, 32), slice(0, 32))
    told = list(train_events([part], settings, live=live, cancel=cancel))
    previews = [event for event in told if isinstance(event, LivePreview)]
    assert previews
    # the frame is not in the part that is learned from
    assert previews[0].view.t == 5
    assert previews[0].denoised.shape == (1, 16, 32)
    noisy = stack.read(5)[0, 4:20]
    assert abs(previews[-1].denoised.mean() - noisy.mean()) < noisy.std()
    assert isinstance(told[-1], Finished)


@pytest.mark.parametrize("most", [4500, 20_000, 60_000])
def test_a_slow_network_shows_a_smaller_part(most: int) -> None:
    data = np.random.default_rng(0).poisson(20, (5, 300, 400)).astype("u2")
    live = LiveView(Stack.from_array(data, "TYX"))
    live.look_at(View(0, 0, slice(0, 300), slice(0, 400)))
    net, calibration = tiny_center_blind(), tiny_calibration()
    view, denoised = live.denoise(
        net, [calibration], False, CPU, torch.float32, most=most
    )
    height, width = denoised.shape[1:]
    assert height * width <= most
    assert (view.rows.stop - view.rows.start, view.columns.stop) == (
        height,
        view.columns.start + width,
    )
    assert abs(view.rows.start + view.rows.stop - 300) <= 2  # the middle
