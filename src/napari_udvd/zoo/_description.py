"""The description of a model in the words of bioimage.io, with bioimageio.spec."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from bioimageio.spec import ValidationContext
from bioimageio.spec.model import v0_5

from napari_udvd._version import __version__
from napari_udvd.inference.packaged import HEADER, WEIGHTS
from napari_udvd.zoo._words import papers, summary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.zoo._author import Author

__all__ = ["OUTPUTS", "describe"]

MOVIE, OUTPUTS = "movie", ("denoised", "std")
"""Names of the tensors."""

LEAST_EDGE = 32
"""Rows and columns of the smallest frames that are promised to work."""

TAGS = ("2d-t", "denoising", "pytorch", "self-supervised", "video", "napari-udvd")

TOLERANCE = 1e-3
"""Of a test result on another machine, in grey levels relative to the noise."""


def describe(
    denoiser: Denoiser,
    folder: Path,
    *,
    name: str,
    authors: Sequence[Author],
    license: str,
    tags: Sequence[str] = (),
) -> v0_5.ModelDescr:
    """Describe a model whose files lie in a folder.

    Parameters
    ----------
    denoiser
        The model.
    folder
        Of weights, header, environment, documentation, cover and test tensors.
    name, authors, license, tags
        As for :func:`~napari_udvd.zoo.export_package`.

    Raises
    ------
    pydantic.ValidationError
        If a name, licence or author is not what the specification allows.
    """
    outputs = OUTPUTS if denoiser.net.likelihood else OUTPUTS[:1]
    # addresses and accounts are not looked up: that needs a network
    with ValidationContext(root=folder, perform_io_checks=False):
        return v0_5.ModelDescr.model_validate(
            {
                "format_version": v0_5.ModelDescr.implemented_format_version,
                "type": "model",
                "name": name,
                "description": summary(denoiser),
                "authors": [_person(author) for author in authors],
                "license": license,
                "cite": [{"text": p.text, "url": p.url} for p in papers(denoiser)],
                "tags": list(dict.fromkeys((*TAGS, *tags))),
                "version": __version__,
                "documentation": _file(folder, "README.md"),
                "covers": [_file(folder, "cover.png")],
                "attachments": [_file(folder, HEADER)],
                "inputs": [_input(denoiser, folder)],
                "outputs": [_output(denoiser, folder, which) for which in outputs],
                "weights": {"pytorch_state_dict": _weights(denoiser, folder)},
                "config": {
                    "bioimageio": {"reproducibility_tolerance": [_tolerance(denoiser)]}
                },
            }
        )


def _person(author: Author) -> dict[str, str]:
    said = {
        "name": author.name,
        "affiliation": author.affiliation,
        "github_user": author.github,
    }
    return {key: value for key, value in said.items() if value is not None}


def _file(folder: Path, name: str) -> dict[str, Any]:
    """Name a file, and say what it holds: nobody need open it to know."""
    content = (folder / name).read_bytes()
    return {"source": name, "sha256": hashlib.sha256(content).hexdigest()}


def _axes(denoiser: Denoiser, refer: bool) -> list[dict[str, Any]]:
    """Axes of a movie: with sizes that may be, or `refer` to those of the input."""
    least = {
        "time": max(denoiser.net.geometry.least_frames, 2),
        "y": max(LEAST_EDGE, denoiser.net.hole[0] + 1),
        "x": max(LEAST_EDGE, denoiser.net.hole[1] + 1),
    }
    channels = [f"channel{k}" for k in range(len(denoiser.calibrations))]
    return [
        {"type": "batch"},
        {"type": "channel", "id": "channel", "channel_names": channels},
        *(
            {
                "type": "time" if axis == "time" else "space",
                "id": axis,
                "size": {"tensor_id": MOVIE, "axis_id": axis}
                if refer
                else {"min": fewest, "step": 1},
            }
            for axis, fewest in least.items()
        ),
    ]


def _input(denoiser: Denoiser, folder: Path) -> dict[str, Any]:
    return {
        "id": MOVIE,
        "description": "Noisy movie in grey levels as recorded; whole frames",
        "axes": _axes(denoiser, refer=False),
        "test_tensor": _file(folder, f"{MOVIE}.npy"),
        "data": {"type": "float32"},
    }


def _output(denoiser: Denoiser, folder: Path, which: str) -> dict[str, Any]:
    what = {
        "denoised": "Denoised movie in grey levels",
        "std": "Standard deviation of the denoised movie in grey levels",
    }
    return {
        "id": which,
        "description": what[which],
        "axes": _axes(denoiser, refer=True),
        "test_tensor": _file(folder, f"{which}.npy"),
        "data": {"type": "float32"},
    }


def _weights(denoiser: Denoiser, folder: Path) -> dict[str, Any]:
    header = denoiser.header()
    needed = ("network", "configuration", "calibrations", "joint", "self_ensemble")
    return {
        **_file(folder, WEIGHTS),
        "architecture": {
            "callable": "GreyLevelDenoiser",
            "import_from": "napari_udvd.zoo",
            "kwargs": {key: header[key] for key in needed},
        },
        "pytorch_version": torch.__version__.partition("+")[0],
        "dependencies": _file(folder, "environment.yaml"),
    }


def _tolerance(denoiser: Denoiser) -> dict[str, float]:
    dark = min(float(c.noise.variance(c.levels[0])) for c in denoiser.calibrations)
    return {
        "relative_tolerance": TOLERANCE,
        "absolute_tolerance": TOLERANCE * dark**0.5,
    }
