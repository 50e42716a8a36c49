"""Flow between frames of a movie, learned from the movie without known motion.

Denoised frames show where everything goes: the second, fetched along the flow, should
look like the first (absolute difference and SSIM, then the census transform; Liu et al.
2020, "ARFlow"), and flow should be smooth. The flow between copies with more noise is
taught by that between frames with less. Then frames that were not learned from say
whether fetching along the flow brings a frame closer to an independent copy of its
neighbour; if it does not, nothing is taken to move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.models import (
    ClipFlow,
    FlowCriterion,
    distillation_loss,
    flow_loss,
    hidden_by_return,
    sample_bilinear,
)
from napari_udvd.sharpening._cells import SURE, cell_sums, sureness
from napari_udvd.training.optimiser import Adam, rate_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_udvd.models.improvers import Improver
    from napari_udvd.sharpening._clock import Clock
    from napari_udvd.sharpening._pairs import Pair

__all__ = ["flows_of", "is_of_use", "learn_flow", "no_flow"]

RATE = 5e-4
"""Learning rate at its peak."""

WARM_UP, FINAL = 5, 0.1
"""Steps over which the rate rises, and the share of it that is left at the end."""

BATCH, EDGE = 4, 64
"""Pairs of frames of a step, and rows and columns of what is cut out of them."""

BY_CENSUS = 0.5
"""Progress from which frames are compared by the census transform, and noisy ones learn
from those with less noise."""

DISTILLATION = 0.1
"""Weight of what noisy frames learn from others, per pixel of difference."""


def learn_flow(
    net: Improver,
    seen: Tensor,
    pairs: Sequence[Pair],
    clock: Clock,
    until: float,
    seed: int,
) -> Iterator[float]:
    """Train the flow of a network; yields the loss after each step.

    Parameters
    ----------
    net
        Whose flow network learns; its last layers say that nothing moves at first.
    seen
        ``(T, 2, rows, columns)``: the frames with as little noise as there is.
    pairs
        Of the same frames.
    clock
        Counts the steps.
    until
        Its progress at the end.
    seed
        Of what is drawn.
    """
    flow_net, chance = net.flow_net, np.random.default_rng(seed)
    weights = list(flow_net.parameters())
    adam = Adam(weights)
    size = [min(EDGE, n) // flow_net.grid * flow_net.grid for n in seen.shape[2:]]
    if not all(size):
        return
    noise = float(torch.stack([pair.seen - seen for pair in pairs]).std())
    ssim = FlowCriterion()
    # whether the way there and back misses is not asked: as long as little is known it
    # misses everywhere, and nothing would be left to learn from
    census = FlowCriterion(census=True, soft=max((2 * 255 * noise) ** 2, ssim.soft))
    began = clock.progress
    while clock.progress < until:
        share = (clock.progress - began) / (until - began)
        first, second, copies = _cut(seen, pairs, size, chance)
        if share < BY_CENSUS:
            ways = _both_ways(net, first, second)
            loss = flow_loss(first, second, *ways, ssim).total
        else:
            ways = _both_ways(net, *copies)
            with torch.no_grad():
                known = [way[0] for way in _both_ways(net, first, second)]
            loss = flow_loss(first, second, *ways, census).total
            for own, there, back in zip(ways, known, known[::-1], strict=True):
                hidden = hidden_by_return(there, back)
                loss = loss + DISTILLATION * distillation_loss(own[0], there, hidden)
        clock.steps += 1
        rate = rate_at(RATE, adam.steps + 1, share, warm_up=WARM_UP, final=FINAL)
        adam.step(torch.autograd.grad(loss, weights), rate, loss)
        yield float(loss.detach())


def flows_of(net: Improver, seen: Tensor, *, follows: bool) -> ClipFlow:
    """Estimate the flow of a clip ``(N, T, 2, rows, columns)``, or take none.

    Parameters
    ----------
    net
        Whose flow is asked.
    seen
        The clip.
    follows
        Whether its flow is of use.
    """
    if not follows:
        return no_flow(seen)
    with torch.no_grad():
        found: ClipFlow = net.flow_net.of_clip(seen)
    return found


def no_flow(seen: Tensor) -> ClipFlow:
    """Return the flow of a clip in which nothing moves."""
    n, frames, _, height, width = seen.shape
    still = seen.new_zeros(n, frames - 1, 2, height, width)
    return ClipFlow(still, still)


def is_of_use(net: Improver, pair: Pair) -> bool:
    """Tell whether frames that were not learned from are better for the flow.

    Each is predicted by the frame after it, which knows nothing of its noise.
    """
    flow = flows_of(net, pair.seen[None], follows=True).to_next[0]
    target, weight, after = pair.second[:-1], pair.weight[:-1], pair.seen[1:, :1]
    gains = [
        cell_sums(weight * (target - guess[:, 0]).square())
        for guess in (after, sample_bilinear(after, flow))
    ]
    return sureness(gains[0] - gains[1]) > SURE


def _both_ways(
    net: Improver, first: Tensor, second: Tensor
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return net.flow_net.levels(first, second), net.flow_net.levels(second, first)


def _cut(
    seen: Tensor,
    pairs: Sequence[Pair],
    size: Sequence[int],
    chance: np.random.Generator,
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Draw neighbouring frames, and copies of them with more noise."""
    found: list[list[Tensor]] = [[], [], [], []]
    for _ in range(BATCH):
        copy = pairs[int(chance.integers(len(pairs)))].seen
        t = int(chance.integers(len(seen) - 1))
        y, x = (
            int(chance.integers(n - k + 1))
            for n, k in zip(seen.shape[2:], size, strict=True)
        )
        place = (slice(None), slice(y, y + size[0]), slice(x, x + size[1]))
        for k, frames in enumerate((seen, copy)):
            found[2 * k].append(frames[t][place])
            found[2 * k + 1].append(frames[t + 1][place])
    first, second, one, two = (torch.stack(each) for each in found)
    return first, second, (one, two)
