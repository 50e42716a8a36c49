"""The Fractal task that denoises one movie, by the command line of napari-udvd."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import zarr
from pydantic import Field, validate_call

logger = logging.getLogger(__name__)


@validate_call
def denoise_movie(
    *,
    zarr_url: str,
    minutes: float = Field(default=5.0, gt=0),
    network: Literal["auto", "centerblind", "udvd", "stbn"] = "auto",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    model_path: str | None = None,
    suffix: str = Field(default="denoised", pattern=r"^[A-Za-z0-9_-]+$"),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Remove noise from a movie with a network that is trained on it.

    Parameters
    ----------
    zarr_url
        Path of the OME-Zarr image to denoise; set by Fractal.
    minutes
        Time budget, of training and denoising together.
    network
        Network that is trained; auto is the one that suits the movie.
    device
        Where to compute; auto takes a card if there is one.
    model_path
        Model file (.safetensors) that was trained before on a movie like this one:
        nothing is trained then, and minutes and network have no meaning.
    suffix
        The new image is called as the old one, with an underscore and this behind.
    overwrite
        Replace a new image that is there already.

    Returns
    -------
    dict
        The update of the image list: the new image, and which one it came from.
    """
    movie = Path(zarr_url.rstrip("/"))
    target = _beside(movie, suffix)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} exists; `overwrite` replaces it")
    # the command writes names that end so; it is whole or not there
    partial = target.with_name(f".{target.name}.partial.ome.zarr")
    how = (
        ["denoise", movie, "--minutes", minutes, "--model", network]
        if model_path is None
        else ["apply", model_path, movie]
    )
    command = [*how, "-o", partial, "--overwrite", "--device", device]
    logger.info("napari-udvd %s", " ".join(str(word) for word in command))
    done = subprocess.run(
        [sys.executable, "-m", "napari_udvd", *(str(word) for word in command)],
        capture_output=True,
        text=True,
        check=False,
    )
    logger.info(done.stderr)
    if done.returncode:
        raise RuntimeError(f"napari-udvd failed on {zarr_url!r}: {done.stderr}")
    if target.exists():
        shutil.rmtree(target)
    os.replace(partial, target)
    _tell_well(movie, target)
    return {"image_list_updates": [{"zarr_url": str(target), "origin": str(movie)}]}


def _beside(movie: Path, suffix: str) -> Path:
    """Name the new image; the suffix goes before that of a container."""
    for ending in (".ome.zarr", ".zarr"):
        if movie.name.endswith(ending):
            stem = movie.name.removesuffix(ending)
            return movie.with_name(f"{stem}_{suffix}{ending}")
    return movie.with_name(f"{movie.name}_{suffix}")


def _tell_well(movie: Path, target: Path) -> None:
    """Add the new image to the list of the well that it lies in, if it lies in one."""
    try:
        group = zarr.open_group(str(movie.parent), mode="r+")
    except (FileNotFoundError, ValueError):  # a plain folder
        return
    attributes = dict(group.attrs)
    described = attributes.get("ome", attributes)
    well = described.get("well")
    if well is None or any(x["path"] == target.name for x in well["images"]):
        return
    own = next((x for x in well["images"] if x["path"] == movie.name), {})
    well["images"].append({**own, "path": target.name})
    group.attrs.update(attributes)


if __name__ == "__main__":
    from fractal_task_tools.task_wrapper import run_fractal_task

    run_fractal_task(task_function=denoise_movie)
