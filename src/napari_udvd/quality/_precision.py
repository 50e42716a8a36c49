"""What rounding and clipping cost a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.quality._report import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._pair import Pixels

__all__ = ["about_precision"]

ROUNDING = 1 / 12
"""Mean squared error of rounding to whole grey levels."""

COSTS = 0.5
"""Decibels from which on rounding is told."""

CLIPPED = 1e-3
"""Share of the pixels with the least or greatest value that matters ..."""

FEWEST = 20
"""... and how many they are, at least."""

SHIFT = 0.2
"""Standard deviations of the noise that clipped pixels are away from the movie, at
least."""


def about_precision(
    pixels: list[Pixels], noise: NoiseModel, left: float | None
) -> Iterator[Reason]:
    """Say what whole numbers and cut off values cost.

    Parameters
    ----------
    pixels
        Parts of movie and result.
    noise
        Of the channel.
    left
        Predicted mean squared error before rounding; None where it is not known.
    """
    result = np.concatenate([p.result[p.measured] for p in pixels])
    noisy = np.concatenate([p.noisy[p.measured] for p in pixels])
    if left is not None and (result == np.rint(result)).all():
        cost = float(10 * np.log10(1 + ROUNDING / left))
        if cost > COSTS:
            yield Reason(
                "care",
                "the result is rounded to whole grey levels, which adds an error of "
                f"{ROUNDING**0.5:.2f} where about {left**0.5:.2g} is left of the "
                f"noise: it costs {cost:.1f} dB; write it as float32",
            )
    for end, what, sign in (
        (result.max(), "greatest", 1),
        (result.min(), "least", -1),
    ):
        yield from _about_end(result, noisy, noise, float(end), what, sign)


def _about_end(
    result: npt.NDArray[np.float32],
    noisy: npt.NDArray[np.float32],
    noise: NoiseModel,
    end: float,
    what: str,
    sign: int,
) -> Iterator[Reason]:
    there = result == end
    count = int(there.sum())
    if count < max(FEWEST, CLIPPED * result.size):
        return
    beyond = sign * float((noisy[there] - end).mean(dtype=float))
    std = float(np.sqrt(noise.variance(end)))
    if beyond > max(SHIFT * std, 5 * std / count**0.5):
        yield Reason(
            "care",
            f"{count / result.size:.1%} of the pixels of the result have its {what} "
            f"value, {end:.4g}, where the movie is {beyond:.3g} grey levels "
            f"{'brighter' if sign > 0 else 'darker'} on average: they were cut off, "
            "and are wrong by as much",
        )
