"""Blind-spot loss on frames held out in time.

The network never learns from these frames, so its loss on them tells when it starts
to learn the noise by heart; the blind spot makes the noisy frame itself a fair
judge. (STBN's flow is estimated from all frames, the noisy target among them. Flow that
follows the noise would flatter the loss, so here it is given the prediction instead.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.models import Clip, Network, Prediction, posterior
from napari_udvd.planes import measured_box, missing_frames, read_measured
from napari_udvd.training.loss import pixel_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.models import STBN
    from napari_udvd.training.sampling import Movie

__all__ = ["Residual", "Validation", "affordable", "hold_out"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"
Frames: TypeAlias = "npt.NDArray[np.float32]"

EDGE = 160
"""Rows and columns of a validation window: enough context, little time."""

MOST_WINDOWS = 6
"""Windows measured each time."""

WINDOWS = (
    (MOST_WINDOWS, EDGE),
    (4, EDGE),
    (3, 128),
    (2, 128),
    (2, 96),
    (1, 96),
    (1, 64),
)
"""Number and size of windows, from the best to what the slowest machine can do."""

SURE = 2.0
"""Standard errors that a result must be better than an empty frame by."""


def hold_out(n_frames: int, missing: frozenset[int] = frozenset()) -> frozenset[int]:
    """Choose the frames kept for validation: one in ten, spread evenly, never all.

    None is `missing`: a frame that was not recorded judges nothing.
    """
    there = [t for t in range(n_frames) if t not in missing]
    if len(there) < 3:
        return frozenset()
    count = min(max(len(there) // 10, 1), 8)
    spread = (np.arange(count) + 0.5) * len(there) / count
    return frozenset(there[int(k)] for k in spread)


class Residual(NamedTuple):
    """What a blind prediction leaves over, ``(h, w)`` each, in grey levels.

    Attributes
    ----------
    mean
        The prediction.
    left
        The noisy frame minus the prediction.
    expected
        Variance that the network expects of its error.
    measured
        Which pixels were measured.
    """

    mean: Doubles
    left: Doubles
    expected: Doubles
    measured: npt.NDArray[np.bool_]


def affordable(seconds_per_pixel: float, seconds: float) -> tuple[int, int]:
    """Choose windows that are measured in so many seconds.

    Parameters
    ----------
    seconds_per_pixel
        What a pixel of a window takes.
    seconds
        What one measurement of all windows may take.

    Returns
    -------
    edge, most
        Size and number of windows; the fewest and smallest where even those take
        longer.
    """
    for most, edge in WINDOWS:
        if most * edge**2 * seconds_per_pixel <= seconds:
            break
    return edge, most


@dataclass(frozen=True)
class _Window:
    clip: Frames  # (T, C, h, w), grey levels; the output frame is in the middle
    scaler: Scaler
    measured: npt.NDArray[np.bool_]  # (h, w), in all channels


class Validation:
    """A few windows of held-out frames, read once and measured again and again.

    Each window is the place of its frame with the most structure (the highest
    standard deviation), since empty background is denoised by anything.

    Parameters
    ----------
    movies, calibrations, context, device, precision
        Of the training.
    edge, most
        Rows and columns of a window, and how many there are, at most; see
        :func:`affordable`.

    Attributes
    ----------
    noise_removed
        Share of the noise's mean square that the network judged last is free of.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        calibrations: Sequence[Calibration],
        *,
        context: int,
        device: torch.device,
        precision: torch.dtype,
        edge: int = EDGE,
        most: int = MOST_WINDOWS,
    ) -> None:
        self._edge = edge
        self.noise_removed: float | None = None
        self._context, self._device, self._precision = context, device, precision
        # one neighbour at least, to compare with the average of both
        self._around = max(context, 1)
        # movies of two frames have none to spare; their first is measured instead
        pairs = [(m, t) for m in movies for t in sorted(m.held_out or {_first(m)})]
        step = max(len(pairs) / most, 1)
        chosen = [pairs[int(k * step)] for k in range(min(len(pairs), most))]
        self._windows = [self._read(m, t, calibrations) for m, t in chosen]

    def loss(self, net: Network) -> float:
        """Loss per pixel, averaged over all windows."""
        return float(np.mean([self._losses(w, net).mean() for w in self._windows]))

    def advantage(self, net: Network, other: Network) -> tuple[float, float]:
        """Tell what one network has over another, by loss per pixel.

        Returns
        -------
        float
            By how much the first loses less on average.
        float
            Standard error of that. The noise of neighbouring pixels is nearly
            independent and so are the differences.
        """
        gains = [self._losses(w, other) - self._losses(w, net) for w in self._windows]
        gain = np.concatenate(gains)
        return float(gain.mean()), float(gain.std() / np.sqrt(gain.size))

    def movement(self, net: STBN) -> float:
        """Tell how far things move per frame by the flow of a network, px.

        Noise makes flow, too, but not the same between frames 1 and 2 as between 3
        and 4, nor the same everywhere. So this is the root mean square of what lasts
        from frame to frame, or of what all pixels have in common, whichever is
        larger.
        """
        lasting, common = [], []
        for seen in self._windows:
            with torch.inference_mode():
                flow = net.estimate_flow(self._normalised(seen), self._precision)
            if flow is None:
                return 0.0
            to_next = flow.to_next[0]  # (T - 1, 2, h, w)
            common.append(float(to_next.mean(dim=(2, 3)).square().sum(dim=1).mean()))
            if len(to_next) > 2:
                products = (to_next[:-2] * to_next[2:]).sum(dim=1)
                lasting.append(float(products.mean()))
        square = max(np.mean(common), np.mean(lasting) if lasting else 0.0)
        return float(np.sqrt(max(square, 0.0)))

    def verdict(self, net: Network) -> tuple[str, ...]:
        """Say what speaks against the result, judged by frames it never learned from.

        The mean squared distance of a blind prediction from the noisy frame is its
        error plus the noise, so predictions can be compared without the truth: with
        the plain average of the frame before and the frame after and with their mean
        grey level, which are blind too, and with the noisy frame itself, whose error
        is the noise.

        Returns
        -------
        tuple of str
            One sentence for each way in which the network is no better.
        """
        distances = np.concatenate([self._distances(w, net) for w in self._windows], 1)
        noise = 1.0  # in its own units
        ours, average, _ = distances.mean(axis=1) - noise
        self.noise_removed = float(np.clip(1 - ours / noise, 0.0, 1.0))
        if not ours < noise:
            return (
                "the result is no better than the noisy movie: on frames held out its "
                f"squared error is {ours / noise:.2f} times that of the noise; do not "
                "use it; train longer, or look at the diagnosis of the noise",
            )
        if not ours < average:
            # where the noise is estimated too large, both errors may come out negative
            compared = (
                f": on frames held out its squared error is {ours / average:.2f} times "
                "as large"
                if average > 0
                else ", judged by frames held out"
            )
            return (
                "the result is no better than a plain average of the frame before and "
                f"the frame after{compared}; train longer, or average",
            )
        # here the noise, which may be a few percent off, cancels
        gains = distances[2] - distances[0]
        if not gains.mean() > SURE * gains.std() / np.sqrt(gains.size):
            return (
                "the result shows nothing that an empty frame of the same brightness "
                "would not: on frames held out both are as far from what was recorded; "
                "train longer, if there is anything to see",
            )
        return ()

    def preview(self, net: Network) -> tuple[Frames, Frames]:
        """First window, noisy and denoised, ``(C, h, w)`` in grey levels."""
        window = self._windows[0]
        with torch.inference_mode():
            clip, prediction = self._predicted(window, net)
            noisy = clip[:, self._around : self._around + 1]
            mean = prediction.mean
            if prediction.factor is not None:
                variance = window.scaler.noise.variance(mean)
                mean, _ = posterior(prediction, noisy, variance)
            denoised = window.scaler.restore(mean)[0, 0].cpu().numpy()
        return window.clip[self._around], denoised

    def residuals(self, net: Network) -> list[Residual]:
        """Blind predictions of the first channel, and what they leave over.

        Returns
        -------
        list of Residual
            One for each window.
        """
        found = []
        for seen in self._windows:
            with torch.inference_mode():
                clip, prediction = self._judged(seen, net)
            noisy = seen.scaler.restore(clip[:, self._around])
            mean = seen.scaler.restore(prediction.mean[:, 0])
            std = prediction.std
            own = torch.zeros_like(mean) if std is None else std[:, 0]
            own = seen.scaler.restore_std(own).square()
            parts = [
                np.asarray(part[0, 0].cpu().double())
                for part in (mean, noisy - mean, own)
            ]
            found.append(Residual(parts[0], parts[1], parts[2], seen.measured))
        return found

    def _losses(self, window: _Window, net: Network) -> npt.NDArray[np.float64]:
        """Loss of every pixel that was measured."""
        with torch.inference_mode():
            clip, prediction = self._judged(window, net)
            noisy = clip[:, self._around : self._around + 1]
            loss = pixel_loss(prediction, noisy, window.scaler.noise)
        losses = np.asarray(loss[0, 0].cpu().double())  # not all devices know it
        return losses[window.measured]

    def _distances(self, window: _Window, net: Network) -> npt.NDArray[np.float64]:
        """Squared distance from each noisy pixel, over the noise, ``(3, pixels)``.

        Of the prediction, of the average of the frames before and after, and of the
        mean of that.
        """
        with torch.inference_mode():
            clip, prediction = self._judged(window, net)
            first = self._around - 1
            before, frame, after = clip[:, first : first + 3].split(1, dim=1)
            noise = window.scaler.noise.variance(prediction.mean)
            average = (before + after) / 2
            level = average.mean(dim=(-2, -1), keepdim=True)
            found = [
                ((frame - blind).square() / noise)[0, 0].cpu().double()
                for blind in (prediction.mean, average, level)
            ]
        return np.stack([np.asarray(d)[:, window.measured].ravel() for d in found])

    def _judged(self, window: _Window, net: Network) -> tuple[torch.Tensor, Prediction]:
        """Clip of a window, and its middle frame as nobody who saw it predicts it."""
        clip = self._normalised(window)
        seen = self._seen(clip)
        return clip, net.predict_fairly(
            Clip(seen, window.scaler.noise), self._precision
        )

    def _predicted(
        self, window: _Window, net: Network
    ) -> tuple[torch.Tensor, Prediction]:
        """Clip of a window, and its middle frame as it is predicted in use."""
        clip = self._normalised(window)
        seen = self._seen(clip)
        return clip, net.predict(Clip(seen, window.scaler.noise), self._precision)

    def _seen(self, clip: torch.Tensor) -> torch.Tensor:
        """Frames of a window that a network sees."""
        unseen = self._around - self._context
        return clip[:, unseen : clip.shape[1] - unseen]

    def _normalised(self, window: _Window) -> torch.Tensor:
        clip = torch.from_numpy(window.clip)[None].to(self._device)
        return window.scaler.normalise(clip)

    def _read(
        self, movie: Movie, frame: int, calibrations: Sequence[Calibration]
    ) -> _Window:
        missing = missing_frames(movie.stack, movie.series)
        frames = window(frame, self._around, movie.stack.n_frames, missing)
        box = measured_box(movie.stack, movie.series)
        clip, measured = read_measured(movie.stack, movie.series, frames, *box)
        rows, columns = _most_structure(clip[self._around, 0], self._edge)
        scaler = Scaler([calibrations[c] for c in movie.series.channels], self._device)
        part = np.ascontiguousarray(clip[:, :, rows, columns])
        if measured is None:
            return _Window(part, scaler, np.ones(part.shape[-2:], bool))
        known = np.all(measured[self._around, :, rows, columns], axis=0)
        # a place in which nothing was measured is judged all the same
        return _Window(part, scaler, np.asarray(known if known.any() else ~known))


def _first(movie: Movie) -> int:
    missing = missing_frames(movie.stack, movie.series)
    return min(t for t in range(movie.stack.n_frames) if t not in missing)


def _most_structure(frame: Frames, edge: int) -> tuple[slice, slice]:
    def starts(length: int) -> range:
        return range(0, max(length - edge, 0) + 1, edge // 4)

    y, x = max(
        ((y, x) for y in starts(frame.shape[0]) for x in starts(frame.shape[1])),
        key=lambda at: float(frame[at[0] : at[0] + edge, at[1] : at[1] + edge].std()),
    )
    return slice(y, y + edge), slice(x, x + edge)
