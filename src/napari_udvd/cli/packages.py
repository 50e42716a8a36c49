"""Commands that exchange models with others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_udvd.cli.arguments import Axes, Overwrite

__all__ = ["export_model", "import_model"]


def export_model(
    model: Annotated[Path, typer.Argument(help="model file")],
    bioimageio: Annotated[
        Path, typer.Option(help="package of bioimage.io to write, .zip")
    ],
    author: Annotated[
        list[str],
        typer.Option(
            help="who made it: 'Name (affiliation) <account at GitHub>', of which the "
            "name will do; several times for several"
        ),
    ],
    license: Annotated[
        str, typer.Option(help="of the model, as SPDX calls it, such as CC-BY-4.0")
    ],
    name: Annotated[str, typer.Option(help="of the model")] = "Movie denoiser",
    tag: Annotated[
        list[str] | None,
        typer.Option(help="what it may be found by, such as nuclei; several times"),
    ] = None,
    movie: Annotated[
        Path | None,
        typer.Option(
            help="movie whose middle becomes the test input",
            show_default="a simulated one",
        ),
    ] = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
) -> None:
    """Pack a model for bioimage.io, with a test."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import ExportModel

    job = ExportModel(
        output=bioimageio,
        authors=tuple(author),
        license=license,
        name=name,
        tags=tuple(tag or ()),
        movie=movie,
        axes=axes,
        overwrite=overwrite,
    )
    follow(lambda cancel: job.run(model, cancel))


def import_model(
    package: Annotated[Path, typer.Argument(help="package of bioimage.io, .zip")],
    output: Annotated[Path, typer.Option("--output", "-o", help="model file to write")],
    overwrite: Overwrite = False,
) -> None:
    """Turn a package of bioimage.io into a model file."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import import_model as turned

    follow(lambda _: turned(package, output, overwrite=overwrite))
