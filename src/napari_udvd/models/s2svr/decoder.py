"""The decoder of S2SVR: restored frames, from the last to the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.precision import pack
from napari_udvd.models.s2svr.blocks import (
    ConvGRU,
    Convolution,
    LocalAttention,
    ResidualBlock,
    conv,
    fetched,
    leaky,
)
from napari_udvd.models.s2svr.settings import ZOOMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.models.flow.base import ClipFlow
    from napari_udvd.models.s2svr.encoder import Encoded

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Recurrent layers that run backwards, attention, and an image of each frame.

    Each frame is restored with the restored frame after it in sight.

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
    zoom
        Output pixels for each input pixel along each direction: 1, 2 or 4.
    """

    def __init__(
        self, channels: int, features: int, blocks: int, layers: int, zoom: int = 1
    ) -> None:
        super().__init__()
        self.zoom = zoom
        self.grus = nn.ModuleList(ConvGRU(features, features) for _ in range(layers))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
            for _ in range(layers)
        )
        self.join = nn.ModuleList(
            conv(2 * features, features) for _ in range(layers - 1)
        )
        # only layers after the first look at what it found
        self.attention = LocalAttention(features) if layers > 1 else None
        halvings = ZOOMS.index(zoom)
        wide, narrow = (4 * features, 2 * features) if halvings else [features] * 2
        self.leave = nn.ModuleList(
            [
                conv(features, wide),
                conv(wide, narrow),
                conv(narrow, zoom**2 * channels),
            ]
        )
        self.shuffle = nn.Sequential(*[nn.PixelShuffle(2)] * halvings)
        self.enter = nn.ModuleList(
            [
                conv(channels, features // 2),
                _entering(features // 2, features, halved=halvings > 0),
                _entering(features, 2 * features, halved=halvings > 1),
                conv(2 * features, features),
            ]
        )

    def forward(
        self,
        clip: Tensor,
        flows: ClipFlow,
        encoded: Encoded,
        base: Tensor | None = None,
    ) -> Tensor:
        """Restore all frames of a clip.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``.
        flows
            Between its neighbouring frames, (dy, dx), px, in float32.
        encoded
            What the encoder made of it; its precision is that of the layers here.
        base
            ``(N, T, C, zoom H, zoom W)``: what the result is added to; None for the
            clip itself, enlarged by bilinear interpolation.

        Returns
        -------
        Tensor
            ``(N, T, C, zoom H, zoom W)``, not clipped to any range.
        """
        features = [pack(frame) for frame in encoded.features.unbind(1)]
        states = list(encoded.states)
        last = len(features) - 1
        seen, after = features[last], features[last]
        restored: list[Tensor] = []
        for t in range(last, -1, -1):
            if t < last:
                moved = torch.cat([*states, seen, features[t + 1]], dim=1)
                moved = fetched(moved, flows.to_next[:, t])
                *states, seen, after = moved.chunk(len(states) + 2, dim=1)
            before = features[t]
            if t > 0 and self.attention is not None:
                before = fetched(features[t - 1], flows.to_previous[:, t - 1])
            states, found = self._step(states, seen, (before, features[t], after))
            start = self._enlarged(clip[:, t]) if base is None else base[:, t]
            image = self._image(found).to(start.dtype) + start
            restored.append(image)
            if t > 0:
                seen = self._entering(image.to(found.dtype))
        return torch.stack(restored[::-1], dim=1)

    def _step(
        self, states: list[Tensor], seen: Tensor, keys: Sequence[Tensor]
    ) -> tuple[list[Tensor], Tensor]:
        """States of all layers after a frame, and the features of the last."""
        states = list(states)
        states[0] = self.grus[0](seen, states[0])
        found: Tensor = self.blocks[0](states[0])
        if self.attention is None:
            return states, found
        context = self.attention(found, torch.stack(list(keys), dim=1))
        for k, join in enumerate(self.join, start=1):
            x = leaky(join(torch.cat([found, context], dim=1)))
            states[k] = self.grus[k](x, states[k])
            found = self.blocks[k](states[k]) + found
        return states, found

    def _image(self, found: Tensor) -> Tensor:
        *layers, last = self.leave
        for layer in layers:
            found = leaky(layer(found))
        image: Tensor = self.shuffle(last(found))
        return image

    def _entering(self, image: Tensor) -> Tensor:
        for layer in self.enter:
            image = leaky(layer(image))
        return image

    def _enlarged(self, frame: Tensor) -> Tensor:
        if self.zoom == 1:
            return frame
        return F.interpolate(
            frame, scale_factor=self.zoom, mode="bilinear", align_corners=False
        )


def _entering(inputs: int, outputs: int, *, halved: bool) -> Convolution:
    """Layer through which a result enters again, back to the size of the input."""
    if halved:
        return Convolution(inputs, outputs, 5, stride=2, padding=2)
    return conv(inputs, outputs)
