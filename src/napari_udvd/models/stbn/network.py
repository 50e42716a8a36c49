"""STBN: spatiotemporal blind-spot network (Chen et al., AAAI 2025).

Features travel along the whole sequence, forward and backward. At every frame they are
fetched along the optical flow from the frame before, joined with the frame itself by a
*blind-spot block*, and fused; a *spatial expansion* joins both directions and widens
the view; a last fusion puts out mean and covariance factor.

Why it is blind. A frame enters its own output in one place per direction, the masked
convolution of the blind-spot block, which skips the hole. Whatever comes after joins
only pixels that are multiples of the *stride* apart (a lattice). The mask leaves
offsets that are no multiple of the stride away from any pixel of the hole, and adding
multiples never gets there, at any depth. Features of other frames have not seen this
frame on their way here, so they may be fetched from anywhere and be seen in full. For
the published hole of one pixel the stride is 2; larger holes get a larger mask and
stride (:func:`~napari_udvd.models.lattice.lattice`), exactly.

What the flow adds. As published, fetching copies the nearest pixel; slow movement, of
less than half a pixel per frame, is then not followed at all and smears what travels.
So features are interpolated here, unless a network is built as published: they have
not seen the frame that they are fetched for and may be mixed. The flow is computed
without gradient, as published. But the flow itself is estimated from noisy frames: the
noisy pixel has a say in *which* pixel of its neighbours is fetched for it. Given the
flow, the output is exactly independent of the noisy pixel; through the flow it is not.
A flow that follows the noise instead of the content would give the noise back, which a
smooth flow cannot do for single pixels.

The convolutions have biases except the first and last of each fusion, as published.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.base import Network
from napari_udvd.models.flow.light import LightFlow
from napari_udvd.models.flow.pwc_net import PWCNet
from napari_udvd.models.flow.warp import sample_bilinear, sample_nearest
from napari_udvd.models.likelihood import Prediction, factor_entries, split
from napari_udvd.models.stbn.lattice import (
    GROUPS,
    BlindSpotBlock,
    Fusion,
    SpatialExpansion,
    convolve,
    lattice,
    pack,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.flow.base import ClipFlow, FlowNetwork

__all__ = ["FLOW_NETWORKS", "STBN"]

FLOW_NETWORKS: dict[str, type[PWCNet | LightFlow]] = {
    PWCNet.name: PWCNet,
    LightFlow.name: LightFlow,
}
"""Class of each flow network, by the name that settings call it."""

GAIN = 3.0
"""What frames are multiplied by; see the benchmarks."""

BRIGHTNESS_REACH = 2
"""Lattice points on either side that the brightness for the noise map is averaged."""


class STBN(Network):
    """The network; see the module's docstring.

    Parameters
    ----------
    channels
        Channels of a frame.
    features
        Channels of the features that travel along the sequence: 64 as published,
        16 to 32 for slow machines; even.
    modules
        Lattice convolutions of each blind-spot block and of the fusion: 5 as
        published.
    blocks
        Lattice convolutions in each of the two groups of the spatial expansion: 8 as
        published. They take nearly half of the time.
    hole
        Odd (rows, columns) around the output pixel that its own frame may not show.
    likelihood
        Put out mean and covariance factor (Gaussian likelihood) instead of the mean
        alone.
    noise_input
        See the standard deviation of the noise at every pixel, as published.
    flow
        "pwc" (published), "light", or "none": nothing is taken to move.
    fetch
        "bilinear", or "nearest" as published: how features are fetched along the flow.
    gain
        What the network multiplies frames by at entry, and divides its output by; 1 as
        published. Frames between zero and one have little contrast. Numbers of order
        one fit the size of the first weights and of the steps in which they learn;
        with less, dim movies are lost in the biases.
    context
        Frames on each side that are enough for one output. The recurrence runs over
        all frames that it is given; this is by how much parts of a long movie overlap.

    Attributes
    ----------
    follows_flow
        False: nothing is taken to move, for the moment. For comparing both.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    name = "stbn"
    title = "STBN"

    def __init__(
        self,
        channels: int = 1,
        features: int = 64,
        modules: int = 5,
        blocks: int = 8,
        hole: Sequence[int] = (1, 1),
        likelihood: bool = True,
        noise_input: bool = True,
        flow: str = "light",
        fetch: str = "bilinear",
        gain: float = GAIN,
        context: int = 4,
    ) -> None:
        super().__init__()
        _check(channels, features, modules, blocks, hole, flow, context)
        if fetch not in ("bilinear", "nearest"):
            raise ValueError(f"fetch is {fetch!r}; choose bilinear or nearest")
        if not 0 < gain < math.inf:
            raise ValueError(f"gain is {gain!r}; it must be positive")
        self.fetch, self.gain = fetch, float(gain)
        self.channels, self.features = channels, features
        self.depth, self.blocks = modules, blocks
        self.hole = (int(hole[0]), int(hole[1]))
        self.likelihood, self.noise_input = likelihood, noise_input
        self._context = context
        self.flow_net = None if flow == "none" else FLOW_NETWORKS[flow](channels)
        self.follows_flow = True
        self._stride = lattice(self.hole)[1]
        seen = channels * (2 if noise_input else 1)
        outputs = channels + (factor_entries(channels) if likelihood else 0)
        blind = (seen, features, features, features, modules, self.hole)
        self.forward_block = BlindSpotBlock(*blind)
        self.backward_block = BlindSpotBlock(*blind)
        wide = 2 * features
        self.fuse = Fusion(wide, wide, features, modules, self._stride)
        self.expand = SpatialExpansion(features, blocks, self._stride)
        self.leave = Fusion(features, features, outputs, modules // 2, self._stride)

    @property
    def flow(self) -> str:
        """Name of the flow network, or "none"."""
        return "none" if self.flow_net is None else self.flow_net.name

    @property
    def alignment(self) -> int:
        """Grid of the spatial expansion and of the flow network, px."""
        grid = 1 if self.flow_net is None else self.flow_net.grid
        return math.lcm(*(2 * stride for stride in self._stride), grid)

    @property
    def context(self) -> int:
        """Frames on each side that are enough for one output."""
        return self._context

    @property
    def margin(self) -> int:
        """None: every frame of a training clip is predicted."""
        return 0

    @property
    def is_recurrent(self) -> bool:
        """Features travel over all frames."""
        return True

    @property
    def least_frames(self) -> int:
        """Frames of the shortest movie in which there is a neighbour."""
        return 2

    @property
    def radius(self) -> int:
        """Pixels in any direction that an output pixel depends on, within the context.

        Where nothing moves: features that are fetched from elsewhere have seen what
        is there, and the flow has a view of its own.
        """
        stride = max(self._stride)
        per_frame = max(lattice(self.hole)[0]) + 2 * self.depth * stride
        expansion = (GROUPS * self.blocks + 2) * 2 * stride + stride
        return (self.context + 1) * per_frame + expansion + (self.depth // 2) * stride

    @property
    def size(self) -> str:
        """Features, modules and flow."""
        flow = "no flow" if self.flow_net is None else f"{self.flow} flow"
        return f"{self.features} features, {self.depth} modules, {flow}"

    @property
    def shares_frames(self) -> bool:
        """The recurrence runs over all frames once."""
        return True

    @property
    def noise_tolerance(self) -> float:
        """More where it sees the standard deviation of the noise beside each pixel."""
        return 2.0 if self.noise_input else super().noise_tolerance

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        return {
            "channels": self.channels,
            "features": self.features,
            "modules": self.depth,
            "blocks": self.blocks,
            "hole": list(self.hole),
            "likelihood": self.likelihood,
            "noise_input": self.noise_input,
            "flow": self.flow,
            "fetch": self.fetch,
            "gain": self.gain,
            "context": self.context,
        }

    def flow_network(self) -> FlowNetwork | None:
        """Return the network of optical flow, unless it was switched off."""
        return self.flow_net

    def drop_flow(self) -> None:
        """Switch the flow off for good: from now on nothing is taken to move.

        For movies on which the flow is worse than none. The flow network and its
        weights are forgotten.
        """
        self.flow_net = None

    def denoising_parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters but those of the flow, which learns by itself."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if not name.startswith("flow_net.")
        }

    @torch.no_grad()
    def estimate_flow(
        self, clip: Tensor, precision: torch.dtype = torch.float32
    ) -> ClipFlow | None:
        """Flow between neighbouring frames of ``(N, T, C, H, W)``, without gradient.

        None where nothing is taken to move.
        """
        if self.flow_net is None or not self.follows_flow:
            return None
        return self.flow_net.of_clip(clip, precision)

    def predict_all(
        self,
        clip: Tensor,
        noise: CameraNoise,
        precision: torch.dtype = torch.float32,
        flow: ClipFlow | None = None,
    ) -> Prediction:
        """Predict every frame of a clip.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)`` float32, two frames or more of any height and width.
        noise
            Of the clip, in its units.
        precision
            Floating-point type of the convolutions.
        flow
            To use instead of an estimate, for whoever has it already.

        Returns
        -------
        Prediction
            Mean ``(N, T, C, H, W)`` and factor, float32, in units of `clip`.

        Raises
        ------
        ValueError
            If the clip has fewer frames or another number of channels.
        """
        self._check_clip(clip)
        std = self._noise_map(clip, noise) if self.noise_input else None
        return split(self._outputs(clip, std, precision, flow), self.channels)

    def predict(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict all frames that have their full context, see :class:`Network`."""
        self._check_clip(clip)
        frames = clip.shape[1]
        if frames < 2 * self.context + 1:
            raise ValueError(
                f"this network sees {self.context} frames on each side, got a clip of "
                f"{frames}: shape {tuple(clip.shape)}; predict_all takes any length"
            )
        mean, factor = self.predict_all(clip, noise, precision)
        full = slice(self.context, frames - self.context)
        return Prediction(mean[:, full], None if factor is None else factor[:, full])

    def predict_fairly(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict the middle frame, whose noise the flow has not seen either.

        The flow is estimated with the prediction in its place.
        """
        if self.flow_net is None or not self.follows_flow:
            return self.predict(clip, noise, precision)
        prediction = self.predict_all(clip, noise, precision)
        middle = clip.shape[1] // 2
        known = clip.clone()
        known[:, middle] = prediction.mean[:, middle]
        flow = self.estimate_flow(known, precision)
        mean, factor = self.predict_all(clip, noise, precision, flow)
        here = slice(middle, middle + 1)
        return Prediction(mean[:, here], None if factor is None else factor[:, here])

    def predict_clip(
        self, clip: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict all frames of a training clip."""
        return self.predict_all(clip, noise, precision)

    def predict_frame(
        self, window: Tensor, at: int, noise: CameraNoise, precision: torch.dtype
    ) -> Prediction:
        """Predict one frame of a window of any length."""
        mean, factor = self.predict_all(window, noise, precision)
        return Prediction(mean[:, at], None if factor is None else factor[:, at])

    def raw(self, clip: Tensor, noise_std: Tensor | None = None) -> Tensor:
        """Return the published output channels for every frame.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``.
        noise_std
            Standard deviation of the noise in units of `clip`, broadcastable to it;
            for networks with `noise_input`.

        Returns
        -------
        Tensor
            ``(N, T, outputs, H, W)``.
        """
        self._check_clip(clip)
        if self.noise_input and noise_std is None:
            raise ValueError(
                "this network takes the noise level as an input: give noise_std"
            )
        return self._outputs(
            clip, noise_std if self.noise_input else None, clip.dtype, None
        )

    def sweep(
        self,
        clip: Tensor,
        windows: Iterable[Sequence[int]],
        noise: CameraNoise,
        precision: torch.dtype,
    ) -> Iterator[Prediction]:
        """Predict the middle frame of one window after the other.

        The recurrence runs once over the clip in its order, over all of its frames
        also where a window has fewer, and again only where windows go back in time.
        Features are kept for one direction and the frames that are asked for.
        """
        self._check_clip(clip[None])
        wanted = [window[len(window) // 2] for window in windows]
        if not wanted:
            return
        first, last, kept = min(wanted), max(wanted), set(wanted)
        onward, homeward = range(last + 1), range(len(clip) - 1, first - 1, -1)
        to_next, to_previous = self._flow_around(clip, first, last, precision)

        def travel(
            block: BlindSpotBlock, order: range, flows: Iterable[Tensor | None]
        ) -> Iterator[tuple[int, Tensor]]:
            frames = (self._seen(clip[t][None], noise, precision) for t in order)
            return zip(order, self._travel(block, frames, flows), strict=True)

        back = {
            t: hidden
            for t, hidden in travel(self.backward_block, homeward, to_next[::-1])
            if t in kept
        }
        ahead, position = travel(self.forward_block, onward, to_previous), -1
        hidden = None
        for t in wanted:
            if t < position:
                ahead, position = travel(self.forward_block, onward, to_previous), -1
            while position < t:
                position, hidden = next(ahead)
            assert hidden is not None
            yield split(self._join(hidden, back[t]), self.channels)

    def _outputs(
        self,
        clip: Tensor,
        std: Tensor | None,
        precision: torch.dtype,
        flow: ClipFlow | None,
    ) -> Tensor:
        """Output channels ``(N, T, K, H, W)``, float32 at least."""
        if flow is None:
            flow = self.estimate_flow(clip, precision)
        seen = clip if std is None else torch.cat([clip, std.expand_as(clip)], dim=2)
        frames = list((self.gain * seen).to(precision).unbind(1))
        still: list[Tensor | None] = [None] * (len(frames) - 1)
        to_previous = still if flow is None else flow.to_previous.unbind(1)
        to_next = still if flow is None else flow.to_next.unbind(1)
        ahead = self._travel(self.forward_block, frames, to_previous)
        back = self._travel(self.backward_block, frames[::-1], to_next[::-1])
        # what is not recurrent is computed for all frames at once
        both = (torch.cat(list(ahead)), torch.cat(list(back)[::-1]))
        joined: Tensor = self._join(*both).unflatten(0, (len(frames), -1))
        return joined.transpose(0, 1).contiguous()

    def _travel(
        self,
        block: BlindSpotBlock,
        frames: Iterable[Tensor],
        flows: Iterable[Tensor | None],
    ) -> Iterator[Tensor]:
        """Carry features from frame to frame, fetched along the flow.

        Parameters
        ----------
        block
            Of this direction.
        frames
            What the block sees, ``(N, S, H, W)`` each, in order of travel.
        flows
            From every frame but the first to the one before it in order of travel.

        Yields
        ------
        Tensor
            Features at every frame, ``(N, F, H, W)``.
        """
        flows = iter(flows)
        hidden = None
        for frame in frames:
            if hidden is None:
                hidden = block(pack(frame))
            else:
                flow = next(flows)
                fetched = hidden if flow is None else self._fetch(hidden, flow)
                own = block(pack(frame), fetched)
                hidden = self.fuse(torch.cat([own, fetched], dim=1))
            yield hidden

    def _fetch(self, hidden: Tensor, flow: Tensor) -> Tensor:
        """Features ``(N, F, H, W)`` from where the flow leads, zero outside."""
        if self.fetch == "nearest":
            return sample_nearest(hidden, flow)
        fetched = sample_bilinear(hidden.to(flow.dtype), flow, "zeros")
        return pack(fetched.to(hidden.dtype))

    def _join(self, ahead: Tensor, back: Tensor) -> Tensor:
        """Output channels of one frame from the features of both directions."""
        x = self.leave.features(self.expand(torch.cat([ahead, back], dim=1)))
        # a movie has more grey levels than bfloat16: the last sum is in float32
        x = x.to(torch.promote_types(x.dtype, torch.float))
        return convolve(self.leave.leave, x) / self.gain

    @torch.no_grad()
    def _flow_around(
        self, clip: Tensor, first: int, last: int, precision: torch.dtype
    ) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Flow that leads to the frames `first` to `last` of ``(T, C, H, W)``.

        Returns
        -------
        to_next, to_previous
            From every frame but the last one, from `first` on, and from every frame but
            the first one, up to `last`; ``(1, 2, H, W)`` each, or None where nothing is
            taken to move. Features of frames are kept for one pair at a time.
        """
        to_next: list[Tensor | None] = [None] * (len(clip) - 1 - first)
        to_previous: list[Tensor | None] = [None] * last
        if self.flow_net is None or not self.follows_flow:
            return to_next, to_previous
        size, before = (clip.shape[2], clip.shape[3]), None
        for t, frame in enumerate(clip):
            now = self.flow_net.features(frame[None], precision)
            if before is not None and t > first:
                to_next[t - 1 - first] = self.flow_net.match(
                    before, now, size, precision
                )
            if before is not None and t <= last:
                to_previous[t - 1] = self.flow_net.match(now, before, size, precision)
            before = now
        return to_next, to_previous

    def _seen(
        self, frame: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Tensor:
        """Return what the blind-spot blocks see of frames ``(N, C, H, W)``."""
        if self.noise_input:
            frame = torch.cat([frame, self._noise_map(frame, noise)], dim=1)
        return (self.gain * frame).to(precision)

    def _noise_map(self, frames: Tensor, noise: CameraNoise) -> Tensor:
        """Return the standard deviation of the noise at every pixel of a frame.

        Of frames ``(..., C, H, W)``. Where noise grows with brightness, brightness is
        the average of the frame itself over lattice points around the pixel. The
        lattice keeps it blind: the map enters together with the frame, in front of
        the mask, and a pixel of it holds nothing but pixels that are multiples of the
        stride away. An ordinary blur would hold neighbours that lead back into the
        hole; neighbouring frames would carry their sight of this frame here along
        the recurrence.
        """
        images = frames.reshape(-1, 1, *frames.shape[-2:])
        side = 2 * BRIGHTNESS_REACH + 1
        kernel = images.new_ones(1, 1, side, side)
        padding = [BRIGHTNESS_REACH * stride for stride in self._stride]
        total, count = (
            F.conv2d(x, kernel, padding=padding, dilation=self._stride)
            for x in (images, torch.ones_like(images[:1]))
        )
        brightness = (total / count).view_as(frames)
        return noise.variance(brightness).sqrt().expand_as(frames)

    def _check_clip(self, clip: Tensor) -> None:
        if clip.dim() != 5 or clip.shape[2] != self.channels:
            hint = ""
            if self.channels == 3 and clip.dim() == 5 and clip.shape[2] == 1:
                hint = (
                    "; to use a network for RGB on a grey movie, give the movie three "
                    "times as red, green and blue, or train one on the movie itself"
                )
            raise ValueError(
                f"this network takes clips (N, T >= 2, {self.channels}, H, W), got "
                f"shape {tuple(clip.shape)}{hint}"
            )
        if clip.shape[1] < 2:
            raise ValueError(
                "STBN carries features from frame to frame and needs at least two "
                f"frames, got a clip of {clip.shape[1]}: shape {tuple(clip.shape)}"
            )


def _check(
    channels: int,
    features: int,
    modules: int,
    blocks: int,
    hole: Sequence[int],
    flow: str,
    context: int,
) -> None:
    counts = {
        "channels": channels,
        "features": features,
        "modules": modules,
        "blocks": blocks,
        "context": context,
    }
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value!r}; it must be positive")
    if features % 2:
        raise ValueError(f"features is {features!r}; it must be even")
    if len(hole) != 2 or any(n < 1 or n % 2 == 0 for n in hole):
        raise ValueError(f"hole is {tuple(hole)!r}; it must be odd (rows, columns)")
    if flow not in (*FLOW_NETWORKS, "none"):
        raise ValueError(
            f"flow is {flow!r}; choose one of {', '.join(FLOW_NETWORKS)} or none"
        )
