"""Optical flow: where the content of one frame is in another.

Two networks with one interface. :class:`PWCNet` is the published one, for published
weights (Sun et al., CVPR 2018, as it stands inside STBN). :class:`LightFlow` has
less than a tenth of its parameters, takes any number of channels and is meant to be
trained without supervision on the movie itself (compare ARFlow, Liu et al., CVPR 2020).

Both go from coarse to fine: features of the second frame are fetched along the flow
of the level above, compared with those of the first frame at all small displacements
(the cost volume), and a decoder reads a better flow from that.

A flow ``(N, 2, H, W)`` holds ``(dy, dx)`` in pixels: what is at ``(y, x)`` in the first
frame is at ``(y + dy, x + dx)`` in the second.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.warp import sample_bilinear

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FLOW_NETWORKS", "ClipFlow", "FlowNetwork", "LightFlow", "PWCNet"]

SLOPE = 0.1
"""Of all leaky rectifiers, as published."""

TILE = 8
"""Rows and columns of the tiles in which features are compared."""

PWC_GRID = 64
"""Rows and columns of the image that PWC-Net sees are multiples of it."""

PWC_UNIT = 20.0
"""Pixels in PWC-Net's unit of flow."""

PWC_RADIUS = 4
"""Largest displacement in PWC-Net's cost volume."""

PWC_PYRAMID = (16, 32, 64, 96, 128, 196)
"""Features of PWC-Net's levels, from half resolution to a 64th."""

PWC_DECODER = (128, 128, 96, 64, 32)
"""Features of the layers of each of PWC-Net's decoders."""

PWC_REFINER = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
"""Features and dilation of the layers of PWC-Net's last decoder."""

LIGHT_PYRAMID = (32, 64, 96, 128)
"""Features of LightFlow's levels, from half resolution to a sixteenth."""

LIGHT_MATCHED = 32
"""Features that LightFlow compares, at every level."""

LIGHT_RADIUS = 2
"""Largest displacement in LightFlow's cost volume."""

LIGHT_DECODER = (96, 64, 48, 32)
"""Features of the layers of LightFlow's decoder."""

LOCAL = 4
"""Features are compared with their mean over so many pixels on each side taken off."""

SHARPNESS = 10.0
"""How much LightFlow prefers the best match to all others, before it has learned."""


class ClipFlow(NamedTuple):
    """Flow between all neighbouring frames of a clip of T frames.

    Attributes
    ----------
    to_next
        ``(N, T - 1, 2, H, W)``: entry ``t`` leads from frame ``t`` to ``t + 1``.
    to_previous
        ``(N, T - 1, 2, H, W)``: entry ``t`` leads from frame ``t + 1`` to ``t``.
    """

    to_next: Tensor
    to_previous: Tensor


