"""What training, denoising and inspection expect of a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_udvd.models.likelihood import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.flow.base import FlowNetwork

__all__ = ["Network"]


class Network(nn.Module):
    """A blind-spot network.

    Attributes
    ----------
    name
        What model files call it.
    title
        What users call it.
    channels
        Of a frame.
    likelihood
        It predicts an uncertainty.
    hole
        Rows and columns around a pixel that its own frame may not show.
    """

    name: str
    title: str
    channels: int
    likelihood: bool
    hole: tuple[int, int]

    @property
    @abstractmethod
    def alignment(self) -> int:
        """Grid of its pooling: tiles begin at multiples of it, px."""

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames seen before and after the output frame."""

    @property
    def margin(self) -> int:
        """Frames at either end of a training clip that :meth:`predict_clip` omits."""
        return self.context

    @property
    def noise_tolerance(self) -> float:
        """Factor by which noise may differ from that of the training, in input units.

        A network that is told the noise stands more than one that has learned it.
        """
        return 1.5

    @property
    @abstractmethod
    def least_frames(self) -> int:
        """Frames of the shortest movie that it is of use for."""

    @property
    @abstractmethod
    def radius(self) -> int:
        """Pixels in any direction that an output pixel can depend on."""

    @property
    @abstractmethod
    def size(self) -> str:
        """How large it is, in the words of its settings."""

    @property
    @abstractmethod
    def shares_frames(self) -> bool:
        """Whether windows that overlap share work, and are better swept in turn."""

    @abstractmethod
    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""

    @abstractmethod
    def predict(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict all frames that have their full context.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``, float32.
        noise
            In the units of `clip`, for networks that want to know.
        precision
            Floating-point type to compute in.

        Returns
        -------
        Prediction
            Mean ``(N, T - 2 context, C, H, W)`` and factor, float32.
        """

    @property
    def is_recurrent(self) -> bool:
        """Whether predicting a clip is as much work as all of its frames."""
        return False

    def flow_network(self) -> FlowNetwork | None:
        """Return the network of optical flow that learns beside it; None by default."""
        return None

    def drop_flow(self) -> None:
        """Do without optical flow from now on; nothing to do where there is none."""

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change shipped weights so that they fit this network, if they can.

        Parameters
        ----------
        weights
            By the names of the parameters, for one channel, with likelihood.
        """
        return weights

    def predict_fairly(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict the middle frame of a clip, to be judged by its noisy pixels.

        As :meth:`predict`, but nothing about the network may have seen them.
        """
        return self.predict(clip, noise, precision)

    def predict_clip(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict as many frames of a training clip as the network can.

        Parameters
        ----------
        clip, noise, precision
            As in :meth:`predict`.

        Returns
        -------
        Prediction
            Mean ``(N, T - 2 margin, C, H, W)`` and factor, float32.
        """
        return self.predict(clip, noise, precision)

    def denoising_parameters(self) -> dict[str, nn.Parameter]:
        """Return what the likelihood of noisy pixels teaches, by name."""
        return dict(self.named_parameters())

    def predict_frame(
        self, window: Tensor, at: int, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict one frame of a window.

        Parameters
        ----------
        window
            ``(1, 2 context + 1, C, H, W)``, float32; of a recurrent network any frames
            in their order.
        at
            Which frame; the middle one, if the network is not recurrent.
        noise
            In the units of `window`.
        precision
            Floating-point type to compute in.

        Returns
        -------
        Prediction
            Mean ``(1, C, H, W)`` and factor.
        """
        mean, factor = self.predict(window, noise, precision)
        return Prediction(mean[:, 0], None if factor is None else factor[:, 0])

    def predict_pixel(
        self, window: Tensor, at: int, noise: CameraNoise, y: int, x: int
    ) -> Prediction:
        """Predict one pixel of one frame of a window.

        The same number as :meth:`predict_frame` gives there in float32, and the same
        gradient. Networks that know which of their layers a single pixel needs
        override this.

        Parameters
        ----------
        window, at, noise
            As in :meth:`predict_frame`.
        y, x
            Row and column of the pixel.

        Returns
        -------
        Prediction
            Mean ``(1, C, 1, 1)`` and factor.
        """
        mean, factor = self.predict_frame(window, at, noise, torch.float32)
        here = (..., slice(y, y + 1), slice(x, x + 1))
        return Prediction(mean[here], None if factor is None else factor[here])

    @abstractmethod
    def sweep(
        self,
        clip: Tensor,
        windows: Iterable[Sequence[int]],
        noise: CameraNoise,
        precision: torch.dtype,
    ) -> Iterator[Prediction]:
        """Predict one window of frames after the other.

        Parameters
        ----------
        clip
            ``(T, C, H, W)``, float32.
        windows
            Indices into `clip` of the ``2 context + 1`` frames that each output sees.
        noise, precision
            As in :meth:`predict`.

        Yields
        ------
        Prediction
            For the middle frame of each window: mean ``(1, C, H, W)`` and factor.
        """
