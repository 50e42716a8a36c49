from __future__ import annotations

import time

import pytest
import torch

import napari_udvd as nu
from napari_udvd.formats import ArraySink
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.models import build_network
from napari_udvd.training.estimate import denoising_seconds
from napari_udvd.training.plan import make_plan
from tiny import tiny_movie


@pytest.mark.alone
def test_the_estimate_is_of_the_right_size() -> None:
    torch.set_num_threads(1)
    stack = tiny_movie(frames=40, shape=(128, 128))
    diagnosis = nu.diagnose(stack)
    times = dict(denoising_seconds(stack, [diagnosis], "cpu"))
    assert list(times) == ["centerblind", "udvd", "stbn"]
    net = build_network("centerblind", {})
    plan = make_plan([stack], make_settings(), on_cpu=True)
    began = time.perf_counter()
    with ArraySink(stack, "f4") as sink:
        for _ in denoise_stack(net, plan.calibrations, stack, sink):
            pass
    took = time.perf_counter() - began
    # in bfloat16 it may be twice as fast; other programs take their share
    assert took / 6 < times["centerblind"] < 4 * took


@pytest.mark.parametrize("frames", [3, 4])
def test_networks_that_do_not_fit_are_left_out(frames: int) -> None:
    stack = tiny_movie(frames=frames, shape=(32, 32))
    names = [name for name, _ in denoising_seconds(stack, [nu.diagnose(stack)], "cpu")]
    assert "centerblind" in names
    assert "udvd" not in names  # it looks at five frames
