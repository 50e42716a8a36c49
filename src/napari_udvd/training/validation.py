"""Blind-spot loss on frames held out in time.

The network never learns from these frames, so its loss on them tells when it starts
to learn the noise by heart; the blind spot makes the noisy frame itself a fair
judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.calibration import Calibration, Scaler
from napari_udvd.models import UDVD, posterior
from napari_udvd.series import read_clip, reflected
from napari_udvd.training.loss import pixel_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.training.sampling import Clip, Movie

__all__ = ["Validation", "hold_out"]

EDGE = 160
"""Rows and columns of a validation window: enough context, little time."""

MOST_WINDOWS = 6
"""Windows measured each time."""


def hold_out(n_frames: int) -> frozenset[int]:
    """Choose the frames kept for validation: one in ten, spread evenly, never all."""
    if n_frames < 3:
        return frozenset()
    count = min(max(n_frames // 10, 1), 8)
    spread = (np.arange(count) + 0.5) * n_frames / count
    return frozenset(int(t) for t in spread)


@dataclass(frozen=True)
class _Window:
    clip: Clip  # (T, C, h, w), grey levels; the output frame is in the middle
    scaler: Scaler


class Validation:
    """A few windows of held-out frames, read once and measured again and again.

    Each window is the place of its frame with the most structure (the highest
    standard deviation), since empty background is denoised by anything.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        calibrations: Sequence[Calibration],
        *,
        context: int,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        self._context, self._device, self._precision = context, device, precision
        # movies of two frames have none to spare; their first is measured instead
        pairs = [(m, t) for m in movies for t in sorted(m.held_out or {0})]
        step = max(len(pairs) / MOST_WINDOWS, 1)
        chosen = [pairs[int(k * step)] for k in range(min(len(pairs), MOST_WINDOWS))]
        self._windows = [self._read(m, t, calibrations) for m, t in chosen]

    def loss(self, net: UDVD) -> float:
        """Loss per pixel, averaged over all windows."""
        total = 0.0
        with torch.inference_mode():
            for window in self._windows:
                clip = self._normalised(window)
                prediction = net(clip.to(self._precision))
                noisy = clip[:, self._context : self._context + 1]
                total += float(pixel_loss(prediction, noisy, window.scaler).mean())
        return total / len(self._windows)

    def preview(self, net: UDVD) -> tuple[Clip, Clip]:
        """First window, noisy and denoised, ``(C, h, w)`` in grey levels."""
        window = self._windows[0]
        with torch.inference_mode():
            clip = self._normalised(window)
            prediction = net(clip.to(self._precision))
            noisy = clip[:, self._context : self._context + 1]
            mean = prediction.mean
            if prediction.factor is not None:
                variance = window.scaler.noise_variance(mean)
                mean, _ = posterior(prediction, noisy, variance)
            denoised = window.scaler.restore(mean)[0, 0].cpu().numpy()
        return window.clip[self._context], denoised

    def _normalised(self, window: _Window) -> torch.Tensor:
        clip = torch.from_numpy(window.clip)[None].to(self._device)
        return window.scaler.normalise(clip)

    def _read(
        self, movie: Movie, frame: int, calibrations: Sequence[Calibration]
    ) -> _Window:
        around = range(frame - self._context, frame + self._context + 1)
        frames = [reflected(t, movie.stack.n_frames) for t in around]
        clip = read_clip(movie.stack, movie.series, frames)
        rows, columns = _most_structure(clip[self._context, 0])
        scaler = Scaler([calibrations[c] for c in movie.series.channels], self._device)
        return _Window(np.ascontiguousarray(clip[:, :, rows, columns]), scaler)


def _most_structure(frame: Clip) -> tuple[slice, slice]:
    def starts(length: int) -> range:
        return range(0, max(length - EDGE, 0) + 1, EDGE // 4)

    y, x = max(
        ((y, x) for y in starts(frame.shape[0]) for x in starts(frame.shape[1])),
        key=lambda at: float(frame[at[0] : at[0] + EDGE, at[1] : at[1] + EDGE].std()),
    )
    return slice(y, y + EDGE), slice(x, x + EDGE)
