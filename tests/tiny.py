"""Networks and movies so small that a test takes milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_udvd.inference.scaling import Calibration
from napari_udvd.models import STBN, UDVD, CameraNoise, CenterBlind
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from torch import nn

    from napari_udvd.stack import Stack

__all__ = [
    "ALONE",
    "ANY_NOISE",
    "CAMERA",
    "fill",
    "learned_from",
    "tiny_calibration",
    "tiny_center_blind",
    "tiny_movie",
    "tiny_net",
    "tiny_stbn",
]

ALONE: dict[str, Any] = {"events": False, "refine": False}
"""Asks for the network without the second stage, which takes ten times as long."""

CAMERA = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)

ANY_NOISE = CameraNoise(torch.tensor(0.3), torch.tensor(-2.0), torch.tensor(0.2))
"""In network units, of numbers of order one."""


def fill(module: nn.Module, seed: int = 0) -> None:
    """Draw weights such that numbers of order one come out, in any precision."""
    rng = np.random.default_rng(seed)
    for _, weight in sorted(module.named_parameters()):
        values = rng.standard_normal(tuple(weight.shape)).astype(np.float32)
        values *= np.float32(np.sqrt(2 / np.prod(weight.shape[1:])))
        with torch.no_grad():
            weight.copy_(torch.from_numpy(values))


def tiny_net(seed: int = 0, **configuration: Any) -> UDVD:
    net = UDVD(**{"width": 4, **configuration})
    fill(net, seed)
    return net.eval()


def tiny_center_blind(seed: int = 0, **configuration: Any) -> CenterBlind:
    net = CenterBlind(**{"preset": "small", "near": 2, "far": (2,), **configuration})
    fill(net, seed)
    return net.eval()


def tiny_stbn(seed: int = 0, **configuration: Any) -> STBN:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = STBN(**{"features": 8, "modules": 2, "blocks": 2, **configuration})
        if net.flow_net is not None:  # else it says that nothing moves
            torch.nn.init.normal_(net.flow_net.flow.weight, std=0.05)
    return net.eval()


def tiny_movie(frames: int = 8, shape: tuple[int, int] = (24, 28), **how: Any) -> Stack:
    """Simulate nuclei under the noise of `CAMERA`."""
    return simulate("nuclei", frames=frames, shape=shape, **how).noisy


def tiny_calibration(offset: float = 130.0, scale: float = 80.0) -> Calibration:
    return Calibration(offset, scale, CAMERA)


def learned_from(*stacks: Stack) -> dict[str, Any]:
    """Record of a training on these movies: a model takes them as it knows them."""
    return {"movies": [{"fingerprint": stack.fingerprint()} for stack in stacks]}
