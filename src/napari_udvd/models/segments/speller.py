"""Attention, and the decoder that writes one token after the other with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.segments.settings import SequenceSettings

__all__ = ["Attention", "Spelled", "Speller"]


class Spelled(NamedTuple):
    """What was written.

    Attributes
    ----------
    log_probs
        ``(N, steps, classes)``.
    tokens
        ``(N, steps)``: the most probable of each step.
    attention
        ``(N, steps, heads, T)``: where each step looked; each sums to 1 over time.
    """

    log_probs: Tensor
    tokens: Tensor
    attention: Tensor


class Attention(nn.Module):
    """Dot-product attention: several queries, one set of keys, features as values.

    The products are not scaled, and the values not projected, as published.

    Parameters
    ----------
    units
        Of the query, of the features and of the context.
    heads
        Queries; the contexts of more than one are joined by a linear layer.
    width
        Of a query and a key.
    """

    def __init__(self, units: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(units, heads * width)
        self.key = nn.Linear(units, width)
        self.join = nn.Linear(heads * units, units) if heads > 1 else nn.Identity()

    def keys(self, features: Tensor) -> Tensor:
        """Return the keys ``(N, T, width)`` of features ``(N, T, units)``."""
        return F.relu(self.key(features))

    def forward(
        self, state: Tensor, features: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Look at the features.

        Parameters
        ----------
        state
            ``(N, units)``.
        features
            ``(N, T, units)``.
        keys
            Theirs, which are the same for every step.

        Returns
        -------
        context, scores
            ``(N, units)`` and ``(N, heads, T)``.
        """
        queries = F.relu(self.query(state)).unflatten(-1, (self.heads, -1))
        scores = torch.softmax(queries @ keys.transpose(1, 2), dim=-1)
        return self.join((scores @ features).flatten(1)), scores


class _Mean(nn.Module):
    """In place of attention: every step sees the mean over time."""

    def keys(self, features: Tensor) -> Tensor:
        return features

    def forward(
        self, state: Tensor, features: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor]:
        even = features.new_full((len(features), 1, features.shape[1]), 1.0)
        return features.mean(1), even / features.shape[1]


class Speller(nn.Module):
    """A recurrent decoder: each step knows the last token and looks where it wants.

    Parameters
    ----------
    settings
        Those that are used: classes, units, heads, head_width.
    """

    def __init__(self, settings: SequenceSettings) -> None:
        super().__init__()
        units, self.classes = settings.units, settings.classes
        self.cell = nn.GRUCell(self.classes + units, units)
        self.attention: Attention | _Mean = (
            Attention(units, settings.heads, settings.head_width)
            if settings.heads
            else _Mean()
        )
        self.leave = nn.Linear(2 * units, self.classes)

    def forward(
        self,
        features: Tensor,
        steps: int,
        *,
        previous: Tensor | None = None,
        forced: Tensor | None = None,
        end: int | None = None,
    ) -> Spelled:
        """Write tokens.

        Parameters
        ----------
        features
            ``(N, T, units)`` of an encoder.
        steps
            Tokens to write.
        previous
            ``(N,)``: the token before the first; 0 if None.
        forced
            ``(N, steps)``: what each step shall believe that it wrote (teacher
            forcing); if None, what it did.
        end
            Stop once every item has written this token.
        """
        attention = self.attention
        keys = attention.keys(features)
        state, context = torch.zeros_like(features[:, 0]), features[:, 0]
        token = features.new_zeros(len(features), dtype=torch.long)
        token = token if previous is None else previous.reshape(-1)
        over = torch.zeros_like(token, dtype=torch.bool)
        log_probs, looked = [], []
        for k in range(steps):
            last = F.one_hot(token, self.classes).to(features.dtype)
            state = self.cell(torch.cat([last, context], dim=1), state)
            context, scores = attention(state, features, keys)
            logits = self.leave(torch.cat([state, context], dim=1))
            log_probs.append(torch.log_softmax(logits, dim=1))
            looked.append(scores)
            token = log_probs[-1].argmax(1) if forced is None else forced[:, k]
            over |= token == end if end is not None else over
            if end is not None and over.all():
                break
        written = torch.stack(log_probs, dim=1)
        return Spelled(written, written.argmax(-1), torch.stack(looked, dim=1))
