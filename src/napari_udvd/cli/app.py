"""The commands and their options."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_udvd._version import __version__
from napari_udvd.cli.arguments import (
    Axes,
    Dark,
    Device,
    Dtype,
    Events,
    EventsTable,
    Files,
    Format,
    Json,
    MaskFile,
    Output,
    Overwrite,
    Posterior,
    Quiet,
    Refine,
    Resume,
    Rois,
    Save,
    Scheduler,
    Std,
    Strict,
    Tile,
    Unmeasured,
    Workers,
)
from napari_udvd.cli.finding import events as find_events
from napari_udvd.cli.looking import motion, show_filter
from napari_udvd.cli.messages import complain, out_of_memory
from napari_udvd.cli.options import command_that_trains, parse_hole
from napari_udvd.cli.packages import export_model, import_model
from napari_udvd.cli.reconstructing import Reconstruct, reconstruct
from napari_udvd.cli.scan import scan_mask
from napari_udvd.cli.scoring import score_events
from napari_udvd.cli.sharpening import Sharpen, sharpen
from napari_udvd.cli.stopped import Stopped
from napari_udvd.cli.usage import Commands
from napari_udvd.errors import InputError, OutputError, TrainingFailed, WorkersLost
from napari_udvd.models.improvers import improver_names
from napari_udvd.runtime.allocator import share_one_arena

__all__ = ["main"]

app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # a table would cut long option names on 80 columns
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Remove noise from microscopy movies with a network trained on the movie "
    "itself.",
)


@app.command(
    cls=command_that_trains(minutes="time budget, of training and denoising together")
)
def denoise(
    context: typer.Context,
    files: Files,
    output: Output,
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    posterior: Posterior = True,
    events: Events = None,
    events_table: EventsTable = None,
    refine: Refine = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="a network that learns from the denoised movie to make it flicker "
            f"less, in half of the time: {', '.join(improver_names())}",
            show_default="the denoised movie itself",
        ),
    ] = None,
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
    """Train on each movie and denoise it."""
    from napari_udvd.cli.crew import restore
    from napari_udvd.inference.request import Request
    from napari_udvd.jobs import TrainAndRestore, TrainAndSteady

    make = TrainAndRestore if network is None else TrainAndSteady
    named: dict[str, Any] = {} if network is None else {"network": network}
    job = make(
        **named,
        values=context.obj,
        request=Request(
            device=context.obj["device"] or "auto",
            use_posterior=posterior,
            # a list of them takes a search
            events=True if events is None and events_table is not None else events,
            refine=refine,
            tile=tile,
            dtype=dtype,
        ),
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        std=std,
        events_table=events_table,
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


@app.command(
    cls=command_that_trains(
        "self_ensemble", minutes="time budget, of diagnosis and training together"
    )
)
def train(
    context: typer.Context,
    files: Files,
    save: Annotated[Path, typer.Option(help="model file to write, .safetensors")],
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    format: Format = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Train one model on one or more movies and save it."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import TrainModel

    job = TrainModel(
        values=context.obj,
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        overwrite=overwrite,
        resume=resume,
    )
    raise typer.Exit(
        follow(lambda cancel: job.run(files, save, cancel), quiet=quiet, strict=strict)
    )


@app.command()
def apply(
    model: Annotated[Path, typer.Argument(help="model file")],
    files: Files,
    output: Output,
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    device: Device = "auto",
    self_ensemble: Annotated[
        bool | None,
        typer.Option(
            help="average over all mirrored and turned views: a little better, slower",
            show_default="as the model was made",
        ),
    ] = None,
    posterior: Posterior = True,
    events: Events = None,
    events_table: EventsTable = None,
    refine: Refine = None,
    std: Std = None,
    dtype: Dtype = "auto",
    tile: Tile = None,
    format: Format = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option(help="continue an interrupted batch, or OME-Zarr")
    ] = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Denoise movies with a model that was trained before."""
    from napari_udvd.cli.crew import restore
    from napari_udvd.inference.loading import load
    from napari_udvd.inference.request import Request
    from napari_udvd.jobs import ApplyModel

    job = ApplyModel(
        denoiser=load(model),
        request=Request(
            device=device,
            use_posterior=posterior,
            events=events,
            refine=refine,
            self_ensemble=self_ensemble,
            tile=tile,
            dtype=dtype,
        ),
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        std=std,
        events_table=events_table,
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


@app.command()
def diagnose(
    file: Annotated[Path, typer.Argument(help="movie")],
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object")
    ] = False,
    strict: Strict = False,
) -> None:
    """Say what the noise is like and if it can be removed."""
    from napari_udvd.cli.tables import diagnosis_table
    from napari_udvd.jobs import diagnose_file

    diagnosed = diagnose_file(file, axes, dark, mask=mask, unmeasured=unmeasured)
    found, notes = diagnosed.diagnoses, diagnosed.notes
    if as_json:
        order = ["ok", "warn", "unsuitable"]
        worst = max(found, key=lambda d: (order.index(d.verdict), len(d.broken)))
        answer = {**worst.to_dict(), "notes": list(notes)}
        if len(found) > 1:
            answer["channels"] = [diagnosis.to_dict() for diagnosis in found]
        print(json.dumps(answer))
    else:
        diagnosis_table(str(file), found, notes)
    raise typer.Exit(3 if strict and any(d.broken for d in found) else 0)


