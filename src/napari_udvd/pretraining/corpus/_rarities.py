"""Movies that are rare among the scenes, and common under some microscopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.pretraining.corpus._drawing import Floats, Random, log_uniform

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make_rare"]


def make_rare(movie: Floats, rng: Random) -> Floats:
    """Change a clean movie of :func:`clean_movie`, or leave it as it is (40 %).

    Parameters
    ----------
    movie
        ``(T, Y, X)``, not negative, with a 99.9th percentile of 1.
    rng
        Chooses what is done.

    Returns
    -------
    Of the same shape and range: on a pedestal, or with few bright places beside much
    that is dim; one movie in eight stands still.
    """
    if rng.random() < 0.125:
        movie = np.repeat(movie[rng.integers(len(movie), size=1)], len(movie), axis=0)
    change = _CHANGES[int(rng.choice(len(_CHANGES), p=(0.4, 0.4, 0.2)))]
    movie = change(movie, rng)
    return np.asarray(movie / np.percentile(movie, 99.9), np.float32)


def _leave(movie: Floats, rng: Random) -> Floats:
    return movie


def _on_pedestal(movie: Floats, rng: Random) -> Floats:
    """Little contrast on much light, as in electron and bright-field microscopy."""
    contrast = log_uniform(rng, 0.01, 0.4)
    return np.asarray(1 - contrast + contrast * movie, np.float32)


def _high_range(movie: Floats, rng: Random) -> Floats:
    """Make what is bright brighter, by a power, so that the rest is far below it."""
    return np.asarray(movie ** np.float32(rng.uniform(1.5, 4.0)), np.float32)


_CHANGES: tuple[Callable[[Floats, Random], Floats], ...] = (
    _leave,
    _on_pedestal,
    _high_range,
)
