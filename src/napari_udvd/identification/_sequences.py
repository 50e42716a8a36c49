"""Networks that write a sequence: how they learn, and at which frames they looked.

A window of labelled frames is one sentence: its runs of labels, each once, and the end.
The network is told where it should look as well: the attention of a token belongs into
the frames of its run. That is what brings the tokens back to frames.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from napari_udvd.identification._examples import stretches
from napari_udvd.identification._frames import shaken
from napari_udvd.models.segments import smoothed_sequence_loss
from napari_udvd.training.optimiser import Adam, rate_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.identification._examples import Example, Floats, Ints
    from napari_udvd.models.labellers import SequenceLabeller

__all__ = ["collapsed", "learn_sequences", "say_sequences"]

STEPS = 150
"""Of a training where nothing else is asked for."""

RATE, WARM_UP, FINAL = 5e-3, 5, 0.05
"""Learning rate at its peak, steps until there, and the share of it in the end."""

WINDOW, BATCH = 16, 16
"""Frames of a window, and windows of a step."""

SHORTEST = 4
"""Frames of a labelled stretch that is long enough to learn from."""

SMOOTHING = 0.1
"""Probability that is spread over all tokens."""

FREE = 0.95
"""Share of the steps in which it must believe itself, in the end: none at first."""

LOOKING, FRAME_WISE = 1.0, 1.0
"""Weights of the loss on where it looks, and on what the encoder says by itself."""

FAINT = 1e-3
"""Added to what is looked at: no frame is impossible."""


class Sentence(NamedTuple):
    """A window as runs of labels.

    Attributes
    ----------
    tokens
        Label + 1 of each run, then the end.
    runs
        Number of the run that each frame is in.
    """

    tokens: list[int]
    runs: list[int]


def collapsed(labels: Ints, end: int) -> Sentence:
    """Collapse the labels of a window, all of which are known."""
    tokens, runs = [], []
    for number, (label, run) in enumerate(groupby(labels.tolist())):
        tokens.append(label + 1)
        runs += [number] * sum(1 for _ in run)
    return Sentence([*tokens, end], runs)


def learn_sequences(
    net: SequenceLabeller,
    examples: Sequence[Example],
    n_labels: int,
    steps: Iterable[float],
    chance: torch.Generator,
) -> None:
    """Train a network on windows of frames that have labels.

    Parameters
    ----------
    net, examples, n_labels, steps, chance
        As for :func:`~napari_udvd.identification._frames.learn_frames`.
    """
    cut = [e.cut(run) for e in examples for run in stretches(e.labels)]
    longest = max(len(part.labels) for part in cut)
    cut = [part for part in cut if len(part.labels) >= min(SHORTEST, longest)]
    weights = list(net.parameters())
    adam, end = Adam(weights), n_labels + 1
    net.train()
    for over in steps:
        parts = _windows(cut, chance)
        sentences = [collapsed(part.labels, end) for part in parts]
        features = torch.from_numpy(np.stack([part.features for part in parts]))
        tokens = _padded([sentence.tokens for sentence in sentences])
        features, count = shaken(features, chance), tokens.shape[1]
        believes = float(torch.rand((), generator=chance)) >= FREE * over
        encoded = net.encoder(features)
        spelled = net.speller(encoded, count, forced=tokens if believes else None)
        loss = smoothed_sequence_loss(spelled.log_probs, tokens, SMOOTHING)
        runs = torch.tensor([sentence.runs for sentence in sentences])
        loss = loss + LOOKING * _astray(spelled.attention, runs)
        if net.frame_head is not None:
            labels = torch.from_numpy(np.stack([part.labels for part in parts]))
            said = _to_frames(net.frame_head(encoded).transpose(1, 2), labels.shape[1])
            loss = loss + FRAME_WISE * F.cross_entropy(said, labels)
        rate = rate_at(RATE, adam.steps + 1, over, warm_up=WARM_UP, final=FINAL)
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        adam.step(
            [
                torch.zeros_like(weight) if gradient is None else gradient
                for weight, gradient in zip(weights, gradients, strict=True)
            ],
            rate,
        )
    net.eval()


@torch.inference_mode()
def say_sequences(net: SequenceLabeller, features: Floats) -> npt.NDArray[np.float64]:
    """Return log probabilities ``(T, K)`` of the frames of a region.

    Windows overlap, so that every frame is seen at several places of one; in each, the
    runs are put in the order in which they were written, at the frames at which the
    network looked when it wrote them.
    """
    end = net.settings.classes - 1
    length = min(WINDOW, len(features))
    last = len(features) - length
    starts = sorted({*range(0, last, max(length // 4, 1)), last})
    windows = torch.from_numpy(np.stack([features[s : s + length] for s in starts]))
    spelled = net(windows, length + 1, end=end)
    looked = _to_frames(spelled.attention.mean(2), length).double().numpy()
    tokens = spelled.tokens.numpy()
    said = spelled.log_probs.exp().double().numpy()[:, :, 1:end]
    said /= said.sum(-1, keepdims=True)
    votes = np.zeros((len(features), end - 1))
    for k, start in enumerate(starts):
        ended = np.flatnonzero(tokens[k] == end)
        count = max(int(ended[0]) if len(ended) else len(tokens[k]), 1)
        count = min(count, length)
        runs = _in_order(np.log(looked[k, :count].T + FAINT))
        votes[start : start + length] += said[k, runs]
    votes += FAINT
    log: npt.NDArray[np.float64] = np.log(votes / votes.sum(1, keepdims=True))
    return log


def _in_order(score: npt.NDArray[np.float64]) -> Ints:
    """Give frames ``(T, runs)`` to runs: all of them, in order, with the best sum."""
    frames, runs = score.shape
    best = np.full((frames, runs), -np.inf)
    stayed = np.zeros((frames, runs), dtype=np.bool_)
    best[0, 0] = score[0, 0]
    for t in range(1, frames):
        came = np.concatenate([[-np.inf], best[t - 1, :-1]])
        stayed[t] = best[t - 1] >= came
        best[t] = np.maximum(best[t - 1], came) + score[t]
    path = np.empty(frames, dtype=np.int64)
    path[-1] = runs - 1
    for t in range(frames - 1, 0, -1):
        path[t - 1] = path[t] - (not stayed[t, path[t]])
    return path


def _windows(cut: Sequence[Example], chance: torch.Generator) -> list[Example]:
    """Draw windows of one length, each inside of a labelled stretch."""
    lengths = torch.tensor([float(len(part.labels)) for part in cut])
    drawn = torch.multinomial(lengths, BATCH, replacement=True, generator=chance)
    length = min(WINDOW, *(len(cut[int(k)].labels) for k in drawn))
    parts = []
    for k in drawn.tolist():
        room = len(cut[k].labels) - length + 1
        start = int(torch.randint(room, (), generator=chance))
        parts.append(cut[k].cut(slice(start, start + length)))
    return parts


def _padded(tokens: Sequence[Sequence[int]]) -> Tensor:
    longest = max(map(len, tokens))
    return torch.tensor([[*each, *[0] * (longest - len(each))] for each in tokens])


def _to_frames(steps: Tensor, frames: int) -> Tensor:
    """Enlarge ``(N, channels, steps in time)`` to frames, between steps by a line."""
    return F.interpolate(steps, frames, mode="linear", align_corners=False)


def _astray(attention: Tensor, runs: Tensor) -> Tensor:
    """Return how little of the attention ``(N, tokens, heads, steps)`` is in its run.

    Parameters
    ----------
    attention
        Of all tokens; those behind the last run are left out.
    runs
        ``(N, T)``: the run of each frame.
    """
    looked = _to_frames(attention.mean(2), runs.shape[1])
    looked = looked / looked.sum(-1, keepdim=True)
    at = torch.arange(looked.shape[1])[:, None] == runs[:, None, :]
    inside = (looked * at).sum(-1)
    there = at.any(-1)
    return -(inside[there] + FAINT).log().mean()
