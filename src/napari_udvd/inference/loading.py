"""Models from files: those of this program, and published checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd._version import __version__
from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file
from napari_udvd.inference.packaged import read_packaged
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.models import build_network, from_published, read_published
from napari_udvd.models.catalogue import find
from napari_udvd.tasks import DENOISE, TASKS

if TYPE_CHECKING:
    import os

__all__ = ["load", "load_published"]


def load(path: str | os.PathLike[str]) -> Denoiser:
    """Read a model file written by :meth:`Denoiser.save`.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or a ``.zip`` file: the package of a denoiser of this
        program for bioimage.io.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a model of this program. Code that a
        file may hold is never executed.
    """
    is_package = Path(path).suffix.lower() == ".zip"
    read = read_packaged if is_package else read_model_file
    header, tensors = read(path)
    label = str(path)
    if "checkpoint" in header:
        raise InputError(
            f"{label!r} is the checkpoint of a training that was interrupted, not a "
            "model; --resume continues the training"
        )
    if "package" in header:  # of others, which may not be installed
        find(str(header.get("network")), str(header["package"]))
    # those of earlier versions say nothing: there was one task
    task = header.get("task", DENOISE.name)
    if task not in TASKS:
        raise InputError(
            f"model file {label!r} is for the task {task!r}, which this version "
            f"({__version__}) does not know, only {', '.join(TASKS)}; it was written "
            f"by version {header.get('version', 'unknown')}"
        )
    try:
        net = build_network(header["network"], header["configuration"])
        net.load_state_dict(tensors)
        calibrations = tuple(Calibration.from_dict(c) for c in header["calibrations"])
        joint, record = bool(header["joint"]), header["record"]
        self_ensemble = bool(header["self_ensemble"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"model file {label!r} does not hold a network that this version "
            f"({__version__}) knows; it was written by version "
            f"{header.get('version', 'unknown')}. Use that version, or train the model "
            "anew"
        ) from error
    return Denoiser(net.eval(), calibrations, joint, self_ensemble, record, task)


def load_published(
    path: str | os.PathLike[str], hole: tuple[int, int] | None = None
) -> Denoiser:
    """Read a published checkpoint of UDVD or STBN.

    Such a network has no movie of its own: range and noise are measured on each
    movie that it is applied to.

    Parameters
    ----------
    path
        A ``.pt`` or ``.pth`` file; code that it may hold is never executed.
    hole
        Odd (rows, columns) that it was trained with; the pixel alone if None.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds another network.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {str(path)!r} does not exist")
    try:
        net = from_published(read_published(path), hole or (1, 1))
    except ValueError as error:
        raise InputError(str(error)) from error
    return Denoiser(net, (), joint=net.channels > 1, record={"imported": path.name})
