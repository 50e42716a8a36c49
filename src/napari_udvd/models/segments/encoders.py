"""Encoders: numbers for each frame to fewer steps in time, with more features.

Kaku et al. 2021 (arXiv 2111.02521). Unlike the published ones, no frame is lost, nor
refused, where their number is odd, and no item of a batch sees another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.segments.settings import SequenceSettings

__all__ = ["DilatedEncoder", "PyramidEncoder", "build_encoder"]


def build_encoder(settings: SequenceSettings) -> DilatedEncoder | PyramidEncoder:
    """Build the encoder that the settings ask for."""
    if settings.encoder == "dilated":
        return DilatedEncoder(settings)
    return PyramidEncoder(settings)


class DilatedEncoder(nn.Module):
    """Stages of dilated convolutions, each of which halves time (rounding up).

    Parameters
    ----------
    settings
        Those that are used: features, stages, layers, maps, units, dropout.
    """

    def __init__(self, settings: SequenceSettings) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            _Stage(settings.features if k == 0 else settings.units, settings)
            for k in range(settings.stages)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Encode ``(N, T, features)``.

        Returns
        -------
        Tensor
            ``(N, ceil(T / 2**stages), units)``.
        """
        x = features.transpose(1, 2)
        for stage in self.stages:
            x = stage(x)
        return x.transpose(1, 2)


class _Stage(nn.Module):
    def __init__(self, features: int, settings: SequenceSettings) -> None:
        super().__init__()
        self.enter = nn.Conv1d(features, settings.maps, 1)
        self.layers = nn.ModuleList(
            _Layer(settings.maps, 2**k, settings.dropout)
            for k in range(settings.layers)
        )
        self.leave = nn.Conv1d(settings.maps, settings.units, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for layer in self.layers:
            x = layer(x)
        return F.relu(self.leave(x))


class _Layer(nn.Module):
    def __init__(self, maps: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.wide = nn.Conv1d(maps, maps, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(maps, maps, 1)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        added = self.mix(F.relu(self.wide(x)))
        return x + F.dropout(added, self.dropout, self.training)


class PyramidEncoder(nn.Module):
    """Recurrent layers in both directions, each on pairs of joined time steps.

    Parameters
    ----------
    settings
        Those that are used: features, stages, units, cell.
    """

    def __init__(self, settings: SequenceSettings) -> None:
        super().__init__()
        cell = nn.GRU if settings.cell == "gru" else nn.LSTM
        self.layers = nn.ModuleList(
            cell(
                2 * (settings.features if k == 0 else settings.units),
                settings.units // 2,
                batch_first=True,
                bidirectional=True,
            )
            for k in range(settings.stages)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Encode ``(N, T, features)``.

        Where a layer is given an odd number of steps, the last is joined with itself.

        Returns
        -------
        Tensor
            ``(N, ceil(T / 2**stages), units)``.
        """
        x = features
        for layer in self.layers:
            if x.shape[1] % 2:
                x = torch.cat([x, x[:, -1:]], dim=1)
            x, _ = layer(x.reshape(len(x), x.shape[1] // 2, -1))
        return x
