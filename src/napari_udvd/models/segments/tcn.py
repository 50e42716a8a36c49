"""Temporal convolutions: log probabilities of every frame's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TemporalConvolutions"]


class TemporalConvolutions(nn.Module):
    """Residual, dilated convolutions over time; several networks computed as one.

    The members of the ensemble differ by what they began with. As groups of one
    convolution they cost little more than one of them.

    Parameters
    ----------
    features
        Numbers for each frame.
    labels
        What a frame can be.
    width
        Features inside.
    layers
        Convolutions of three frames each, ``2**k`` frames apart in the k-th.
    members
        Networks.
    dropout
        In training.
    """

    def __init__(
        self,
        features: int,
        labels: int,
        width: int = 48,
        layers: int = 4,
        members: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.members, self.dropout = members, dropout
        wide = members * width
        self.enter = nn.Conv1d(features, wide, 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(wide, wide, 3, padding=2**k, dilation=2**k, groups=members)
            for k in range(layers)
        )
        self.leave = nn.Conv1d(wide, members * labels, 1, groups=members)

    def forward(self, features: Tensor, inside: Tensor | None = None) -> Tensor:
        """Label the frames of ``(N, T, features)``.

        Parameters
        ----------
        features
            Numbers for each frame.
        inside
            ``(N, T)``: the frames that there are, where some items are shorter; the
            others have no influence.

        Returns
        -------
        Tensor
            Log probabilities ``(members, N, T, labels)``.
        """
        x = self.enter(features.transpose(1, 2))
        there = None if inside is None else inside[:, None].to(x.dtype)
        for layer in self.layers:
            x = x if there is None else x * there
            x = x + F.dropout(F.relu(layer(x)), self.dropout, self.training)
        logits = self.leave(x).unflatten(1, (self.members, -1))
        log_probs: Tensor = logits.permute(1, 0, 3, 2).log_softmax(-1)
        return log_probs
