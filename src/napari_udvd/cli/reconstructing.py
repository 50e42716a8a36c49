"""The command that fills what a sparse scan did not measure."""

from __future__ import annotations

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
    Posterior,
    Quiet,
    Resume,
    Save,
    Scheduler,
    Std,
    Strict,
    Tile,
    Unmeasured,
    Workers,
)
from napari_udvd.cli.options import command_that_trains
from napari_udvd.errors import InputError

__all__ = ["Reconstruct", "reconstruct"]

Preview = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="train nothing: average what was measured, which takes a second",
    ),
]

TASK = "reconstruct"
"""Name of the task; its module brings torch along."""

Reconstruct = command_that_trains(
    "distil", task=TASK, minutes="time budget, of training and filling together"
)
"""Class of the command."""


PREVIEWED = {
    *("files", "output", "axes", "dark", "mask", "unmeasured", "preview", "std"),
    *("dtype", "format", "overwrite", "strict", "quiet"),
}
"""Parameters that a preview knows; the others are of a training."""


def reconstruct(
    context: typer.Context,
    files: Files,
    output: Output,
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    posterior: Posterior = True,
    preview: Preview = False,
    std: Std = None,
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
    """Train on each sparse movie and fill what it lacks."""
    from napari_udvd.cli.crew import restore
    from napari_udvd.cli.follow import follow
    from napari_udvd.inference.request import Request
    from napari_udvd.jobs import PreviewFile, TrainAndRestore, restore_files

    if preview:
        _check_previewed(context)
        quick = PreviewFile(
            axes=axes,
            dark=dark,
            mask=mask,
            unmeasured=unmeasured,
            std=std,
            dtype=dtype,
            overwrite=overwrite,
        )
        raise typer.Exit(
            follow(
                lambda cancel: restore_files(
                    files, output, quick, cancel, format=format
                ),
                quiet=quiet,
                strict=strict,
            )
        )
    job = TrainAndRestore(
        task=TASK,
        values=context.obj,
        request=Request(
            device=context.obj["device"] or "auto",
            use_posterior=posterior,
            events=False,
            refine=False,
            tile=tile,
            dtype=dtype,
        ),
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        std=std,
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


def _check_previewed(context: typer.Context) -> None:
    """Check that nothing was asked for that a preview would not do.

    Raises
    ------
    InputError
        If an option of a training was given.
    """
    given = []
    for parameter in context.command.get_params(context):
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        # by its name: some versions of typer bring a click of their own
        if name not in PREVIEWED and source and source.name == "COMMANDLINE":
            given.append("/".join([*parameter.opts, *parameter.secondary_opts]))
    if given:
        raise InputError(
            f"a preview trains nothing, but {', '.join(given)} was given; leave that "
            "out, or --preview"
        )
