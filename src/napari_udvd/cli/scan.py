"""The command that makes masks for sparse scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_udvd.cli.arguments import Axes, Overwrite, Quiet
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari_udvd.stack import Stack

__all__ = ["scan_mask"]

FRAMES, SIZE = 100, (512, 512)


def scan_mask(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="mask .tif or .npy, or positions in visiting order .csv; with "
            "--simulate the scanned movie; only told of if left out",
        ),
    ] = None,
    pattern: Annotated[
        Literal["blue-noise", "rows", "random", "foveated", "spiral"] | None,
        typer.Option(help="what is visited", show_default="blue-noise"),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="share of the pixels", show_default="0.2"),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="frames of the movie", show_default="100")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="ROWSxCOLUMNS of a frame", show_default="512x512"),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="movie whose frames and size are taken")
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of the random numbers")] = 0,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="the same pixels in every frame")
    ] = False,
    every: Annotated[
        int | None, typer.Option(help="rows: one in so many", show_default="5")
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            help="rows: how far they move from frame to frame",
            show_default="2 of 5",
        ),
    ] = None,
    centre: Annotated[
        list[str] | None,
        typer.Option(
            help="foveated, spiral: ROW,COLUMN; again for a centre that moves",
            show_default="the middle",
        ),
    ] = None,
    inner: Annotated[
        float | None,
        typer.Option(help="foveated: probability inside", show_default="0.98"),
    ] = None,
    outer: Annotated[
        float | None,
        typer.Option(help="foveated: probability outside", show_default="0.15"),
    ] = None,
    inner_radius: Annotated[
        float | None,
        typer.Option(help="foveated: px", show_default="a tenth of the shorter side"),
    ] = None,
    outer_radius: Annotated[
        float | None,
        typer.Option(help="foveated: px", show_default="a fifth of the shorter side"),
    ] = None,
    dwell: Annotated[float, typer.Option(help="time at a pixel, µs")] = 1.0,
    flyback: Annotated[float, typer.Option(help="time between rows, µs")] = 0.0,
    settle: Annotated[
        float, typer.Option(help="time that a jump within a row takes, µs")
    ] = 0.0,
    compare: Annotated[
        bool, typer.Option("--compare", help="a table of all patterns, and no file")
    ] = False,
    simulate: Annotated[
        Path | None, typer.Option(help="full movie to scan, to see what would be left")
    ] = None,
    save: Annotated[
        list[Path] | None,
        typer.Option(help="also write the mask or its positions here"),
    ] = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Say which pixels a sparse scan is to visit."""
    from napari_udvd.cli.console import Report
    from napari_udvd.cli.follow import follow
    from napari_udvd.jobs import ScanFiles
    from napari_udvd.scanning import (
        describe_cost,
        describe_mask,
        make_mask,
        scan_cost,
    )

    movie = _movie(like, simulate, frames, size, axes)
    count, shape = _extent(movie, frames, size)
    times = {"dwell": dwell, "flyback": flyback, "settle": settle}
    chosen: dict[str, Any] = {
        "every": every,
        "shift": shift,
        "centre": [_parse_centre(text) for text in centre] if centre else None,
        "inner": inner,
        "outer": outer,
        "inner_radius": inner_radius,
        "outer_radius": outer_radius,
    }
    if compare:
        wasted = {**chosen, "pattern": pattern, "fixed": fixed or None}
        _refuse(wasted | {"output": output, "simulate": simulate, "save": save})
        _compare(count, shape, share, seed, times)
        return
    mask = make_mask(
        pattern or "blue-noise",
        count,
        shape,
        share=share,
        seed=seed,
        fixed=fixed,
        **chosen,
    )
    if simulate is not None and output is None:
        raise InputError("`simulate` needs a file for the scanned movie: `output`")
    files = [*([output] if output and simulate is None else []), *(save or [])]
    if output is not None or files:
        job = ScanFiles(
            masks=tuple(files),
            scanned=None if simulate is None else output,
            overwrite=overwrite,
        )
        follow(lambda cancel: job.run(mask, movie, cancel), quiet=quiet)
        if quiet:
            return
    lines = (*describe_mask(mask), *describe_cost(scan_cost(mask, **times)))
    say = Report(quiet).say if output or files else print
    for line in lines:
        say(line)


def _movie(
    like: Path | None,
    simulate: Path | None,
    frames: int | None,
    size: str | None,
    axes: str | None,
) -> Stack | None:
    """Open the movie that says how many frames of what size there are."""
    from napari_udvd.formats import open_stack

    if like is not None and simulate is not None:
        raise InputError("`like` and `simulate` both name a movie: give one of the two")
    path = like or simulate
    if path is None:
        return None
    for name, value in (("frames", frames), ("size", size)):
        if value is not None:
            raise InputError(
                f"`{name}` is {value}, and frames and their size are those of "
                f"{str(path)!r}: leave it out"
            )
    return open_stack(path, axes)


def _extent(
    movie: Stack | None, frames: int | None, size: str | None
) -> tuple[int, tuple[int, int]]:
    if movie is not None:
        return movie.n_frames, movie.frame_shape
    return FRAMES if frames is None else frames, SIZE if size is None else _parse(size)


def _parse(size: str) -> tuple[int, int]:
    parts = size.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise InputError(
            f"size {size!r} is not understood; write ROWSxCOLUMNS, such as 512x512"
        )
    return int(parts[0]), int(parts[1])


def _parse_centre(text: str) -> tuple[float, float]:
    try:
        y, x = map(float, text.split(","))
    except ValueError as error:
        raise InputError(
            f"centre {text!r} is not understood; write ROW,COLUMN in pixels from 0, "
            "such as 64,100, and `centre` again for each further point of a path"
        ) from error
    return y, x


def _refuse(options: dict[str, object]) -> None:
    for name, value in options.items():
        if value:
            raise InputError(
                f"`{name}` has no part in `compare`, which tells of all patterns at "
                "one share and writes nothing: leave one of the two out"
            )


def _compare(
    frames: int,
    shape: tuple[int, int],
    share: float | None,
    seed: int,
    times: dict[str, float],
) -> None:
    from napari_udvd.cli.tables import pattern_lines
    from napari_udvd.scanning import compare_patterns

    chosen = {} if share is None else {"share": share}
    comparison = compare_patterns(frames, shape, seed=seed, **chosen, **times)
    for line in pattern_lines(comparison):
        print(line)
