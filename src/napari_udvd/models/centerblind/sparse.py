"""The centre-blind network for movies of which only some pixels were measured.

The layers and the shipped weights are those of `network`. What differs is what they
see, and a few convolutions that begin with zeros, so that it starts as that network:

- what was not measured is taken out before anything is computed, and frames are
  condensed to averages of what there is (see `models.averaging`);
- frames are relative to an average of all *other* frames, over pixels and over time;
- gaps of the other frames are filled within their own frame. The output frame is
  never filled, nor is any frame with the help of another one: a filled gap carries the
  noise of its neighbours, and would carry it past the blind spot;
- new convolutions see how much of each frame was measured, averages of the output
  frame with the hole left out, and averages of the other frames;
- what the result is relative to may be the average of the output frame, too, with the
  hole left out, by a share that is learned and begins with zero. (Frames are not:
  their neighbours would show the hole.) With a share of one and nothing added, the
  network says the best average that there is.

In training every output pixel is a measured one, and where it matters none is. So that
this makes no difference, the network is blind to the output pixel's place in the mask
as to its value, for the whole hole and for hidden neighbours likewise.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.averaging import (
    TRUST,
    Partial,
    Taps,
    average,
    divided,
    gaussian,
    ratio,
    reach,
    smooth,
)
from napari_udvd.models.camera import stabilise
from napari_udvd.models.centerblind.branches import PRESETS
from napari_udvd.models.centerblind.layers import apply, as_channels, rows_of
from napari_udvd.models.centerblind.network import BLUR, CenterBlind
from napari_udvd.models.centerblind.window import Window
from napari_udvd.models.precision import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.models.base import Clip, Geometry
    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.centerblind.network import Features

__all__ = ["WIDTHS", "SparseCenterBlind"]

WIDTHS = (1.4, 2.0)
"""Standard deviations, px and frames, of the average that frames are relative to."""

OWN = (0.6, 1.0, 2.0)
"""Those of averages of the output frame, px."""

OTHERS = ((0.8, 0.8), (1.0, 2.0), (1.4, 2.0), (2.0, 5.0))
"""Those of averages of the other frames, px and frames."""

WIDE = 10.0
"""Standard deviation, px, from which on an average is not widened any more: beyond
three of them is the mean of all that was measured."""

FILLING = gaussian(1.0)[1:-1]
"""Weights that gaps of the other frames are filled with."""

HALF_TRUST = 0.02
"""Weight of the base in what gaps are filled with."""

LEAST = 1e-3
"""Less than any share of a group of frames that can have been measured."""


class SparseCenterBlind(CenterBlind):
    """The network; see the module's docstring.

    Parameters
    ----------
    channels, near, far, preset, hole, hidden, likelihood
        As for :class:`~napari_udvd.models.centerblind.network.CenterBlind`.
    widths
        Standard deviations, px and frames, of the Gaussian average of other frames
        that frames are relative to. None for the box of that network.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    name = "centerblind-sparse"
    title = "Fast for sparse scans"

    def __init__(
        self,
        channels: int = 1,
        near: int = 4,
        far: Sequence[int] = (4, 8),
        preset: str = "medium",
        hole: Sequence[int] = (1, 1),
        hidden: int = 0,
        likelihood: bool = True,
        widths: Sequence[float] | None = WIDTHS,
    ) -> None:
        super().__init__(channels, near, far, preset, hole, hidden, likelihood)
        if widths is not None and (len(widths) != 2 or not min(widths) > 0):
            raise ValueError(
                f"widths are {tuple(widths)!r}; they must be two positive numbers, "
                "pixels and frames"
            )
        self.widths = None if widths is None else (float(widths[0]), float(widths[1]))
        full, half, *_ = PRESETS[preset]
        frames = 2 * near + 1 + 2 * len(self.options.far)
        down, aside = self._reach
        self.known_look = nn.Conv2d(
            frames * channels, full, (2 * down + 1, 2 * aside + 1), bias=False
        )
        self.known_open = nn.Conv2d(
            4 * (frames - 1) * channels, half, 3, padding=1, bias=False
        )
        self.own = nn.Conv2d(2 * len(OWN) * channels, full, 1, bias=False)
        self.others = nn.Conv2d(
            2 * len(OTHERS) * channels, full, 3, padding=1, bias=False
        )
        self.own_share = nn.Parameter(torch.zeros(channels))
        for layer in self._added():
            nn.init.zeros_(layer.weight)
        self.register_buffer("own_kernels", self._own_kernels(), persistent=False)

    own_kernels: Tensor

    @property
    def geometry(self) -> Geometry:
        """As that of the network, but for what frames are relative to."""
        inherited = super().geometry
        farthest = max(reach(pixels) for pixels, _ in widened(self._widths))
        more = farthest + len(FILLING) // 2 - BLUR // 2
        return inherited._replace(radius=inherited.radius + more)

    @property
    def _widths(self) -> tuple[float, float]:
        """Those of the average of other frames, whether or not it is the base."""
        return WIDTHS if self.widths is None else self.widths

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        widths = None if self.widths is None else list(self.widths)
        return {**super().configuration(), "widths": widths}

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fit weights of this network, or of the one it is made of: it adds zeros."""
        known = {**self._zeros(), **super().fitted(weights)}
        look = "known_look.weight"
        return {**known, look: self._widened(known[look])}

    def fall_back(self, std: float) -> bool:
        """Say the base, the output frame's part in it included."""
        with torch.no_grad():
            self.own_share.fill_(1.0)
            self.join_c.weight.zero_()
            assert self.join_c.bias is not None
            self.join_c.bias.zero_()
            entry = self.channels - 1
            for length in range(self.channels, 0, -1):
                # the last one of each row is made positive, by softplus
                entry += length
                if self.likelihood:
                    self.join_c.bias[entry] = math.log(math.expm1(std))
        return True

    def shrink(self, share: float) -> None:
        """Say a share of what it adds to the base, the output frame's part included."""
        mean = slice(self.channels)
        with torch.no_grad():
            self.own_share.lerp_(torch.ones_like(self.own_share), 1 - share)
            self.join_c.weight[mean] *= share
            assert self.join_c.bias is not None
            self.join_c.bias[mean] *= share

    def _zeros(self) -> dict[str, Tensor]:
        layers = {
            f"{name}.weight": torch.zeros_like(layer.weight)
            for name, layer in self.named_children()
            if layer in self._added()
        }
        return {**layers, "own_share": torch.zeros_like(self.own_share)}

    def _added(self) -> list[nn.Conv2d]:
        """Layers that the network it starts from does not have."""
        return [self.known_look, self.known_open, self.own, self.others]

    def _stable(self, clip: Clip) -> Tensor:
        """Stabilised frames and, as further channels, their mask and the frames.

        ``(N, T, 3 C, H, W)``. What was not measured may be anything, NaN among it, and
        is zero in all of them.
        """
        there = clip.frames.isfinite()
        if clip.mask is not None:
            there = there & clip.mask
        # before any arithmetic: zero times NaN is NaN
        frames = torch.where(there, clip.frames, 0.0)
        values = torch.where(there, stabilise(frames, clip.noise), 0.0)
        return torch.cat([values, there.to(values.dtype), frames], dim=2)

    def _window(
        self, stable: Tensor, window: Sequence[int], noise: CameraNoise
    ) -> Window:
        """Frames of these numbers, condensed, filled, and relative to their base."""
        # one by one, so that sums are taken in the same order as without a mask
        total, known = (
            self._condensed(part, window) for part in stable.chunk(3, dim=2)[:2]
        )
        (own, *wider), others = self._averages(stable, window)
        nearest = own.sums()
        wide = average(nearest, wider)
        if self.widths is None:
            base = ratio(self._base(total), self._base(known), wide)
            relative_to = base
        else:
            base = stabilise(wide[:, None], noise)[:, 0]
            whole = self._with_own(nearest, stable, window)
            light = divided(*whole, wide)
            nearer = stabilise(light[:, None], noise)[:, 0]
            relative_to = torch.lerp(base, nearer, self.own_share[:, None, None])
        there = known > 0
        frames = torch.where(there, total / known.clamp_min(LEAST) - base[:, None], 0.0)
        smoothed = [
            part
            for value, share in others
            for part in ((value - share * base) / (share + TRUST), share)
        ]
        frames, known = self._filled(frames, known)
        return Window(frames, relative_to, known, torch.cat(smoothed, dim=1))

    def _averages(
        self, stable: Tensor, window: Sequence[int]
    ) -> tuple[list[Partial], list[tuple[Tensor, Tensor]]]:
        """Sum the other frames, and their mask with the same weights.

        For the base and, where it has gaps, wider and wider ones, the light that was
        measured, not yet summed over pixels: stabilised, its average would be too dark.
        (Not so where the base is that of the other network.) For the averages that are
        seen beside it, the stabilised frames.
        """
        ladder = widened(self._widths)
        weights = in_time(
            tuple(window),
            stable.shape[1],
            self.options.hidden,
            tuple(frames for _, frames in (*ladder, *OTHERS)),
            stable.device,
        ).to(stable.dtype)
        # (K, T) times (N, T, pixels): nothing is copied, whichever frames are asked for
        sums = (weights @ stable.flatten(2)).unflatten(2, stable.shape[2:])
        found = []
        for k, (pixels, _) in enumerate((*ladder, *OTHERS)):
            value, known, light = sums[:, k].split(self.channels, dim=1)
            of_light = self.widths is not None and k < len(ladder)
            both = torch.cat([light if of_light else value, known], dim=1)
            found.append(Partial(both, gaussian(pixels)))
        base, others = found[: len(ladder)], found[len(ladder) :]
        return base, [each.sums() for each in others]

    def _with_own(
        self, others: tuple[Tensor, Tensor], stable: Tensor, window: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Add the output frame, but for the hole, to the sums that the base is of."""
        assert self.widths is not None
        pixels, frames = self.widths
        weight = sum(weights_of(tuple(window), self.options.hidden, frames).values())
        _, known, light = stable[:, window[len(window) // 2]].chunk(3, dim=1)
        taps = gaussian(pixels)
        rows, columns = (parted(taps, n) for n in self.hole)
        both = torch.cat([light, known], dim=1)
        # what is above and below the hole, and what is beside it: the hole is never
        # added, so that nothing of it is left by rounding
        own = smooth(both, rows.outside, taps) + smooth(
            both, rows.inside, columns.outside
        )
        found = (
            (weight * other + mine) / (weight + 1)
            for other, mine in zip(others, own.chunk(2, dim=1), strict=True)
        )
        total, share = found
        return total, share

    def _filled(self, frames: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Fill gaps of each frame from around them, but of none with a hole."""
        near, _, _, hidden = self.options
        first, last = near - hidden, near + hidden + 1
        there = known > 0
        value, share = smooth(frames * known, FILLING), smooth(known, FILLING)
        filled = torch.where(there, frames, value / (share + HALF_TRUST))
        trust = torch.where(there, known, share / 2)
        return (
            torch.cat([filled[:, :first], frames[:, first:last], filled[:, last:]], 1),
            torch.cat([trust[:, :first], known[:, first:last], trust[:, last:]], 1),
        )

    def _features(self, window: Window, precision: torch.dtype) -> Features:
        """Return what makes the features that the lattice begins with, of any rows."""
        assert window.known is not None and window.smooth is not None
        height, width = window.frames.shape[-2:]
        x = as_channels(window.frames, precision)
        known = as_channels(window.known, precision)
        first = self._halved(x, self.open_in) + self._halved(known, self.known_open)
        every = slice(0, x.shape[2])
        features = self.at_full_resolution(self.look_openly(first), every)
        features = features + self._looked(x, self.look, every)
        features = features + self._looked(known, self.known_look, every)
        features = features[:, :, :height, :width]
        own = pack(self._own_averages(window.frames, window.known).to(precision))
        others = pack(window.smooth.to(precision))
        features = features + apply(self.own, own) + apply(self.others, others)
        return partial(rows_of, features)

    def _own_averages(self, frames: Tensor, known: Tensor) -> Tensor:
        """Averages of the output frame with the hole left out, and their shares."""
        near = self.options.near
        both = torch.stack([frames[:, near] * known[:, near], known[:, near]], dim=1)
        found = F.conv2d(
            both.flatten(0, 2)[:, None],
            self.own_kernels.to(both.dtype),
            padding=self._reach,
        )
        # channels and averages together: (N, 2, C * averages, H, W)
        value, share = found.unflatten(0, both.shape[:3]).flatten(2, 3).unbind(1)
        return torch.cat([value / (share + TRUST), share], dim=1)

    def _own_kernels(self) -> Tensor:
        """Gaussians with the hole left out, sum one, ``(averages, 1, h, w)``."""
        down, aside = self._reach
        hole = self.mask.unflatten(0, (-1, self.channels))[self.options.near, 0]
        rows, columns = torch.arange(-down, down + 1), torch.arange(-aside, aside + 1)
        far = rows[:, None] ** 2 + columns[None] ** 2
        kernels = torch.stack([hole * torch.exp(-far / (2 * s * s)) for s in OWN])
        return (kernels / kernels.sum(dim=(1, 2), keepdim=True))[:, None]


class Parted(NamedTuple):
    """Taps of a convolution in two parts, zeros in place of the others."""

    inside: Taps
    outside: Taps


def parted(taps: Taps, hole: int) -> Parted:
    """Tell the middle taps, as many as the hole has rows or columns, from the rest."""
    first = max(len(taps) // 2 - hole // 2, 0)
    inside = range(first, len(taps) - first)
    return Parted(
        tuple(tap if k in inside else 0.0 for k, tap in enumerate(taps)),
        tuple(0.0 if k in inside else tap for k, tap in enumerate(taps)),
    )


def widened(widths: tuple[float, float]) -> list[tuple[float, float]]:
    """Return these widths, px and frames, and twice, four times as much, and so on."""
    found = [widths]
    while found[-1][0] < WIDE:
        pixels, frames = found[-1]
        found.append((2 * pixels, 2 * frames))
    return found


def weights_of(window: tuple[int, ...], hidden: int, width: float) -> dict[int, float]:
    """Gaussian weights of the other frames, by their numbers.

    A frame that stands for others beyond the ends of the movie counts once: as often
    as the output frame, and as near as it is.
    """
    middle = len(window) // 2
    found: dict[int, float] = {}
    for k, frame in enumerate(window):
        if abs(k - middle) > hidden:
            weight = math.exp(-(((k - middle) / width) ** 2) / 2)
            found[frame] = max(weight, found.get(frame, 0.0))
    return found


@lru_cache(maxsize=1024)
def in_time(
    window: tuple[int, ...],
    length: int,
    hidden: int,
    widths: tuple[float, ...],
    device: torch.device,
) -> Tensor:
    """Gaussian weights in time of the other frames, ``(widths, length)``, sum one.

    None of the output frame, which is in the middle of the window, and of as many
    neighbours as stay `hidden`.
    """
    rows = []
    for width in widths:
        found = weights_of(window, hidden, width)
        row = [found.get(frame, 0.0) for frame in range(length)]
        whole = sum(row)
        rows.append([weight / whole for weight in row])
    with torch.inference_mode(False):  # they serve gradients, too
        return torch.tensor(rows, device=device)
