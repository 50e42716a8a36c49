"""UDVD: unsupervised deep video denoising (Sheth et al., ICCV 2021).

Five frames go through a cascade of two half-plane U-Nets in four rotations. The
first stage joins three neighbouring frames, the second three outputs of the first;
1x1 convolutions join the rotations. One-frame and three-frame variants have a single
stage. The network has no biases, so its output is a weighted sum of noisy pixels
whose weights depend on them (a locally linear filter).

The output pixel is independent of a *hole* around it in every frame: its own
position (1x1, as published) or, for noise that is correlated between neighbours, a
larger odd rectangle, by shifting each half-plane further before they are joined
(UDVD-MF).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.base import Clip, Geometry, Network
from napari_udvd.models.likelihood import Prediction, factor_entries, split
from napari_udvd.models.precision import convolve, pack
from napari_udvd.models.udvd.causal import SLOPE
from napari_udvd.models.udvd.halfplane import BORDER, HalfPlaneUNet, relative
from napari_udvd.models.udvd.noise_level import NoiseLevelNet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["UDVD", "UDVDStream"]

HALF_PLANE_REACH = 72
"""Rows above a pixel that one half-plane U-Net can see (66, pools and upsampling)."""

ASIDE_REACH = 40
"""Columns on either side of it (33, pools and upsampling)."""

TOGETHER_BYTES = 16 * 2**20
"""Largest activation for which several rotations run as one batch."""

JOIN_BYTES = 4 * 2**20
"""Size of one activation of the 1x1 convolutions in inference."""


class UDVD(Network):
    """The network; see the module's docstring.

    Parameters
    ----------
    frames
        Frames seen for one output frame: 5 (two stages), 3 or 1 (one stage).
    channels
        Channels of a frame.
    width
        Channels of the first encoder: 48 as published, fewer for slow machines.
    hole
        Odd (rows, columns) around the output pixel that no frame may show.
    likelihood
        Put out mean and covariance factor (Gaussian likelihood) instead of the mean
        alone.
    blind_noise
        Add the network that estimates one noise level per clip from the noisy frames
        (``sigma`` unknown).
    """

    name = "udvd"
    title = "UDVD"

    def __init__(
        self,
        frames: int = 5,
        channels: int = 1,
        width: int = 48,
        hole: Sequence[int] = (1, 1),
        likelihood: bool = False,
        blind_noise: bool = False,
    ) -> None:
        super().__init__()
        _check(frames, channels, width, hole)
        self.frames, self.channels, self.width = frames, channels, width
        self.hole = (int(hole[0]), int(hole[1]))
        self.likelihood, self.blind_noise = likelihood, blind_noise
        outputs = channels + (factor_entries(channels) if likelihood else 0)
        wide = 2 * width
        first = min(frames, 3) * channels
        if frames == 5:
            features = _stage_one_features(width)
            self.stage_one = HalfPlaneUNet(first, features, width)
            self.stage_two = HalfPlaneUNet(3 * features, wide, width)
        else:
            self.stage_one = HalfPlaneUNet(first, wide, width)
        self.join_a = nn.Conv2d(4 * wide, 4 * wide, 1, bias=False)
        self.join_b = nn.Conv2d(4 * wide, wide, 1, bias=False)
        self.join_c = nn.Conv2d(wide, outputs, 1, bias=False)
        if blind_noise:
            self.noise_level = NoiseLevelNet(frames * channels, width)

    @property
    def geometry(self) -> Geometry:
        """What an output depends on; the grid is that of the two poolings."""
        context, stages = self.frames // 2, len(self._stages())
        radius = stages * HALF_PLANE_REACH + 1 + max(self.hole) // 2
        return Geometry(context, radius, grid=4, least_frames=context + 1)

    @property
    def size(self) -> str:
        """Frames and width."""
        return f"{self.frames} frames, width {self.width}"

    @property
    def shares_frames(self) -> bool:
        """The first stage of a frame serves three windows."""
        return True

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        return {
            "frames": self.frames,
            "channels": self.channels,
            "width": self.width,
            "hole": list(self.hole),
            "likelihood": self.likelihood,
            "blind_noise": self.blind_noise,
        }

    def raw(self, clip: Tensor, noise_std: Tensor | None = None) -> Tensor:
        """Return the published output channels for one window of frames.

        Parameters
        ----------
        clip
            ``(N, frames, C, H, W)``.
        noise_std
            Not used: this network does not take the noise level as an input. The
            parameter is there because every published network is called like this.

        Returns
        -------
        Tensor
            ``(N, outputs, H, W)``.
        """
        if clip.shape[1] != self.frames:
            raise ValueError(
                f"raw output is for a window of {self.frames} frames, got a clip with "
                f"{clip.shape[1]}: shape {tuple(clip.shape)}"
            )
        return self._outputs(clip).squeeze(1)

    def estimate_noise(self, clip: Tensor) -> Tensor:
        """Noise level of each window, ``(N,)``, from the network's second branch."""
        if not self.blind_noise:
            raise ValueError("this network was built without blind_noise")
        estimate: Tensor = self.noise_level(clip.flatten(1, 2))
        return estimate

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames that have their full context, see :class:`Network`.

        Frames may have any height and width; the network needs not be told the noise.
        """
        return split(self._outputs(clip.frames.to(precision)), self.channels)

    def predict_pixel(self, clip: Clip, at: int, y: int, x: int) -> Prediction:
        """Predict one pixel, see :class:`Network`.

        Every rotation runs over its own half-plane, and every stage where the next
        one sees it: a tenth of the operations.
        """
        images = clip.frames.flatten(0, 1)
        height, width = images.shape[2:]
        views = {
            turn: self._view_at(images, turn, *_place(y, x, turn, height, width))
            for turn in range(4)
        }
        return split(self._join(views), self.channels)

    def _view_at(self, images: Tensor, turn: int, row: int, column: int) -> Tensor:
        """Features of one rotation at one pixel of it, ``(1, channels, 1, 1)``."""
        look = _look(images, turn)
        row -= 1 + self.hole[turn % 2] // 2
        stages = self._stages()
        if row < 0:
            return look.new_zeros(1, 2 * self.width, 1, 1)
        size = look.shape[2], look.shape[3] - 2 * BORDER
        # from the last stage to the first: what each puts out, and what it sees
        parts = [(_on_grid(slice(row, row + 1)), _on_grid(slice(column, column + 1)))]
        for _ in stages:
            parts.insert(0, _seen_by(*parts[0], *size))
        rows, columns = parts[0]
        x = look[:, :, rows, columns.start : columns.stop + 2 * BORDER]
        for stage, seen, wanted in zip(stages, parts, parts[1:], strict=False):
            count = min(self.frames, 3)
            n = x.shape[0] - count + 1
            x = torch.cat([x[k : k + n] for k in range(count)], dim=1)
            x = stage.forward_at(_flat(x), *map(relative, wanted, seen))
        rows, columns = parts[-1]
        row, column = row - rows.start, BORDER + column - columns.start
        return x[:, :, row : row + 1, column : column + 1]

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict one window of frames after the other, see :class:`Network`.

        Windows that move on by one frame share the first stage.
        """
        frames = clip.frames[0].to(precision)
        stream, before = UDVDStream(self), None
        for window in windows:
            moved_on = before is not None and list(window[:-1]) == list(before[1:])
            if not moved_on:
                stream = UDVDStream(self)
            prediction = None
            for t in window[-1:] if moved_on else window:
                prediction = stream.push(frames[t : t + 1])
            assert prediction is not None
            yield prediction
            before = window

    def _outputs(self, clip: Tensor) -> Tensor:
        n, frames, channels, height, width = clip.shape
        if channels != self.channels or frames < self.frames:
            raise ValueError(
                f"this network takes clips (N, T >= {self.frames}, {self.channels}, H, "
                f"W), got shape {tuple(clip.shape)}"
            )
        views: dict[int, Tensor] = {}
        images = clip.flatten(0, 1)
        for turns in _turns_together(images, 2 * self.width):
            x = torch.cat([_look(images, turn) for turn in turns])
            x = x.view(len(turns) * n, frames, *x.shape[1:])
            for stage in self._stages():
                window = min(self.frames, 3)
                x = torch.cat(
                    [x[:, k : x.shape[1] - window + 1 + k] for k in range(window)], 2
                )
                x = stage(_flat(x)).unflatten(0, x.shape[:2])
            views |= self._unlook(x.flatten(0, 1), turns, height, width)
        out = self._join(views)
        return out.view(n, -1, *out.shape[1:])

    def _stages(self) -> list[HalfPlaneUNet]:
        return [self.stage_one, *([self.stage_two] if self.frames == 5 else [])]

    def _unlook(
        self, x: Tensor, turns: Sequence[int], height: int, width: int
    ) -> dict[int, Tensor]:
        """Shift by one row more than the hole's radius, crop, rotate back."""
        views = {}
        for turn, look in zip(turns, x.chunk(len(turns)), strict=True):
            rows, columns = (height, width) if turn % 2 == 0 else (width, height)
            shift = min(1 + self.hole[turn % 2] // 2, rows)
            look = look[:, :, : rows - shift, BORDER : BORDER + columns]
            views[turn] = _rotate(F.pad(look, (0, 0, shift, 0)), -turn % 4)
        return views

    def _join(self, looks: Mapping[int, Tensor]) -> Tensor:
        """1x1 convolutions over all rotations, in strips that stay in the cache."""
        views = [looks[turn] for turn in range(4)]
        rows = views[0].shape[2]
        step = rows
        if not torch.is_grad_enabled():
            one = views[0][:, :, :1]
            step = max(JOIN_BYTES // (4 * one.numel() * one.element_size()), 8)
        strips = []
        for start in range(0, rows, step):
            x = torch.cat([view[:, :, start : start + step] for view in views], dim=1)
            x = F.leaky_relu_(convolve(self.join_a, x), SLOPE)
            x = F.leaky_relu_(convolve(self.join_b, x), SLOPE)
            # a movie has more grey levels than bfloat16: the last sum is in float32
            strips.append(convolve(self.join_c, x.to(self.join_c.weight.dtype)))
        return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


class UDVDStream:
    """Push frames in order, get predictions `context` frames later.

    Keeps three looks at the input and three first-stage outputs per rotation, so
    every frame costs one pass through each stage.
    """

    def __init__(self, net: UDVD) -> None:
        self._net = net
        self._windows: list[list[deque[Tensor]]] = [
            [deque(maxlen=min(net.frames, 3)) for _ in net._stages()] for _ in range(4)
        ]

    def push(self, frame: Tensor) -> Prediction | None:
        """Take the next frame ``(N, C, H, W)``.

        Returns
        -------
        Prediction or None
            For the frame `context` frames ago, mean ``(N, C, H, W)``; None until
            the window is full.
        """
        height, width = frame.shape[2:]
        views: dict[int, Tensor] = {}
        groups = _turns_together(frame, 2 * self._net.width)
        for turns, windows in zip(groups, self._windows, strict=False):
            look = torch.cat([_look(frame, turn) for turn in turns])
            if (out := self._advance(_flat(look), windows)) is not None:
                views |= self._net._unlook(out, turns, height, width)
        return split(self._net._join(views), self._net.channels) if views else None

    def _advance(self, x: Tensor, windows: Sequence[deque[Tensor]]) -> Tensor | None:
        """Pass looks through the stages, as far as their windows are full."""
        for stage, window in zip(self._net._stages(), windows, strict=True):
            window.append(x)
            if len(window) < min(self._net.frames, 3):
                return None
            x = stage(torch.cat(tuple(window), dim=1))
        return x


def _stage_one_features(width: int) -> int:
    """Two thirds of the width, as published (32 of 48), in multiples of eight."""
    return max(8, -(-2 * width // 3) // 8 * 8)


def _look(x: Tensor, turn: int) -> Tensor:
    """Rotate by ``turn`` quarter turns and add the border the U-Nets need.

    The right is padded to a multiple of 4 by replication. The bottom is padded with
    zeros, which no row of the frame ever sees.
    """
    x = _rotate(x, turn)
    down, right = -x.shape[2] % 4, -x.shape[3] % 4
    x = F.pad(x, (BORDER, BORDER + right, 0, 0), mode="replicate")
    return _flat(F.pad(x, (0, 0, 0, down)))


def _place(y: int, x: int, turn: int, height: int, width: int) -> tuple[int, int]:
    """Row and column, in the rotated image, of a pixel of the image."""
    return (
        (y, x),
        (x, height - 1 - y),
        (height - 1 - y, width - 1 - x),
        (width - 1 - x, y),
    )[turn]


def _seen_by(
    rows: slice, columns: slice, height: int, width: int
) -> tuple[slice, slice]:
    """Part of a half-plane U-Net's input that a part of its output depends on."""
    return (
        slice(max(rows.start - HALF_PLANE_REACH, 0), min(rows.stop, height)),
        slice(
            max(columns.start - ASIDE_REACH, 0), min(columns.stop + ASIDE_REACH, width)
        ),
    )


def _on_grid(part: slice) -> slice:
    """Widen a part to the grid of the pools."""
    return slice(part.start // 4 * 4, -(-part.stop // 4) * 4)


def _rotate(x: Tensor, turn: int) -> Tensor:
    # turn 1 brings the left to the top, turn 3 the right
    return (
        x,
        x.transpose(2, 3).flip(3),
        x.flip(2, 3),
        x.transpose(2, 3).flip(2),
    )[turn]


def _turns_together(x: Tensor, channels: int) -> list[list[int]]:
    """Group rotations that run as one batch: all that pay and have the same shape.

    Small images ``(N, C, H, W)`` are run together, since every call costs time;
    large ones alone, since their activations of so many `channels` should stay in
    the cache, and systems hand out memory in large pieces slowly.
    """
    n, _, height, width = x.shape
    one = n * channels * height * width * x.element_size()
    if height == width and 4 * one <= TOGETHER_BYTES:
        return [[0, 1, 2, 3]]
    return [[0, 2], [1, 3]] if 2 * one <= TOGETHER_BYTES else [[0], [1], [2], [3]]


def _flat(x: Tensor) -> Tensor:
    """Flatten a leading time axis and order the memory channels last."""
    return pack(x.flatten(0, 1) if x.dim() == 5 else x)


def _check(frames: int, channels: int, width: int, hole: Sequence[int]) -> None:
    if frames not in (1, 3, 5):
        raise ValueError(f"frames is {frames!r}; UDVD sees 1, 3 or 5 frames")
    if channels < 1 or width < 1:
        raise ValueError(f"channels {channels!r} and width {width!r} must be positive")
    if len(hole) != 2 or any(n < 1 or n % 2 == 0 for n in hole):
        raise ValueError(f"hole is {tuple(hole)!r}; it must be odd (rows, columns)")
