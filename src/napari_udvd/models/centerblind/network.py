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
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from napari_udvd.cutting import place_in, with_halo
from napari_udvd.models.base import Clip, Geometry, Network
from napari_udvd.models.camera import CameraNoise, destabilise, stabilise
from napari_udvd.models.centerblind.branches import (
    PRESETS,
    LatticeBranch,
    OpenBranch,
    Preset,
)
from napari_udvd.models.centerblind.layers import (
    POOLING,
    Residual,
    apply,
    as_channels,
    blur,
    chosen,
    convolution,
    cropped,
    rows_of,
)
from napari_udvd.models.centerblind.options import Options, check
from napari_udvd.models.centerblind.window import Window, together
from napari_udvd.models.likelihood import Prediction, factor_entries, split
from napari_udvd.models.precision import like, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Features = Callable[[slice], Tensor]
    """Makes features ``(N, full, rows, W)`` of a range of rows."""

__all__ = ["PRESETS", "CenterBlind", "Preset"]

REACH = 2
"""Pixels that the masked convolution sees around a pixel, at least."""

BLUR = 7
"""Rows and columns of the blurred average that frames are relative to."""

LEAST_STD = 1e-3
"""Smallest prior standard deviation, in units of the noise."""


class CenterBlind(OpenBranch, LatticeBranch, Network):
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
    least_views = 2

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
        check(channels, near, far, preset, hole, hidden)
        self.channels, self.likelihood = channels, likelihood
        self.hole = (int(hole[0]), int(hole[1]))
        self.options = Options(near, tuple(int(n) for n in far), preset, hidden)
        sizes = PRESETS[preset]
        frames = 2 * near + 1 + 2 * len(self.options.far)
        # the same weights serve every hole up to 3 x 3: only the mask differs
        down, aside = (max(REACH, n // 2 + 1) for n in self.hole)
        self._reach = down, aside
        self._stride = (
            max(2 * REACH, down + self.hole[0] // 2 + 1),
            max(2 * REACH, aside + self.hole[1] // 2 + 1),
        )
        kernel = 2 * down + 1, 2 * aside + 1
        self.look = convolution(frames * channels, sizes.full, kernel)
        self.register_buffer("mask", self._mask(frames), persistent=False)
        self.add_open_layers(4 * (frames - 1) * channels, sizes)
        self.add_lattice_layers(sizes)
        self.join_a = nn.Conv2d(sizes.full, sizes.full, 1)
        self.join_b = nn.Conv2d(sizes.full, sizes.full, 1)
        outputs = channels + (factor_entries(channels) if likelihood else 0)
        self.join_c = nn.Conv2d(sizes.full, outputs, 1)
        self._initialise()
        # as the convolutions take them; what is kept in this order is not turned around
        # in every step, nor are its gradients
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.weight.data = pack(layer.weight.data)

    @property
    def preset(self) -> str:
        """Name of its size."""
        return self.options.preset

    @property
    def geometry(self) -> Geometry:
        """What an output depends on; the grid is that of pooling and lattice.

        In the shortest movie a neighbour is seen in full.
        """
        # residuals at half, quarter and eighth resolution, their samplings, the filter
        # behind them, the blur
        missing = PRESETS[self.preset].without
        quarters = sum(name not in missing for name in ("open_quarter", "open_join"))
        opened = 2 * (1 + 2 + 2) + 4 * 2 * quarters + 8 * 2 + 8 + 2 + BLUR // 2
        return Geometry(
            context=self.options.context,
            radius=opened + max(self._reach) + self.lattice_radius(max(self._stride)),
            grid=math.lcm(POOLING, *self._stride),
            least_frames=2 + 2 * self.options.hidden,
        )

    @property
    def size(self) -> str:
        """Preset and context."""
        _, _, preset, hidden = self.options
        how = f" ({hidden} of them with the hole)" if hidden else ""
        return f"{preset}, {self.options.context} frames on each side{how}"

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
            "near": self.options.near,
            "far": list(self.options.far),
            "preset": self.options.preset,
            "hole": list(self.hole),
            "hidden": self.options.hidden,
            "likelihood": self.likelihood,
        }

    def fitted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Widen the masked convolution for a hole that needs it.

        Any hole and any hidden neighbours will do: they only mask the weights.
        """
        wide = self._widened(weights["look.weight"])
        return {**weights, "look.weight": wide}

    def _widened(self, weight: Tensor) -> Tensor:
        """Put zeros around a masked convolution that was learned with a small hole."""
        rows, columns = (
            (want - have) // 2
            for want, have in zip(self.look.kernel_size, weight.shape[2:], strict=True)
        )
        return F.pad(weight, (columns, columns, rows, rows))

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict every frame of a clip that has its full context.

        No frame of the clip may be the same as the one that is predicted, or as noise
        goes a copy of it: the network would find its noise there.

        Parameters
        ----------
        clip
            Frames ``(N, T, C, H, W)`` float32, any height and width.
        precision
            Floating-point type of the convolutions.

        Returns
        -------
        Prediction
            For frames ``context .. T - context - 1``: mean ``(N, T - 2 context, C, H,
            W)`` and factor, float32, in units of `clip`.
        """
        shape, length = tuple(clip.frames.shape), 2 * self.options.context + 1
        if len(shape) != 5 or shape[2] != self.channels:
            raise ValueError(
                f"this network takes clips (N, T >= {length}, {self.channels}, H, W), "
                f"got shape {shape}"
            )
        if shape[1] < length:
            raise ValueError(
                f"this network sees {length} frames at once, got a clip of "
                f"{shape[1]}: shape {shape}"
            )
        stable = self._stable(clip)
        count = shape[1] - length + 1
        windows = [
            self._window(stable, range(k, k + length), clip.noise) for k in range(count)
        ]
        out = self._outputs(together(windows), precision)
        out = rearrange(out, "(windows n) c h w -> n windows c h w", windows=count)
        return self._in_units_of_input(split(out, self.channels), clip.noise)

    def predict_pixel(self, clip: Clip, at: int, y: int, x: int) -> Prediction:
        """Predict one pixel, see :class:`Network`.

        It needs one point in sixteen of the lattice, and the joins nowhere else.
        """
        stable = self._stable(clip)
        window = self._window(stable, range(stable.shape[1]), clip.noise)
        out = self._outputs(window, clip.frames.dtype, (y, x))
        return self._in_units_of_input(split(out, self.channels), clip.noise)

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict one window of frames after the other, see :class:`Network`."""
        return self.sweep_prepared(self.prepare(clip), windows, precision)

    def prepare(self, clip: Clip) -> Clip:
        """Stabilise the frames, see :class:`Network`."""
        masks = None if clip.mask is None else clip.mask.split(1, dim=1)
        stable: Tensor | None = None
        # one by one: what is computed on the way is as large as what goes in, many
        # times over
        for t, frame in enumerate(clip.frames.split(1, dim=1)):
            one = self._stable(Clip(frame, clip.noise, masks and masks[t]))
            if stable is None:
                stable = one.new_empty(len(one), clip.frames.shape[1], *one.shape[2:])
            stable[:, t : t + 1] = one
        assert stable is not None
        return Clip(stable, clip.noise)

    def sweep_prepared(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict windows of stabilised frames, see :class:`Network`."""
        for window in windows:
            # no name for the window: it is let go as soon as features are made of it
            out = self._outputs(
                self._window(clip.frames, window, clip.noise), precision
            )
            yield self._in_units_of_input(split(out, self.channels), clip.noise)

    def _stable(self, clip: Clip) -> Tensor:
        """Frames on the scale where their noise has a standard deviation of one."""
        return stabilise(clip.frames, clip.noise)

    def _window(
        self, stable: Tensor, window: Sequence[int], noise: CameraNoise
    ) -> Window:
        """Frames of these numbers, condensed and relative to their base."""
        condensed = self._condensed(stable, window)
        base = self._base(condensed)
        return Window(condensed - base[:, None], base)

    def _condensed(self, stable: Tensor, window: Sequence[int]) -> Tensor:
        """Near frames of ``(N, T, C, H, W)`` in order, then averages of far ones."""
        near, far, *_ = self.options
        middle = len(window) // 2
        first, last = middle - near, middle + near
        parts = [chosen(stable, window[first : last + 1])]
        for size in far:
            for group in (window[first - size : first], window[last + 1 :][:size]):
                parts.append(chosen(stable, group).mean(dim=1, keepdim=True))
            first, last = first - size, last + size
        return torch.cat(parts, dim=1)

    def _outputs(
        self,
        window: Window,
        precision: torch.dtype,
        pixel: tuple[int, int] | None = None,
    ) -> Tensor:
        """Mean and factor ``(N, K, H, W)``, stabilised; of every pixel, or of one."""
        base, features = window.base, self._features(window, precision)
        del window  # its frames are not needed any more
        if pixel is not None:
            whole = F.relu_(features(slice(0, base.shape[2])))
            whole, base = self.on_one_lattice(whole, base, pixel, self._stride)
            out = self._joined(whole)
        else:
            parts = []
            for seen, inner in self.strips(base, self._stride[0]):
                # no names: what a layer has made is let go behind the next one
                part = self._joined(
                    self.on_lattice(F.relu_(features(seen)), self._stride)
                )
                parts.append(rows_of(part, inner))
            out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        mean = out[:, : self.channels] + base
        return torch.cat([mean, self._positive(out[:, self.channels :])], dim=1)

    def _joined(self, features: Tensor) -> Tensor:
        """Mean and factor, from features of the lattice."""
        features = F.relu_(apply(self.join_a, features))
        features = F.relu_(apply(self.join_b, features))
        # a movie has more grey levels than bfloat16: the last sum is in float32
        exact = torch.promote_types(features.dtype, torch.float32)
        return apply(self.join_c, features.to(exact))

    def _features(self, window: Window, precision: torch.dtype) -> Features:
        """Return what makes the features that the lattice begins with, of any rows."""
        width = window.frames.shape[-1]
        x = as_channels(window.frames, precision)
        half = self.look_openly(self._halved(x, self.open_in))

        def of(rows: slice) -> Tensor:
            features = self.at_full_resolution(half, rows)
            features += self._looked(x, self.look, rows)
            return cropped(features, features.shape[2], width)

        return of

    def _halved(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """Convolve condensed frames that may be seen in full, to half resolution.

        To the layer, two by two pixels of a frame are channels. As it is computed, they
        are where they are, and it goes in steps of two: nothing is rearranged.
        """
        weight = rearrange(
            layer.weight,
            "out (inputs down aside) h w -> out inputs (h down) (w aside)",
            down=2,
            aside=2,
        )
        # neither the frame that is predicted is seen, nor those that must not show the
        # hole: they look like the average
        near, _, _, hidden = self.options
        first, last = (n * self.channels for n in (near - hidden, near + hidden))
        after = last + self.channels
        blind = weight.new_zeros(len(weight), after - first, *weight.shape[2:])
        weight = torch.cat([weight[:, :first], blind, weight[:, last:]], dim=1)
        bias = None if layer.bias is None else layer.bias.to(x.dtype)
        return F.conv2d(x, like(weight, x), bias, stride=2, padding=2)

    def _looked(self, x: Tensor, layer: nn.Conv2d, rows: slice) -> Tensor:
        """Convolve rows of condensed frames, the hole left out."""
        seen = with_halo(rows, x.shape[2], self._reach[0], 1)
        weight = like(layer.weight * self.mask, x)
        bias = None if layer.bias is None else layer.bias.to(x.dtype)
        found = F.conv2d(pack(rows_of(x, seen)), weight, bias, padding=self._reach)
        return rows_of(found, place_in(seen, rows))

    def _base(self, window: Tensor) -> Tensor:
        """Blurred average of the nearest frames that are seen in full."""
        near, _, _, hidden = self.options
        nearest = hidden + 1
        farthest = min(nearest + 1, near)
        frames = [
            near + side * k for k in range(nearest, farthest + 1) for side in (-1, 1)
        ]
        return blur(chosen(window, frames).mean(dim=1), BLUR)

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
        near, _, _, hidden = self.options
        rows, columns = self._reach
        mask = torch.ones(frames, self.channels, 2 * rows + 1, 2 * columns + 1)
        first, last = near - hidden, near + hidden
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
                if isinstance(module, Residual):  # begin near the identity
                    module.b.weight *= 0.3
            self.join_c.weight *= 0.1
