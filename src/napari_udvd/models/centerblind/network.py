"""Centre-blind network: neighbouring frames in full, the output pixel not at all.

Noise that is white in time allows the frames before and after to be seen in full;
only the *centre* frame needs a blind spot. Two branches:

- *open*: a small U-Net over the neighbouring frames, at half resolution. Near frames
  enter one by one, far ones as the average of their group: where little moves, they
  take out noise that nothing else can;
- *blind*: one masked convolution over all frames, whose weights are zero at the hole
  of the centre frame, then convolutions on a lattice.

The lattice is what keeps the branch blind at any depth. The masked convolution
reaches `REACH` pixels, so its output at a pixel that is `stride` or more away never
holds the hole, if the stride exceeds the reach by more than half of the hole. Whatever
joins only pixels that are multiples of the stride apart can therefore be as deep as
it likes. It is the dilated blind-spot layer of Wu et al. 2020 (D-BSN) with its
dilation made large enough for any hole, and small images instead of dilation.

The noise is known: frames enter on the scale where its standard deviation is one (see
`stabilise`), relative to a blurred average of the neighbours, and leave as mean and
uncertainty in units of the input.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.base import Network
from napari_udvd.models.camera import CameraNoise, destabilise, stabilise
from napari_udvd.models.likelihood import Prediction, factor_entries, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["PRESETS", "CenterBlind", "Preset"]

REACH = 2
"""Pixels that the masked convolution sees around a pixel, at least."""

POOLING = 8
"""Largest pixel of the open branch."""

BLUR = 7
"""Rows and columns of the blurred average that frames are relative to."""

LEAST_STD = 1e-3
"""Smallest prior standard deviation, in units of the noise."""


class Preset(NamedTuple):
    """Channels of the layers.

    Attributes
    ----------
    full
        On the lattice, at full resolution.
    half, quarter, eighth
        Of the open branch, at half, quarter and eighth resolution.
    """

    full: int
    half: int
    quarter: int
    eighth: int


PRESETS = {
    "small": Preset(16, 32, 48, 64),
    "medium": Preset(32, 48, 96, 128),
    "large": Preset(48, 96, 128, 192),
}
"""Sizes to choose from."""


class CenterBlind(Network):
    """The network; see the module's docstring.

    Parameters
    ----------
    channels
        Channels of a frame.
    near
        Frames before and after the output frame that are seen one by one.
    far
        Sizes of the groups of frames further away that are seen as their average.
    preset
        One of :data:`PRESETS`.
    hole
        Odd (rows, columns) around the output pixel that its own frame may not show.
    hidden
        Frames before and after that may not show the hole either, for noise that is
        not white in time; fewer than `near`.
    likelihood
        Put out mean and covariance factor (Gaussian likelihood) instead of the mean
        alone.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    mask: Tensor
    name = "centerblind"
    title = "Fast (centre-blind)"

    def __init__(
        self,
        channels: int = 1,
        near: int = 4,
        far: Sequence[int] = (4, 8),
        preset: str = "medium",
        hole: Sequence[int] = (1, 1),
        hidden: int = 0,
        likelihood: bool = True,
    ) -> None:
        super().__init__()
        _check(channels, near, far, preset, hole, hidden)
        self.channels, self.preset = channels, preset
        self.near, self.far = near, tuple(int(n) for n in far)
        self.hole = (int(hole[0]), int(hole[1]))
        self.hidden, self.likelihood = hidden, likelihood
        full, half, quarter, eighth = PRESETS[preset]
        frames = 2 * near + 1 + 2 * len(self.far)
        # the same weights serve every hole up to 3 x 3: only the mask differs
        self._reach = [max(REACH, n // 2 + 1) for n in self.hole]
        self._stride = [
            max(2 * REACH, r + n // 2 + 1)
            for r, n in zip(self._reach, self.hole, strict=True)
        ]
        self.look = _convolution(
            frames * channels, full, (2 * self._reach[0] + 1, 2 * self._reach[1] + 1)
        )
        self.register_buffer("mask", self._mask(frames), persistent=False)
        self.open_in = _convolution(4 * (frames - 1) * channels, half, 3)
        self.open_half = _Residual(half)
        self.open_down = nn.Conv2d(half, quarter, 2, stride=2)
        self.open_quarter = _Residual(quarter)
        self.open_deeper = nn.Conv2d(quarter, eighth, 2, stride=2)
        self.open_eighth = _Residual(eighth)
        self.open_rise = nn.ConvTranspose2d(eighth, quarter, 2, stride=2)
        self.open_join = _Residual(quarter)
        self.open_up = nn.ConvTranspose2d(quarter, half, 2, stride=2)
        self.open_out = _Residual(half)
        self.open_full = nn.ConvTranspose2d(half, full, 2, stride=2)
        self.lattice_a = _Residual(full)
        self.lattice_b = _Residual(full)
        self.join_a = nn.Conv2d(full, full, 1)
        self.join_b = nn.Conv2d(full, full, 1)
        outputs = channels + (factor_entries(channels) if likelihood else 0)
        self.join_c = nn.Conv2d(full, outputs, 1)
        self._initialise()

    @property
    def alignment(self) -> int:
        """Grid of pooling and lattice, px."""
        return math.lcm(POOLING, *self._stride)

    @property
    def context(self) -> int:
        """Frames seen before and after the output frame."""
        return self.near + sum(self.far)

    @property
    def least_frames(self) -> int:
        """Frames of the shortest movie in which a neighbour is seen in full."""
        return 2 + 2 * self.hidden

    @property
    def size(self) -> str:
        """Preset and context."""
        hidden = f" ({self.hidden} of them with the hole)" if self.hidden else ""
        return f"{self.preset}, {self.context} frames on each side{hidden}"

    @property
    def radius(self) -> int:
        """Pixels in any direction that an output pixel can depend on."""
        # residuals at half, quarter and eighth resolution, their samplings, the blur
        opened = 2 * (1 + 2 + 2) + 4 * (2 + 2) + 8 * 2 + 8 + BLUR // 2
        return opened + max(self._reach) + 4 * max(self._stride)

    @property
    def shares_frames(self) -> bool:
        """Every window is computed by itself."""
        return False

    @property
    def noise_tolerance(self) -> float:
        """Any: frames enter in units of their noise."""
        return math.inf

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        return {
            "channels": self.channels,
            "near": self.near,
            "far": list(self.far),
            "preset": self.preset,
            "hole": list(self.hole),
            "hidden": self.hidden,
            "likelihood": self.likelihood,
        }

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Widen the masked convolution for a hole that needs it.

        Any hole and any hidden neighbours will do: they only mask the weights.
        """
        look = weights["look.weight"]
        rows, columns = (
            (want - have) // 2
            for want, have in zip(self.look.kernel_size, look.shape[2:], strict=True)
        )
        wide = F.pad(look, (columns, columns, rows, rows))
        return {**weights, "look.weight": wide}

    def forward(
        self,
        clip: Tensor,
        noise: CameraNoise,
        precision: torch.dtype = torch.float32,
    ) -> Prediction:
        """Predict every frame of a clip that has its full context.

        No frame of the clip may be the same as the one that is predicted, or as noise
        goes a copy of it: the network would find its noise there.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)`` float32, any height and width.
        noise
            Of the clip, in its units.
        precision
            Floating-point type of the convolutions.

        Returns
        -------
        Prediction
            For frames ``context .. T - context - 1``: mean ``(N, T - 2 context, C, H,
            W)`` and factor, float32, in units of `clip`.
        """
        if clip.dim() != 5 or clip.shape[2] != self.channels:
            raise ValueError(
                f"this network takes clips (N, T >= {2 * self.context + 1}, "
                f"{self.channels}, H, W), got shape {tuple(clip.shape)}"
            )
        length = 2 * self.context + 1
        if clip.shape[1] < length:
            raise ValueError(
                f"this network sees {length} frames at once, got a clip of "
                f"{clip.shape[1]}: shape {tuple(clip.shape)}"
            )
        stable = stabilise(clip, noise)
        count = clip.shape[1] - length + 1
        windows = [self._condensed(stable, range(k, k + length)) for k in range(count)]
        out = self._outputs(torch.cat(windows), precision)
        out = out.unflatten(0, (count, -1)).transpose(0, 1)
        return self._in_units_of_input(split(out, self.channels), noise)

    def predict(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict like every network, see :meth:`forward`."""
        return self(clip, noise, precision)  # type: ignore[no-any-return]

    def predict_pixel(
        self, window: Tensor, at: int, noise: CameraNoise, y: int, x: int
    ) -> Prediction:
        """Predict one pixel, see :class:`Network`.

        It needs one point in sixteen of the lattice, and the joins nowhere else.
        """
        stable = stabilise(window, noise)
        condensed = self._condensed(stable, range(window.shape[1]))
        out = self._outputs(condensed, torch.float32, (y, x))
        return self._in_units_of_input(split(out, self.channels), noise)

    def sweep(
        self,
        clip: Tensor,
        windows: Iterable[Sequence[int]],
        noise: CameraNoise,
        precision: torch.dtype,
    ) -> Iterator[Prediction]:
        """Predict one window of frames after the other, see :class:`Network`."""
        stable = stabilise(clip, noise)[None]
        for window in windows:
            out = self._outputs(self._condensed(stable, window), precision)
            yield self._in_units_of_input(split(out, self.channels), noise)

    def _condensed(self, stable: Tensor, window: Sequence[int]) -> Tensor:
        """Near frames of ``(N, T, C, H, W)`` in order, then averages of far ones."""
        middle = len(window) // 2
        first, last = middle - self.near, middle + self.near
        device = stable.device
        parts = [stable[:, _places(tuple(window[first : last + 1]), device)]]
        for size in self.far:
            for group in (window[first - size : first], window[last + 1 :][:size]):
                seen = stable[:, _places(tuple(group), device)]
                parts.append(seen.mean(dim=1, keepdim=True))
            first, last = first - size, last + size
        return torch.cat(parts, dim=1)

    def _outputs(
        self,
        window: Tensor,
        precision: torch.dtype,
        pixel: tuple[int, int] | None = None,
    ) -> Tensor:
        """Mean and factor from condensed frames ``(N, F, C, H, W)``, all stabilised.

        Of every pixel, or of one.
        """
        height, width = window.shape[-2:]
        base = self._base(window)
        down, right = -height % POOLING, -width % POOLING
        x = F.pad(window - base[:, None], (0, right, 0, down)).to(precision)
        opened = torch.cat([x[:, : self.near], x[:, self.near + 1 :]], dim=1)
        if self.hidden:  # what is hidden looks like the average
            opened[:, self.near - self.hidden : self.near + self.hidden] = 0
        opened = self._open(_pack(F.pixel_unshuffle(opened.flatten(1, 2), 2)))
        assert self.look.bias is not None
        features = opened + F.conv2d(
            _pack(x.flatten(1, 2)),
            _like(self.look.weight * self.mask, x),
            self.look.bias.to(x.dtype),
            padding=self._reach,
        )
        features = features[:, :, :height, :width]
        if pixel is None:
            features = self._on_lattice(F.relu_(features))
        else:
            features, base = self._on_one_lattice(F.relu_(features), base, pixel)
        features = F.relu_(_apply(self.join_a, F.relu_(features)))
        features = F.relu_(_apply(self.join_b, features))
        # a movie has more grey levels than bfloat16: the last sum is in float32
        out = _apply(self.join_c, features.to(torch.float32))
        mean = out[:, : self.channels] + base
        return torch.cat([mean, self._positive(out[:, self.channels :])], dim=1)

    def _open(self, x: Tensor) -> Tensor:
        half = self.open_half(F.relu_(_apply(self.open_in, x)))
        quarter = self.open_quarter(F.relu_(_apply(self.open_down, half)))
        eighth = self.open_eighth(F.relu_(_apply(self.open_deeper, quarter)))
        quarter = self.open_join(quarter + _apply(self.open_rise, eighth))
        half = self.open_out(half + _apply(self.open_up, quarter))
        return _apply(self.open_full, F.relu_(half))

    def _on_lattice(self, x: Tensor) -> Tensor:
        """Convolve pixels that are multiples of the stride apart."""
        n, features, height, width = x.shape
        rows, columns = self._stride
        x = F.pad(x, (0, -width % columns, 0, -height % rows))
        tall, wide = x.shape[2] // rows, x.shape[3] // columns
        x = x.permute(0, 2, 3, 1).reshape(n, tall, rows, wide, columns, features)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(-1, tall, wide, features)
        x = self.lattice_b(self.lattice_a(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        x = x.reshape(n, rows, columns, tall, wide, features)
        x = x.permute(0, 3, 1, 4, 2, 5).reshape(n, tall * rows, wide * columns, -1)
        return x[:, :height, :width].permute(0, 3, 1, 2)

    def _on_one_lattice(
        self, x: Tensor, base: Tensor, pixel: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Features and base ``(N, ..., 1, 1)`` of one pixel, from its own lattice."""
        (rows, columns), (top, left) = self._stride, pixel
        x = F.pad(x, (0, -x.shape[3] % columns, 0, -x.shape[2] % rows))
        points = x[:, :, top % rows :: rows, left % columns :: columns]
        points = self.lattice_b(self.lattice_a(_pack(points)))
        row, column = top // rows, left // columns
        return (
            points[:, :, row : row + 1, column : column + 1],
            base[:, :, top : top + 1, left : left + 1],
        )

    def _base(self, window: Tensor) -> Tensor:
        """Blurred average of the nearest frames that are seen in full."""
        nearest = self.hidden + 1
        farthest = min(nearest + 1, self.near)
        frames = [
            self.near + side * k
            for k in range(nearest, farthest + 1)
            for side in (-1, 1)
        ]
        return _blur(window[:, _places(tuple(frames), window.device)].mean(dim=1))

    def _positive(self, entries: Tensor) -> Tensor:
        """Make the last entry of each row of the factor positive."""
        rows, first = [], 0
        for length in range(self.channels, 0, -1):
            if first < entries.shape[1]:
                row = entries[:, first : first + length]
                rows += [row[:, :-1], F.softplus(row[:, -1:]) + LEAST_STD]
            first += length
        return torch.cat(rows, dim=1) if rows else entries

    def _in_units_of_input(self, stable: Prediction, noise: CameraNoise) -> Prediction:
        mean = destabilise(stable.mean, noise)
        if stable.factor is None:
            return Prediction(mean)
        # where the noise has a standard deviation of one, so has the factor its unit
        std = noise.variance(mean.detach()).sqrt()
        return Prediction(mean, stable.factor * std.unsqueeze(-4))

    def _mask(self, frames: int) -> Tensor:
        rows, columns = self._reach
        mask = torch.ones(frames, self.channels, 2 * rows + 1, 2 * columns + 1)
        first, last = self.near - self.hidden, self.near + self.hidden
        above, aside = self.hole[0] // 2, self.hole[1] // 2
        mask[
            first : last + 1,
            :,
            rows - above : rows + above + 1,
            columns - aside : columns + aside + 1,
        ] = 0
        return mask.flatten(0, 1)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, _Residual):  # begin near the identity
                    module.b.weight *= 0.3
            self.join_c.weight *= 0.1


class _Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, 3x3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = _convolution(width, width, 3)
        self.b = _convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + _apply(self.b, F.relu_(_apply(self.a, x)))


@lru_cache(maxsize=1024)
def _places(frames: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers of frames as an index that is on the device.

    An index in a list is copied there each time, and a card waited for.
    """
    with torch.inference_mode(False):  # it serves gradients, too
        return torch.tensor(frames, device=device)


def _convolution(inputs: int, outputs: int, kernel: int | tuple[int, int]) -> nn.Conv2d:
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = rows // 2, columns // 2
    return nn.Conv2d(inputs, outputs, (rows, columns), padding=padding)


def _apply(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Compute in the precision of the input; the parameters stay in float32."""
    assert layer.bias is not None
    weight, bias = _like(layer.weight, x), layer.bias.to(x.dtype)
    if isinstance(layer, nn.ConvTranspose2d):
        return F.conv_transpose2d(x, weight, bias, stride=layer.stride)
    return F.conv2d(x, weight, bias, layer.stride, layer.padding)


def _like(weight: Tensor, x: Tensor) -> Tensor:
    return weight.to(dtype=x.dtype, memory_format=torch.channels_last)


def _pack(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _blur(x: Tensor) -> Tensor:
    """Average over a box; at the border over what there is of it."""
    return F.avg_pool2d(x, BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)


def _check(
    channels: int,
    near: int,
    far: Sequence[int],
    preset: str,
    hole: Sequence[int],
    hidden: int,
) -> None:
    if channels < 1 or near < 1 or any(size < 1 for size in far):
        raise ValueError(
            f"channels {channels!r}, near {near!r} and far {far!r} must be positive"
        )
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; choose one of {', '.join(PRESETS)}")
    if len(hole) != 2 or any(n < 1 or n % 2 == 0 for n in hole):
        raise ValueError(f"hole is {tuple(hole)!r}; it must be odd (rows, columns)")
    if not 0 <= hidden < near:
        raise ValueError(
            f"hidden is {hidden!r}; it must be from 0 to {near - 1}, so that one "
            "frame on each side is seen in full"
        )
