"""Whether a movie is one that a model can be used on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["check_fits"]


def check_fits(denoiser: Denoiser, stack: Stack) -> None:
    """Check that a movie can be denoised by a model.

    Raises
    ------
    InputError
        If channels, frames or frame size do not fit.
    """
    label = stack.source or "the movie"
    trained = len(denoiser.calibrations) or stack.n_channels
    if denoiser.joint:
        trained = denoiser.net.channels
    if stack.n_channels != trained:
        raise InputError(
            f"{label!r} has {stack.n_channels} channel(s), but the model was trained "
            f"on {trained}; {_advice(denoiser, stack)}"
        )
    needed = denoiser.net.geometry.least_frames
    if stack.n_frames < needed:
        raise InputError(
            f"{label!r} has {stack.n_frames} frame(s); this model "
            f"needs at least {needed}"
        )
    height, width = stack.frame_shape
    if height <= denoiser.net.hole[0] or width <= denoiser.net.hole[1]:
        raise InputError(
            f"frames of {label!r} are {height} x {width} pixels, no larger than the "
            f"model's hole of {denoiser.net.hole[0]} x {denoiser.net.hole[1]}"
        )


def _advice(denoiser: Denoiser, stack: Stack) -> str:
    if "imported" in denoiser.record and stack.n_channels == 1:
        return (
            "give it the movie three times, as red, green and blue, or train a model "
            "on this movie"
        )
    return "train a model on this movie, or pick its channels first"
