"""Scenes that are blurred by a known amount, averaged over pixels, and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.noise import NoiseModel
from napari_udvd.optics import Blur, Gaussian
from napari_udvd.simulation import KINDS, add_noise
from tiny import learned_from, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_udvd.stack import Stack

__all__ = [
    "NOISE",
    "OFFSET",
    "PLAIN",
    "Blurred",
    "blurred",
    "flat",
    "result_of",
    "untrained",
]

Floats = npt.NDArray[np.float32]
Found = TypeVar("Found")

GAIN, OFFSET, READ_NOISE = 2.0, 100.0, 1.4
"""Of the camera, grey levels."""

NOISE = NoiseModel(GAIN, OFFSET, READ_NOISE)

PLAIN = Request(device="cpu", events=False, refine=False)
"""Denoise without the second stage, which takes ten times as long."""

MARGIN = 12
"""Pixels of the movie that a scene goes on for outside: light shines in."""


class Blurred(NamedTuple):
    """Light of a scene on the grid of the result, and what was recorded of it."""

    truth: Floats
    noisy: Floats


def blurred(
    kind: str,
    sigma: float,
    photons: float,
    *,
    zoom: int = 1,
    edge: int = 48,
    frames: int = 10,
    seed: int = 0,
) -> Blurred:
    """Draw, blur by a Gaussian of `sigma` pixels, and record a scene."""
    wide = edge + 2 * MARGIN
    rng = np.random.default_rng(seed)
    scene, _ = KINDS[kind].draw(frames, zoom * wide, zoom * wide, rng)
    blur = Blur(Gaussian(sigma), (wide, wide), zoom)
    canvas = blur.canvas(torch.zeros(frames, wide, wide))
    blur.inside(canvas)[:] = torch.from_numpy(np.asarray(scene, np.float32))
    seen = blur(canvas).numpy()[:, MARGIN:-MARGIN, MARGIN:-MARGIN].clip(0.0)
    inner = slice(zoom * MARGIN, -zoom * MARGIN)
    level = GAIN * photons / float(np.percentile(seen, 99.9))
    return Blurred(
        np.asarray(scene[:, inner, inner] * level, np.float32),
        recorded(seen, photons, seed),
    )


def flat(photons: float, edge: int = 48, frames: int = 10) -> Floats:
    """Record a background without anything to be seen."""
    return recorded(np.ones((frames, edge, edge), np.float32), photons)


def recorded(light: Floats, photons: float, seed: int = 0) -> Floats:
    noisy, _ = add_noise(
        light,
        photons=photons,
        gain=GAIN,
        offset=OFFSET,
        read_noise=READ_NOISE,
        seed=seed,
        dtype=np.float32,
    )
    return np.asarray(noisy)


def untrained(stack: Stack, **configuration: Any) -> Denoiser:
    """Make a network of random weights that knows the camera of a movie."""
    net = tiny_center_blind(**configuration)
    each = Calibration(OFFSET, 20.0, NOISE)
    joint = net.channels > 1
    return Denoiser(
        net, (each,) * stack.n_channels, joint=joint, record=learned_from(stack)
    )


def result_of(steps: Generator[Any, None, Found]) -> Found:
    """Go through the pauses to the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found
