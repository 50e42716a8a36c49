"""The encoder of S2SVR: features of every frame that know of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_udvd.models.precision import pack
from napari_udvd.models.s2svr.blocks import ResConvGRU, fetched

if TYPE_CHECKING:
    from napari_udvd.models.flow.base import ClipFlow

__all__ = ["Encoded", "Encoder"]


class Encoded(NamedTuple):
    """What the decoder gets to know of a clip.

    Attributes
    ----------
    features
        ``(N, T, features, H, W)``.
    states
        ``(N, features, H, W)`` for each layer: what the decoder's layers, which run
        backwards, begin with at the last frame.
    """

    features: Tensor
    states: tuple[Tensor, ...]


class Encoder(nn.Module):
    """Recurrent layers over a clip whose states are moved along the flow.

    The first layer runs forwards, then backwards with the forward states in sight;
    further layers run forwards and are added.

    Parameters
    ----------
    channels
        Of a frame.
    features
        Of all layers.
    blocks
        Residual blocks in each layer.
    layers
        Number of layers.
    """

    def __init__(self, channels: int, features: int, blocks: int, layers: int) -> None:
        super().__init__()
        self.features = features
        self.forwards = ResConvGRU(channels, features, blocks)
        self.backwards = ResConvGRU(channels, features, blocks, fused=True)
        self.further = nn.ModuleList(
            ResConvGRU(features, features, blocks) for _ in range(layers - 1)
        )

    def forward(self, clip: Tensor, flows: ClipFlow) -> Encoded:
        """Encode all frames of a clip.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``, in the precision that is computed in.
        flows
            Between its neighbouring frames, (dy, dx), px, in float32.
        """
        frames = [pack(frame) for frame in clip.unbind(1)]
        ahead = self._run_forwards(self.forwards, frames, flows)
        out = self._run_backwards(frames, ahead, flows)
        states = [ahead[-1]]
        for layer in self.further:
            more = self._run_forwards(layer, out, flows)
            out = [x + y for x, y in zip(out, more, strict=True)]
            states.append(out[-1])
        return Encoded(torch.stack(out, dim=1), tuple(states))

    def _run_forwards(
        self, layer: nn.Module, inputs: list[Tensor], flows: ClipFlow
    ) -> list[Tensor]:
        state = self._empty(inputs[0])
        states: list[Tensor] = []
        for t, x in enumerate(inputs):
            if t:
                state = fetched(state, flows.to_previous[:, t - 1])
            state = layer(x, state)
            states.append(state)
        return states

    def _run_backwards(
        self, frames: list[Tensor], ahead: list[Tensor], flows: ClipFlow
    ) -> list[Tensor]:
        state = self._empty(frames[0])
        states: list[Tensor] = []
        for t in range(len(frames) - 1, -1, -1):
            if states:
                state = fetched(state, flows.to_next[:, t])
            state = self.backwards(frames[t], state, ahead[t])
            states.append(state)
        return states[::-1]

    def _empty(self, like: Tensor) -> Tensor:
        n, _, height, width = like.shape
        return pack(like.new_zeros(n, self.features, height, width))
