"""When the memory of a device runs out, and what to do that it does not."""

from __future__ import annotations

import ctypes
import platform

import torch

__all__ = ["is_out_of_memory", "release", "return_freed"]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell memory running out, on any device, from other errors."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


def release(device: torch.device) -> None:
    """Give memory back that a card keeps for later use, also in pieces of its size."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def return_freed() -> None:
    """Return to the system what this process has freed: of Linux's C library only.

    Threads each free pieces of many sizes among those that are in use, and what lies
    between them grows from block to block of a movie. Clearing the pages anew takes a
    tenth of a second for half a gigabyte: for what is done once in seconds.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
