"""The main jobs in one call each: train on a movie, denoise a movie."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from napari_udvd.stack import ArrayLike, Stack
from napari_udvd.training import (
    Failed,
    Finished,
    Started,
    TrainingSettings,
    train_events,
)
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.inference.restorer import Denoiser

__all__ = ["denoise", "make_settings", "train"]


def train(
    movie: Stack | ArrayLike | Sequence[Stack | ArrayLike],
    axes: str | None = None,
    **settings: Any,
) -> Denoiser:
    """Train a network on one or more noisy movies.

    Parameters
    ----------
    movie
        A stack or an array, or a list of several with the same channels.
    axes
        Names of the axes of arrays, see :meth:`Stack.from_array`.
    **settings
        Fields of :class:`napari_udvd.training.TrainingSettings`, such as ``model``,
        ``minutes``, ``device``, ``seed``, ``width``, ``hole``.

    Returns
    -------
    Denoiser
        With the weights that were best on frames held out in time.

    Raises
    ------
    InputError
        If a movie or a setting cannot be used.
    MemoryError, RuntimeError
        If training fails.
    """
    movies = movie if isinstance(movie, list | tuple) else [movie]
    stacks = [_as_stack(each, axes) for each in movies]
    return _trained(stacks, make_settings(**settings), denoising_follows=False)


def denoise(
    movie: Stack | ArrayLike, axes: str | None = None, **settings: Any
) -> npt.NDArray[Any]:
    """Train on a movie and denoise it.

    Parameters
    ----------
    movie
        A stack or an array.
    axes
        Names of the array's axes, see :meth:`Stack.from_array`.
    **settings
        As for :func:`train`.

    Returns
    -------
    ndarray
        Shape, axes and grey levels of the movie, and its dtype, or float32 where
        rounding to whole grey levels would cost more than the noise that is left.

    Raises
    ------
    InputError
        If the movie or a setting cannot be used.
    """
    stack = _as_stack(movie, axes)
    chosen = make_settings(**settings)
    denoiser = _trained([stack], chosen, denoising_follows=True)
    return denoiser.denoise(stack, device=chosen.device)


def _trained(
    stacks: Sequence[Stack], settings: TrainingSettings, denoising_follows: bool
) -> Denoiser:
    """Train to the end; what the events warn of becomes a warning of Python's."""
    for event in train_events(stacks, settings, denoising_follows=denoising_follows):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Started | Finished):
            for warning in event.warnings:
                warnings.warn(warning, UserWarning, stacklevel=3)
        if isinstance(event, Finished):
            return event.denoiser
    raise AssertionError("training ended without an outcome")


def _as_stack(movie: Any, axes: str | None) -> Stack:
    return movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)
