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
from einops import rearrange
from torch import Tensor, nn

from napari_udvd.models.base import Clip, Geometry, Network
from napari_udvd.models.likelihood import Prediction, factor_entries, split
from napari_udvd.models.precision import convolve
from napari_udvd.models.stbn.lattice import (
    GROUPS,
    BlindSpotBlock,
    Fusion,
    SpatialExpansion,
    lattice,
)
from napari_udvd.models.stbn.noise_map import noise_map
from napari_udvd.models.stbn.options import FLOW_NETWORKS, Options, check_arguments
from napari_udvd.models.stbn.recurrence import flow_around, travel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.flow.base import ClipFlow, FlowNetwork

__all__ = ["FLOW_NETWORKS", "STBN"]

GAIN = 3.0
"""What frames are multiplied by; see the benchmarks."""


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
        self.options = Options(
            features, modules, blocks, noise_input, fetch, float(gain), context
        )
        check_arguments(self.options, channels, hole, flow)
        self.channels, self.likelihood = channels, likelihood
        self.hole = (int(hole[0]), int(hole[1]))
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
    def geometry(self) -> Geometry:
        """What an output depends on, within the context.

        The radius is that where nothing moves: features that are fetched from elsewhere
        have seen what is there, and the flow has a view of its own. The grid is that of
        the spatial expansion and of the flow network.
        """
        options, stride = self.options, max(self._stride)
        per_frame = max(lattice(self.hole)[0]) + 2 * options.modules * stride
        expansion = (GROUPS * options.blocks + 2) * 2 * stride + stride
        leaving = (options.modules // 2) * stride
        grid = 1 if self.flow_net is None else self.flow_net.grid
        return Geometry(
            context=options.context,
            radius=(options.context + 1) * per_frame + expansion + leaving,
            grid=math.lcm(*(2 * step for step in self._stride), grid),
            least_frames=2,
            recurrent=True,
            local=self.flow_net is None,
        )

    @property
    def margin(self) -> int:
        """None: every frame of a training clip is predicted."""
        return 0

    @property
    def size(self) -> str:
        """Features, modules and flow."""
        flow = "no flow" if self.flow_net is None else f"{self.flow} flow"
        features, modules, *_ = self.options
        return f"{features} features, {modules} modules, {flow}"

    @property
    def shares_frames(self) -> bool:
        """The recurrence runs over all frames once."""
        return True

    @property
    def noise_tolerance(self) -> float:
        """More where it sees the standard deviation of the noise beside each pixel."""
        return 2.0 if self.options.noise_input else super().noise_tolerance

    def configuration(self) -> dict[str, object]:
        """Return the arguments that build this network again."""
        return {
            "channels": self.channels,
            "features": self.options.features,
            "modules": self.options.modules,
            "blocks": self.options.blocks,
            "hole": list(self.hole),
            "likelihood": self.likelihood,
            "noise_input": self.options.noise_input,
            "flow": self.flow,
            "fetch": self.options.fetch,
            "gain": self.options.gain,
            "context": self.options.context,
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
        self, frames: Tensor, precision: torch.dtype = torch.float32
    ) -> ClipFlow | None:
        """Flow between neighbouring frames ``(N, T, C, H, W)``, without gradient.

        None where nothing is taken to move.
        """
        if self.flow_net is None or not self.follows_flow:
            return None
        return self.flow_net.of_clip(frames, precision)

    def predict_all(
        self,
        clip: Clip,
        precision: torch.dtype = torch.float32,
        flow: ClipFlow | None = None,
    ) -> Prediction:
        """Predict every frame of a clip.

        Parameters
        ----------
        clip
            Frames ``(N, T, C, H, W)`` float32, two or more of any height and width.
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
        frames, noise, _ = clip
        self._check_frames(frames)
        std = None
        if self.options.noise_input:
            std = noise_map(frames, noise, self._stride)
        return split(self._outputs(frames, std, precision, flow), self.channels)

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames that have their full context, see :class:`Network`."""
        self._check_frames(clip.frames)
        frames, context = clip.frames.shape[1], self.options.context
        if frames < 2 * context + 1:
            raise ValueError(
                f"this network sees {context} frames on each side, got a clip of "
                f"{frames}: shape {tuple(clip.frames.shape)}; predict_all takes any "
                "length"
            )
        mean, factor = self.predict_all(clip, precision)
        full = slice(context, frames - context)
        return Prediction(mean[:, full], None if factor is None else factor[:, full])

    def predict_fairly(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict the middle frame, whose noise the flow has not seen either.

        The flow is estimated with the prediction in its place.
        """
        if self.flow_net is None or not self.follows_flow:
            return self.predict(clip, precision)
        prediction = self.predict_all(clip, precision)
        middle = clip.frames.shape[1] // 2
        known = clip.frames.clone()
        known[:, middle] = prediction.mean[:, middle]
        flow = self.estimate_flow(known, precision)
        mean, factor = self.predict_all(clip, precision, flow)
        here = slice(middle, middle + 1)
        return Prediction(mean[:, here], None if factor is None else factor[:, here])

    def predict_clip(self, clip: Clip, precision: torch.dtype) -> Prediction:
        """Predict all frames of a training clip."""
        return self.predict_all(clip, precision)

    def predict_frame(self, clip: Clip, at: int, precision: torch.dtype) -> Prediction:
        """Predict one frame of a window of any length."""
        mean, factor = self.predict_all(clip, precision)
        return Prediction(mean[:, at], None if factor is None else factor[:, at])

    def raw(self, clip: Tensor, noise_std: Tensor | float | None = None) -> Tensor:
        """Return the published output channels for every frame.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``.
        noise_std
            Standard deviation of the noise in units of `clip`: a number, or what
            broadcasts with it; for networks with `noise_input`.

        Returns
        -------
        Tensor
            ``(N, T, outputs, H, W)``.
        """
        self._check_frames(clip)
        std = None
        if self.options.noise_input:
            if noise_std is None:
                raise ValueError(
                    "this network takes the noise level as an input: give noise_std"
                )
            std = torch.as_tensor(noise_std).to(clip)
        return self._outputs(clip, std, clip.dtype, None)

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        """Predict the middle frame of one window after the other.

        The recurrence runs once over the clip in its order, over all of its frames
        also where a window has fewer, and again only where windows go back in time.
        Features are kept for one direction and the frames that are asked for.
        """
        self._check_frames(clip.frames)
        frames, noise = clip.frames[0], clip.noise
        wanted = [window[len(window) // 2] for window in windows]
        if not wanted:
            return
        first, last, kept = min(wanted), max(wanted), set(wanted)
        onward, homeward = range(last + 1), range(len(frames) - 1, first - 1, -1)
        flow_net = self.flow_net if self.follows_flow else None
        to_next, to_previous = flow_around(flow_net, frames, first, last, precision)

        def travel(
            block: BlindSpotBlock, order: range, flows: Iterable[Tensor | None]
        ) -> Iterator[tuple[int, Tensor]]:
            seen = (self._seen(frames[t][None], noise, precision) for t in order)
            return zip(order, self._travel(block, seen, flows), strict=True)

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
        frames = list((self.options.gain * seen).to(precision).unbind(1))
        still: list[Tensor | None] = [None] * (len(frames) - 1)
        to_previous = still if flow is None else flow.to_previous.unbind(1)
        to_next = still if flow is None else flow.to_next.unbind(1)
        ahead = self._travel(self.forward_block, frames, to_previous)
        back = self._travel(self.backward_block, frames[::-1], to_next[::-1])
        # what is not recurrent is computed for all frames at once
        both = (torch.cat(list(ahead)), torch.cat(list(back)[::-1]))
        joined: Tensor = self._join(*both)
        return rearrange(joined, "(t n) c h w -> n t c h w", t=len(frames)).contiguous()

    def _travel(
        self,
        block: BlindSpotBlock,
        frames: Iterable[Tensor],
        flows: Iterable[Tensor | None],
    ) -> Iterator[Tensor]:
        return travel(block, self.fuse, frames, flows, self.options.fetch)

    def _join(self, ahead: Tensor, back: Tensor) -> Tensor:
        """Output channels of one frame from the features of both directions."""
        x = self.leave.features(self.expand(torch.cat([ahead, back], dim=1)))
        # a movie has more grey levels than bfloat16: the last sum is in float32
        x = x.to(torch.promote_types(x.dtype, torch.float))
        return convolve(self.leave.leave, x) / self.options.gain

    def _seen(
        self, frame: Tensor, noise: CameraNoise, precision: torch.dtype
    ) -> Tensor:
        """Return what the blind-spot blocks see of frames ``(N, C, H, W)``."""
        if self.options.noise_input:
            std = noise_map(frame, noise, self._stride)
            frame = torch.cat([frame, std], dim=1)
        return (self.options.gain * frame).to(precision)

    def _check_frames(self, clip: Tensor) -> None:
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
