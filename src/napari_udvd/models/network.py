"""What training, denoising and inspection expect of a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from torch import nn

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_udvd.models.prediction import Prediction
    from napari_udvd.models.stabilise import CameraNoise

__all__ = ["Network", "NetworkStream"]


class NetworkStream(Protocol):
    """Denoising frame by frame."""

    def push(self, frame: Tensor) -> Prediction | None:
        """Take frame ``(N, C, H, W)``; predict the one `context` frames ago."""


class Network(nn.Module):
    """A blind-spot network.

    Attributes
    ----------
    name
        What model files call it.
    title
        What users call it.
    alignment
        Grid of its pooling: tiles begin at multiples of it, px.
    channels
        Of a frame.
    likelihood
        It predicts an uncertainty.
    hole
        Rows and columns around a pixel that its own frame may not show.
    """

    name: str
    title: str
    alignment: int
    channels: int
    likelihood: bool
    hole: tuple[int, int]

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames seen before and after the output frame."""

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

    @abstractmethod
    def stream(self, noise: CameraNoise, precision: torch.dtype) -> NetworkStream:
        """Start denoising frame by frame; parameters as in :meth:`predict`."""
