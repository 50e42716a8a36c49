"""A movie of three squares that light up now and then, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_udvd.spans import Span, spans_of_frames
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Blinking", "blinking"]

FRAMES = 48
CORNERS = ((4, 4), (4, 20), (18, 10))


class Blinking(NamedTuple):
    """The movie, its regions, and the state of each in every frame."""

    noisy: Stack
    clean: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    tracks: npt.NDArray[np.float64]
    truth: list[Span]

    def of(self, *regions: str) -> list[Span]:
        """Return what a person would label in these regions."""
        return [span for span in self.truth if span.region in regions]


def blinking(seed: int = 0) -> Blinking:
    """Draw it: 48 frames of 30 x 32 pixels, two seconds apart."""
    rng = np.random.default_rng(seed)
    clean = np.full((FRAMES, 30, 32), 20.0, np.float32)
    labels = np.zeros((30, 32), np.int32)
    tracks, truth = [], []
    for k, (y, x) in enumerate(CORNERS, start=1):
        bright = (np.arange(FRAMES) + 5 * k) % 16 < 5
        part = slice(y, y + 8), slice(x, x + 8)
        labels[part] = k
        clean[bright, *part] += 40.0
        tracks += [(k, t, y + 3.5, x + 3.5) for t in range(FRAMES)]
        states = ["lit" if on else "dark" for on in bright]
        truth += spans_of_frames(str(k), states)
    noisy = (clean + rng.normal(0, 5, clean.shape)).astype(np.float32)
    stack = Stack.from_array(noisy, "TYX", scale={"T": 2000.0}, units={"T": "ms"})
    return Blinking(stack, clean, labels, np.array(tracks, float), truth)
