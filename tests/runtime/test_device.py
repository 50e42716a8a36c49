"""Where to compute, and in which precision."""

from __future__ import annotations

import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.runtime import device
from napari_udvd.runtime.device import (
    available_devices,
    choose_device,
    choose_precision,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Pretend to have CUDA devices, and perhaps an Apple chip."""
    cuda, mps = request.param
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("machine", "names"),
    [
        ((0, False), ["cpu"]),
        ((2, False), ["cuda:0", "cuda:1", "cpu"]),
        ((0, True), ["mps", "cpu"]),
    ],
    indirect=["machine"],
)
def test_devices_best_first(machine: None, names: list[str]) -> None:
    assert available_devices() == names
    assert str(choose_device("auto")) == names[0]
    for name in names:
        assert str(choose_device(name)) == name


@pytest.mark.parametrize("machine", [(1, False)], indirect=True)
def test_cuda_without_a_number(machine: None) -> None:
    assert choose_device("cuda").type == "cuda"
    with pytest.raises(InputError, match=r"'cuda:1'.*cuda:0, cpu"):
        choose_device("cuda:1")


@pytest.mark.parametrize("machine", [(0, False)], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "tpu", "", "gpu"])
def test_a_device_that_is_not_there(machine: None, name: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)
    assert "choose auto or one of cpu" in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [((1.0, 2.0), torch.bfloat16), ((2.0, 1.0), torch.float32)],
)
def test_bfloat16_on_cpus_that_are_faster_with_it(
    seconds: tuple[float, float],
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = dict(zip((torch.bfloat16, torch.float32), seconds, strict=True))
    monkeypatch.setattr(device, "_convolution_seconds", lambda: times)
    choose_precision.cache_clear()
    try:
        assert choose_precision(torch.device("cpu")) == expected
    finally:
        choose_precision.cache_clear()


@pytest.mark.parametrize(
    ("share", "turns"),
    [(0.5, device.FEWEST_TURNS), (1.5, device.FEWEST_TURNS), (0.8, device.MOST_TURNS)],
)
def test_the_choice_takes_long_only_where_it_is_close(
    share: float, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, calls = [0.0], []

    def convolve(image: torch.Tensor, weight: torch.Tensor, padding: int) -> None:
        calls.append(image.dtype)
        clock[0] += share if image.dtype == torch.bfloat16 else 1.0

    monkeypatch.setattr(device.F, "conv2d", convolve)
    monkeypatch.setattr(device.time, "perf_counter", lambda: clock[0])
    seconds = device._convolution_seconds()
    assert seconds[torch.bfloat16] == pytest.approx(share * seconds[torch.float32])
    assert calls == [torch.float32, torch.bfloat16] * turns


def test_the_choice_stays() -> None:
    first = choose_precision(torch.device("cpu"))
    assert first in (torch.bfloat16, torch.float32)
    assert choose_precision(torch.device("cpu")) == first
    assert choose_precision(torch.device("mps")) == torch.float32


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_bfloat16_on_graphics_cards_that_have_it(
    capability: tuple[int, int],
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    choose_precision.cache_clear()
    try:
        assert choose_precision(torch.device("cuda:0")) == expected
    finally:
        choose_precision.cache_clear()


@pytest.mark.parametrize("machine", [(1, False)], indirect=True)
def test_float32_is_float32_on_cards(
    machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = [
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_tf32"),
    ]
    before = [getattr(owner, name) for owner, name in switches]
    try:
        for owner, name in switches:
            setattr(owner, name, True)
        choose_device("cpu")
        assert all(getattr(owner, name) for owner, name in switches)
        choose_device("auto")
        assert not any(getattr(owner, name) for owner, name in switches)
    finally:
        for (owner, name), value in zip(switches, before, strict=True):
            setattr(owner, name, value)
