"""The command that denoises a movie and undoes the blur of its optics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_udvd.cli.arguments import (
    Axes,
    Dark,
    Dtype,
    Files,
    Format,
    MaskFile,
    Output,
    Overwrite,
    Quiet,
    Resume,
    Save,
    Scheduler,
    Strict,
    Tile,
    Unmeasured,
    Workers,
)
from napari_udvd.cli.options import command_that_trains
from napari_udvd.models.improvers import improver_names

__all__ = ["Sharpen", "sharpen"]

Sharpen = command_that_trains(
    "likelihood", minutes="time budget, of training and denoising together"
)
"""Class of the command."""


def sharpen(
    context: typer.Context,
    files: Files,
    output: Output,
    na: Annotated[
        float | None,
        typer.Option(
            help="numerical aperture of the objective", show_default="of the file"
        ),
    ] = None,
    wavelength: Annotated[
        float | None,
        typer.Option(
            help="of the light that is detected, nm", show_default="of the file"
        ),
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(
            help="edge of a pixel in the specimen, µm", show_default="of the file"
        ),
    ] = None,
    index: Annotated[
        float | None,
        typer.Option(
            help="refractive index of the immersion medium",
            show_default="that of objectives with this aperture",
        ),
    ] = None,
    pinhole: Annotated[
        float | None,
        typer.Option(
            help="of a confocal microscope, Airy units", show_default="widefield"
        ),
    ] = None,
    excitation: Annotated[
        float | None,
        typer.Option(
            help="laser of a confocal microscope, nm", show_default="as detected"
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(help="a Gaussian blur instead: its standard deviation, px"),
    ] = None,
    psf: Annotated[
        Path | None, typer.Option(help="a bead instead: a file with its picture")
    ] = None,
    zoom: Annotated[
        int, typer.Option(help="pixels of the result to a pixel of the movie")
    ] = 1,
    iterations: Annotated[
        int | None,
        typer.Option(
            help="of Richardson-Lucy",
            show_default="as many as an independent copy of the movie asks for",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="a network that learns from the movie to go on from Richardson-Lucy, "
            f"in half of the time: {', '.join(improver_names())}",
            show_default="Richardson-Lucy alone",
        ),
    ] = None,
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    save: Save = None,
    dtype: Dtype = "auto",
    tile: Tile = None,
    format: Format = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Denoise each movie, and undo the blur of its optics."""
    from napari_udvd.cli.crew import restore
    from napari_udvd.inference.request import Request
    from napari_udvd.jobs import TrainAndSharpen

    job = TrainAndSharpen(
        values=context.obj,
        request=Request(device=context.obj["device"] or "auto", tile=tile, dtype=dtype),
        na=na,
        wavelength=wavelength,
        pixel_size=pixel_size,
        index=index,
        pinhole=pinhole,
        excitation=excitation,
        sigma=sigma,
        psf=psf,
        zoom=zoom,
        iterations=iterations,
        network=network,
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        save=save,
        overwrite=overwrite,
        resume=resume,
    )
    raise typer.Exit(
        restore(
            files,
            output,
            job,
            format=format,
            scheduler=scheduler,
            workers=workers,
            quiet=quiet,
            strict=strict,
        )
    )
