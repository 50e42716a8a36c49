"""What was learned from labels, as a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_udvd.errors import InputError
from napari_udvd.identification._examples import Scaling
from napari_udvd.identification._grammar import Grammar
from napari_udvd.identification._held_out import HeldOut
from napari_udvd.identification._learning import Learned
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.models import build_labeller
from napari_udvd.spans import Edits

if TYPE_CHECKING:
    import os

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

__all__ = ["Content", "read", "write"]

KIND = "event finder"
VERSION = 1


class Content(NamedTuple):
    """What a file holds; see :class:`~napari_udvd.identification.EventFinder`."""

    labels: tuple[str, ...]
    feature_names: tuple[str, ...]
    scaling: Scaling
    learned: Learned
    held_out: HeldOut | None
    kept: dict[str, npt.NDArray[np.float32]]


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a file; errors as those of ``write_model_file``."""
    grammar, scaling = content.learned.grammar, content.scaling
    tensors = {
        **{f"net.{k}": t for k, t in content.learned.net.state_dict().items()},
        "grammar.follow": torch.from_numpy(grammar.follow),
        "grammar.frames": torch.from_numpy(grammar.frames),
        "grammar.stages": torch.from_numpy(grammar.stages),
        "scaling.mean": torch.from_numpy(scaling.mean),
        "scaling.scale": torch.from_numpy(scaling.scale),
        **{f"kept.{k}": torch.from_numpy(v) for k, v in content.kept.items()},
    }
    header = {
        "kind": KIND,
        "version": VERSION,
        "network": content.learned.name,
        "labels": content.labels,
        "feature_names": content.feature_names,
        "held_out": asdict(content.held_out) if content.held_out else None,
    }
    write_model_file(path, tensors, header)


def read(path: str | os.PathLike[str]) -> Content:
    """Read a file.

    Raises
    ------
    InputError
        If it is missing, damaged, of another kind or of a later version.
    """
    header, tensors = read_model_file(path)
    if header.get("kind") != KIND:
        raise InputError(
            f"{str(path)!r} is a model, but not one that finds events; train one with "
            "labelled spans, or name the file of one"
        )
    if header.get("version") != VERSION:
        raise InputError(
            f"{str(path)!r} has version {header.get('version')!r}; this program knows "
            f"version {VERSION}. Update napari-udvd, or train again"
        )
    try:
        return _content(header, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the model file {str(path)!r} is damaged: it does not fit its own header; "
            "copy it again, or train again"
        ) from error


def _content(header: dict[str, Any], tensors: dict[str, Tensor]) -> Content:
    labels, names = tuple(header["labels"]), tuple(header["feature_names"])
    parts: dict[str, dict[str, Tensor]]
    parts = {part: {} for part in ("net", "grammar", "scaling", "kept")}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    scaling = Scaling(**{k: t.numpy() for k, t in parts["scaling"].items()})
    grammar = Grammar(**{k: t.numpy() for k, t in parts["grammar"].items()})
    if len(scaling.mean) != len(names) or len(grammar.stages) != len(labels):
        raise ValueError("as many features and labels as there are names")
    net = build_labeller(header["network"], scaling.inputs, len(labels))
    net.load_state_dict(parts["net"])
    held_out = header["held_out"]
    if held_out is not None:
        held_out = HeldOut(**{**held_out, "edits": Edits(**held_out["edits"])})
    learned = Learned(header["network"], net.eval(), grammar)
    kept = {k: t.numpy() for k, t in parts["kept"].items()}
    return Content(labels, names, scaling, learned, held_out, kept)