class FlowNetwork(nn.Module):
    """A network that estimates flow.

    Attributes
    ----------
    name
        What settings call it.
    channels
        Of a frame.
    grid
        Frames that are cut at multiples of it have the same flow, away from the cut
        (PWC-Net, which resizes frames: nearly).
    allows_less
        Its convolutions may be computed in less than float32.
    """

    name: str
    channels: int
    grid: int
    allows_less: bool

    def forward(
        self, first: Tensor, second: Tensor, precision: torch.dtype = torch.float32
    ) -> Tensor:
        """Estimate the flow between two frames.

        Parameters
        ----------
        first, second
            ``(N, C, H, W)``, any height and width.
        precision
            Floating-point type of the convolutions, where the network allows a lower
            one; features are compared and displacements added in float32.

        Returns
        -------
        Tensor
            ``(N, 2, H, W)`` as (dy, dx) in pixels, from `first` to `second`.

        Raises
        ------
        ValueError
            If the frames differ in shape or have another number of channels.
        """
        if first.shape != second.shape:
            raise ValueError(
                "flow is between two frames of the same shape, got "
                f"{tuple(first.shape)} and {tuple(second.shape)}"
            )
        self._check(first)
        size = (first.shape[2], first.shape[3])
        with self._convolving_in(precision, first.device):
            levels = self._pyramid(torch.cat([first, second]))
            pairs = [level.chunk(2) for level in levels]
            return self._match(
                [one for one, _ in pairs], [two for _, two in pairs], size
            )

    def of_clip(self, clip: Tensor, precision: torch.dtype = torch.float32) -> ClipFlow:
        """Estimate the flow between all neighbouring frames, in both directions.

        Cheaper than pair by pair: the features of every frame are computed once.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)`` with at least two frames.
        precision
            As in :meth:`forward`.

        Raises
        ------
        ValueError
            If the clip has fewer frames or another number of channels.
        """
        if clip.dim() != 5 or clip.shape[1] < 2:
            raise ValueError(
                "flow needs a clip (N, T, C, H, W) of at least two frames, got shape "
                f"{tuple(clip.shape)}"
            )
        n, frames, _, height, width = clip.shape
        self._check(clip.flatten(0, 1))
        with self._convolving_in(precision, clip.device):
            levels = [
                level.unflatten(0, (n, frames))
                for level in self._pyramid(clip.flatten(0, 1))
            ]
            before = [level[:, :-1].flatten(0, 1) for level in levels]
            after = [level[:, 1:].flatten(0, 1) for level in levels]
            flows = [
                self._match(one, two, (height, width)).unflatten(0, (n, frames - 1))
                for one, two in ((before, after), (after, before))
            ]
        return ClipFlow(*flows)

    @abstractmethod
    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        """Features of frames ``(N, C, H, W)``, finest first."""

    @abstractmethod
    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Flow ``(N, 2, *size)`` as (dy, dx) in pixels, from two pyramids."""

    def _convolving_in(
        self, precision: torch.dtype, device: torch.device
    ) -> AbstractContextManager[object]:
        if precision.itemsize < 4 and self.allows_less:
            return torch.autocast(device.type, precision)
        return nullcontext()

    def _check(self, frames: Tensor) -> None:
        if frames.dim() != 4 or frames.shape[1] != self.channels:
            raise ValueError(
                f"this flow network takes frames (N, {self.channels}, H, W), got shape "
                f"{tuple(frames.shape)}"
            )


class PWCNet(FlowNetwork):
    """PWC-Net as published; see the module's docstring.

    Its weights were learned on red, green and blue from 0 to 1. Frames are resized to
    multiples of 64 px, and the flow is resized back.

    Parameters
    ----------
    channels
        3, or 1 for grey frames, which are shown as red, green and blue alike.

    Raises
    ------
    ValueError
        If `channels` is neither.
    """

    name = "pwc"
    grid = PWC_GRID
    allows_less = False  # displacements of many pixels go through its layers

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(
                f"PWC-Net sees RGB (3 channels) or grey (1), not {channels} channels; "
                "choose the light flow network, which takes any number"
            )
        self.channels = channels
        self.pyramid = nn.ModuleList()
        inputs = 3
        for features in PWC_PYRAMID:
            self.pyramid.append(
                nn.ModuleList(
                    [
                        nn.Conv2d(inputs, features, 3, stride=2, padding=1),
                        nn.Conv2d(features, features, 3, padding=1),
                        nn.Conv2d(features, features, 3, padding=1),
                    ]
                )
            )
            inputs = features
        # from the coarsest level to a quarter of the resolution
        self.decoders = nn.ModuleList()
        above = 0
        for level in range(len(PWC_PYRAMID), 1, -1):
            decoder = _PWCDecoder(level, above)
            self.decoders.append(decoder)
            above = decoder.features
        self.refiner = nn.ModuleList()
        for features, dilation in PWC_REFINER:
            self.refiner.append(
                nn.Conv2d(above, features, 3, padding=dilation, dilation=dilation)
            )
            above = features
        self.refiner_flow = nn.Conv2d(above, 2, 3, padding=1)

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        size = [-(-n // PWC_GRID) * PWC_GRID for n in frames.shape[2:]]
        x = F.interpolate(frames, size, mode="bilinear", align_corners=False)
        x = x.expand(-1, 3, -1, -1)
        levels = []
        for level in self.pyramid:
            assert isinstance(level, nn.ModuleList)
            for layer in level:
                x = F.leaky_relu(layer(x), SLOPE)
            levels.append(x)
        return levels

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        flow = features = None
        for k, decoder in enumerate(self.decoders):
            flow, features = decoder(first[-1 - k], second[-1 - k], flow, features)
        assert flow is not None and features is not None
        x = features
        for layer in self.refiner:
            x = F.leaky_relu(layer(x), SLOPE)
        flow = PWC_UNIT * (flow + self.refiner_flow(x))
        seen = [4 * n for n in flow.shape[2:]]
        flow = F.interpolate(flow, size, mode="bilinear", align_corners=False)
        # the published order is (dx, dy)
        scale = flow.new_tensor([size[0] / seen[0], size[1] / seen[1]])
        return flow.flip(1) * scale.view(1, 2, 1, 1)


class _PWCDecoder(nn.Module):
    """One level of PWC-Net: flow (dx, dy) in units of 20 px, and features.

    Every layer sees all that were before it.
    """

    def __init__(self, level: int, above: int) -> None:
        super().__init__()
        self.unit = PWC_UNIT / 2**level  # of flow, in pixels of this level
        seen = (2 * PWC_RADIUS + 1) ** 2
        if above:
            self.up_flow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
            self.up_features = nn.ConvTranspose2d(above, 2, 4, stride=2, padding=1)
            seen += PWC_PYRAMID[level - 1] + 4
        self.layers = nn.ModuleList()
        for features in PWC_DECODER:
            self.layers.append(nn.Conv2d(seen, features, 3, padding=1))
            seen += features
        self.flow = nn.Conv2d(seen, 2, 3, padding=1)
        self.features = seen

    def forward(
        self,
        first: Tensor,
        second: Tensor,
        flow: Tensor | None,
        features: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        if flow is None or features is None:
            x = F.leaky_relu(_correlate(first, second, PWC_RADIUS), SLOPE)
        else:
            flow, features = self.up_flow(flow), self.up_features(features)
            second = _fetch_inside(second, flow.flip(1) * self.unit)
            costs = F.leaky_relu(_correlate(first, second, PWC_RADIUS), SLOPE)
            x = torch.cat([costs, first, flow, features], dim=1)
        for layer in self.layers:
            x = torch.cat([F.leaky_relu(layer(x), SLOPE), x], dim=1)
        return self.flow(x), x


class LightFlow(FlowNetwork):
    """The light network; see the module's docstring.

    Frames are extended to multiples of 16 px by their border. One decoder serves all
    levels, so it learns from every scale of every movement. It improves on the average
    of the displacements, weighted by how well they match, which lets the features
    learn from the first step on.

    Parameters
    ----------
    channels
        Of a frame.

    Raises
    ------
    ValueError
        If `channels` is not positive.
    """

    name = "light"
    grid = 2 ** len(LIGHT_PYRAMID)
    allows_less = True

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels is {channels!r}; it must be positive")
        self.channels = channels
        self.shrink, self.refine, self.project = (nn.ModuleList() for _ in range(3))
        inputs = channels
        for features in LIGHT_PYRAMID:
            self.shrink.append(nn.Conv2d(inputs, features, 3, stride=2, padding=1))
            self.refine.append(nn.Conv2d(features, features, 3, padding=1))
            self.project.append(nn.Conv2d(features, LIGHT_MATCHED, 1))
            inputs = features
        self.decoder = nn.ModuleList()
        seen = (2 * LIGHT_RADIUS + 1) ** 2 + LIGHT_MATCHED + 2
        for features in LIGHT_DECODER:
            self.decoder.append(nn.Conv2d(seen, features, 3, padding=1))
            seen = features
        self.flow = nn.Conv2d(seen, 2, 3, padding=1)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self._initialise()

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        height, width = frames.shape[2:]
        x = F.pad(frames, (0, -width % self.grid, 0, -height % self.grid), "replicate")
        x = x.contiguous(memory_format=torch.channels_last)
        levels = []
        for shrink, refine, project in zip(
            self.shrink, self.refine, self.project, strict=True
        ):
            x = F.leaky_relu_(shrink(x), SLOPE)
            x = F.leaky_relu_(refine(x), SLOPE)
            levels.append(_normalised(project(x)))
        return levels

    def levels(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Estimate the flow of every level, for training.

        Parameters
        ----------
        first, second
            ``(N, C, H, W)``; height and width are multiples of the grid.

        Returns
        -------
        list of Tensor
            ``(N, 2, h, w)`` in pixels of the level, from a sixteenth of the resolution
            to half of it.
        """
        pairs = [level.chunk(2) for level in self._pyramid(torch.cat([first, second]))]
        return list(self._descend([one for one, _ in pairs], [two for _, two in pairs]))

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        *_, flow = self._descend(first, second)
        return _double(flow)[:, :, : size[0], : size[1]]

    def _descend(self, first: list[Tensor], second: list[Tensor]) -> Iterator[Tensor]:
        """Flow of every level, coarsest first."""
        n, _, height, width = first[-1].shape
        flow = first[-1].new_zeros(n, 2, height, width)
        for one, two in zip(reversed(first), reversed(second), strict=True):
            if one.shape[2:] != flow.shape[2:]:
                flow = _double(flow)
            costs = _correlate(one, sample_bilinear(two, flow), LIGHT_RADIUS)
            x = torch.cat([costs, one, flow], dim=1)
            for layer in self.decoder:
                x = F.leaky_relu_(layer(x), SLOPE)
            flow = flow + _best_match(costs, self.sharpness) + self.flow(x)
            yield flow

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.flow.weight)


