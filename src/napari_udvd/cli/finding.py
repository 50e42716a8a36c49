"""The command that finds events, from a few that were labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_udvd.cli.arguments import (
    Axes,
    Channel,
    DepthPlane,
    MaskFile,
    Overwrite,
    Quiet,
    Unmeasured,
)
from napari_udvd.models.labellers import labeller_names

__all__ = ["events"]


def events(
    file: Annotated[Path, typer.Argument(help="movie")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="table to write, .csv")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="table of labelled spans, .csv: region, label, start and stop in "
            "frames, or start_s and stop_s; two labels or more"
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            "--regions",
            "--rois",
            help="what is watched: image of labels, table of tracks (also of "
            "TrackMate) or points, ROIs of ImageJ",
            show_default="the whole frame, named frame",
        ),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(
            help="of the region around a point or track, px",
            show_default="of the table, or 10",
        ),
    ] = None,
    denoised: Annotated[
        Path | None, typer.Option(help="the movie without noise: look at that one")
    ] = None,
    std: Annotated[
        Path | None, typer.Option(help="standard deviation of the denoised movie")
    ] = None,
    flow: Annotated[
        bool, typer.Option("--flow", help="look at the optical flow, too")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(help="use a model that was saved before, and train none"),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            "--save-model",
            help="also save the trained model here, .safetensors",
        ),
    ] = None,
    network: Annotated[
        Literal[tuple(labeller_names())] | None,  # type: ignore[valid-type]
        typer.Option(help="network", show_default=labeller_names()[0]),
    ] = None,
    suggest: Annotated[
        int, typer.Option(help="frames to ask for next, 0 for none", min=0)
    ] = 30,
    interval: Annotated[
        float | None,
        typer.Option(help="seconds between frames", show_default="of the file"),
    ] = None,
    channel: Channel = 0,
    plane: DepthPlane = 0,
    axes: Axes = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="training steps", min=1, show_default="as many as suit the network"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of the random numbers")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Find what happens when, from a few labelled spans."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import EventsFile, Learning
    from napari_udvd.stack import Plane

    job = EventsFile(
        labels=labels,
        regions=regions,
        radius=radius,
        denoised=denoised,
        std=std,
        flow=flow,
        plane=Plane(channel, plane),
        model=model,
        save=save,
        learning=Learning(network=network, steps=steps, seed=seed),
        ask=suggest,
        interval=interval,
        axes=axes,
        mask=mask,
        unmeasured=unmeasured,
        overwrite=overwrite,
    )
    raise typer.Exit(follow(lambda cancel: job.run(file, output, cancel), quiet=quiet))
