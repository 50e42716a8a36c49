"""How a network learns to go on from Richardson-Lucy, by the movie alone.

There is no sharp movie to learn from. What there is is the blur: the scene that the
network makes of one noisy copy, blurred again, should look like the other copy, whose
noise it cannot know. Blurring is linear, so that it is enough to blur what the network
adds.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_udvd.models import ClipFlow
from napari_udvd.optics import Blur
from napari_udvd.training.optimiser import Adam, follow, rate_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_udvd.models.improvers import Improver
    from napari_udvd.optics import PointSpread
    from napari_udvd.sharpening._clock import Clock
    from napari_udvd.sharpening._pairs import Pair

__all__ = ["added_by", "learn"]

RATE = 1e-3
"""Learning rate at its peak."""

WARM_UP, FINAL = 5, 0.05
"""Steps over which the rate rises, and the share of it that is left at the end."""

AVERAGED = 0.97
"""Decay of the average of the weights, which is what is used."""

FRAMES, EDGE = 8, 64
"""Frames, rows and columns of a clip that a step sees."""

WIDE = 3
"""A clip is at least so many times as wide as the point spread function."""


def added_by(net: Improver, seen: Tensor, flows: ClipFlow, base: Tensor) -> Tensor:
    """Return what a network adds to its base.

    Parameters
    ----------
    net
        The network.
    seen
        ``(N, T, 2, rows, columns)``.
    flows
        Between its frames.
    base
        ``(N, T, zoom rows, zoom columns)``.

    Returns
    -------
    Tensor
        As `base`.
    """
    # the network has as many results as it sees pictures; the first is the one
    doubled = torch.stack([base, base], dim=2)
    result: Tensor = net(seen, flows, doubled)
    return result[:, :, 0] - base


def learn(
    net: Improver,
    pairs: Sequence[Pair],
    flows: Sequence[ClipFlow],
    psf: PointSpread,
    zoom: int,
    clock: Clock,
    seed: int,
) -> Iterator[float]:
    """Train all but the flow; yields the loss after each step.

    Parameters
    ----------
    net
        That learns; in the end it has the average of its weights.
    pairs
        To learn from.
    flows
        Between the frames of each.
    psf, zoom
        What blurred the movie, and how fine the result is.
    clock
        Counts the steps, and says when it ends.
    seed
        Of what is drawn.
    """
    chance, average = np.random.default_rng(seed), copy.deepcopy(net)
    parts = (net.encoder, net.decoder)
    weights = [weight for part in parts for weight in part.parameters()]
    adam, began = Adam(weights), clock.progress
    shape = pairs[0].second.shape
    cutter = _Cutter(shape, psf, zoom, pairs[0].second.device)
    while clock.progress < 1:
        number = clock.steps % len(pairs)
        cut = cutter.draw(pairs[number], flows[number], chance)
        added = added_by(net, cut.seen, cut.flows, cut.base)
        predicted = cut.predicted + cutter.blurred(added)
        squares = cut.weight * (cut.second - predicted).square()
        loss = squares.sum() / (cut.weight > 0).sum().clamp_min(1)
        share = (clock.progress - began) / (1 - began)
        clock.steps += 1
        rate = rate_at(RATE, adam.steps + 1, share, warm_up=WARM_UP, final=FINAL)
        adam.step(torch.autograd.grad(loss, weights), rate, loss)
        follow(average, net, adam.steps, AVERAGED, at_once=False)
        yield float(loss.detach())
    net.load_state_dict(average.state_dict())


class _Cut(NamedTuple):
    """A clip; see :class:`Pair`, with ``(1, T, ...)`` in place of ``(T, ...)``."""

    seen: Tensor
    flows: ClipFlow
    base: Tensor
    predicted: Tensor
    second: Tensor
    weight: Tensor


class _Cutter:
    """Cuts clips out of pairs, and blurs what is added to them.

    What is added beyond the clip is not known there, so that pixels into which it would
    shine do not count.

    Parameters
    ----------
    shape
        Frames, rows and columns of a pair.
    psf, zoom
        What blurred the movie, and how fine the result is.
    device
        Where it computes.
    """

    def __init__(
        self, shape: Sequence[int], psf: PointSpread, zoom: int, device: torch.device
    ) -> None:
        kernel = psf.kernel().shape
        rows, columns = (
            min(max(EDGE, WIDE * k), n) for k, n in zip(kernel, shape[1:], strict=True)
        )
        self._shape = shape
        self._size = (min(FRAMES, shape[0]), rows, columns)
        self._zoom = zoom
        self._blur = Blur(psf, (rows, columns), zoom, device)
        self._margin = [
            min(k // 2, size // 4) if size < whole else 0
            for k, size, whole in zip(kernel, (rows, columns), shape[1:], strict=True)
        ]

    def draw(self, pair: Pair, flows: ClipFlow, chance: np.random.Generator) -> _Cut:
        """Cut out a clip somewhere."""
        time, rows, columns = (
            slice(start, start + size)
            for start, size in (
                (int(chance.integers(whole - size + 1)), size)
                for whole, size in zip(self._shape, self._size, strict=True)
            )
        )
        z, place = self._zoom, (time, rows, columns)
        fine = tuple(slice(z * at.start, z * at.stop) for at in (rows, columns))
        steps = slice(time.start, time.stop - 1)
        weight = torch.zeros_like(pair.weight[place])
        inner = tuple(
            slice(m, n - m) for m, n in zip(self._margin, self._size[1:], strict=True)
        )
        weight[(slice(None), *inner)] = pair.weight[place][(slice(None), *inner)]
        return _Cut(
            pair.seen[time, :, rows, columns][None],
            ClipFlow(*(way[:, steps, :, rows, columns] for way in flows)),
            pair.base[(time, *fine)][None],
            pair.predicted[place][None],
            pair.second[place][None],
            weight[None],
        )

    def blurred(self, added: Tensor) -> Tensor:
        """Measure what was added to a clip."""
        return self._blur(self._blur.placed(added))
