"""How many iterations: as many as bring the result closer to an independent copy.

The first iterations undo the blur, later ones only fit what noise is left. In the
blurred movie that shows as well: a guess is blurred again and compared with a noisy
copy of which it knows nothing. The differences from one iteration to the next are tiny,
but the copy's noise is the same for all of them, and several copies are drawn: from one
alone the curve of some movies falls by chance where it should rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.errors import InputError
from napari_udvd.noise import Recorruption
from napari_udvd.optics import richardson_lucy
from napari_udvd.sharpening._cells import SURE, cell_sums, sureness
from napari_udvd.sharpening._copies import added_noise, excerpts, restored

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.optics import Blur
    from napari_udvd.sharpening._copies import Excerpt
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Stack

__all__ = ["MOST", "Choice", "choose_iterations"]

Doubles = npt.NDArray[np.float64]

COPIES = Recorruption(0.5)
"""The model's copy is nearly as good as the movie itself."""

COMPARED = 2**20
"""Pixels of all copies that are compared, about."""

MOST_COPIES = 4
"""Copies that are drawn, at most: the movie's own noise is the same in all."""

SPARED = 0.75
"""Standard errors that the result may be further from the copies, on a finer grid, for
fewer iterations. What they do wrong there lies at frequencies that the pixels of the
movie hardly show, so that the curve is flat where the truth is long left behind."""

MOST = 200
"""Iterations that are tried."""

MOST_ASKED = 1000
"""Iterations that somebody may ask for."""

PATIENCE = 20
"""Iterations without progress after which it ends, or as many as were good before."""


@dataclass(frozen=True)
class Choice:
    """What was found for a channel.

    Attributes
    ----------
    iterations
        To be made.
    curve
        Mean squared distance from the copy after 0, 1, ... iterations, in units of its
        noise; empty where they were asked for.
    gain
        What the iterations bring the result closer by, in units of its standard error.
    """

    iterations: int
    curve: tuple[float, ...] = ()
    gain: float = 0.0

    @classmethod
    def asked(cls, iterations: int) -> Choice:
        """Make one of what a user asks for.

        Raises
        ------
        InputError
            If it cannot be done.
        """
        if not 1 <= iterations <= MOST_ASKED:
            raise InputError(
                f"`iterations` is {iterations}; it must be from 1 to {MOST_ASKED}, or "
                "left out: they are then chosen by an independent copy of the movie"
            )
        return cls(iterations)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        return {
            "iterations": self.iterations,
            "curve": list(self.curve),
            "gain": self.gain,
        }


def choose_iterations(
    denoiser: Denoiser,
    stack: Stack,
    channel: int,
    optics: Optics,
    request: Request,
    surveys: Sequence[Survey],
    seed: int = 0,
) -> Generator[None, None, Choice]:
    """Choose for a channel of a movie, with pauses in which it can be left.

    Parameters
    ----------
    denoiser
        The model that the movie is denoised with.
    stack
        The movie.
    channel
        Of it.
    optics
        What blurred it.
    request, surveys
        How it is denoised, see :meth:`Denoiser.blocks`.
    seed
        Of the noise that is drawn.
    """
    parts = excerpts(denoiser, stack, channel)
    if not parts:
        return Choice(1)
    compared = max(sum(np.isfinite(_own(part, channel)).sum() for part in parts), 1)
    copies = min(max(COMPARED // int(compared), 1), MOST_COPIES)
    trials = []
    for number, part in enumerate(parts):
        seeds = [(seed, number, copy) for copy in range(copies)]
        how = (denoiser, stack, channel, optics, request, surveys)
        trials.append((yield from _trials(part, seeds, *how)))
    cells: list[Doubles] = []
    best = 0
    for k in range(MOST + 1):
        yield
        # copies of a part have its own noise in common: together they are one witness
        found = [np.mean([next(each) for each in part], axis=0) for part in trials]
        cells.append(np.concatenate(found))
        if cells[-1].sum() < cells[best].sum():
            best = k
        if k - best >= max(PATIENCE, best):
            break
    gain = sureness(cells[0] - cells[best])
    # over the pixels that were compared, those that were not measured apart
    curve = tuple(float(each.sum()) / compared for each in cells)
    if not best or gain <= SURE:
        return Choice(1, curve, gain)
    return Choice(_fewest(cells, best) if optics.zoom > 1 else best, curve, gain)


def _trials(
    part: Excerpt,
    seeds: Sequence[Sequence[int]],
    denoiser: Denoiser,
    stack: Stack,
    channel: int,
    optics: Optics,
    request: Request,
    surveys: Sequence[Survey],
) -> Generator[None, None, list[Iterator[Doubles]]]:
    """Begin to sharpen copies of a part; each tells its distance from its judge."""
    device = request.place().device
    known = denoiser.calibrations_for(stack)
    noises = [known[c].noise for c in part.series.channels]
    level = yield from restored(denoiser, part, stack, request, surveys)
    own = part.series.channels.index(channel)
    noise, recorded = noises[own], _own(part, channel)
    measured = np.isfinite(recorded)
    variance = noise.variance(level[:, own]) * COPIES.of_second
    weight = torch.from_numpy(np.where(measured, 1 / variance, 0.0))
    mask = None if measured.all() else torch.from_numpy(measured).to(device)
    blur = optics.blur(level.shape[-2:], channel, device)
    begun = []
    for seed in seeds:
        drawn = added_noise(part, level, noises, seed)
        first = part._replace(clip=COPIES.first(part.clip, drawn))
        louder = COPIES.of_first
        guess = yield from restored(denoiser, first, stack, request, surveys, louder)
        light = torch.from_numpy(guess[:, own] - np.float32(noise.offset)).to(device)
        judge = COPIES.second(recorded, drawn[part.at][:, own]) - noise.offset
        second = torch.from_numpy(np.where(measured, judge, 0.0))
        begun.append(_distances(blur, light, second, weight, mask))
    return begun


def _own(part: Excerpt, channel: int) -> npt.NDArray[np.float32]:
    """Return the judging frames of one channel, ``(t, Y, X)``."""
    return part.clip[part.at][:, part.series.channels.index(channel)]


def _fewest(cells: Sequence[Doubles], best: int) -> int:
    """Find the fewest iterations whose result is hardly further from the copies."""
    for k in range(1, best):
        if sureness(cells[k] - cells[best]) <= SPARED:
            return k
    return best


def _distances(
    blur: Blur,
    light: Tensor,
    second: Tensor,
    weight: Tensor,
    measured: Tensor | None,
) -> Iterator[Doubles]:
    """Compare each iteration with the copy, cell by cell."""
    for iterate in richardson_lucy(light, blur, measured):
        yield cell_sums(weight * (second - iterate.predicted.cpu()).square())
