"""Networks that label every frame: how they learn, and what they then say."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from napari_udvd.identification._examples import stretches
from napari_udvd.identification._grammar import UNLABELLED
from napari_udvd.training.optimiser import Adam, rate_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.identification._examples import Example, Floats
    from napari_udvd.models.labellers import FrameLabeller

__all__ = ["balanced", "learn_frames", "say_frames", "shaken", "warped"]

STEPS = 150
"""Of a training where nothing else is asked for."""

RATE, WARM_UP, FINAL = 5e-3, 5, 0.2
"""Learning rate at its peak, steps until there, and the share of it in the end."""

SMOOTHING = 0.05
"""Probability that is spread over all labels: borders are drawn by people."""

EPSILON = 1e-6
"""In place of no weight at all, where time ran past all labels."""

NOISE, OFFSET = 0.6, 0.6
"""Standard deviations of what is added to each feature: a frame, and a region."""

SPEED, KNOT = 0.3, 8
"""How much time runs faster or slower (standard deviation of the logarithm), and frames
after which it does so anew. Otherwise a few examples teach how long things last, and a
network finds borders by counting frames from another one."""

MARGIN = 32
"""Frames beside labelled ones that a network is shown with them; it sees no farther."""


def learn_frames(
    net: FrameLabeller,
    examples: Sequence[Example],
    n_labels: int,
    steps: Iterable[float],
    chance: torch.Generator,
) -> None:
    """Train a network on the frames that have labels.

    Parameters
    ----------
    net
        Changed in place.
    examples
        Regions; frames without a label carry no loss.
    n_labels
        Labels that there are.
    steps
        Yields the share of the training that is over, before each step.
    chance
        What is drawn with it.
    """
    cut = [part for example in examples for part in _around_labels(example)]
    features, labels = _padded(cut)
    lengths = torch.tensor([[len(part.labels)] for part in cut])
    inside = torch.arange(features.shape[1]) < lengths
    known = labels != UNLABELLED
    weight = balanced(labels[known], n_labels)[labels.clamp_min(0)] * known
    target = F.one_hot(labels.clamp_min(0), n_labels) * (1 - SMOOTHING)
    target = (target + SMOOTHING / n_labels) * weight[..., None]
    weights = list(net.parameters())
    adam = Adam(weights)
    net.train()
    for over in steps:
        frames = warped(lengths, features.shape[1], chance)
        seen, wanted = (_fetched(of, frames) for of in (features, target))
        loss = -(net(shaken(seen, chance), inside) * wanted).sum()
        loss = loss / (net.members * wanted.sum().clamp_min(EPSILON))
        rate = rate_at(RATE, adam.steps + 1, over, warm_up=WARM_UP, final=FINAL)
        adam.step(torch.autograd.grad(loss, weights), rate)
    net.eval()


@torch.inference_mode()
def say_frames(net: FrameLabeller, features: Floats) -> npt.NDArray[np.float64]:
    """Return log probabilities ``(T, K)`` of the frames of a region."""
    said = net(torch.from_numpy(features)[None])[:, 0].double()
    mean: npt.NDArray[np.float64] = said.exp().mean(0).log().numpy()
    return mean


def balanced(labels: Tensor, n_labels: int) -> Tensor:
    """Return the weight of each label: what is rare counts more, but not as much."""
    return torch.bincount(labels, minlength=n_labels).clamp_min(1) ** -0.5


def shaken(features: Tensor, chance: torch.Generator) -> Tensor:
    """Add noise to every frame, and an offset to every region ``(N, T, inputs)``."""
    noise = torch.randn(features.shape, generator=chance)
    offset = torch.randn((len(features), 1, features.shape[2]), generator=chance)
    return features + NOISE * noise + OFFSET * offset


def warped(lengths: Tensor, frames: int, chance: torch.Generator) -> Tensor:
    """Let time run faster here and slower there.

    Parameters
    ----------
    lengths
        ``(N, 1)``: frames that there are of each item.
    frames
        Of the longest.
    chance
        What is drawn with it.

    Returns
    -------
    Tensor
        ``(N, frames)``: the frame to put in place of each; -1 for none, where time ran
        beyond the item.
    """
    knots = max(frames // KNOT, 2)
    speed = torch.randn((len(lengths), 1, knots), generator=chance) * SPEED
    speed = F.interpolate(speed, frames, mode="linear", align_corners=True)[:, 0]
    time = speed.exp().cumsum(1)
    # one frame stays where it is
    still = torch.rand((len(lengths), 1), generator=chance) * lengths
    time += still.long() - time.gather(1, still.long())
    time = time.round().long()
    return torch.where((time >= 0) & (time < lengths), time, -1)


def _fetched(table: Tensor, frames: Tensor) -> Tensor:
    """Fetch frames of ``(N, T, numbers)``; zeros for those that are -1."""
    there = (frames >= 0)[..., None]
    index = frames.clamp_min(0)[..., None].expand(-1, -1, table.shape[2])
    return table.gather(1, index) * there


def _around_labels(example: Example) -> Iterator[Example]:
    """Cut out labelled frames with what a network sees around them."""
    runs = list(stretches(example.labels))
    apart = [k for k in range(1, len(runs)) if _gap(runs[k - 1], runs[k]) > 2 * MARGIN]
    for first, after in pairwise([0, *apart, len(runs)]):
        start, stop = runs[first].start, runs[after - 1].stop
        yield example.cut(slice(max(start - MARGIN, 0), stop + MARGIN))


def _gap(before: slice, after: slice) -> int:
    gap: int = after.start - before.stop
    return gap


def _padded(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Stack examples of several lengths: ``(N, T, inputs)`` and ``(N, T)``."""
    longest = max(len(example.labels) for example in examples)
    features = np.zeros((len(examples), longest, examples[0].features.shape[1]), "f4")
    labels = np.full((len(examples), longest), UNLABELLED)
    for k, example in enumerate(examples):
        features[k, : len(example.labels)] = example.features
        labels[k, : len(example.labels)] = example.labels
    return torch.from_numpy(features), torch.from_numpy(labels)
