"""The file of a model, or of a checkpoint: tensors, and a header of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_udvd.errors import InputError, OutputError, system_reason
from napari_udvd.formats import write_small

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["read_model_file", "read_model_header", "write_model_file"]


def write_model_file(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    header: Mapping[str, Any],
) -> None:
    """Write tensors and a JSON header; a run that is killed leaves no half file.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind.
    """
    plain = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    # not written by the library, which makes files only their owner can read
    try:
        content = save(plain, metadata={_KEY: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        reason = system_reason(error) or "its content cannot be stored"
        raise OutputError(
            f"cannot write {str(path)!r} ({reason}); nothing was left behind. Choose a "
            "folder that exists, can be written and has space"
        ) from error
    write_small(Path(path), content, overwrite=True)


def read_model_file(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read header and tensors of a file written by :func:`write_model_file`.

    Raises
    ------
    InputError
        If the file is missing, damaged or foreign.
    """
    header, tensors = _read(path, with_tensors=True)
    if any(not torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(f"model file {str(path)!r} holds weights that are not finite")
    return header, tensors


def read_model_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header alone, which is quick also where the weights are many.

    Raises
    ------
    InputError
        As :func:`read_model_file`.
    """
    return _read(path, with_tensors=False)[0]


_KEY = "napari_udvd"


def _read(
    path: str | os.PathLike[str], *, with_tensors: bool
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    label = str(path)
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).is_dir() else "does not exist"
        raise InputError(f"model file {label!r} {problem}; name a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        reason = system_reason(error)
        raise InputError(
            f"{label!r} is not a model file, or it is damaged"
            f"{f' ({reason})' if reason else ''}. Models are "
            ".safetensors files written by this program; published checkpoints are "
            "read by import-published"
        ) from error
    if _KEY not in metadata:
        raise InputError(
            f"{label!r} is a safetensors file, but not a model of napari-udvd: its "
            "header lacks the network's configuration"
        )
    try:
        header = json.loads(metadata[_KEY])
    except json.JSONDecodeError as error:
        raise InputError(f"the header of model file {label!r} is damaged") from error
    if not isinstance(header, dict):
        raise InputError(f"the header of model file {label!r} is damaged: no mapping")
    return header, tensors
