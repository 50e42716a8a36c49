"""DeepFovea++ that learns from a sparse movie itself, and is blind to what it predicts.

The published network sees the pixels that it is given, among them the one that it is
asked for. Here it is asked only for pixels that were not given: those of a sparse scan
are dealt to folds (see `folds`), and the network passes over the movie once for each,
with its pixels hidden, their values and their places in the mask. So the likelihood of
the measured pixels teaches it, and a measured pixel can be combined with what was said
of it.

Beside that it differs from the published one in this:

- What it says is relative to an average of what was given, in units of the noise there
  (the base: normalised convolution in space and time), and at every pixel it mixes in
  averages of other widths, as a network that predicts kernels does. It begins with the
  base.
- Beside each frame, its gaps filled with the base, enters what it differs from the base
  by, and where it was measured.
- It says how sure it is: factors of the covariance leave beside the mean.
- Frames keep their size. To learn a larger result takes frames of that size, which no
  sparse movie has.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.averaging import (
    box,
    divided,
    gaussian,
    reach,
    smooth,
)
from napari_udvd.models.base import Clip, Geometry, Network
from napari_udvd.models.camera import stabilise
from napari_udvd.models.deepfovea.clips import SHARED, clips_of
from napari_udvd.models.deepfovea.folds import PERIOD, around, dealt, halved
from napari_udvd.models.deepfovea.network import DeepFovea
from napari_udvd.models.deepfovea.settings import ENCODER, GRID, FoveaSettings
from napari_udvd.models.likelihood import Prediction, factor_entries, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_udvd.models.camera import CameraNoise

__all__ = ["WIDTHS", "SparseFovea"]

WIDTHS = (1.4, 2.0)
"""Standard deviations, px and frames, of the base."""

OTHERS = ((0.7, 0.5), (1.0, 1.0), (0.8, 3.0), (2.0, 1.0), (2.5, 5.0))
"""Those of other averages, which the network mixes in, pixel by pixel."""

WIDEST = 25
"""Rows and columns of the average where nothing nearer was given."""

CONTEXT = 4
"""Frames on each side by which parts of a long movie overlap."""

FIRST_STD = 0.7
"""Error of the base, in standard deviations of the noise, until it is learned."""


class _Given(NamedTuple):
    """What the network is given of a movie in one pass.

    Attributes
    ----------
    light
        ``(N, T, C, H, W)``, zero where nothing is given.
    known
        1 where something is, 0 elsewhere.
    noise
        Of the movie.
    level, spread
        Mean and standard deviation of the stabilised pixels, ``(N, 1, C, 1, 1)``.
    """

    light: Tensor
    known: Tensor
    noise: CameraNoise
    level: Tensor
    spread: Tensor


class SparseFovea(Network):
    """The network; see the module's docstring.

    Parameters
    ----------
    channels
        Channels of a frame.
    features
        Of the first block; 32 as published, which the others follow.
    frames
        Frames of a clip, which are reconstructed at once; 6 as published.
    hole
        Odd (rows, columns) around a pixel that are hidden with it.
    likelihood
        Put out mean and covariance factor instead of the mean alone.
    widths
        Standard deviations, px and frames, of the average that frames are relative to.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    name = "deepfovea"
    title = "DeepFovea++"

    def __init__(
        self,
        channels: int = 1,
        features: int = 16,
        frames: int = 6,
        hole: Sequence[int] = (1, 1),
        likelihood: bool = True,
        widths: Sequence[float] = WIDTHS,
    ) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"features must be at least 1, got {features}")
        if frames <= SHARED:
            raise ValueError(f"frames must be more than {SHARED}, got {frames}")
        if len(hole) != 2 or any(side < 1 or side % 2 == 0 for side in hole):
            raise ValueError(f"hole must be two odd numbers, got {tuple(hole)}")
        if len(widths) != 2 or not min(widths) > 0:
            raise ValueError(
                f"widths are {tuple(widths)!r}; they must be two positive numbers, "
                "pixels and frames"
            )
        entries = factor_entries(channels) if likelihood else 0
        self.net = DeepFovea(
            FoveaSettings(
                frames=frames,
                channels=channels,
                width=features / ENCODER[0],
                more_inputs=channels,
                more_outputs=entries + len(OTHERS) * channels,
            )
        )
        self.channels, self.likelihood = channels, likelihood
        self.features = features
        self.hole = (int(hole[0]), int(hole[1]))
        self.widths = (float(widths[0]), float(widths[1]))
        self._begin()

    @property
    def geometry(self) -> Geometry:
        """What an output depends on.

        The radius is that of the convolutions: the norms see the whole frame.
        """
        # two convolutions, and pooling or interpolation by two, at each scale
        scales = [2**k for k in range(len(ENCODER))]
        encoder = sum(3 * scale for scale in scales)
        decoder = sum(4 * scale for scale in scales[1:]) + 2 * scales[-1]
        base = max(WIDEST // 2, reach(self.widths[0]))
        return Geometry(
            context=CONTEXT,
            radius=encoder + decoder + 2 + base + GRID,
            grid=math.lcm(GRID, *(PERIOD * side for side in self.hole)),
            least_frames=1,
            recurrent=True,
            local=False,
        )

    @property
    def margin(self) -> int:
        """None: every frame of a training clip is predicted."""
        return 0

    @property
    def size(self) -> str:
        """Features of the first block, and frames of a clip."""
        return f"{self.features} features, clips of {self.net.settings.frames} frames"

    @property
    def shares_frames(self) -> bool:
        """The states run over all frames once."""
        return True

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        return {
            "channels": self.channels,
            "features": self.features,
            "frames": self.net.settings.frames,
            "hole": list(self.hole),
            "likelihood": self.likelihood,
            "widths": list(self.widths),
        }

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames that have their full context, see :class:`Network`."""
        length = clip.frames.shape[1]
        if length < 2 * CONTEXT + 1:
            raise ValueError(
                f"this network sees {CONTEXT} frames on each side, got a clip of "
                f"{length}: shape {tuple(clip.frames.shape)}; predict_all takes any "
                "length"
            )
        mean, factor = self.predict_all(clip, precision)
        full = slice(CONTEXT, length - CONTEXT)
        return Prediction(mean[:, full], None if factor is None else factor[:, full])

    def predict_all(
        self, clip: Clip, precision: torch.dtype = torch.float32
    ) -> Prediction:
        """Predict every frame of a clip of any length, none from its own pixels."""
        self._check(clip.frames)
        folds = dealt(*_sizes(clip.frames), self.hole)
        return _joined(self._predicted(clip, folds, precision))

    def predict_clip(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames of a training clip, in two folds drawn at random."""
        self._check(clip.frames)
        folds = halved(clip.frames, self.hole)
        return _joined(self._predicted(clip, folds, precision))

    def predict_frame(self, clip: Clip, at: int, precision: torch.dtype) -> Prediction:
        """Predict one frame of a window of any length."""
        mean, factor = self.predict_all(clip, precision)
        return Prediction(mean[:, at], None if factor is None else factor[:, at])

    def predict_pixel(self, clip: Clip, at: int, y: int, x: int) -> Prediction:
        """Predict one pixel of one frame, by the passes that answer for it."""
        self._check(clip.frames)
        folds = dealt(*_sizes(clip.frames), self.hole)
        if _there(clip)[0, at, :, y, x].any():
            folds = [fold for fold in folds if fold[0, at, 0, y, x]]
        frames = self._predicted(clip, folds, torch.float32)
        mean, factor = next(islice(frames, at, None))
        here = (..., slice(y, y + 1), slice(x, x + 1))
        return Prediction(mean[here], None if factor is None else factor[here])

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict the middle frame of one window after the other.

        The states run once over the clip in its order, over all of its frames also
        where a window has fewer. Frames are kept, in case that they are asked for
        again or windows go back in time.
        """
        self._check(clip.frames)
        folds = dealt(*_sizes(clip.frames), self.hole)
        coming = self._predicted(clip, folds, precision)
        done: list[Prediction] = []
        for window in windows:
            wanted = window[len(window) // 2]
            while len(done) <= wanted:
                done.append(next(coming))
            yield done[wanted]

    def _predicted(
        self, clip: Clip, folds: Sequence[Tensor], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict frame after frame, each pixel in the pass that hides it.

        Where nothing was measured, nothing has to be hidden: there all passes answer,
        and their average is better than each.
        """
        length = clip.frames.shape[1]
        folds = [fold.to(clip.frames.device) for fold in folds]
        passes = [_given(clip, ~around(fold, self.hole)) for fold in folds]
        empty = ~_there(clip).any(dim=2, keepdim=True)
        states: list[tuple[Tensor, ...] | None] = [None] * len(passes)
        for start, taken in clips_of(length, self.net.settings.frames):
            total, count = torch.zeros(()), torch.zeros(())
            for k, (fold, given) in enumerate(zip(folds, passes, strict=True)):
                said, states[k] = self._pass(given, start, states[k], precision)
                here = slice(start, start + said.shape[1])
                answers = fold[:, here] | empty[:, here]
                total = total.to(said) + torch.where(answers, said, 0.0)
                count = count.to(said) + answers.to(said.dtype)
            outputs = total / count.clamp_min(1)
            for t in taken:
                yield split(outputs[:, t - start], self.channels)

    def _pass(
        self,
        given: _Given,
        start: int,
        states: tuple[Tensor, ...] | None,
        precision: torch.dtype,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Apply the network to a clip that begins at a frame, in units of the frames.

        Returns
        -------
        outputs : Tensor
            ``(N, frames, C + entries, H, W)``: mean, and the factor's entries.
        states : tuple of Tensor
            For the next clip.
        """
        frames = self.net.settings.frames
        stop = min(start + frames, given.light.shape[1])
        base, others = self._averages(given, start, stop)
        std = given.noise.variance(base).sqrt()
        light, known = given.light[:, start:stop], given.known[:, start:stop]
        there = known > 0
        filled = stabilise(torch.where(there, light, base), given.noise)
        differs = torch.where(there, (light - base) / std, 0.0)
        seen = torch.cat(
            [
                (filled - given.level) / given.spread,
                known.mean(dim=2, keepdim=True),
                differs,
            ],
            dim=2,
        )
        height, width = seen.shape[-2:]
        # the border is repeated; frames beyond the end were not measured
        padding = (0, -width % GRID, 0, -height % GRID)
        clips = seen.shape[:2]
        seen = F.pad(seen.flatten(0, 1), padding, mode="replicate")
        seen = seen.unflatten(0, clips)
        seen = F.pad(seen, (0, 0, 0, 0, 0, 0, 0, frames - (stop - start)))
        with torch.autocast(
            seen.device.type, precision, enabled=precision is torch.bfloat16
        ):
            said, states = self.net.raw(seen, states)
        said = said[:, : stop - start, :, :height, :width].to(base.dtype)
        sizes = [self.channels, len(OTHERS) * self.channels]
        mean, shares, entries = said.split([*sizes, said.shape[2] - sum(sizes)], 2)
        shares = shares.unflatten(2, (len(OTHERS), self.channels))
        mixed = (shares * (others - base[:, :, None])).sum(dim=2)
        parts = [base + mixed + std * mean]
        if self.likelihood:
            # entry after entry: row by row, each one for a channel
            rows = range(self.channels)
            columns = [c for row in rows for c in range(self.channels - row)]
            parts.append(std[:, :, columns] * entries)
        return torch.cat(parts, dim=2), states

    def _averages(self, given: _Given, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Average what is given, with several widths.

        Returns
        -------
        base : Tensor
            For these frames, ``(N, stop - start, C, H, W)``.
        others : Tensor
            ``(N, stop - start, others, C, H, W)``; the base, where nothing is near.
        """
        both = torch.stack([given.light, given.known])
        light, known = both.sum(dim=(2, 4, 5), keepdim=True)
        middle = light / known.clamp_min(1)
        light, known = smooth(both.mean(dim=2, keepdim=True), box(WIDEST))
        wider = divided(light, known, middle)
        at = torch.arange(both.shape[2], device=both.device)
        found: list[Tensor] = []
        for pixels, frames in (self.widths, *OTHERS):
            weights = torch.exp(-((at[start:stop, None] - at) / frames).square() / 2)
            weights = (weights / weights.sum(dim=1, keepdim=True)).to(both.dtype)
            near = (weights @ both.flatten(3)).unflatten(3, both.shape[3:])
            light, known = smooth(near, gaussian(pixels))
            found.append(divided(light, known, found[0] if found else wider))
        return found[0], torch.stack(found[1:], dim=2)

    def _begin(self) -> None:
        """Begin with the base, and with a guess of its error."""
        final = self.net.final
        assert final is not None
        for layer in (final.b, final.around):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        if not self.likelihood:
            return
        with torch.no_grad():
            assert final.b.bias is not None
            own = final.b.bias.view(self.net.settings.frames, -1)
            entry = (1 + len(OTHERS)) * self.channels - 1
            for length in range(self.channels, 0, -1):
                entry += length  # the last one of each row
                own[:, entry] = FIRST_STD

    def _check(self, frames: Tensor) -> None:
        if frames.dim() != 5 or frames.shape[2] != self.channels:
            raise ValueError(
                f"this network takes clips (N, T, {self.channels}, H, W), got shape "
                f"{tuple(frames.shape)}"
            )


def _given(clip: Clip, shown: Tensor) -> _Given:
    """Take what was measured and is shown, ``(N, T, 1, H, W)``."""
    there = _there(clip) & shown
    # before any arithmetic: zero times NaN is NaN
    light = torch.where(there, clip.frames, 0.0)
    known = there.to(light.dtype)
    count = known.sum(dim=(1, 3, 4), keepdim=True).clamp_min(1)
    stable = torch.where(there, stabilise(light, clip.noise), 0.0)
    level = stable.sum(dim=(1, 3, 4), keepdim=True) / count
    off = torch.where(there, stable - level, 0.0).square()
    # noise has a variance of one, and is there even if all that is given is equal
    spread = (off.sum(dim=(1, 3, 4), keepdim=True) / count + 1).sqrt()
    return _Given(light, known, clip.noise, level, spread)


def _there(clip: Clip) -> Tensor:
    """Which pixels were measured, ``(N, T, C, H, W)``."""
    there = clip.frames.isfinite()
    return there if clip.mask is None else there & clip.mask


def _sizes(frames: Tensor) -> tuple[int, int, int]:
    return frames.shape[1], frames.shape[-2], frames.shape[-1]


def _joined(predictions: Iterable[Prediction]) -> Prediction:
    """Put predictions of frames in a row: mean ``(N, T, C, H, W)`` and factor."""
    means, factors = zip(*predictions, strict=True)
    mean = torch.stack(means, dim=1)
    return Prediction(mean, None if factors[0] is None else torch.stack(factors, 1))
