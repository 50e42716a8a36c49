"""Repeat the experiment on the denoised movie, to see how far off predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.models import CameraNoise, Network, posterior
from napari_udvd.series import window
from napari_udvd.uncertainty import StdCalibration, fit_std

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["bootstrap_std", "frames_predicted"]

FRAMES_JUDGED = 5
"""Frames in the middle of each clip whose errors are looked at."""

MANY_PHOTONS = 1e4
"""Above, counts are as good as normally distributed."""


def frames_predicted(net: Network) -> int:
    """Count the frames that one clip takes to predict."""
    return 2 * net.context + 1 + FRAMES_JUDGED


def bootstrap_std(
    net: Network,
    clips: Sequence[tuple[Tensor, CameraNoise, tuple[float, float]]],
    precision: torch.dtype,
    seed: int,
) -> StdCalibration:
    """Measure how many errors the predicted standard deviation holds, and correct it.

    Parameters
    ----------
    net
        Network with a likelihood head.
    clips
        Frames ``(T, C, H, W)`` in network units, the noise in them, and how much it
        correlates with that of the next row and column.
    precision
        Floating-point type to compute in.
    seed
        Of the simulated noise.
    """
    generator = torch.Generator().manual_seed(seed)
    errors, stds, noises = [], [], []
    with torch.inference_mode():
        for clip, noise, correlation in clips:
            n_frames = len(clip)
            every = range(n_frames)
            truth = torch.cat(
                [mean for mean, _ in _denoised(net, clip, every, noise, precision)]
            )
            again = truth + _simulated(truth, noise, correlation, generator)
            first = max((n_frames - FRAMES_JUDGED) // 2, 0)
            judged = range(first, min(first + FRAMES_JUDGED, n_frames))
            results = _denoised(net, again, judged, noise, precision)
            for t, (mean, std) in zip(judged, results, strict=True):
                errors.append((mean - truth[t]).flatten().cpu().numpy())
                stds.append(std.flatten().cpu().numpy())
                noise_std = noise.variance(mean).sqrt()
                noises.append(noise_std.flatten().cpu().numpy())
    return fit_std(*map(np.concatenate, (errors, stds, noises)))


def _denoised(
    net: Network,
    clip: Tensor,
    frames: Sequence[int],
    noise: CameraNoise,
    precision: torch.dtype,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Posterior mean and standard deviation, ``(1, C, H, W)`` each."""
    windows = [window(t, net.context, len(clip)) for t in frames]
    predictions = net.sweep(clip, windows, noise, precision)
    for t, prediction in zip(frames, predictions, strict=True):
        variance = noise.variance(prediction.mean)
        yield posterior(prediction, clip[t : t + 1], variance)


def _simulated(
    truth: Tensor,
    noise: CameraNoise,
    correlation: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Noise of the camera, drawn on the CPU so that a seed is a seed."""
    gain = noise.gain.cpu().clamp_min(1e-9)
    light = ((truth.cpu() - noise.dark.cpu()) / gain).clamp_min(0)
    few = light.clamp_max(MANY_PHOTONS)
    counted = torch.poisson(few, generator=generator) - few
    normal = torch.randn(light.shape, generator=generator)
    shot = torch.where(light < MANY_PHOTONS, counted, light.sqrt() * normal) * gain
    read = torch.randn(light.shape, generator=generator)
    total = shot + noise.read_variance.cpu().sqrt() * read
    rows, columns = (_taps(each) for each in correlation)
    kernel = torch.outer(rows, columns)[None, None]
    flat = F.pad(total.flatten(0, 1)[:, None], (0, 1, 0, 1), mode="reflect")
    return F.conv2d(flat, kernel).view_as(total).to(truth.device)


def _taps(correlation: float) -> Tensor:
    """Two taps of unit energy that give white noise this correlation."""
    product = min(max(correlation, 0.0), 0.5)
    product /= 1 + 2 * product
    side = (1 - np.sqrt(1 - 4 * product)) / 2
    taps = torch.tensor([1 - side, side], dtype=torch.float32)
    unit: Tensor = taps / taps.norm()
    return unit
