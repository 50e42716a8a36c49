"""Denoisers in packages for bioimage.io: what in one is ours, read without its tools.

Such a package is a zip file. Beside what the specification asks for, ours hold the
header of the model file as JSON; the weights are those that every consumer of the
package reads. Neither can execute code.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_udvd.errors import InputError, system_reason

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["HEADER", "PREFIX", "WEIGHTS", "read_packaged"]

HEADER = "napari-udvd.json"
"""Member of the package that holds the header of the model file."""

WEIGHTS = "weights.pt"
"""Member that holds the state dict of the network that takes grey levels."""

PREFIX = "net."
"""What names in it begin with: the trained network is a part of that one."""

DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")

MOST_HEADER = 64 * 2**20
"""Bytes of a header that is still believed; one of this program has some thousands."""


def read_packaged(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read header and tensors of a denoiser, as from its model file.

    Parameters
    ----------
    path
        A ``.zip`` file.

    Raises
    ------
    InputError
        If the file is missing or damaged, or what it holds is no denoiser of this
        program.
    """
    label = str(path)
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).is_dir() else "does not exist"
        raise InputError(f"package {label!r} {problem}; name a .zip file")
    try:
        with zipfile.ZipFile(path) as package:
            _check_is_ours(package, label)
            header = json.loads(package.read(HEADER))
            content = io.BytesIO(package.read(WEIGHTS))
        state = torch.load(content, map_location="cpu", weights_only=True)
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        RuntimeError,  # of torch, and of members that are encrypted
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        if isinstance(error, InputError):
            raise
        reason = system_reason(error)
        raise InputError(
            f"package {label!r} is damaged{f' ({reason})' if reason else ''}; fetch or "
            "export it again"
        ) from error
    return _checked_header(header, label), _checked_tensors(state, label)


def _check_is_ours(package: zipfile.ZipFile, label: str) -> None:
    there = set(package.namelist())
    if not {HEADER, WEIGHTS} <= there:
        described = there.intersection(DESCRIPTIONS)
        what = "a resource of bioimage.io" if described else "a zip file"
        remedy = (
            "run it with a program for bioimage.io, such as bioimageio.core"
            if described
            else "name a model file (.safetensors)"
        )
        raise InputError(
            f"{label!r} is {what}, but holds no denoiser of napari-udvd, whose package "
            f"has {HEADER} and {WEIGHTS}; {remedy}"
        )
    if package.getinfo(HEADER).file_size > MOST_HEADER:
        raise InputError(f"the header in package {label!r} is too large to be one")


def _checked_header(header: object, label: str) -> dict[str, Any]:
    if not isinstance(header, dict):
        raise InputError(f"the header in package {label!r} is damaged: no mapping")
    return header


def _checked_tensors(state: object, label: str) -> dict[str, Tensor]:
    """Return the tensors of the trained network, by the names of its model file."""
    tensors: Mapping[Any, Any] = state if isinstance(state, dict) else {}
    found = {
        str(name).removeprefix(PREFIX): tensor
        for name, tensor in tensors.items()
        if isinstance(tensor, torch.Tensor) and str(name).startswith(PREFIX)
    }
    if not found or len(found) < len(tensors):
        raise InputError(
            f"the weights in package {label!r} are not those of a denoiser of "
            "napari-udvd"
        )
    if any(not torch.isfinite(tensor).all() for tensor in found.values()):
        raise InputError(f"package {label!r} holds weights that are not finite")
    return found
