"""A network that goes on from Richardson-Lucy, where a copy of the movie is for it.

What the optics have cut off no network can know from the movie: so its result is taken
only if frames that it has not learned from, compared with an independent copy, are
closer for it than those of Richardson-Lucy alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.cutting import (
    cores,
    magnified,
    place_in,
    tiles,
    with_halo,
)
from napari_udvd.models import build_improver
from napari_udvd.optics import Blur
from napari_udvd.sharpening._cells import SURE, cell_sums, sureness
from napari_udvd.sharpening._clock import DEFAULT, Clock
from napari_udvd.sharpening._copies import lesson_and_test
from napari_udvd.sharpening._flow_training import flows_of, is_of_use, learn_flow
from napari_udvd.sharpening._learning import added_by, learn
from napari_udvd.sharpening._pairs import Material, seen_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.models.improvers import Improver
    from napari_udvd.sharpening._clock import Effort
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.sharpening._pairs import Pair
    from napari_udvd.stack import Stack

__all__ = ["Improvement", "Learned", "learn_to_improve"]

Floats = npt.NDArray[np.float32]

DRAWN = 2
"""Pairs of copies that it learns from."""

FLOW_UNTIL = 0.35
"""Progress at which the flow has learned."""

SEGMENT, CONTEXT = 8, 4
"""Frames that are improved at once, and frames that are seen before and after."""

TILE, HALO = 192, 24
"""Rows and columns that are improved at once, and those that are seen around them: what
goes from further away along the flow is very little."""


class Learned(NamedTuple):
    """How far the training has come.

    Attributes
    ----------
    progress
        From 0 to 1.
    loss
        Squared distance of the blurred result from the other copy, over the noise; of
        flow, see :func:`~napari_udvd.models.flow_loss`.
    of_flow
        It is the flow that learns.
    """

    progress: float
    loss: float
    of_flow: bool


@dataclass(frozen=True)
class Improvement:
    """What a network has learned for a channel.

    Attributes
    ----------
    net
        The network; None where there was nothing to train it with.
    used
        Whether it is used; otherwise Richardson-Lucy is the result.
    unit
        Grey level that is one for it.
    follows
        Whether its flow is of use; nothing is taken to move otherwise.
    distances
        Mean squared distance of frames that it did not learn from to an independent
        copy, over the noise: of Richardson-Lucy, and of the network.
    gain
        What it brings them closer by, in units of its standard error.
    reason
        Why it is used or not, one sentence.
    """

    net: Improver | None = field(repr=False)
    used: bool
    unit: float
    follows: bool
    distances: tuple[float, float] | None
    gain: float
    reason: str

    @property
    def context(self) -> int:
        """Frames before and after that it takes into account."""
        return CONTEXT if self.used else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        return {
            "used": self.used,
            "follows": self.follows,
            "distances": self.distances and list(self.distances),
            "gain": self.gain,
            "reason": self.reason,
        }

    def apply(self, light: Floats, sharp: Floats) -> Floats:
        """Improve frames, a few at a time and part by part.

        Parameters
        ----------
        light
            Denoised frames ``(T, rows, columns)``, offset taken off; what is not a
            number was not measured.
        sharp
            The same sharpened, ``(T, zoom rows, zoom columns)``.

        Returns
        -------
        ndarray
            As `sharp`. Fewer than two frames are left as they are, and so are those
            without a pixel that was measured.
        """
        there = np.flatnonzero(np.isfinite(light).any(axis=(1, 2)))
        if self.net is None or not self.used or len(there) < 2:
            return sharp
        device = next(self.net.parameters()).device
        found = sharp.copy()
        light, sharp = np.nan_to_num(light[there]), sharp[there]
        for part in cores(len(there), SEGMENT):
            span = slice(
                max(part.start - CONTEXT, 0), min(part.stop + CONTEXT, len(there))
            )
            clip = [
                torch.from_numpy(frames[span] / np.float32(self.unit)).to(device)
                for frames in (light, sharp)
            ]
            added = self._added(self.net, *clip)[place_in(span, part)]
            kept = found[there[part]] + self.unit * added.cpu().numpy()
            found[there[part]] = np.maximum(kept, 0.0)
        return found

    def _added(self, net: Improver, light: Tensor, sharp: Tensor) -> Tensor:
        """Return what it adds to a segment, in its units, tile by tile."""
        height, width = light.shape[1:]
        zoom = sharp.shape[-1] // width
        seen, added = seen_of(light, sharp), torch.zeros_like(sharp)
        for core in tiles(height, width, TILE):
            rows, columns = (
                with_halo(own, length, HALO, net.flow_net.grid)
                for own, length in zip(core, (height, width), strict=True)
            )
            clip = seen[None, :, :, rows, columns]
            fine = [magnified(each, zoom) for each in (rows, columns)]
            with torch.inference_mode():
                flows = flows_of(net, clip, follows=self.follows)
                base = sharp[None, :, fine[0], fine[1]]
                found = added_by(net, clip, flows, base)
            within = [
                magnified(place_in(outer, own), zoom)
                for outer, own in zip((rows, columns), core, strict=True)
            ]
            top, left = (magnified(each, zoom) for each in core)
            added[:, top, left] = found[0, :, within[0], within[1]]
        return added


def learn_to_improve(
    name: str,
    denoiser: Denoiser,
    stack: Stack,
    channel: int,
    optics: Optics,
    iterations: int,
    request: Request,
    surveys: Sequence[Survey],
    effort: Effort = DEFAULT,
) -> Generator[Learned | None, None, Improvement]:
    """Train a network on a channel of a movie, and see whether it is of use.

    Parameters
    ----------
    name
        Of the network, see :func:`~napari_udvd.models.improver_names`.
    denoiser, stack, channel, optics, request, surveys
        As for :func:`~napari_udvd.sharpening.choose_iterations`.
    iterations
        Of Richardson-Lucy, from whose result it goes on.
    effort
        What it may cost.

    Yields
    ------
    Learned or None
        After each step, and wherever it can be left.

    Raises
    ------
    InputError
        If there is no such network, or it does not know the zoom.
    """
    clock, place = Clock(effort), request.place()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(effort.seed)
        net = build_improver(name, optics.zoom, on_cpu=place.device.type == "cpu")
    net.to(place.device)
    parts = lesson_and_test(denoiser, stack, channel)
    if parts is None:
        reason = f"{name} is not used: too few frames were recorded to train it"
        return Improvement(None, False, 1.0, False, None, 0.0, reason)
    psf, zoom = optics.psf_of(channel), optics.zoom
    material = Material(
        denoiser, stack, channel, psf, zoom, iterations, request, surveys
    )
    unit, seen, pairs = yield from material.pairs(parts[0], DRAWN, effort.seed)
    *_, (test,) = yield from material.pairs(parts[1], 1, effort.seed + DRAWN, unit)
    for loss in learn_flow(net, seen, pairs, clock, FLOW_UNTIL, effort.seed):
        yield Learned(clock.progress, loss, of_flow=True)
    follows = is_of_use(net, test)
    flows = [flows_of(net, pair.seen[None], follows=follows) for pair in pairs]
    for loss in learn(net, pairs, flows, psf, zoom, clock, effort.seed):
        yield Learned(clock.progress, loss, of_flow=False)
    height, width = test.second.shape[1:]
    blur = Blur(psf, (height, width), zoom, place.device)
    return _judged(name, net.eval(), follows, unit, test, blur)


def _judged(
    name: str, net: Improver, follows: bool, unit: float, test: Pair, blur: Blur
) -> Improvement:
    """Compare the result and that of Richardson-Lucy with a copy of the movie."""
    with torch.inference_mode():
        flows = flows_of(net, test.seen[None], follows=follows)
        added = added_by(net, test.seen[None], flows, test.base[None])[0]
        # as it will be used: there is no negative light
        added = (test.base + added).clamp_min(0.0) - test.base
        predicted = test.predicted + blur(blur.placed(added))
    cells = [
        cell_sums(test.weight * (test.second - guess).square())
        for guess in (test.predicted, predicted)
    ]
    compared = max(int((test.weight > 0).sum()), 1)
    before, after = (float(each.sum()) / compared for each in cells)
    gain = sureness(cells[0] - cells[1])
    used = gain > SURE
    if used:
        reason = (
            f"{name} brings frames that it did not learn from closer to a copy of the "
            f"movie than Richardson-Lucy alone, by {gain:.1f} standard errors"
        )
    else:
        reason = (
            f"{name} is not used: it brings frames that it did not learn from no "
            "closer to a copy of the movie than Richardson-Lucy alone "
            f"({gain:.1f} standard errors, {SURE:g} are asked for)"
        )
    return Improvement(net, used, unit, follows, (before, after), gain, reason)
