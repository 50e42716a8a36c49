"""Stream a trained network over a stack.

Frames go through in blocks and tiles, so that memory depends neither on the length
of the movie nor, with tiles, on the size of its frames.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.units import shared_out, units_of
from napari_udvd.runtime.memory import return_freed
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.inference.block_denoiser import Blocks
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.inference.units import Restored, Unit
    from napari_udvd.models import Network
    from napari_udvd.stack import Plane, Stack
    from napari_udvd.tasks import Task

__all__ = ["FrameSink", "Progress", "denoise_stack", "write_unit"]


class FrameSink(Protocol):
    """Where denoised frames go: an array, a file (see ``formats``)."""

    def write(self, frames: npt.NDArray[np.float32], start: int, plane: Plane) -> None:
        """Take frames ``(T, Y, X)`` that begin at time `start`."""


class BlocksOf(Protocol):
    """What makes :class:`Blocks` of a network and a movie."""

    def __call__(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request,
        *,
        joint: bool,
        task: Task,
    ) -> Blocks:
        """Parameters as for :class:`BlockDenoiser`."""


@dataclass(frozen=True)
class Progress:
    """Frames denoised so far, of all frames of all planes."""

    done: int
    total: int


def denoise_stack(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    sink: FrameSink,
    request: Request = EXACT,
    *,
    joint: bool = False,
    std_sink: FrameSink | None = None,
    cancel: threading.Event | None = None,
    task: Task = DENOISE,
    blocks_of: BlocksOf | None = None,
    flashes: list[Flash] | None = None,
) -> Iterator[Progress]:
    """Denoise every frame of every plane, writing block by block.

    Parameters
    ----------
    net
        Trained network.
    calibrations
        One per channel of the stack.
    stack
        Movie to denoise; only a block of it is in memory at a time.
    sink
        Receives the result, in grey levels.
    request
        How to denoise; the sink takes care of the data type.
    joint
        The network takes all channels at once.
    std_sink
        Receives the standard deviation of the result; needs a likelihood head.
    cancel
        Set it to stop after the current block.
    task
        Finishes what the network predicts.
    blocks_of
        Makes what denoises the blocks; :class:`BlockDenoiser` if None.
    flashes
        Gets the events that were put back.

    Yields
    ------
    Progress
        After each block.

    Raises
    ------
    InputError
        If a standard deviation is asked of a network that has none.
    MemoryError
        If not even the smallest tile fits in memory.
    """
    request = replace(request, with_std=std_sink is not None)
    make = blocks_of or BlockDenoiser
    executor, work, series = shared_out(
        lambda net, stack, request: make(
            net, calibrations, stack, request, joint=joint, task=task
        ),
        net,
        stack,
        request,
    )
    todo = units_of(series, stack)
    total, done = sum(unit.pictures for unit in todo), 0
    return_freed()  # by those who looked at the movie
    with closing(executor.map(work, todo)) as results:
        for unit, result in zip(todo, results, strict=True):
            write_unit(unit, result, sink, std_sink)
            if flashes is not None:
                flashes += result.flashes
            done += unit.pictures
            yield Progress(done, total)
            if cancel is not None and cancel.is_set():
                return


def write_unit(
    unit: Unit, result: Restored, sink: FrameSink, std_sink: FrameSink | None
) -> None:
    """Hand a unit that is done to where its frames go."""
    for k, plane in enumerate(unit.series.planes()):
        sink.write(result.mean[:, k], unit.start, plane)
        if std_sink is not None and result.std is not None:
            std_sink.write(result.std[:, k], unit.start, plane)
