"""Which grey levels occur: cut off at the dark end, or rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_clipped", "local_step"]

Floats = npt.NDArray[np.float32]

PILED = 0.02
"""Share of the pixels at the lowest level above which the level is looked at."""
DARK = 0.5
"""Share of the places, the darkest, that tell."""
RATIO = 3.0
"""How far the three lowest levels are from a Poisson distribution when cut off."""
PLACE = 8
"""Side of a small place in pixels."""
ALIKE = 0.9
"""Share of the places whose levels must be coarse."""


def is_clipped(windows: Sequence[Floats]) -> bool:
    """Whether the dark half of the noise was cut off.

    Where a baseline was taken off and the rest cut, noise piles up at the lowest level
    and is dense above it. Counted photons pile up at zero as well, but two of them are
    as much rarer than one as one is than none: of Poisson shares ``2 p0 p2 / p1**2`` is
    one, and hardly more in a mixture of places that are similarly dark.
    """
    floor = float(min(window.min() for window in windows))
    places = np.concatenate([_places(window[0]) for window in windows])
    level = places.mean(axis=1)
    dark = places[level <= np.quantile(level, DARK)]
    above = dark[dark > floor]
    piled = 1.0 - above.size / dark.size
    if piled < PILED or not above.size:
        return False
    width = _width(above - floor)
    one, two = (
        float(
            np.mean(
                (dark > floor + (k - 0.5) * width) & (dark <= floor + (k + 0.5) * width)
            )
        )
        for k in (1, 2)
    )
    if one * dark.size < 10:  # hardly a pixel above the floor says anything
        return False
    return bool(2.0 * piled * two > RATIO * one**2)


def _width(heights: Floats) -> float:
    """Width of a level: their distance, or for a continuum a part of its spread."""
    levels = np.unique(heights)
    least = float(levels[0])
    if len(levels) < 2 or np.allclose(levels / least, np.rint(levels / least)):
        return least
    return float(np.median(heights)) / 8.0


def local_step(windows: Sequence[Floats]) -> float:
    """Distance of neighbouring grey levels in small places that have several.

    Returns
    -------
    float
        The distance that nine in ten places keep; 0 where there is none, as in data
        that are continuous.
    """
    gaps = []
    for window in windows[:: max(len(windows) // 8, 1)]:
        for place in _places(window[0])[::7]:
            levels = np.unique(place)
            if len(levels) > 2:
                gaps.append(float(np.diff(levels).min()))
    if not gaps:
        return 0.0
    step = float(np.quantile(gaps, 1.0 - ALIKE))
    whole = np.array(gaps) / step if step > 0 else np.zeros(1)
    return step if np.mean(np.abs(whole - np.rint(whole)) < 0.01) >= ALIKE else 0.0


def _places(frame: Floats) -> Floats:
    """``(places, 64)`` of one frame."""
    rows, columns = (size // PLACE for size in frame.shape)
    whole = frame[: rows * PLACE, : columns * PLACE]
    places = whole.reshape(rows, PLACE, columns, PLACE).swapaxes(1, 2)
    return places.reshape(-1, PLACE * PLACE)
