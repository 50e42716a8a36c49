"""How many iterations: as many as bring the result closer to an independent copy.

The first iterations undo the blur, later ones only fit what noise is left. In the
blurred movie that shows as well: a guess is blurred again and compared with a noisy
copy of which it knows nothing. The differences from one iteration to the next are tiny,
but the copy's noise is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.errors import InputError
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
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Stack

__all__ = ["MOST", "Choice", "choose_iterations"]

Doubles = npt.NDArray[np.float64]

ADDED = 0.5
"""Standard deviation of the noise that the model's copy gets, in units of the movie's
own: little, so that the model is nearly as good as on the movie itself."""

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
    trials, compared = [], 0
    device = request.place().device
    for number, excerpt in enumerate(excerpts(denoiser, stack, channel)):
        known = denoiser.calibrations_for(stack)
        noises = [known[c].noise for c in excerpt.series.channels]
        level = yield from restored(denoiser, excerpt, stack, request, surveys)
        drawn = added_noise(excerpt, level, noises, seed + number)
        first = excerpt._replace(clip=excerpt.clip + ADDED * drawn)
        guess = yield from restored(
            denoiser, first, stack, request, surveys, 1 + ADDED**2
        )
        own, at = excerpt.series.channels.index(channel), excerpt.at
        measured = excerpt.measured[:, own]
        compared += int(measured.sum())
        second = (excerpt.clip[at] - drawn[at] / ADDED)[:, own]
        noise = noises[own]
        variance = noise.variance(level[:, own]) * (1 + ADDED**-2)
        blur = optics.blur(guess.shape[-2:], channel, device)
        whole = bool(measured.all())
        trials.append(
            _distances(
                blur,
                torch.from_numpy(guess[:, own] - np.float32(noise.offset)).to(device),
                torch.from_numpy(np.where(measured, second - noise.offset, 0.0)),
                torch.from_numpy(np.where(measured, 1 / variance, 0.0)),
                None if whole else torch.from_numpy(measured).to(device),
            )
        )
    cells: list[Doubles] = []
    best = 0
    for k in range(MOST + 1):
        yield
        found = [next(trial) for trial in trials]
        if not found:
            return Choice(1, (), 0.0)
        cells.append(np.concatenate(found))
        if cells[-1].sum() < cells[best].sum():
            best = k
        if k - best >= max(PATIENCE, best):
            break
    gain = sureness(cells[0] - cells[best])
    # over the pixels that were compared, those that were not measured apart
    curve = tuple(float(each.sum()) / compared for each in cells)
    return Choice(best if best and gain > SURE else 1, curve, gain)


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