FLOW_NETWORKS: dict[str, type[PWCNet | LightFlow]] = {
    PWCNet.name: PWCNet,
    LightFlow.name: LightFlow,
}
"""Class of each flow network, by the name that settings call it."""


def _correlate(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Compare features at all displacements up to `radius`, zero outside the image.

    Returns
    -------
    Tensor
        ``(N, (2 radius + 1)^2, H, W)``: mean over channels of the products; channel
        ``(dy + radius) * (2 radius + 1) + dx + radius`` is displacement (dy, dx).
    """
    n, channels, height, width = first.shape
    reach, side = 2 * radius + 1, TILE + 2 * radius
    down, right = -height % TILE, -width % TILE
    rows, columns = (height + down) // TILE, (width + right) // TILE
    # every pixel of a tile with every pixel around it is one matrix product
    tiles = F.pad(first / channels, (0, right, 0, down)).permute(0, 2, 3, 1)
    tiles = tiles.reshape(n, rows, TILE, columns, TILE, channels).transpose(2, 3)
    around = F.pad(second, (radius, radius + right, radius, radius + down))
    around = around.permute(0, 2, 3, 1).unfold(1, side, TILE).unfold(2, side, TILE)
    # channels stay last, as they are in memory
    around = around.permute(0, 1, 2, 4, 5, 3).reshape(-1, side * side, channels)
    with torch.autocast(first.device.type, enabled=False):
        products = torch.bmm(
            tiles.reshape(-1, TILE * TILE, channels), around.transpose(1, 2)
        )
    # of these, keep the pairs that are at most the radius apart
    steps = (products.stride(0), TILE * side**2 + side, side**2 + 1, side, 1)
    costs = products.as_strided((len(products), TILE, TILE, reach, reach), steps)
    costs = costs.reshape(n, rows, columns, TILE, TILE, -1).transpose(2, 3)
    costs = costs.reshape(n, rows * TILE, columns * TILE, -1)
    return costs[:, :height, :width].permute(0, 3, 1, 2)


def _best_match(costs: Tensor, sharpness: Tensor) -> Tensor:
    """Displacement ``(N, 2, H, W)`` that a cost volume speaks for, on average."""
    reach = math.isqrt(costs.shape[1])
    axis = torch.arange(reach, device=costs.device, dtype=costs.dtype) - reach // 2
    shares = (sharpness * costs).softmax(dim=1).unflatten(1, (reach, reach))
    return torch.stack(
        [
            (shares.sum(dim=other) * axis.view(1, -1, 1, 1)).sum(dim=1)
            for other in (2, 1)
        ],
        dim=1,
    )


def _fetch_inside(image: Tensor, flow: Tensor) -> Tensor:
    """Interpolate along a flow; zero where the image does not reach.

    As published: the flow is stretched by half a pixel per half image, and whatever
    needs more than a thousandth of a pixel from outside counts as outside.
    """
    height, width = image.shape[2:]
    stretch = flow.new_tensor([height / (height - 1), width / (width - 1)])
    inside = torch.ones_like(image[:, :1])
    fetched = sample_bilinear(
        torch.cat([image, inside], dim=1), flow * stretch.view(1, 2, 1, 1), "zeros"
    )
    return fetched[:, :-1] * (fetched[:, -1:] > 0.999)


def _normalised(features: Tensor) -> Tensor:
    """Take the local mean off, and divide by the root mean square of each pixel.

    Products of such features tell what stands out alike from its surroundings, at any
    brightness and contrast (compare Jonschkowski et al. 2020: "What matters in
    unsupervised optical flow").
    """
    features = features.to(torch.promote_types(features.dtype, torch.float))
    mean = features
    for side in ((2 * LOCAL + 1, 1), (1, 2 * LOCAL + 1)):
        margin = (side[0] // 2, side[1] // 2)
        mean = F.avg_pool2d(mean, side, 1, margin, count_include_pad=False)
    features = features - mean
    power = features.square().mean(dim=1, keepdim=True)
    return features * (power + 1e-2).rsqrt()


def _double(flow: Tensor) -> Tensor:
    """Flow of the next finer level, in its pixels."""
    return 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
