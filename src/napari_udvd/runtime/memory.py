"""When the memory of a device runs out."""

from __future__ import annotations

import torch

__all__ = ["is_out_of_memory", "release"]


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
