"""Weights of the refiner, shipped with the package."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models.refiner import Refiner

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_refiner"]

SHIPPED = files("napari_udvd").joinpath("weights", "refiner.safetensors")


def load_refiner(path: Path | None = None) -> Refiner:
    """Read the refiner, ready for use.

    Parameters
    ----------
    path
        Weights; those that are shipped if None.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds something else.
    """
    with as_file(SHIPPED) if path is None else nullcontext(path) as file:
        header, tensors = read_model_file(file)
    if "refiner" not in header:
        raise InputError(f"{str(path or SHIPPED)!r} does not hold weights of a refiner")
    net = Refiner()
    try:
        net.load_state_dict({name: t.to(torch.float32) for name, t in tensors.items()})
    except RuntimeError as error:
        raise InputError(
            f"{str(path or SHIPPED)!r} holds weights of another refiner than this "
            "version knows"
        ) from error
    return net.eval().requires_grad_(False)
