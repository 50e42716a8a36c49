"""Pixels on their way to the device that computes, and back.

A card computes by itself: whoever hands it work goes on at once, and it idles only if
nothing is left to do. A copy from or to ordinary memory makes both wait for each
other; from and to memory that the system may not move (*pinned*) it does not.
"""

from __future__ import annotations

from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from napari_udvd.planes import read_measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.planes import Series
    from napari_udvd.stack import Stack

__all__ = ["Arrivals", "back_to", "pinned", "read_frames", "read_there", "send"]

Mask: TypeAlias = npt.NDArray[np.bool_]

ON_THE_WAY = 4
"""Copies from a card that nobody waits for yet: mean and deviation of two frames."""


def pinned(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor from which `device` copies without being waited for.

    On the CPU it shares its memory with the array.
    """
    tensor = torch.from_numpy(array)
    return tensor.contiguous().pin_memory() if device.type == "cuda" else tensor


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device; without waiting, if it is pinned."""
    return tensor.to(device, non_blocking=device.type == "cuda")


class Arrivals:
    """Results on their way to their places in arrays.

    Parameters
    ----------
    most
        Tensors that may be on their way at a time; those of a CPU are there at once.
        By default as many as are worth it.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._waiting: deque[
            tuple[Tensor, torch.cuda.Event | None, npt.NDArray[Any]]
        ] = deque()

    def expect(self, tensor: Tensor, place: npt.NDArray[Any]) -> None:
        """Copy a tensor to `place`, now or by the time of :meth:`finish`."""
        host, ready = tensor, None
        if tensor.is_cuda:
            host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            host.copy_(tensor, non_blocking=True)
            ready = torch.cuda.Event()
            ready.record(torch.cuda.current_stream(tensor.device))
        self._waiting.append((host, ready, place))
        most = self._most
        if most is None:
            most = ON_THE_WAY if tensor.is_cuda else 0
        self._finish(most)

    def finish(self) -> None:
        """Wait for all that is on its way."""
        self._finish(0)

    def _finish(self, left: int) -> None:
        while len(self._waiting) > left:
            host, ready, place = self._waiting.popleft()
            if ready is not None:
                ready.synchronize()
            place[...] = host.cpu().numpy()


def read_frames(
    stack: Stack,
    series: Series,
    frames: Sequence[int],
    rows: slice,
    columns: slice,
    device: torch.device,
) -> tuple[Tensor, Mask | None]:
    """Read frames as :func:`~napari_udvd.planes.read_measured`, for a device.

    A movie that lies on a card already is not fetched from there to be sent back,
    unless something in it was not measured: that is filled on the CPU.

    Returns
    -------
    clip
        ``(T, C, Y, X)`` float32; on the CPU, or on `device`.
    measured
        ``(T, C, Y, X)``; None where all were.
    """
    if device.type == "cuda" and stack.on_card and stack.validity is None:
        return read_there(stack, series, frames, rows, columns).to(device), None
    clip, measured = read_measured(stack, series, frames, rows, columns)
    return torch.from_numpy(clip), measured


def back_to(stack: Stack, result: npt.NDArray[Any]) -> Any:
    """Return a result where the movie is that it was computed from.

    Parameters
    ----------
    stack
        The movie.
    result
        Any shape and type.

    Returns
    -------
    array
        Of the movie's own library, on the same card, where that is one of CuPy; else
        `result` itself.
    """
    if not stack.on_card:
        return result
    whole: Any = getattr(stack.data, "whole", stack.data)
    library = import_module(type(whole).__module__.partition(".")[0])
    with whole.device:
        return library.asarray(result)


def read_there(
    stack: Stack,
    series: Series,
    frames: Sequence[int],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> Tensor:
    """Read frames of a movie on a card as a tensor ``(T, C, Y, X)`` on that card.

    The array needs ``astype``, ``transpose`` and DLPack, as those of CuPy have.
    """
    first = min(frames)
    order = [t - first for t in frames]
    span = slice(first, max(frames) + 1)
    planes = [
        # its own library knows every type of number, PyTorch does not
        from_dlpack(stack.read_there(span, plane, rows, columns).astype(np.float32))[
            order
        ]
        for plane in series.planes()
    ]
    return torch.stack(planes, dim=1)
