"""A network for others gives what denoising gives."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from napari_udvd.zoo import GreyLevelDenoiser
from tiny import (
    learned_from,
    tiny_calibration,
    tiny_center_blind,
    tiny_movie,
    tiny_net,
    tiny_stbn,
)

if TYPE_CHECKING:
    from napari_udvd.models import Network

torch.set_num_threads(1)

PLAIN = Request(
    device="cpu", precision=torch.float32, events=False, refine=False, dtype="float32"
)


def module_of(denoiser: Denoiser) -> GreyLevelDenoiser:
    header = denoiser.header()
    module = GreyLevelDenoiser(
        header["network"],
        header["configuration"],
        header["calibrations"],
        header["joint"],
        header["self_ensemble"],
    )
    module.net.load_state_dict(denoiser.net.state_dict())
    return module.eval()


def denoised(denoiser: Denoiser, stack: Stack, with_std: bool) -> list[np.ndarray]:
    """Denoise as the program does, without the second stage."""
    request = replace(PLAIN, with_std=with_std)
    sinks = [ArraySink(stack.layout, np.dtype(np.float32)) for _ in range(1 + with_std)]
    with ExitStack() as opened:
        mean, *std = (opened.enter_context(sink) for sink in sinks)
        for _ in denoiser.restore(stack, mean, request, std_sink=next(iter(std), None)):
            pass
    return [sink.array for sink in sinks]


@pytest.mark.parametrize("every_view", [False, True])
@pytest.mark.parametrize(
    "net",
    [
        tiny_center_blind(),
        tiny_net(likelihood=True),
        tiny_net(likelihood=False, frames=3),
        tiny_stbn(),
    ],
    ids=lambda net: f"{net.name}-{net.likelihood}",
)
def test_the_same_numbers_as_denoising(net: Network, every_view: bool) -> None:
    stack = tiny_movie(6, (40, 43))
    denoiser = Denoiser(
        net, (tiny_calibration(),), False, every_view, learned_from(stack)
    )
    expected = denoised(denoiser, stack, net.likelihood)
    movie = torch.from_numpy(np.asarray(stack.data, np.float32))
    with torch.inference_mode():
        found = module_of(denoiser)(movie[None, None])
    results = found if isinstance(found, tuple) else (found,)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        # threads may add up in another order
        np.testing.assert_allclose(result[0, 0].numpy(), wanted, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("joint", [False, True])
def test_channels_and_batches_do_not_mix(joint: bool) -> None:
    pixels = np.stack([tiny_movie(6, seed=k).data for k in range(2)], axis=1)
    stack = Stack.from_array(pixels, "TCYX")
    calibrations = (tiny_calibration(), tiny_calibration(150.0, 60.0))
    net = tiny_center_blind(channels=2 if joint else 1)
    denoiser = Denoiser(net, calibrations, joint, record=learned_from(stack))
    (expected,) = denoised(denoiser, stack, False)
    movie = torch.from_numpy(pixels.astype(np.float32)).transpose(0, 1)
    other = torch.full_like(movie, 130.0)
    with torch.inference_mode():
        mean, std = module_of(denoiser)(torch.stack([other, movie]))
    assert mean.shape == std.shape == (2, 2, 6, 24, 28)
    found = mean[1].transpose(0, 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    assert not torch.equal(mean[0], mean[1])


@pytest.mark.parametrize("shape", [(6, 24, 24), (1, 2, 6, 24, 24), (1, 1, 1, 24, 24)])
def test_movies_that_do_not_fit(shape: tuple[int, ...]) -> None:
    module = module_of(Denoiser(tiny_center_blind(), (tiny_calibration(),)))
    with pytest.raises(ValueError, match=r"expected movies \(N, 1, T >= 2, H, W\)"):
        module(torch.zeros(shape))
