"""Losses of the sequence-to-sequence network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["frame_loss", "sequence_loss", "smoothed_sequence_loss"]

PADDING = 0
"""Token of the steps behind the end."""


def sequence_loss(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Return the negative log likelihood of each token, padding left out.

    Parameters
    ----------
    log_probs
        ``(N, steps, classes)``.
    tokens
        ``(N, steps)``; 0 where nothing is to be written.
    """
    return F.nll_loss(log_probs.transpose(1, 2), tokens, ignore_index=PADDING)


def smoothed_sequence_loss(
    log_probs: Tensor,
    tokens: Tensor,
    smoothing: float = 0.1,
    *,
    padding_counts: bool = False,
) -> Tensor:
    """Return the cross entropy with smoothed labels: mean over tokens, then items.

    Parameters
    ----------
    log_probs
        ``(N, steps, classes)``.
    tokens
        ``(N, steps)``; 0 where nothing is to be written.
    smoothing
        Probability that is spread over all classes.
    padding_counts
        Padding is something to be written as well. It is in the published training,
        against its own comment.
    """
    classes = log_probs.shape[-1]
    target = F.one_hot(tokens, classes) * (1 - smoothing) + smoothing / classes
    each = -(target * log_probs).sum(-1)
    counts = (tokens != PADDING) | padding_counts
    return ((each * counts).sum(1) / counts.sum(1).clamp_min(1)).mean()


def frame_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy of the frame classes.

    Parameters
    ----------
    logits
        ``(N, steps in time, classes)``.
    labels
        ``(N, T)`` of every frame; -100 where it is not known. Of the frames that share
        a step in time the first counts.
    """
    # as many frames to a step as make the steps last for all of the frames
    every = -(-labels.shape[1] // logits.shape[1])
    return F.cross_entropy(logits.transpose(1, 2), labels[:, ::every])
