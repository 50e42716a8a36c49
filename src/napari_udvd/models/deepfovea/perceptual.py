"""Differences between features of VGG-19 (Simonyan & Zisserman, ICLR 2015).

The weights are not part of this package and cannot be: they were learned on photographs
for a classification. Nothing of ours is trained with them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VGGFeatures", "perceptual_loss"]

STAGES = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512, 512))
"""Outputs of the convolutions, up to ``conv5_2``; between stages, rows and columns are
halved."""

COMPARED = 1
"""Which convolution of a stage is compared, from 0."""


class VGGFeatures(nn.Module):
    """VGG-19 up to its second convolution of the fifth stage.

    What is compared is the second convolution of each stage: of the first four after
    the rectifier, of the fifth before it. (The published program asks for all before
    it, but its rectifiers work in place.) The frames are not normalised, though the
    weights expect it: as published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inputs = 3
        for widths in STAGES:
            stage = nn.ModuleList()
            for features in widths:
                stage.append(nn.Conv2d(inputs, features, 3, padding=1))
                inputs = features
            self.stages.append(stage)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Return the features that are compared, finest first.

        Parameters
        ----------
        frames
            ``(N, 3, H, W)``, red, green and blue, at least 16 x 16 px.
        """
        found = []
        x = frames
        for k, stage in enumerate(self.stages):
            assert isinstance(stage, nn.ModuleList)
            x = F.max_pool2d(F.relu(x), 2) if k else x
            for j, layer in enumerate(stage):
                x = layer(F.relu(x) if j else x)
                if j == COMPARED:
                    found.append(x if k == len(STAGES) - 1 else F.relu(x))
        return found


def perceptual_loss(
    features: VGGFeatures, prediction: Tensor, label: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean absolute difference of features of frames halved in size.

    Parameters
    ----------
    features
        With weights that somebody has trained.
    prediction, label
        ``(N, 3, H, W)``, at least 32 x 32 px.

    Returns
    -------
    loss : Tensor
        Mean over the five stages.
    stages : Tensor
        ``(5,)``, finest first.
    """
    ours, theirs = (features(F.avg_pool2d(x, 2)) for x in (prediction, label))
    stages = torch.stack(
        [F.l1_loss(one, other) for one, other in zip(ours, theirs, strict=True)]
    )
    return stages.mean(), stages
