"""How the time of a training is shared with a network that goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_udvd.sharpening import Effort
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import Stack

__all__ = ["shared"]


def shared(
    values: Mapping[str, Any], network: str | None, stack: Stack
) -> tuple[Mapping[str, Any], Effort]:
    """Share the time of a training, half and half.

    Parameters
    ----------
    values
        Settings of the training by name; None is as nothing.
    network
        Name of what goes on from there; the training has all of the time if None.
    stack
        The movie: each channel has a network of its own.

    Returns
    -------
    values : mapping
        Settings of a training with the time that is left to it.
    effort : Effort
        What the network of a channel may cost. Steps are not shared, but the same for
        both.
    """
    settings = make_settings(**values)
    minutes = settings.minutes / 2
    effort = Effort(minutes / stack.n_channels, settings.steps, settings.seed)
    if network is None or settings.steps is not None:
        return values, effort
    return {**values, "minutes": minutes}, effort
