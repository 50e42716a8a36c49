"""Units of work: runs of frames of one series, each restored by itself.

What restores them is made once, and may be there several times: on every device of this
machine, or in every process that a movie is shared out to.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.cutting import blocks
from napari_udvd.runtime.executor import InTurn
from napari_udvd.runtime.replicas import replicas_on
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.inference.block_denoiser import Block, Blocks
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.request import Request
    from napari_udvd.models import Network
    from napari_udvd.planes import Series
    from napari_udvd.runtime.executor import Executor
    from napari_udvd.stack import LayoutLike, Stack

__all__ = ["Restored", "Unit", "restored", "shared_out", "units_of"]


class Unit(NamedTuple):
    """Frames ``start .. stop - 1`` of a series."""

    series: Series
    start: int
    stop: int

    @property
    def pictures(self) -> int:
        """Frames of single planes."""
        return (self.stop - self.start) * len(self.series.channels)


class Restored(NamedTuple):
    """A unit that is done: ``(T, C, Y, X)`` in grey levels, and events put back."""

    mean: Block
    std: Block | None
    flashes: list[Flash]


def units_of(series: Sequence[Series], like: LayoutLike) -> list[Unit]:
    """Cut a movie into units, in the order in which they are written."""
    return [Unit(each, *span) for each, span in product(series, blocks(like))]


def restored(blocks: Blocks, unit: Unit) -> Restored:
    """Restore a unit.

    Raises
    ------
    MemoryError
        If not even the smallest tile fits in memory.
    """
    mean, std = blocks.block(*unit)
    return Restored(mean, std, blocks.flashes_in(*unit))


def shared_out(
    make: Callable[[Network, Stack, Request], Blocks],
    net: Network,
    stack: Stack,
    request: Request,
) -> tuple[Executor, Callable[[Unit], Restored], list[Series]]:
    """Prepare to restore units on all devices that are asked for.

    Parameters
    ----------
    make
        Makes what restores them, of a network on the device of the request.
    net, stack, request
        As for :func:`~napari_udvd.inference.stream.denoise_stack`.

    Returns
    -------
    executor, work
        Who computes, and what is done with a unit.
    series
        The series of the movie.
    """
    devices = request.devices()
    if len(devices) == 1:
        alone = make(net, stack, request)
        return InTurn(), lambda unit: restored(alone, unit), alone.series
    stack = inspect(stack)  # once, and not in every thread
    nets = [net, *(copy.deepcopy(net) for _ in devices[1:])]
    made = [
        make(each, stack, replace(request, device=device))
        for each, device in zip(nets, devices, strict=True)
    ]
    replicas = replicas_on(devices)
    return (
        replicas,
        lambda unit: restored(made[replicas.number], unit),
        made[0].series,
    )
