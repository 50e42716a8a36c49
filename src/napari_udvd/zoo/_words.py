"""What a package says of its model to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_udvd._version import __version__
from napari_udvd.models.catalogue import find, package_of
from napari_udvd.models.spec import Paper

if TYPE_CHECKING:
    from napari_udvd.inference.restorer import Denoiser

__all__ = ["documentation", "environment", "papers", "summary"]

OF_ALL = (
    Paper(
        "Laine et al., High-Quality Self-Supervised Deep Image Denoising, NeurIPS 2019",
        "https://arxiv.org/abs/1901.10277",
    ),
    Paper(
        "Foi et al., Practical Poissonian-Gaussian Noise Modeling and Fitting for "
        "Single-Image Raw-Data, IEEE Transactions on Image Processing 17(10), 2008",
        "https://doi.org/10.1109/TIP.2008.2001399",
    ),
)
"""The likelihood with its posterior, and the noise model."""


def summary(denoiser: Denoiser) -> str:
    """Say in a sentence or two what the model does."""
    std = " and their standard deviation" if denoiser.net.likelihood else ""
    return (
        f"Removes noise from microscopy movies: {denoiser.net.title}, a blind-spot "
        "video network trained by napari-udvd on the noisy movie itself, without "
        "clean data. Takes whole movies in grey levels as recorded, and returns "
        f"denoised grey levels{std}."
    )


def papers(denoiser: Denoiser) -> tuple[Paper, ...]:
    """Return what to cite: the papers of the network, then those of every result."""
    return (*find(denoiser.net.name).papers, *OF_ALL)


def environment(torch_version: str, network: str) -> dict[str, Any]:
    """Return the conda environment in which the model runs.

    Parameters
    ----------
    torch_version
        That the model was exported with.
    network
        Its name; it may come with a package of its own.
    """
    foreign = package_of(network)
    packages = [f"napari-udvd>={__version__}", *([foreign] if foreign else [])]
    return {
        "name": "napari-udvd",
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": [
            "python>=3.11",
            f"pytorch>={torch_version}",
            "pip",
            {"pip": packages},
        ],
    }


def documentation(denoiser: Denoiser, name: str) -> str:
    """Write what a person has to know who uses the package, as Markdown."""
    net = denoiser.net
    geometry, movies = net.geometry, denoiser.record.get("movies", ())
    channels = "\n".join(
        f"| {k} | {c.noise.gain:.4g} | {c.noise.offset:.4g} | {c.noise.read_noise:.4g} "
        f"| {c.levels[0]:.4g} to {c.levels[-1]:.4g} |"
        for k, c in enumerate(denoiser.calibrations)
    )
    second = (
        "\nThe second output, `std`, is the standard deviation of the first, in grey "
        "levels.\n"
        if net.likelihood
        else ""
    )
    return f"""# {name}

{summary(denoiser)}

Made with napari-udvd {__version__}; learned from {len(movies) or "unknown"} movie(s).
{net.title}: {net.size}; it sees {geometry.context} frames before and after each frame,
and {geometry.radius} pixels around each pixel.

## Use

Input: movies with the axes batch, channel, time, y and x, in grey levels as recorded;
scaling and the noise of the camera are part of the model. Frames have to be **whole**:
padding or blocks show the network pixels that were not recorded. Movies of
{geometry.least_frames} frames are the shortest that it takes; at both ends it sees the
frames on the other side twice.
{second}
The model fits movies with the grey levels and the noise of the one that it was trained
on, recorded in the same way:

| channel | gain (grey levels per photon) | offset | read noise | grey levels |
|---|---|---|---|---|
{channels}

For another movie, train a model on that movie: this takes minutes and no clean data.
`napari-udvd import-model` turns this package back into the model file, with which
napari-udvd also looks for events of a single frame, refines the result, and compares
the noise of a movie with that of the model.

Weights are offered as a PyTorch state dict alone. The network has no form with fixed
operations for every number of frames, which TorchScript and ONNX would need: a trace of
it holds for the shape that was traced.

## Validation

No clean movie is needed: compare the result with the recorded movie. What was removed
has to look like noise, without anything of the specimen, and its variance has to be
gain × (grey level - offset) + read noise². `napari-udvd report NOISY DENOISED` checks
that, and estimates the error from pixels that the network did not see.

## Limits

A blind-spot network believes noise to be independent from pixel to pixel (but for the
{net.hole[0]} x {net.hole[1]} pixels that it does not see) and from frame to frame. It
predicts what surroundings and neighbouring frames tell: what is in a single frame and a
single pixel alone is lost or weakened. Do not use it on movies that were compressed
with losses, registered, or filtered before.
"""
