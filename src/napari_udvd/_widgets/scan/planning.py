"""What the dock asks of the core: a mask and what it saves, patterns, a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.scanning import (
    compare_patterns,
    describe_cost,
    describe_mask,
    make_mask,
    scan,
    scan_cost,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from napari_udvd.scanning import Comparison, ScanMask
    from napari_udvd.stack import Stack

__all__ = ["Planned", "Question", "compared", "pixels_of", "planned", "simulated"]

IN_MEMORY = 2**28
"""Bytes up to which a mask is made as a whole: it can be painted, and is quick."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be planned.

    Attributes
    ----------
    pattern
        Its name.
    chosen
        Other arguments of :func:`~napari_udvd.scanning.make_mask`.
    times
        Arguments of :func:`~napari_udvd.scanning.scan_cost`.
    frames, shape
        Of the movie.
    stack
        The movie, where there is one.
    is_shown
        Whether the pixels of the mask are wanted.
    """

    pattern: str
    chosen: Mapping[str, Any]
    times: Mapping[str, Any]
    frames: int
    shape: tuple[int, int]
    stack: Stack | None = None
    is_shown: bool = False


@dataclass(frozen=True, eq=False)
class Planned:
    """A mask, and what there is to say of it.

    Attributes
    ----------
    question
        What was asked.
    mask
        The mask.
    lines
        Share, evenness, dose and time, a line each.
    pixels
        1 where visited, in the axes of the movie; None where they are not wanted.
    """

    question: Question
    mask: ScanMask
    lines: tuple[str, ...]
    pixels: Any = None


def planned(question: Question, cancel: threading.Event) -> Planned:
    """Make a mask and say what it is worth; for a worker.

    Raises
    ------
    InputError
        If there is no such mask.
    """
    mask = make_mask(
        question.pattern, question.frames, question.shape, **question.chosen
    )
    lines = describe_mask(mask)
    lines += describe_cost(scan_cost(mask, **question.times))
    wanted = question.is_shown and not cancel.is_set()
    return Planned(
        question, mask, lines, pixels_of(mask, question.stack) if wanted else None
    )


def pixels_of(mask: ScanMask, stack: Stack | None) -> Any:
    """Return a mask as labels: 1 where visited.

    Parameters
    ----------
    mask
        The mask.
    stack
        The movie that it is shown on; ``(T, Y, X)`` without one.

    Returns
    -------
    array
        uint8, of NumPy, or of dask where the mask is large.
    """
    axes = "TYX" if stack is None else stack.axes
    shape = mask.shape if stack is None else stack.shape
    pixels: Any
    if mask.fixed:
        pixels = mask.frame(0).astype(np.uint8)[np.newaxis]
    elif np.prod(mask.shape, dtype=float) <= IN_MEMORY:
        pixels = np.asarray(mask).astype(np.uint8)
    else:
        import dask.array as da

        chunks = (1, *mask.shape[1:])
        nothing = np.empty((0, 0, 0), bool)
        pixels = da.from_array(mask, chunks=chunks, name=False, meta=nothing)  # type: ignore[no-untyped-call]
        pixels = pixels.astype(np.uint8)
    own = [axis for axis in axes if axis in "TYX"]
    if "T" not in own:
        pixels = pixels[0]
    pixels = pixels.transpose(["TYX"[3 - pixels.ndim :].index(axis) for axis in own])
    pixels = pixels[tuple(slice(None) if axis in own else None for axis in axes)]
    if pixels.shape == shape:
        return pixels
    if isinstance(pixels, np.ndarray):
        return np.broadcast_to(pixels, shape)
    import dask.array as da

    return da.broadcast_to(pixels, shape)  # type: ignore[no-untyped-call]


def compared(question: Question, cancel: threading.Event) -> Iterator[str]:
    """Measure every pattern at the share that is asked for; yield the page on it.

    Raises
    ------
    InputError
        If no pattern can be made.
    """
    size = question.frames, question.shape
    share = question.chosen.get("share")
    if share is None:  # of one row in so many, or of what a probability makes
        share = make_mask(question.pattern, *size, **question.chosen).share
    comparison = compare_patterns(
        *size,
        share=share,
        seed=question.chosen.get("seed", 0),
        **question.times,
    )
    yield _page(comparison)


def _page(comparison: Comparison) -> str:
    head = ("", "share", "px, frame", "px, ±1", "jumps", "sweeps")
    rows = ["".join(f"<th>{escape(name)}</th>" for name in head)]
    for k, one in enumerate(comparison.patterns):
        cost = one.cost
        swept = "–" if cost.sweeping is None else f"{cost.sweeping / cost.full:.0%}"
        cells = (
            one.mask.pattern.name,
            f"{one.mask.share:.1%}",
            f"{one.evenness[0].mean:.2f}",
            f"{one.evenness[1].mean:.2f}",
            f"{cost.jumping / cost.full:.0%}",
            swept,
        )
        weight = "font-weight: bold" if k == 0 else ""
        style = f' style="white-space: nowrap; {weight}"'
        rows.append("".join(f"<td{style}>{escape(cell)}</td>" for cell in cells))
    table = "".join(f"<tr>{row}</tr>" for row in rows)
    said = [
        f"{comparison.advice[:1].upper()}{comparison.advice[1:]}.",
        "px: from any pixel to the nearest visited one, on average, in the frame and "
        "with one before and after; then the time of a frame, of the full scan's.",
        *(f"{name}: {why}." for name, why in comparison.refused.items()),
    ]
    return f'<table cellpadding="3">{table}</table>' + "".join(
        f"<p>{escape(sentence.replace('`', ''))}</p>" for sentence in said
    )


def simulated(stack: Stack, mask: ScanMask, cancel: threading.Event) -> Iterator[Stack]:
    """Take from a movie what the scan would have recorded; as lazy as the movie.

    Yields
    ------
    Stack
        Float32, NaN where nothing is visited: NumPy where the movie is, else dask.

    Raises
    ------
    InputError
        If the mask does not fit the movie.
    """
    sparse = scan(stack, mask)
    if isinstance(stack.data, np.ndarray):
        yield replace(sparse, data=sparse.data[...])
    else:
        yield replace(sparse, data=sparse.to_dask())
