"""S2SVR: sequence-to-sequence video restoration, aligned along optical flow.

J. Lin, X. Hu, Y. Cai, H. Wang, Y. Yan, X. Zou, Y. Zhang and L. Van Gool,
*Unsupervised Flow-Aligned Sequence-to-Sequence Learning for Video Restoration*, ICML
2022: a recurrent encoder over all frames, whose states are moved along the flow, and a
recurrent decoder that restores them from the last to the first.

Settings of its own (:class:`~napari_udvd.models.S2SVRSettings`) tell the published
sizes from what is trained here. What the published program does and this network does
not:

* Every frame is resized to 256 x 256 before its flow is estimated: frames that are not
  square are distorted, small ones cost many times too much, and large ones lose small
  movements. Here flow is estimated at the size that the frames have, and all frames at
  once rather than pair by pair (with the published settings: as published).
* Outside of the frame, the flow network sees zeros; its own authors let the border go
  on, and their weights expect it. Here the border goes on.
* One frame ends in an error of indices. Here it is refused in words.
* Four convolutions of the encoder, one parameter in twenty, are never used. They are
  not there.
* The decoder overwrites the list of states that the encoder returned. Here it does not.
* Frames are red, green and blue; here any number of channels will do, and results may
  be twice as large, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_udvd.models.s2svr.decoder import Decoder
from napari_udvd.models.s2svr.encoder import Encoder
from napari_udvd.models.s2svr.flow import PWCLite
from napari_udvd.models.s2svr.settings import S2SVRSettings

if TYPE_CHECKING:
    from napari_udvd.models.flow.base import ClipFlow

__all__ = ["S2SVR"]


class S2SVR(nn.Module):
    """The restoration network; see the module's docstring.

    It is not blind: a pixel reaches its own result through the encoder, the attention,
    the base and the flow. From noisy frames alone it can only be trained on pixels that
    were hidden from it. A new network returns its base.

    Parameters
    ----------
    settings
        What it is built from.

    Attributes
    ----------
    flow_net
        Estimates flow between neighbouring frames.
    encoder, decoder
        Its parts, to be called one by one where a movie is too long for one clip.
    """

    def __init__(self, settings: S2SVRSettings | None = None) -> None:
        super().__init__()
        self.settings = made = settings or S2SVRSettings()
        self.flow_net = PWCLite(
            made.channels,
            made.flow_levels,
            made.flow_radius,
            made.flow_size,
            made.flow_border,
        )
        sizes = (made.channels, made.features, made.blocks, made.layers)
        self.encoder = Encoder(*sizes)
        self.decoder = Decoder(*sizes, made.zoom)
        self._initialise()

    def forward(
        self,
        clip: Tensor,
        flows: ClipFlow | None = None,
        base: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """Restore all frames of a clip.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``, at least two frames of any size, from about 0 to 1.
        flows
            Between its neighbouring frames, (dy, dx), px, where they are known or come
            from better frames; None to estimate them.
        base
            ``(N, T, C, zoom H, zoom W)``: what is to be improved, such as a
            deconvolved clip; None for the clip itself, enlarged by bilinear
            interpolation.
        precision
            Floating-point type of encoder and decoder; flow and result are in float32.

        Returns
        -------
        Tensor
            ``(N, T, C, zoom H, zoom W)``, not clipped to any range.

        Raises
        ------
        ValueError
            If shapes do not fit, or there is but one frame.
        """
        self._check(clip, base)
        if flows is None:
            flows = self.flow_net.of_clip(clip)
        else:
            _check_flows(clip, flows)
        encoded = self.encoder(clip.to(precision), flows)
        restored: Tensor = self.decoder(clip, flows, encoded, base)
        return restored

    def raw(self, clip: Tensor) -> Tensor:
        """Apply the published layers, and nothing else.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``.

        Returns
        -------
        Tensor
            ``(N, T, C, zoom H, zoom W)``.

        Raises
        ------
        ValueError
            As for a call.
        """
        restored: Tensor = self(clip)
        return restored

    def _initialise(self) -> None:
        last = self.decoder.leave[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def _check(self, clip: Tensor, base: Tensor | None) -> None:
        channels, zoom = self.settings.channels, self.settings.zoom
        if clip.dim() != 5 or clip.shape[2] != channels:
            raise ValueError(
                f"this network takes clips (N, T, {channels}, H, W), got shape "
                f"{tuple(clip.shape)}"
            )
        n, frames, _, height, width = clip.shape
        if frames < 2:
            raise ValueError(
                f"S2SVR follows what moves from frame to frame and needs at least two "
                f"frames, got {frames}; a single image cannot be restored by it"
            )
        wanted = (n, frames, channels, zoom * height, zoom * width)
        if base is not None and base.shape != wanted:
            raise ValueError(
                f"the base of a clip of shape {tuple(clip.shape)} has shape {wanted} "
                f"at zoom {zoom}, got {tuple(base.shape)}"
            )


def _check_flows(clip: Tensor, flows: ClipFlow) -> None:
    n, frames, _, height, width = clip.shape
    wanted = (n, frames - 1, 2, height, width)
    for flow in flows:
        if flow.shape != wanted:
            raise ValueError(
                f"flow of a clip of shape {tuple(clip.shape)} has shape {wanted} each "
                f"way, got {tuple(flow.shape)}"
            )
