"""A trained network that takes grey levels as recorded, and gives denoised ones.

Others know neither the scaling nor the noise of a movie, so that they are part of what
they run. It does what denoising a movie does in float32, less the second stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_udvd.cutting import window
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.models import Clip, build_network, count_views, sweep_views
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GreyLevelDenoiser"]


class GreyLevelDenoiser(nn.Module):
    """A denoiser as one PyTorch module, from whole movies to whole movies.

    Parameters
    ----------
    network
        Name of the trained network.
    configuration
        Arguments that build it.
    calibrations
        Scaling and noise of each channel of the movie, see
        :meth:`~napari_udvd.inference.scaling.Calibration.to_dict`.
    joint
        It takes all channels at once instead of one by one.
    self_ensemble
        Average over all mirrored and turned views.

    Attributes
    ----------
    net
        The trained network, whose weights are all that there are.

    Raises
    ------
    ValueError, TypeError
        If there is no such network.
    """

    def __init__(
        self,
        network: str,
        configuration: Mapping[str, Any],
        calibrations: Sequence[Mapping[str, Any]],
        joint: bool = False,
        self_ensemble: bool = False,
    ) -> None:
        super().__init__()
        self.net = build_network(network, configuration)
        self._calibrations = [Calibration.from_dict(dict(c)) for c in calibrations]
        self._joint = joint
        self._views = count_views(self.net, self_ensemble)

    def forward(self, movie: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Denoise movies.

        Parameters
        ----------
        movie
            Grey levels as recorded, ``(N, C, T, H, W)``; frames must be whole, since
            what stands beyond the border is not for the network to see.

        Returns
        -------
        denoised, std
            Grey levels and their standard deviation, of the same shape; the latter only
            from a network that has one.

        Raises
        ------
        ValueError
            If the shape does not fit the network.
        """
        channels, least = len(self._calibrations), self.net.geometry.least_frames
        if movie.ndim != 5 or movie.shape[1] != channels or movie.shape[2] < least:
            raise ValueError(
                f"expected movies (N, {channels}, T >= {least}, H, W), got shape "
                f"{tuple(movie.shape)}"
            )
        # frames first, as everywhere in this package
        results = [self._denoised(each.transpose(0, 1).float()) for each in movie]
        means, stds = zip(*results, strict=True)
        if not self.net.likelihood:
            return torch.stack(means).transpose(1, 2)
        return torch.stack(means).transpose(1, 2), torch.stack(stds).transpose(1, 2)

    def _denoised(self, movie: Tensor) -> tuple[Tensor, Tensor]:
        """Denoise all channels of ``(T, C, H, W)``."""
        count = len(self._calibrations)
        groups = (
            [slice(count)] if self._joint else [slice(c, c + 1) for c in range(count)]
        )
        parts = [self._series(movie[:, group], group) for group in groups]
        means, stds = zip(*parts, strict=True)
        return torch.cat(means, dim=1), torch.cat(stds, dim=1)

    def _series(self, grey: Tensor, channels: slice) -> tuple[Tensor, Tensor]:
        """Denoise channels that the network takes together; std 0 where it has none."""
        scaler = Scaler(self._calibrations[channels], grey.device)
        clip = Clip(scaler.normalise(grey)[None], scaler.noise)
        length, context = len(grey), self.net.geometry.context
        windows = [window(t, context, length) for t in range(length)]
        predictions = sweep_views(self.net, clip, windows, torch.float32, self._views)
        means, stds = [], []
        for t, prediction in enumerate(predictions):
            own = Clip(clip.frames[:, t], scaler.noise)
            mean, std, _ = DENOISE.finish(scaler.adjusted(prediction, None), own)
            means.append(scaler.restore(mean)[0])
            known = torch.zeros_like(mean) if std is None else scaler.restore_std(std)
            stds.append(known[0])
        return torch.stack(means), torch.stack(stds)
