"""DeepFovea++: all pixels of a clip from the few that were measured.

The reconstruction network of C. Reich, M. Memmel and J. H. Grebe, *DeepFovea++:
Reconstruction and Super-Resolution for Natural Foveated Rendered Videos* (2020): an
encoder over all frames of a clip at once, a decoder whose blocks have a state that goes
on from clip to clip, and, for a larger result, super-resolution blocks.

Settings of its own (:class:`~napari_udvd.models.FoveaSettings`) tell the published
network from the one that is trained here. What the published program does and this
network does not:

* The layer norms are made at the first clip, when the optimiser has its list of
  parameters already: they are never trained, a saved network cannot be loaded into a
  new one, and their affine tensors fix the size of the image. Here they are made in the
  constructor, with a gain and an offset for each channel, and any size will do.
* The state is kept on replicas of the network that are thrown away after each call when
  two GPUs train: every clip began from fresh noise (standard deviation 0.02). Here the
  caller gets the state and hands it back, and a first state is zero, so a result can be
  repeated.
* The first ELU of a decoder's block is defined and not used. Here it is used.
* A pixel that was not measured is zero and nothing says so. Here the mask of each frame
  enters beside it, as zero is an intensity like others.
* Frames are red, green and blue, and the result is four times as large. Here any number
  of channels and frames will do, and the result has the size of the input unless asked
  for more.

The third deformable convolution of the last block, which paper and documentation speak
of, does not exist in the published network either: a flag goes to the wrong argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.deepfovea.blocks import (
    FinalBlock,
    ResidualBlock,
    SuperResolutionBlock,
    TemporalBlock,
    enlarged,
)
from napari_udvd.models.deepfovea.settings import GRID, FoveaSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DeepFovea"]


class DeepFovea(nn.Module):
    """The reconstruction network; see the module's docstring.

    It sees the pixels that it is given, so without clean frames it can only be trained
    on pixels that were measured and not given. Its result is to be trusted at such
    pixels: where a pixel was given, its noise has a say, and training did not ask.

    Parameters
    ----------
    settings
        What it is built from.
    """

    def __init__(self, settings: FoveaSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or FoveaSettings()
        encoder, decoder = settings.encoder, settings.decoder
        inputs = (settings.seen, *encoder)
        self.encoder = nn.ModuleList(
            ResidualBlock(*widths) for widths in zip(inputs, encoder, strict=False)
        )
        self.decoder = nn.ModuleList()
        before = encoder[-1]
        for k, features in enumerate(decoder):
            size = None
            if settings.norm_size is not None:
                rows, columns = (n >> 4 - k for n in settings.norm_size)
                size = (rows, columns)
            self.decoder.append(
                TemporalBlock(
                    before + encoder[3 - k], features, settings.rectified, size
                )
            )
            before = features
        self.super_resolution = nn.ModuleList()
        for features in settings.super_resolution:
            self.super_resolution.append(
                SuperResolutionBlock(before + encoder[0], features)
            )
            before = features
        self.final = (
            FinalBlock(before + encoder[0], before, settings.made)
            if settings.zoom == 1
            else None
        )

    def forward(
        self,
        clip: Tensor,
        mask: Tensor | None = None,
        states: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Reconstruct all frames of a clip, of any size.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``. What it holds where the mask is False is not looked at.
        mask
            ``(N, T, 1, H, W)``, bool: True where a pixel is given; None if all are.
        states
            What the clip before returned; None for the first clip.

        Returns
        -------
        result : Tensor
            ``(N, T, C, zoom H, zoom W)``, not clipped to any range.
        states : tuple of Tensor
            For the next clip of the same movie, coarsest first.

        Raises
        ------
        ValueError
            If shapes do not fit.
        """
        self._check(clip, self.settings.channels)
        n, _, _, height, width = clip.shape
        if mask is None:
            mask = torch.ones_like(clip[:, :, :1], dtype=torch.bool)
        elif mask.shape != clip[:, :, :1].shape or mask.dtype != torch.bool:
            raise ValueError(
                f"the mask of a clip of shape {tuple(clip.shape)} is bool "
                f"{tuple(clip[:, :, :1].shape)}, got {mask.dtype} {tuple(mask.shape)}"
            )
        seen = torch.where(mask, clip, 0)  # not a product: gaps may be NaN
        if self.settings.mask_input:
            seen = torch.cat([seen, mask.to(clip.dtype)], dim=2)
        # the border is repeated: the coarsest pixels have to be whole
        padding = (0, -width % GRID, 0, -height % GRID)
        seen = F.pad(seen.flatten(0, 1), padding, mode="replicate")
        result, states = self.raw(seen.unflatten(0, (n, -1)), states)
        zoom = self.settings.zoom
        return result[..., : zoom * height, : zoom * width], states

    def raw(
        self, clip: Tensor, states: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Apply the layers, and nothing else.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``, both sizes multiples of 32, with zeros where nothing
            was measured. If the network is told the mask, it is one more channel: 1
            where a pixel is given, 0 elsewhere. Last what else enters beside a frame.
        states
            ``(N, features, H / 16, W / 16)`` to ``(…, H / 2, W / 2)``, coarsest first;
            None for zeros.

        Returns
        -------
        result : Tensor
            ``(N, T, C, zoom H, zoom W)``, and what else leaves beside a frame.
        states : tuple of Tensor
            For the next clip; no gradient passes.

        Raises
        ------
        ValueError
            If shapes do not fit.
        """
        settings = self.settings
        self._check(clip, settings.inputs)
        self._check_size(clip)
        if states is None:
            states = self.first_states(clip)
        elif [s.shape for s in states] != [s.shape for s in self.first_states(clip)]:
            raise ValueError(
                f"the states {[tuple(s.shape) for s in states]} are those of clips of "
                f"another shape than {tuple(clip.shape)}"
            )
        x = clip.flatten(1, 2)
        full, coarser = None, []
        for block in self.encoder:
            x = block(x)
            full = x if full is None else full
            x = F.avg_pool2d(x, 2)
            coarser.append(x)
        x, after = enlarged(x), []
        for k, block in enumerate(self.decoder):
            x, state = block(torch.cat([x, coarser[3 - k]], dim=1), states[k])
            after.append(state)
        if self.final is not None:
            assert full is not None
            x = self.final(torch.cat([x, full], dim=1))
        for k, block in enumerate(self.super_resolution):
            # the finest features of the encoder have half of the input's size
            x = block(torch.cat([x, enlarged(coarser[0], 2 << k)], dim=1))
        return x.unflatten(1, (settings.frames, settings.outputs)), tuple(after)

    def first_states(self, clip: Tensor) -> tuple[Tensor, ...]:
        """Return the states before the first clip: zeros.

        Parameters
        ----------
        clip
            Any of these clips, ``(N, T, C, H, W)``, both sizes multiples of 32.
        """
        n, _, _, height, width = clip.shape
        return tuple(
            clip.new_zeros(n, features, height >> 4 - k, width >> 4 - k)
            for k, features in enumerate(self.settings.decoder)
        )

    def _check(self, clip: Tensor, channels: int) -> None:
        frames = self.settings.frames
        if clip.dim() != 5 or clip.shape[1:3] != (frames, channels):
            raise ValueError(
                f"this network takes clips (N, {frames}, {channels}, H, W), got shape "
                f"{tuple(clip.shape)}"
            )

    def _check_size(self, clip: Tensor) -> None:
        height, width = clip.shape[-2:]
        if height % GRID or width % GRID:
            raise ValueError(
                f"rows and columns must be multiples of {GRID}, got {height} x {width}"
            )
        wanted = self.settings.norm_size
        if wanted is not None and wanted != (height, width):
            raise ValueError(
                f"the layer norms of this checkpoint are for frames of {wanted[0]} x "
                f"{wanted[1]} px, not {height} x {width}"
            )
