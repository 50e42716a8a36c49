"""The published sequence-to-sequence network: from features to a list of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_udvd.models.segments.encoders import build_encoder
from napari_udvd.models.segments.speller import Speller

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.segments.settings import SequenceSettings
    from napari_udvd.models.segments.speller import Spelled

__all__ = ["SequenceToSequence"]


class SequenceToSequence(nn.Module):
    """An encoder over time and a decoder that writes what happens, in order.

    Kaku et al. 2021 (arXiv 2111.02521). A run of frames with the same action is one
    token; when it is, only the attention tells.

    Parameters
    ----------
    settings
        What it is built from.
    """

    def __init__(self, settings: SequenceSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = build_encoder(settings)
        self.speller = Speller(settings)
        self.frame_head = (
            nn.Linear(settings.units, settings.frame_classes)
            if settings.frame_classes
            else None
        )

    def forward(
        self, features: Tensor, steps: int | None = None, **how: Any
    ) -> Spelled:
        """Write the actions of ``(N, T, features)``.

        Parameters
        ----------
        features
            Numbers for each frame.
        steps
            Tokens to write; as many as the settings say if None.
        how
            ``previous``, ``forced`` and ``end`` of
            :class:`~napari_udvd.models.segments.Speller`.
        """
        steps = self.settings.steps if steps is None else steps
        spelled: Spelled = self.speller(self.encoder(features), steps, **how)
        return spelled

    @torch.inference_mode()
    def raw(
        self,
        features: Tensor,
        previous: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Return what it is most inclined to write, as published: it does not stop.

        Parameters
        ----------
        features
            ``(N, T, features)``.
        previous
            ``(N,)`` or ``(N, 1)``: last token of the window before; 0 if None.
        steps
            Tokens to write; as many as the settings say if None.

        Returns
        -------
        Tensor
            Log probabilities ``(N, steps, classes)``.
        """
        spelled: Spelled = self(features, steps, previous=previous)
        return spelled.log_probs

    def frame_logits(self, features: Tensor) -> Tensor:
        """Return the frame classes ``(N, steps in time, frame_classes)``.

        Raises
        ------
        ValueError
            If it was built without them.
        """
        if self.frame_head is None:
            raise ValueError("this network has no frame classes: frame_classes is 0")
        logits: Tensor = self.frame_head(self.encoder(features))
        return logits
