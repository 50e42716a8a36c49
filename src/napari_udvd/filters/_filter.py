"""The filter of one pixel, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.errors import InputError
from napari_udvd.filters._numbers import (
    Spread,
    averaged_pixels,
    shares_of,
    spread_of,
    width_of,
)
from napari_udvd.filters._window import (
    check_place,
    device_of,
    frozen,
    read_window,
    series_with,
    views_of,
)
from napari_udvd.models import (
    Prediction,
    posterior,
    predict_pixel_in_views,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.filters._window import Window
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["AdaptiveFilter", "adaptive_filter"]

Weights = npt.NDArray[np.float32]

CLEAR_SHARE = 0.03
"""Share that a frame needs for its shift to be called motion."""

CLEAR_SPREAD = 4.0
"""Largest extent (px) of weights that have a place."""


@dataclass(frozen=True, eq=False)
class AdaptiveFilter:
    """The weighted sum of noisy pixels that one output pixel is.

    ``prediction = sum(by_channel * noisy) + bias``, all in grey levels of the movie.

    Attributes
    ----------
    by_channel
        Weights ``(C, F, h, w)`` of the channels that the network takes together, the
        frames in order of time.
    channels
        Their numbers.
    pixel
        The output pixel: time, channel, depth, row, column.
    origin
        Time, row and column of the first weight.
    prediction
        Value of the output pixel.
    bias
        What is left of it without the noisy pixels: from the offset that is taken off
        before the network and the network's own biases.
    std
        Its standard deviation, or None for a network trained on the mean only.
    is_posterior
        The noisy pixel itself was put back in, see :func:`adaptive_filter`.
    reflected
        Frames that the network looked for beyond the ends of the movie; it saw others
        again instead, whose weights are the sum of both.
    """

    by_channel: Weights
    channels: tuple[int, ...]
    pixel: tuple[int, int, int, int, int]
    origin: tuple[int, int, int]
    prediction: float
    bias: float
    std: float | None
    is_posterior: bool
    reflected: int

    @property
    def weights(self) -> Weights:
        """Weights of the pixel's own channel, ``(F, h, w)``."""
        own: Weights = self.by_channel[self.channels.index(self.pixel[1])]
        return own

    @property
    def frames(self) -> range:
        """Times of the frames."""
        return range(self.origin[0], self.origin[0] + self.weights.shape[0])

    @cached_property
    def sum(self) -> float:
        """Sum of the weights; one where the average brightness is kept."""
        return float(self.weights.sum(dtype=np.float64))

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """Share of each frame in the sum of absolute weights, ``(F,)``."""
        return shares_of(self.weights, frames=-3)

    @cached_property
    def averaged(self) -> float:
        """Number of equal weights that would average as much: ``1 / sum(w**2)``."""
        return float(averaged_pixels(self.weights, axis=(-3, -2, -1)))

    @cached_property
    def width(self) -> float:
        """Root mean square distance of the weights from their frame's centroid, px."""
        return float(width_of(self.weights))

    @cached_property
    def spread(self) -> Spread:
        """Centroid and extent of each frame's weights, in pixels of the crop."""
        return spread_of(self.weights)

    @property
    def centroids(self) -> npt.NDArray[np.float64]:
        """Row and column in the movie of each frame's centroid, ``(F, 2)``."""
        return np.asarray(self.spread.centroid + np.asarray(self.origin[1:]))

    @property
    def shifts(self) -> npt.NDArray[np.float64]:
        """Centroids as seen from the pixel, ``(F, 2)``: dy, dx."""
        return np.asarray(self.centroids - np.asarray(self.pixel[3:]))

    @cached_property
    def velocity(self) -> tuple[float, float] | None:
        """Motion (dy, dx) in px per frame that the filter follows, or None.

        Half the way from the frame before to the frame after; from one of them where
        the other is missing or its weights have no clear place.
        """
        own = self.pixel[0] - self.origin[0]
        clear = {}
        for step in (-1, 1):
            k = own + step
            if (
                0 <= k < len(self.frames)
                and self.shares[k] >= CLEAR_SHARE
                and self.spread.longest[k] <= CLEAR_SPREAD
            ):
                clear[step] = self.shifts[k] * step
        if not clear:
            return None
        dy, dx = np.mean(list(clear.values()), axis=0)
        return float(dy), float(dx)

    def describe(self) -> str:
        """Say what the filter does, in words.

        For example ``"averaged about 57 pixels: 41 % from this frame, 20 % from the
        one before, 21 % from the one after, 18 % from 30 others; follows a motion
        of (0.8, -1.2) px/frame"``, motion in rows and columns.
        """
        if not np.isfinite(self.averaged):
            return "no noisy pixel has any weight: the value is the bias alone"
        own = self.pixel[0] - self.origin[0]
        parts, named = [], 0.0
        for step, name in (
            (0, "this frame"),
            (-1, "the one before"),
            (1, "the one after"),
        ):
            if 0 <= own + step < len(self.frames):
                share = self.shares[own + step]
                parts.append(f"{share:.0%} from {name}".replace("%", " %"))
                named += share
        others = len(self.frames) - len(parts)
        if others:
            parts.append(f"{1 - named:.0%} from {others} others".replace("%", " %"))
        count = (
            f"{self.averaged:.0f}" if self.averaged >= 10 else f"{self.averaged:.1f}"
        )
        text = f"averaged about {count} pixels: {', '.join(parts)}"
        if self.velocity is None:
            return f"{text}; follows no clear motion"
        dy, dx = (round(v, 1) + 0.0 for v in self.velocity)
        return f"{text}; follows a motion of ({dy:.1f}, {dx:.1f}) px/frame"