@app.command()
def images(
    file: Annotated[Path, typer.Argument(help="movie, or file of several images")],
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object")
    ] = False,
) -> None:
    """List the images in a file, to choose one of them."""
    from napari_udvd.cli.images import show_images

    show_images(file, as_json)


app.command("filter")(show_filter)
app.command()(motion)


@app.command()
def report(
    noisy: Annotated[Path, typer.Argument(help="movie as it was recorded")],
    denoised: Annotated[
        Path, typer.Argument(help="its denoised version, of any program")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="page to write, .html")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="model file that made the result: tells much more"),
    ] = None,
    as_json: Json = None,
    rois: Rois = None,
    std: Annotated[
        Path | None, typer.Option(help="standard deviation of the result")
    ] = None,
    axes: Axes = None,
    dark: Dark = None,
    mask: MaskFile = None,
    unmeasured: Unmeasured = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Say what a denoised movie is worth without the truth."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import ReportFile

    job = ReportFile(
        output=output,
        json=as_json,
        model=model,
        std=std,
        rois=rois,
        axes=axes,
        dark=dark,
        mask=mask,
        unmeasured=unmeasured,
        device=device,
        overwrite=overwrite,
    )
    run = partial(job.run, noisy, denoised)
    raise typer.Exit(follow(run, quiet=quiet, strict=strict))


app.command(cls=Reconstruct)(reconstruct)
app.command(cls=Sharpen)(sharpen)
app.command("scan-mask")(scan_mask)
app.command("events")(find_events)
app.command("score-events")(score_events)


@app.command("import-published")
def import_published(
    checkpoint: Annotated[Path, typer.Argument(help="published PyTorch file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="model file to write")],
    hole: Annotated[
        str, typer.Option(help="ROWSxCOLUMNS that the network was made not to see")
    ] = "1x1",
    overwrite: Overwrite = False,
) -> None:
    """Turn a published checkpoint into a model file."""
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import import_published as turned

    seen = parse_hole(hole)
    follow(lambda _: turned(checkpoint, output, seen, overwrite=overwrite))


app.command("export-model")(export_model)
app.command("import-model")(import_model)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="where to write")] = Path("demo"),
    minutes: Annotated[
        float, typer.Option(help="time budget, of training and denoising together")
    ] = 1.5,
    seed: Annotated[int, typer.Option(help="seed of the random numbers")] = 0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a noisy movie, denoise it, compare with truth."""
    from napari_udvd.cli.demo import run_demo

    run_demo(folder, minutes, seed, device, overwrite, quiet)


def _version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="print it"),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; errors of the user become one message and exit code 2."""
    # Threads that spin while they wait make a busy machine many times slower; this is
    # read when torch is loaded, and a user's own choice wins.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    share_one_arena()
    try:
        # by the name that completion is for, also under python -m
        app(prog_name="napari-udvd")
    except (InputError, OutputError) as error:
        complain(str(error))
        sys.exit(2)
    except MemoryError as error:
        complain(out_of_memory(error))
        sys.exit(1)
    except (TrainingFailed, WorkersLost) as error:
        complain(str(error))
        sys.exit(1)
    except Stopped as error:
        complain(str(error))
        sys.exit(130)
    except KeyboardInterrupt as error:
        complain(str(error) or "stopped")
        sys.exit(130)
