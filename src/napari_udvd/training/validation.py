"""Loss on frames held out in time.

The network never learns from these frames, so its loss on them tells when it starts
to learn the noise by heart; the blind spot makes the noisy frame itself a fair
judge. (Optical flow is estimated from all frames, the noisy target among them. Flow
that follows the noise would flatter the loss, so it is given the prediction instead.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import Clip
from napari_udvd.planes import measured_box, missing_frames, read_measured
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.tasks import Judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.tasks import Batch, Task, Verdict
    from napari_udvd.training.sampling import Movie

__all__ = ["Residual", "Share", "Validation", "affordable"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"
Frames: TypeAlias = "npt.NDArray[np.float32]"
Found = TypeVar("Found")

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
    noise
        Variance of the noise by the noisy frame itself: right on average, whatever the
        prediction, but negative here and there.
    assumed
        Variance of the noise by the prediction, never negative.
    """

    mean: Doubles
    left: Doubles
    expected: Doubles
    measured: npt.NDArray[np.bool_]
    noise: Doubles
    assumed: Doubles


class Share(NamedTuple):
    """Weight of a network in the best mean of two.

    Attributes
    ----------
    share
        From 0, the other one, to 1, and beyond.
    error
        Its standard error, as far as noise is the reason.
    """

    share: float
    error: float


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
    mask: npt.NDArray[np.bool_] | None  # (T, 1, h, w), measured in all channels

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Pixels of the output frame that were measured, ``(h, w)``."""
        if self.mask is None:
            return np.ones(self.clip.shape[-2:], bool)
        return np.asarray(self.mask[len(self.mask) // 2, 0])


class Validation:
    """A few windows of held-out frames, read once and measured again and again.

    Each window is the place of its frame with the most structure (the highest
    standard deviation), since empty background is denoised by anything.

    Parameters
    ----------
    movies, calibrations, task, context, device, precision
        What is trained, on what, where, and in which floating-point type.
    edge, most
        Rows and columns of a window, and how many there are, at most; see
        :func:`affordable`.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        calibrations: Sequence[Calibration],
        *,
        task: Task,
        context: int,
        device: torch.device,
        precision: torch.dtype,
        edge: int = EDGE,
        most: int = MOST_WINDOWS,
    ) -> None:
        self._edge, self._task = edge, task
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
        return float(np.mean(self._each(lambda w: self._losses(w, net).mean())))

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
        gain = np.concatenate(
            self._each(lambda w: self._losses(w, other) - self._losses(w, net))
        )
        return float(gain.mean()), float(gain.std() / np.sqrt(gain.size))

    def error(self, net: Network) -> float:
        """Mean squared error of blind predictions, in variances of the noise.

        What is left over of the pixels held out, less their noise: negative where the
        noise is thought too large.
        """

        def of(seen: _Window) -> float:
            prediction, batch, _ = self._judged(seen, net)
            noise = batch.clip.noise.variance(prediction.mean)
            left = (batch.targets - prediction.mean).square() / noise
            learned = batch.learned.expand_as(left[:, :, 0])
            return float(left.mean(dim=2)[learned].mean())

        return float(np.mean(self._each(of))) - 1

    def shares(self, net: Network, other: Network) -> tuple[Share, Share]:
        """Find the best mean of what two networks predict.

        By least squares over the pixels held out.

        Returns
        -------
        Share, Share
            Of the first network, where errors count in units of the noise, and where
            they count in grey levels: then most of all what is bright says. Zero where
            both networks predict the same.
        """

        def of(seen: _Window) -> Doubles:
            ours, batch, _ = self._judged(seen, net)
            theirs, *_ = self._judged(seen, other)
            noise = batch.clip.noise.variance(theirs.mean)
            apart = ours.mean - theirs.mean
            left = batch.targets - theirs.mean
            learned = batch.learned.expand_as(apart[:, :, 0])
            rows = [
                (
                    weight * apart * left,
                    weight * apart.square(),
                    weight.square() * apart.square() * noise,
                )
                for weight in (1 / noise, torch.ones_like(noise))
            ]
            return np.array(
                [[float(t.sum(dim=2)[learned].sum()) for t in row] for row in rows]
            )

        sums = np.sum(self._each(of), axis=0)
        found = []
        for agreement, size, variance in sums:
            is_same = not size > 0
            found.append(
                Share(0.0, 0.0)
                if is_same
                else Share(agreement / size, variance**0.5 / size)
            )
        return found[0], found[1]

    def signal(self, net: Network) -> float:
        """Variance of the result relative to the noise, as a network expects it.

        Small where the noisy pixel adds little to what is known without it, because
        there is little to see or because it is known well.
        """

        def of(seen: _Window) -> float:
            prediction, batch, _ = self._judged(seen, net)
            noise = batch.clip.noise.variance(prediction.mean)
            std = prediction.std
            prior = torch.zeros_like(noise) if std is None else std.square()
            share = (prior / (prior + noise))[0, 0].cpu().numpy()
            return float(share[:, seen.measured].mean())

        return float(np.mean(self._each(of)))

    def clips(self) -> list[torch.Tensor]:
        """Frames of all windows, ``(1, T, C, h, w)`` each, in network units."""
        return [self._normalised(window) for window in self._windows]

    def verdict(self, net: Network) -> Verdict:
        """Say what speaks against the result, judged by frames it never learned from.

        Returns
        -------
        Verdict
            See :meth:`~napari_udvd.tasks.Task.verdict`.
        """
        judged = self._each(lambda window: self._judged(window, net))
        with torch.inference_mode():
            return self._task.verdict(judged)

    def preview(self, net: Network) -> tuple[Frames, Frames]:
        """First window, noisy and denoised, ``(C, h, w)`` in grey levels."""
        window = self._windows[0]
        with torch.inference_mode():
            clip = self._normalised(window)
            batch = self._batch(window, clip)
            prediction = net.predict(batch.clip, self._precision)
            mask = None
            if window.mask is not None:
                measured = torch.from_numpy(window.measured).to(self._device)
                mask = measured[None, None, None]
            own = slice(self._around, self._around + 1)
            noisy = Clip(clip[:, own], batch.clip.noise, mask)
            mean, _, is_light = self._task.finish(prediction, noisy)
            found = window.scaler.restore(mean) if is_light else mean
        return window.clip[self._around], found[0, 0].cpu().numpy()

    def residuals(self, net: Network) -> list[Residual]:
        """Blind predictions of the first channel, and what they leave over.

        Returns
        -------
        list of Residual
            One for each window.
        """

        def of(seen: _Window) -> Residual:
            prediction, _, around = self._judged(seen, net)
            noisy = seen.scaler.restore(around[:, 1])
            mean = seen.scaler.restore(prediction.mean[:, 0])
            std = prediction.std
            own = torch.zeros_like(mean) if std is None else std[:, 0]
            own = seen.scaler.restore_std(own).square()
            camera = seen.scaler.noise
            noise = camera.gain * (around[:, 1] - camera.dark) + camera.read_variance
            unit = seen.scaler.scale.square()
            assumed = camera.variance(prediction.mean[:, 0])
            parts = [
                np.asarray(part[0, 0].cpu().double())
                for part in (mean, noisy - mean, own, unit * noise, unit * assumed)
            ]
            return Residual(
                mean=parts[0],
                left=parts[1],
                expected=parts[2],
                measured=seen.measured,
                noise=parts[3],
                assumed=parts[4],
            )

        return self._each(of)

    def _each(self, of: Callable[[_Window], Found]) -> list[Found]:
        """Measure every window, as many at once as there are cores; in order."""
        count = min(threads_on(self._device), len(self._windows))

        def of_share(windows: Sequence[_Window]) -> list[Found]:
            with torch.inference_mode():
                return [of(window) for window in windows]

        found = run_parts(of_share, [self._windows[k::count] for k in range(count)])
        return [found[k % count][k // count] for k in range(len(self._windows))]

    def _losses(self, window: _Window, net: Network) -> npt.NDArray[np.float64]:
        """Loss of every entry that counts."""
        prediction, batch, _ = self._judged(window, net)
        loss = self._task.loss(prediction, batch)
        counted = loss[batch.learned.expand_as(loss)]
        return np.asarray(counted.cpu().double())  # not all devices know it

    def _judged(self, window: _Window, net: Network) -> Judged:
        """Middle frame of a window as nobody who saw it predicts it."""
        clip = self._normalised(window)
        batch = self._batch(window, clip)
        first = self._around - 1
        return Judged(
            net.predict_fairly(batch.clip, self._precision),
            batch,
            clip[:, first : first + 3],
        )

    def _batch(self, window: _Window, clip: torch.Tensor) -> Batch:
        """Frames of a window that a network sees, and the one to predict."""
        unseen = self._around - self._context
        part = slice(unseen, clip.shape[1] - unseen)
        mask = None
        if window.mask is not None:
            mask = torch.from_numpy(window.mask[part]).to(self._device)[None]
        return self._task.batch(
            Clip(clip[:, part], window.scaler.noise, mask),
            torch.ones(1, 1, dtype=torch.bool, device=self._device),
        )

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
            return _Window(part, scaler, None)
        mask = np.all(measured[:, :, rows, columns], axis=1, keepdims=True)
        if not mask[self._around].any():
            # a place in which nothing was measured is judged all the same
            mask[self._around] = True
        return _Window(part, scaler, mask)


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
