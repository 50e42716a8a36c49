"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_udvd.errors import InputError

__all__ = [
    "Axes",
    "Channel",
    "Dark",
    "DepthPlane",
    "Device",
    "Dtype",
    "Events",
    "EventsTable",
    "Files",
    "Format",
    "Json",
    "MaskFile",
    "Output",
    "Overwrite",
    "Posterior",
    "Quiet",
    "Refine",
    "Resume",
    "Rois",
    "Save",
    "Scheduler",
    "Std",
    "Strict",
    "Tile",
    "Unmeasured",
    "Workers",
]

Files = Annotated[list[Path], typer.Argument(help="movies: TIFF, OME-Zarr, NPY, ...")]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="result, .ome.tif or .ome.zarr; a folder for several movies",
    ),
]
Format = Annotated[
    Literal["ome-tiff", "ome-zarr"] | None,
    typer.Option(
        "--format",
        help="of results in a folder; a result that is named has that of its name",
        show_default="ome-tiff",
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(help="names of the axes, such as TYX, where the file has none"),
]
Dark = Annotated[
    Path | None,
    typer.Option(
        help="frame or frames without light, whose pattern is subtracted first; auto "
        "estimates offsets of single pixels from the movie"
    ),
]
MaskFile = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="picture or movie that is 0 where nothing was measured: for all frames, "
        "or one for each",
    ),
]
Unmeasured = Annotated[
    float | None,
    typer.Option(help="value of pixels that were not measured, such as 0"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Std = Annotated[
    Path | None, typer.Option(help="also write the standard deviation here")
]
Dtype = Annotated[
    Literal["auto", "input", "float32"],
    typer.Option(
        help="data type of the result; auto is the movie's, or float32 where rounding "
        "would cost more than the noise that is left"
    ),
]
Overwrite = Annotated[bool, typer.Option(help="replace results that exist")]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="exit code 3 where a warning says not to trust the result"
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="print results only; with --strict also the warnings"
    ),
]
Resume = Annotated[
    bool, typer.Option(help="continue an interrupted training, or batch")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="let the workers of a dask scheduler that runs do it: its address, or its "
        "file",
        show_default="this process",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="let so many processes of this machine do it, one movie each",
        show_default="this process",
    ),
]
Save = Annotated[Path | None, typer.Option(help="also save the trained model here")]
Posterior = Annotated[
    bool, typer.Option(help="combine the prediction with the noisy pixel")
]
Events = Annotated[
    bool | None,
    typer.Option(
        help="put back events that last a single frame",
        show_default="if there is time for it",
    ),
]
Refine = Annotated[
    bool | None,
    typer.Option(
        help="refine the result, as far as that helps the movie",
        show_default="if there is time for it",
    ),
]
EventsTable = Annotated[
    Path | None, typer.Option(help="also write a list of these events, .csv")
]
Channel = Annotated[int, typer.Option(help="channel, counted from 0")]
DepthPlane = Annotated[int, typer.Option("--plane", help="depth plane, counted from 0")]


def _check_tile(tile: int | None) -> int | None:
    if tile is not None and tile < 16:
        raise InputError(
            f"--tile is {tile}; expected a whole number of pixels from 16 on, such as "
            "256; leave it out to have it chosen"
        )
    return tile


Tile = Annotated[
    int | None,
    typer.Option(
        callback=_check_tile,
        help="rows and columns at a time, 16 or more",
        show_default="auto",
    ),
]
Rois = Annotated[
    Path | None,
    typer.Option(help="regions whose traces are judged: an image of labels"),
]
Json = Annotated[
    Path | None, typer.Option("--json", help="file for all numbers, .json")
]
