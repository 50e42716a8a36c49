"""What a recurrent network has learned of a channel, and whether it is used.

It sees the noisy frames, the denoised ones and how these differ from their mean over
time, follows what moves by a flow that it has learned on denoised frames, and adds to
the denoised frames what independent copies say is missing. Two judges decide, on frames
that it has not learned from: the result must be steadier, closer to what an independent
copy is denoised to, and it must not be further from an independent noisy copy, which
knows nothing of denoising.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.cutting import place_in, tiles, with_halo
from napari_udvd.models import ClipFlow
from napari_udvd.models.improvers import build_improver, check_student
from napari_udvd.sharpening import (
    DEFAULT,
    SURE,
    Clock,
    Learned,
    Pair,
    cell_sums,
    flows_of,
    is_of_use,
    learn_flow,
    lesson_and_test,
    sureness,
)
from napari_udvd.steadying._copies import JUDGE, LESSON, Copies
from napari_udvd.training.optimiser import Adam, follow, rate_at

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.models.improvers import Improver
    from napari_udvd.sharpening import Effort
    from napari_udvd.stack import Stack
    from napari_udvd.steadying._copies import Copy

__all__ = ["CONTEXT", "SEGMENT", "Student", "learn_student"]

Floats = npt.NDArray[np.float32]

FLOW_UNTIL = 0.3
"""Progress at which the flow has learned."""

RATE = 4e-3
"""Learning rate at its peak."""

WARM_UP, FINAL, AVERAGED = 5, 0.05, 0.95
"""Steps over which the rate rises, the share of it that is left at the end, and the
decay of the average of the weights, which is what is used."""

FRAMES, EDGE = 8, 64
"""Frames, rows and columns of a clip that a step sees."""

SEGMENT, CONTEXT = 8, 4
"""Frames that it is asked for at once, counted from the beginning of the movie, and
frames that it sees before and after."""

TILE, HALO = 192, 24
"""Rows and columns that it is asked for at once, and those that it sees around."""

SEEN = 3
"""Pictures of each frame that it is given."""

LARGEST = 4.0
"""Difference from the mean over time that is told from larger ones, in units of what is
chance: more is movement."""

NOT_WORSE = 0.0
"""Standard errors by which frames must be closer to a noisy copy, at least."""


@dataclass(frozen=True)
class Student:
    """What a network has learned for a channel.

    Attributes
    ----------
    net
        The network; None where there was nothing to train it with.
    used
        Whether it is used; otherwise the denoised movie is the result.
    unit
        Grey levels that are one for it.
    scale
        How much of a denoised frame is chance, root of the mean square, in that unit;
        it grows with the noise, of which copies have more.
    follows
        Whether its flow is of use; nothing is taken to move otherwise.
    chance
        Mean squared distance of frames that it did not learn from to those of an
        independent copy, denoised: of the denoised movie, and of the result. In units
        of the noise.
    steadier
        What it brings them closer by, in units of its standard error.
    gain
        The same of an independent noisy copy.
    reason
        Why it is used or not, one sentence.
    """

    net: Improver | None = field(repr=False)
    used: bool
    unit: float
    scale: float
    follows: bool
    chance: tuple[float, float] | None
    steadier: float
    gain: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        return {
            "used": self.used,
            "follows": self.follows,
            "chance": self.chance and list(self.chance),
            "steadier": self.steadier,
            "gain": self.gain,
            "reason": self.reason,
        }

    def added(self, noisy: Floats, light: Floats) -> Floats:
        """Return what it adds to a segment, tile by tile.

        Parameters
        ----------
        noisy, light
            Frames ``(T, rows, columns)`` as they were recorded, and denoised; the
            offset is taken off. What is not a number was not measured.

        Returns
        -------
        ndarray
            As `light`, grey levels. Nothing is added to frames without a pixel that was
            measured, and nothing at all where fewer than two frames have one.
        """
        found = np.zeros_like(light)
        there = np.flatnonzero(np.isfinite(light).any(axis=(1, 2)))
        if self.net is None or not self.used or len(there) < 2:
            return found
        device = next(self.net.parameters()).device
        both = np.stack([np.nan_to_num(each[there]) for each in (noisy, light)])
        clip = torch.from_numpy(both).to(device) / self.unit
        height, width = light.shape[1:]
        for core in tiles(height, width, TILE):
            outer = [
                with_halo(own, length, HALO, self.net.flow_net.grid)
                for own, length in zip(core, (height, width), strict=True)
            ]
            seen = clip[:, :, outer[0], outer[1]]
            with torch.inference_mode():
                flows = _flows(self.net, seen[1], follows=self.follows)
                added = _added(self.net, seen[0], seen[1], flows, self.scale)
            inner = [place_in(o, own) for o, own in zip(outer, core, strict=True)]
            part = added[:, inner[0], inner[1]].cpu().numpy() * np.float32(self.unit)
            found[there, core[0], core[1]] = part
        return found


def learn_student(
    name: str,
    denoiser: Denoiser,
    stack: Stack,
    channel: int,
    request: Request,
    surveys: Sequence[Survey],
    effort: Effort = DEFAULT,
) -> Generator[Learned | None, None, Student]:
    """Train a network on a channel of a movie, and see whether it is of use.

    Parameters
    ----------
    name
        Of the network, see :func:`~napari_udvd.models.improver_names`.
    denoiser, stack, channel, request, surveys
        As for :func:`~napari_udvd.sharpening.choose_iterations`.
    effort
        What it may cost.

    Yields
    ------
    Learned or None
        After each step, and wherever it can be left.

    Raises
    ------
    InputError
        If there is no such network.
    """
    check_student(name)
    clock, place = Clock(effort), request.place()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(effort.seed)
        on_cpu = place.device.type == "cpu"
        net = build_improver(name, on_cpu=on_cpu, seen=SEEN)
    net.to(place.device)
    parts = lesson_and_test(denoiser, stack, channel)
    if parts is None:
        reason = f"{name} is not used: too few frames were recorded to train it"
        return Student(None, False, 1.0, 1.0, False, None, 0.0, 0.0, reason)
    copies = Copies(denoiser, stack, channel, request, surveys)
    light, lessons = yield from copies.alike(parts[0], effort.seed)
    _, tests = yield from copies.alike(parts[1], effort.seed + 1)
    judge = yield from copies.judging(parts[1], effort.seed + 2)
    pairs = [_as_pair(each) for each in lessons]
    for loss in learn_flow(net, _alike(light), pairs, clock, FLOW_UNTIL, effort.seed):
        yield Learned(clock.progress, loss, of_flow=True)
    follows = is_of_use(net, _as_pair(judge))
    scale = _chance(lessons)
    for loss in _learn(net, lessons, clock, effort.seed, scale, follows=follows):
        yield Learned(clock.progress, loss, of_flow=False)
    own = scale / LESSON.of_first**0.5
    learned = Student(net.eval(), True, copies.unit, own, follows, None, 0, 0, "")
    return _judged(name, learned, tests[0], judge)


def _chance(lessons: Sequence[Copy]) -> float:
    """Tell how much of denoised frames is chance: by what two copies differ."""
    squares = [
        (each.taught - each.denoised).square().mean()
        for each in lessons
        if each.taught is not None
    ]
    # half of it is that of the other
    return max(float((torch.stack(squares).mean() / 2).sqrt()), 1e-6)


def _learn(
    net: Improver,
    lessons: Sequence[Copy],
    clock: Clock,
    seed: int,
    scale: float,
    *,
    follows: bool,
) -> Iterator[float]:
    """Train all but the flow; yields what is left of the distance at the beginning."""
    chance, average = np.random.default_rng(seed), copy.deepcopy(net)
    parts = (net.encoder, net.decoder)
    weights = [weight for part in parts for weight in part.parameters()]
    adam, began = Adam(weights), clock.progress
    flows = [_flows(net, each.denoised, follows=follows) for each in lessons]
    shape = lessons[0].noisy.shape
    size = [min(most, n) for most, n in zip((FRAMES, EDGE, EDGE), shape, strict=True)]
    with torch.no_grad():
        before = torch.stack([_distance(e, e.denoised).mean() for e in lessons]).mean()
    while clock.progress < 1:
        number = clock.steps % len(lessons)
        starts = [
            int(chance.integers(whole - n + 1))
            for whole, n in zip(shape, size, strict=True)
        ]
        time, rows, columns = (
            slice(start, start + n) for start, n in zip(starts, size, strict=True)
        )
        lesson, steps = lessons[number], slice(time.start, time.stop - 1)
        noisy, light = (
            each[time, rows, columns] for each in (lesson.noisy, lesson.denoised)
        )
        flow = ClipFlow(*(way[:, steps, :, rows, columns] for way in flows[number]))
        result = light + _added(net, noisy, light, flow, scale)
        assert lesson.taught is not None
        taught, weight = (
            each[time, rows, columns] for each in (lesson.taught, lesson.weight)
        )
        loss = (weight * (taught - result).square()).mean() / before
        share = (clock.progress - began) / (1 - began)
        clock.steps += 1
        rate = rate_at(RATE, adam.steps + 1, share, warm_up=WARM_UP, final=FINAL)
        adam.step(torch.autograd.grad(loss, weights), rate, loss)
        follow(average, net, adam.steps, AVERAGED, at_once=False)
        yield float(loss.detach())
    net.load_state_dict(average.state_dict())


def _judged(name: str, learned: Student, test: Copy, judge: Copy) -> Student:
    """Ask both judges."""
    net, results = learned.net, []
    assert net is not None
    with torch.inference_mode():
        for each, times in ((test, LESSON.of_first), (judge, JUDGE.of_first)):
            flows = _flows(net, each.denoised, follows=learned.follows)
            scale = learned.scale * times**0.5
            added = _added(net, each.noisy, each.denoised, flows, scale)
            results.append(each.denoised + added)
    of_chance = [_distance(test, frames) for frames in (test.denoised, results[0])]
    of_noise = [
        judge.weight * (judge.other - frames).square()
        for frames in (judge.denoised, results[1])
    ]
    steadier, gain = (
        sureness(cell_sums(before) - cell_sums(after))
        for before, after in (of_chance, of_noise)
    )
    count = max(int((test.weight > 0).sum()), 1)
    chance = (float(of_chance[0].sum()) / count, float(of_chance[1].sum()) / count)
    used = steadier > SURE and gain > NOT_WORSE
    share = 100 * (1 - chance[1] / chance[0]) if chance[0] > 0 else 0.0
    if used:
        reason = (
            f"{name} brings frames that it did not learn from {share:.0f} % closer to "
            "those of an independent copy of the movie, and no further from the copy "
            "itself"
        )
    elif steadier > SURE:
        reason = (
            f"{name} is not used: its result is steadier, but further from an "
            "independent copy of the movie"
        )
    else:
        reason = (
            f"{name} is not used: on frames that it did not learn from its result is "
            f"no steadier ({steadier:.1f} standard errors, {SURE:g} are asked for)"
        )
    return replace(
        learned, used=used, chance=chance, steadier=steadier, gain=gain, reason=reason
    )


def _distance(known: Copy, frames: Tensor) -> Tensor:
    """Squared distance from what the other copy was denoised to, over the noise."""
    assert known.taught is not None
    return known.weight * (known.taught - frames).square()


def _added(
    net: Improver, noisy: Tensor, light: Tensor, flows: ClipFlow, scale: float
) -> Tensor:
    """Return what a network adds to a clip ``(T, rows, columns)``."""
    # what does not move differs from its mean by chance alone
    differs = ((light - light.mean(dim=0)) / scale).clamp(-LARGEST, LARGEST)
    seen = torch.stack([noisy, light, differs], dim=1)
    # the network has as many results as it sees pictures; the first is the one
    base = torch.zeros_like(seen)
    result: Tensor = net(seen[None], flows, base[None])
    return scale * result[0, :, 0]


def _flows(net: Improver, light: Tensor, *, follows: bool) -> ClipFlow:
    """Find the flow of denoised frames ``(T, rows, columns)``."""
    return flows_of(net, _alike(light)[None], follows=follows)


def _alike(light: Tensor) -> Tensor:
    """Show frames in place of all pictures, of which flow is found."""
    return torch.stack([light] * SEEN, dim=1)


def _as_pair(known: Copy) -> Pair:
    """Return a copy as what flow is learned from and judged by."""
    light = known.denoised
    return Pair(_alike(light), light, light, known.other, known.weight)
