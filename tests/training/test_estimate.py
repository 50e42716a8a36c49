from __future__ import annotations

import time
from typing import Any

import pytest
import torch

import napari_udvd as nu
from napari_udvd.formats import ArraySink
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.stage_pace import StagePace
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.models import build_network
from napari_udvd.training import estimate
from napari_udvd.training.estimate import denoising_seconds
from napari_udvd.training.plan import make_plan
from napari_udvd.validity import _inspect
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


@pytest.mark.parametrize("name", ["centerblind", "udvd", "stbn"])
def test_the_pace_is_not_that_of_looking_at_a_long_movie(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Watched(BlockDenoiser):
        def __init__(self, net: Any, calibrations: Any, part: Any, *a: Any, **k: Any):
            seen.append(part.n_frames)
            super().__init__(net, calibrations, part, *a, **k)
            # whatever is looked at, it is before the clock starts
            monkeypatch.setattr(_inspect, "_look", refuse)

    def refuse(*_: Any) -> None:
        raise AssertionError("the movie is looked at while the pace is measured")

    look = _inspect._look
    monkeypatch.setattr(estimate, "BlockDenoiser", Watched)
    monkeypatch.setattr(estimate, "stage_pace", lambda *_, **__: StagePace())
    net = build_network(name, {})
    frames = []
    for count in (50, 300):
        seen.clear()
        monkeypatch.setattr(_inspect, "_look", look)
        stack = tiny_movie(frames=count, shape=(64, 64))
        estimate.measure_pace(
            net.eval(),
            make_plan([stack], make_settings(model=name), on_cpu=True).calibrations,
            stack,
            joint=False,
            device=torch.device("cpu"),
            precision=torch.float32,
        )
        frames.append(seen[0])
    assert frames[0] == frames[1] < 50


@pytest.mark.parametrize("frames", [3, 4])
def test_networks_that_do_not_fit_are_left_out(frames: int) -> None:
    stack = tiny_movie(frames=frames, shape=(32, 32))
    names = [name for name, _ in denoising_seconds(stack, [nu.diagnose(stack)], "cpu")]
    assert "centerblind" in names
    assert "udvd" not in names  # it looks at five frames
