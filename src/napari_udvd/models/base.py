"""What training, denoising and inspection expect of a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_udvd.models.likelihood import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.flow.base import FlowNetwork

__all__ = ["Clip", "Geometry", "Network"]


class Geometry(NamedTuple):
    """What one output of a network depends on, and where it lies.

    Attributes
    ----------
    context
        Frames seen before and after the output frame.
    radius
        Pixels in any direction that an output pixel can depend on.
    grid
        Rows and columns of its pooling: tiles begin at multiples of it, px.
    least_frames
        Frames of the shortest movie that the network is of use for.
    recurrent
        Predicting a clip is as much work as all of its frames, and takes any number of
        them.
    zoom
        Output pixels for each pixel of a frame, along rows and along columns.
    local
        Nothing further away than `radius` has a say. Where something has, tiles differ
        a little from the whole frame.
    """

    context: int
    radius: int
    grid: int
    least_frames: int
    recurrent: bool = False
    zoom: int = 1
    local: bool = True


class Clip(NamedTuple):
    """Frames as a network sees them.

    Attributes
    ----------
    frames
        ``(N, T, C, H, W)``, float32, in network units.
    noise
        In the same units; its entries broadcast with `frames`.
    mask
        ``(N, T, 1, H, W)`` or one for each channel, bool: False where nothing was
        measured; None where everything was.
    """

    frames: Tensor
    noise: CameraNoise
    mask: Tensor | None = None


class Network(nn.Module):
    """A blind-spot network.

    Attributes
    ----------
    name
        What model files call it.
    title
        What users call it.
    channels
        Channels of a frame.
    likelihood
        It predicts an uncertainty.
    hole
        Rows and columns around a pixel that its own frame may not show.
    least_views
        Views of a movie (see `napari_udvd.models.views`) that a result is averaged
        over at least: two, where one bears the weave of the network's pooling.
    """

    name: str
    title: str
    channels: int
    likelihood: bool
    hole: tuple[int, int]
    least_views = 1

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """What an output depends on."""

    @property
    def margin(self) -> int:
        """Frames at either end of a training clip that :meth:`predict_clip` omits."""
        return self.geometry.context

    @property
    def noise_tolerance(self) -> float:
        """Factor by which noise may differ from that of the training, in input units.

        A network that is told the noise stands more than one that has learned it.
        """
        return 1.5

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
    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames that have their full context.

        Parameters
        ----------
        clip
            Frames ``(N, T, C, H, W)``.
        precision
            Floating-point type to compute in.

        Returns
        -------
        Prediction
            Mean ``(N, T - 2 context, C, H, W)`` and factor, float32.
        """

    def forward(self, clip: Clip, precision: torch.dtype | None = None) -> Prediction:
        """Predict in the precision of the frames, or another; see :meth:`predict`."""
        return self.predict(clip, precision or clip.frames.dtype)

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

    def fall_back(self, std: float) -> bool:
        """Say what a plain average says, and no more, where training may begin so.

        Parameters
        ----------
        std
            Error of the average, in standard deviations of the noise.

        Returns
        -------
        bool
            Whether the network is one that can; else nothing is changed.
        """
        return False

    def shrink(self, share: float) -> None:
        """Say a share of what it adds to the plain average of :meth:`fall_back`.

        Parameters
        ----------
        share
            From 0, the average, to 1, what it says now. What it says of its error
            stays.
        """
        raise NotImplementedError(f"{self.title} says no plain average")

    def predict_fairly(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict the middle frame of a clip, to be judged by its noisy pixels.

        As :meth:`predict`, but nothing about the network may have seen them.
        """
        return self.predict(clip, precision)

    def predict_clip(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict as many frames of a training clip as the network can.

        Parameters
        ----------
        clip, precision
            As in :meth:`predict`.

        Returns
        -------
        Prediction
            Mean ``(N, T - 2 margin, C, H, W)`` and factor, float32.
        """
        return self.predict(clip, precision)

    def denoising_parameters(self) -> dict[str, nn.Parameter]:
        """Return what the likelihood of noisy pixels teaches, by name."""
        return dict(self.named_parameters())

    def predict_frame(self, clip: Clip, at: int, precision: torch.dtype) -> Prediction:
        """Predict one frame of a window.

        Parameters
        ----------
        clip
            Frames ``(1, 2 context + 1, C, H, W)``; of a recurrent network any frames in
            their order.
        at
            Which frame; the middle one, if the network is not recurrent.
        precision
            Floating-point type to compute in.

        Returns
        -------
        Prediction
            Mean ``(1, C, H, W)`` and factor.
        """
        mean, factor = self.predict(clip, precision)
        return Prediction(mean[:, 0], None if factor is None else factor[:, 0])

    def predict_pixel(self, clip: Clip, at: int, y: int, x: int) -> Prediction:
        """Predict one pixel of one frame of a window.

        The same number as :meth:`predict_frame` gives there in float32, and the same
        gradient. Networks that know which of their layers a single pixel needs
        override this.

        Parameters
        ----------
        clip, at
            As in :meth:`predict_frame`.
        y, x
            Row and column of the pixel.

        Returns
        -------
        Prediction
            Mean ``(1, C, 1, 1)`` and factor.
        """
        mean, factor = self.predict_frame(clip, at, torch.float32)
        here = (..., slice(y, y + 1), slice(x, x + 1))
        return Prediction(mean[here], None if factor is None else factor[here])

    def prepare(self, clip: Clip) -> Clip:
        """Do once what all windows of a clip have in common.

        It must do the same to every pixel of every frame, wherever it is, so that a
        clip may be mirrored afterwards.

        Parameters
        ----------
        clip
            Frames ``(1, T, C, H, W)``.

        Returns
        -------
        Clip
            For :meth:`sweep_prepared`; the clip itself by default.
        """
        return clip

    def sweep_prepared(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Do what :meth:`sweep` does, of a clip that :meth:`prepare` returned."""
        return self.sweep(clip, windows, precision)

    @abstractmethod
    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict one window of frames after the other.

        Parameters
        ----------
        clip
            Frames ``(1, T, C, H, W)``.
        windows
            Numbers of the ``2 context + 1`` frames that each output sees.
        precision
            As in :meth:`predict`.

        Yields
        ------
        Prediction
            For the middle frame of each window: mean ``(1, C, H, W)`` and factor.
        """
