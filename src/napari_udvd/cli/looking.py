"""Commands that look into a network: the filter of a pixel, and motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_udvd.cli.arguments import (
    Axes,
    Channel,
    DepthPlane,
    Device,
    MaskFile,
    Overwrite,
    Quiet,
    Unmeasured,
)
from napari_udvd.cli.options import parse_place
from napari_udvd.jobs.ways import WAYS

__all__ = ["motion", "show_filter"]


def show_filter(
    model: Annotated[Path, typer.Argument(help="model file")],
    file: Annotated[Path, typer.Argument(help="movie")],
    at: Annotated[str, typer.Option(help="pixel: frame,row,column, counted from 0")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="result: picture .png, .npz or .csv"),
    ],
    channel: Channel = 0,
    plane: DepthPlane = 0,
    axes: Axes = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    posterior: Annotated[
        bool, typer.Option(help="of the prediction combined with the noisy pixel")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Show the noisy pixels that a denoised one is made of."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import FilterFile

    job = FilterFile(
        model=model,
        place=parse_place(at),
        channel=channel,
        plane=plane,
        posterior=posterior,
        axes=axes,
        mask=mask,
        unmeasured=unmeasured,
        overwrite=overwrite,
    )
    follow(lambda _: job.run(file, output))


def motion(
    model: Annotated[
        Path, typer.Argument(help="model file; not read for tvl1 and ilk")
    ],
    file: Annotated[Path, typer.Argument(help="movie")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="result: dense .ome.tif or .ome.zarr, grid .npz, tracks .csv",
        ),
    ],
    spacing: Annotated[int, typer.Option(help="grid, px")] = 16,
    method: Annotated[
        Literal[tuple(WAYS)],  # type: ignore[valid-type]
        typer.Option(
            help="implied by the filters, learned by the optical flow of the network, "
            "or classical optical flow of the movie as it is"
        ),
    ] = "implied",
    channel: Channel = 0,
    plane: DepthPlane = 0,
    axes: Axes = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    confidence: Annotated[
        float, typer.Option(help="leave out what is less sure, 0 to 1")
    ] = 0.0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Find the motion that the network's filters follow."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import MotionFile

    job = MotionFile(
        model=model,
        way=method,
        spacing=spacing,
        channel=channel,
        plane=plane,
        confidence=confidence,
        axes=axes,
        mask=mask,
        unmeasured=unmeasured,
        device=device,
        overwrite=overwrite,
    )
    follow(lambda cancel: job.run(file, output, cancel), quiet=quiet)
