"""Let programs that were written for one kind of device run on another."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch


def allow_cpu() -> None:
    """Let ``.cuda()`` do nothing where there is no CUDA device.

    Several programs call it whatever the machine has, and would end with an error.
    """
    if torch.cuda.is_available():
        return

    def stay(it: Any, *arguments: Any, **options: Any) -> Any:
        return it

    for kind in (torch.Tensor, torch.nn.Module):
        setattr(kind, "cuda", stay)  # noqa: B010


def first_whole(files: list[str]) -> str:
    """Return the first file of weights that can be read to its end.

    Raises
    ------
    RuntimeError
        If none can.
    """
    reasons = []
    for file in files:
        try:
            torch.load(file, map_location="cpu", weights_only=True)
        except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
            reasons.append(f"{Path(file).name}: {error}")
        else:
            return file
    raise RuntimeError(f"no file of weights is whole: {'; '.join(reasons)}")