def adaptive_filter(
    denoiser: Denoiser,
    stack: Stack,
    t: int,
    y: int,
    x: int,
    *,
    c: int = 0,
    z: int = 0,
    posterior: bool = False,
) -> AdaptiveFilter:
    """Compute the filter of one output pixel.

    The gradient of the output pixel with respect to the movie, in float32, from the
    receptive field alone (Sheth et al. 2021, section 5). It is that of the average over
    the fewest views that the network needs, as results are without self-ensemble; with
    one, results are averaged over more views than are shown.

    Parameters
    ----------
    denoiser
        Trained model.
    stack
        The noisy movie.
    t, y, x
        Frame, row and column of the output pixel.
    c, z
        Its channel and depth.
    posterior
        Of the prediction combined with the noisy pixel itself, as denoising puts it
        out where there is one. That scales the weights and adds one for the pixel; the
        two precisions count as constants.

    Raises
    ------
    InputError
        If the place is not in the movie, the model does not fit it, or a posterior is
        asked of a model trained on the mean only.
    """
    check_place(denoiser, stack, t=t, c=c, z=z, y=y, x=x)
    if posterior and not denoiser.net.likelihood:
        raise InputError(
            "a model trained on the mean only has no posterior; ask for the filter of "
            "its prediction"
        )
    series, own = series_with(denoiser, stack, c, z)
    seen = read_window(denoiser, stack, series, t, slice(y, y + 1), slice(x, x + 1))
    row, column = y - seen.rows.start, x - seen.columns.start
    with frozen(denoiser.net):
        leaf = seen.leaf(device_of(denoiser.net))
        prediction = predict_pixel_in_views(
            denoiser.net,
            seen.seen(leaf),
            seen.at,
            row,
            column,
            views_of(denoiser),
        )
        with_noisy = posterior and seen.holds(t, row, column)
        value, std, own_weights = _combined(
            prediction, seen, t, row, column, with_noisy
        )
        (gradient,) = torch.autograd.grad(value[0, own, 0, 0], leaf)
    weights = gradient.movedim(1, 0).cpu()
    weights[:, seen.frames.index(t), row, column] += own_weights[own].cpu()
    # a weight takes grey levels of its channel to grey levels of the pixel's channel
    scale = seen.scaler.scale.cpu()
    by_channel = (weights * (scale[own] / scale)[..., None]).numpy()
    grey_value = float(seen.scaler.restore(value.detach())[0, own, 0, 0])
    products = np.multiply(by_channel, seen.grey.swapaxes(0, 1), dtype=np.float64)
    return AdaptiveFilter(
        by_channel=by_channel,
        channels=series.channels,
        pixel=(t, c, z, y, x),
        origin=(seen.frames[0], seen.rows.start, seen.columns.start),
        prediction=grey_value,
        bias=grey_value - float(products.sum()),
        std=None if std is None else float(std[own] * scale[own]),
        is_posterior=posterior,
        reflected=seen.reflected,
    )


def _combined(
    prediction: Prediction,
    seen: Window,
    t: int,
    row: int,
    column: int,
    with_noisy: bool,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Value ``(1, C, 1, 1)``, its std ``(C,)``, and the noisy pixel's own weights.

    The weights are ``(C, C)``: of every channel's noisy pixel in every channel's
    value.
    """
    mean, channels = prediction.mean, prediction.mean.shape[1]
    nothing = mean.new_zeros(channels, channels)
    std = None if prediction.std is None else prediction.std.detach().flatten()
    if not with_noisy:
        return mean, std, nothing
    factor = prediction.factor
    assert factor is not None
    constant = Prediction(mean.detach(), factor.detach())
    variance = seen.scaler.noise.variance(constant.mean)
    here = (..., slice(row, row + 1), slice(column, column + 1))
    grey = torch.from_numpy(seen.grey[seen.frames.index(t)]).to(mean)
    noisy = seen.scaler.normalise(grey)[here][None]
    value, after = posterior(constant, noisy, variance)
    # the posterior is linear in the noisy pixel: one step in each channel finds the
    # weights without saying again how it is computed
    steps = torch.eye(channels).to(mean)[:, :, None, None]
    moved = posterior(
        Prediction(
            constant.mean.expand(channels, -1, -1, -1),
            factor.detach().expand(channels, -1, -1, -1, -1),
        ),
        constant.mean + steps,
        variance,
    )[0]
    gain = (moved - constant.mean)[:, :, 0, 0].T
    blind = mean - torch.einsum("oc,nchw->nohw", gain, mean)
    # its gradient is that of the blind part, its value that of the whole
    return blind + (value - blind).detach(), after.flatten(), gain
