"""Packages for bioimage.io: a zip file that any program of that community can run."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.packaged import HEADER, PREFIX, WEIGHTS
from napari_udvd.small_files import write_small
from napari_udvd.zoo._network import GreyLevelDenoiser
from napari_udvd.zoo._test_movie import part_of, simulated
from napari_udvd.zoo._words import documentation, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack
    from napari_udvd.zoo._author import Author

__all__ = ["export_package"]

NAME = "Movie denoiser"

DESCRIPTION = "rdf.yaml"
"""Where programs look for what a package is."""

COVER_EDGE = 256
"""Rows and columns of each half of the picture of the package."""


def export_package(
    denoiser: Denoiser,
    path: Path,
    *,
    authors: Sequence[Author],
    license: str,
    name: str = NAME,
    tags: Sequence[str] = (),
    movie: Stack | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model as a resource of bioimage.io, with tensors to test it by.

    The package is validated before it is written, without looking anything up in a
    network.

    Parameters
    ----------
    denoiser
        A model that denoises, and was trained on a movie.
    path
        Package to write, ``.zip``.
    authors
        Who made the model.
    license
        Of the model, an identifier of SPDX such as ``CC-BY-4.0``.
    name
        What the model is called; letters, digits, spaces and ``_+-()``.
    tags
        What it may be found by, beside what is known of it.
    movie
        Of which the middle becomes the test input; simulated if None.
    overwrite
        Whether an earlier package may be replaced.

    Raises
    ------
    InputError
        If the extra ``zoo`` is not installed, the model or the movie does not fit, or
        what is said of it is not what bioimage.io allows.
    OutputError
        If the package cannot be written; nothing is left behind.
    """
    check_exportable(denoiser)
    _check_installed()
    module = _module(denoiser)
    grey = _test_input(denoiser, movie)
    results = _run(module, grey)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        state = {name: t.detach().cpu() for name, t in module.state_dict().items()}
        torch.save(state, folder / WEIGHTS)
        (folder / HEADER).write_text(json.dumps(denoiser.header()), encoding="utf-8")
        text = documentation(denoiser, name)
        (folder / "README.md").write_text(text, encoding="utf-8")
        wanted = environment(torch.__version__.partition("+")[0], denoiser.net.name)
        # JSON is YAML, too
        (folder / "environment.yaml").write_text(json.dumps(wanted, indent=2))
        np.save(folder / "movie.npy", grey[None])
        for which, result in results.items():
            np.save(folder / f"{which}.npy", result[None])
        _draw(folder / "cover.png", grey, results["denoised"])
        content = _packed(denoiser, folder, name, authors, license, tags)
    write_small(path, content, overwrite=overwrite)


def check_exportable(denoiser: Denoiser) -> None:
    """Check that a model can be said in the words of bioimage.io.

    Raises
    ------
    InputError
        If it has no grey levels of its own, or does something else than denoise.
    """
    if denoiser.task != "denoise":
        raise InputError(
            f"the model was trained for the task {denoiser.task!r}, which needs to be "
            "told what was measured; bioimage.io has no words for that, so that only "
            "models that denoise are exported"
        )
    if not denoiser.calibrations:
        raise InputError(
            "the model was imported and knows no grey levels: it measures range and "
            "noise on every movie anew, which a package of bioimage.io cannot do. "
            "Train a model on a movie, and export that"
        )


def _check_installed() -> None:
    try:
        import bioimageio.spec  # noqa: F401
    except ImportError as error:
        raise InputError(
            "exporting a model for bioimage.io needs the package bioimageio.core (not "
            'installed, or not all of it): pip install "napari-udvd[zoo]"'
        ) from error


def _module(denoiser: Denoiser) -> GreyLevelDenoiser:
    header = denoiser.header()
    module = GreyLevelDenoiser(
        header["network"],
        header["configuration"],
        header["calibrations"],
        header["joint"],
        header["self_ensemble"],
    )
    module.load_state_dict(
        {f"{PREFIX}{name}": t.cpu() for name, t in denoiser.net.state_dict().items()}
    )
    return module.eval()


def _test_input(denoiser: Denoiser, movie: Stack | None) -> npt.NDArray[np.float32]:
    least = denoiser.net.geometry.least_frames
    if movie is None:
        return simulated(denoiser.calibrations, least)
    return part_of(movie, len(denoiser.calibrations), least)


def _run(
    module: GreyLevelDenoiser, grey: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Denoise ``(C, T, Y, X)``; results by the names of the outputs."""
    with torch.inference_mode():
        found = module(torch.from_numpy(grey)[None])
    tensors = found if isinstance(found, tuple) else (found,)
    names = ("denoised", "std")
    return {k: t[0].numpy() for k, t in zip(names, tensors, strict=False)}


def _draw(
    path: Path, noisy: npt.NDArray[np.float32], denoised: npt.NDArray[np.float32]
) -> None:
    """Draw the middle frame, noisy and denoised side by side."""
    from PIL import Image

    at = noisy.shape[1] // 2
    low, high = np.percentile(denoised[0, at], (0.5, 99.9))
    span = max(float(high - low), np.finfo(np.float32).tiny)
    halves = []
    for movie in (noisy, denoised):
        frame = np.clip((movie[0, at] - low) / span, 0, 1)
        picture = Image.fromarray((255 * frame).astype(np.uint8))
        halves.append(np.asarray(picture.resize((COVER_EDGE, COVER_EDGE))))
    Image.fromarray(np.hstack(halves)).save(path)


def _packed(
    denoiser: Denoiser,
    folder: Path,
    name: str,
    authors: Sequence[Author],
    license: str,
    tags: Sequence[str],
) -> bytes:
    """Describe what lies in a folder, validate it, and return the zip file."""
    from bioimageio.spec import save_bioimageio_yaml_only
    from pydantic import ValidationError

    from napari_udvd.zoo._description import describe

    try:
        described = describe(
            denoiser, folder, name=name, authors=authors, license=license, tags=tags
        )
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        raise InputError(
            f"bioimage.io does not take what is said of the model: {wrong}"
        ) from error
    with (folder / DESCRIPTION).open("w", encoding="utf-8") as file:
        save_bioimageio_yaml_only(described, file)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for member in sorted(folder.iterdir()):
            package.write(member, member.name)
    return content.getvalue()
