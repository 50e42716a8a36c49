"""Where to compute, and in which precision.

What is computed in float32 on a card is computed in float32: TF32, which cuts factors
to ten bits, is switched off, for convolutions (where PyTorch allows it) as for
matrices. Cards that know TF32 compute the convolutions that take the time in bfloat16
anyway. What is left is what asked for more digits: the last layer of every network,
since a movie has more grey levels than bfloat16 or TF32, and looks at single pixels.

cuDNN chooses its algorithms by rule and not by trying them out: a trial takes longer
than it saves where clips differ in length, and ends otherwise each time. Features lie
channels last on every device; that was measured on CPUs only.
"""

from __future__ import annotations

import ctypes
import platform
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "available_devices",
    "choose_device",
    "choose_devices",
    "choose_precision",
    "keep_freed_memory",
    "settled_precision",
]

CLEARLY_FASTER = 0.75
"""Time of a convolution in bfloat16, over that in float32: it has fewer digits."""
FEWEST_TURNS, MOST_TURNS = 6, 40
"""That both are timed."""


def available_devices() -> list[str]:
    """Names of the devices of this machine, best first: CUDA, Apple MPS, CPU."""
    names = [f"cuda:{k}" for k in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def choose_device(name: str = "auto") -> torch.device:
    """Turn a user's choice into a device, the first where it is of several.

    Parameters
    ----------
    name
        As for :func:`choose_devices`.

    Raises
    ------
    InputError
        If there is no such device.
    """
    return choose_devices(name)[0]


def choose_devices(names: str) -> tuple[torch.device, ...]:
    """Turn a user's choice into devices that compute at the same time.

    Parameters
    ----------
    names
        ``"auto"`` (the best there is), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``;
        several of them with commas between, as in ``"cuda:0,cuda:1"``; or ``"all"``
        cards of this machine.

    Raises
    ------
    InputError
        If one of them is not there.
    """
    if names == "all":
        cards = [name for name in available_devices() if name.startswith("cuda")]
        names = ",".join(cards) or "auto"
    return tuple(_device(name.strip()) for name in names.split(","))


def _device(name: str) -> torch.device:
    here = available_devices()
    if name == "auto":
        name = here[0]
    elif name not in here and not (name == "cuda" and "cuda:0" in here):
        raise InputError(
            f"there is no device {name!r} here; choose auto or one of {', '.join(here)}"
        )
    device = torch.device(name)
    if device.type == "cuda":
        _without_tf32()
    return device


def _without_tf32() -> None:
    """Let float32 be float32 on cards; of the whole process, as PyTorch has it."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


@cache
def choose_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where it makes convolutions clearly faster, else float32.

    On CUDA this is a property of the chip. CPUs say that they support bfloat16 also
    where they emulate it, so one convolution is timed in both (tens of milliseconds),
    unless :func:`settled_precision` was told.
    """
    if device.type == "cpu" and _settled:
        return _settled[-1]
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float32
    if device.type != "cpu":
        return torch.float32
    seconds = _convolution_seconds()
    faster = seconds[torch.bfloat16] < CLEARLY_FASTER * seconds[torch.float32]
    return torch.bfloat16 if faster else torch.float32


@contextmanager
def settled_precision(dtype: torch.dtype) -> Iterator[None]:
    """Compute in `dtype` on the CPU, whatever is faster at the moment.

    For processes that share work: their results must not depend on how busy the
    machines were when each of them measured. It holds for the whole process.
    """
    _settled.append(dtype)
    choose_precision.cache_clear()
    try:
        yield
    finally:
        _settled.pop()
        choose_precision.cache_clear()


_settled: list[torch.dtype] = []
"""What was told; the last holds."""


def _convolution_seconds() -> dict[torch.dtype, float]:
    """Best of several runs in turn, so that other programs disturb both alike.

    It ends as soon as the best times are far from the limit on either side.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 48, 96, 96, generator=generator)
    weight = torch.randn(48, 48, 3, 3, generator=generator)
    inputs = {
        dtype: (image.to(dtype, memory_format=torch.channels_last), weight.to(dtype))
        for dtype in (torch.float32, torch.bfloat16)
    }
    best = dict.fromkeys(inputs, float("inf"))
    with torch.inference_mode():
        for turn in range(MOST_TURNS):
            for dtype, operands in inputs.items():
                start = time.perf_counter()
                F.conv2d(*operands, padding=1)
                best[dtype] = min(best[dtype], time.perf_counter() - start)
            share = best[torch.bfloat16] / best[torch.float32]
            if turn + 1 >= FEWEST_TURNS and not 0.8 < share / CLEARLY_FASTER < 1.25:
                break
    return best


def keep_freed_memory() -> None:
    """Let the process reuse large pieces of memory instead of giving them back.

    The C library of Linux hands pieces of a megabyte and more back to the system when
    they are freed. Networks free and ask for the same pieces in every step, and the
    system clears each page anew. For programs of our own only: it is a property of
    the whole process.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
    libc.mallopt(_TRIM_THRESHOLD, 2 * KEPT_BYTES)


KEPT_BYTES = 256 * 2**20
"""Pieces up to this size are kept, and twice as much in all."""

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h
