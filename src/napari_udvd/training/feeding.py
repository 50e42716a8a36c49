"""Training clips, brought to the device that learns from them.

A processor gets its clips from a thread that prepares the next ones while it learns
from the last: there are moments in every step in which a core has nothing to do.

A card learns faster than a processor cuts clips out of a movie and copies them. So a
movie that fits lies on the card, and clips are cut there, all of a batch in one
operation. Of a movie that does not, the next clips are read, cut and put in pinned
memory by a thread while the card learns from the last.

What is drawn does not depend on the way: places are drawn on the processor always, from
the same source of randomness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from napari_udvd.planes import Series, measured_box, missing_frames
from napari_udvd.runtime.parallel import one_core_threads
from napari_udvd.runtime.transfer import pinned, read_frames, send
from napari_udvd.training import sampling
from napari_udvd.training.sampling import (
    Block,
    ClipSampler,
    Draw,
    Movie,
    Place,
    Places,
    cut_masks,
    read_block,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

__all__ = ["CARD_SHARE", "AheadFeed", "CardFeed", "Clips", "Feed", "Way", "make_feed"]

CARD_SHARE = 0.4
"""Share of a card's free memory that a movie may take; the rest is for learning."""

Way = Literal["here", "ahead", "card"]
"""Clips are cut when they are asked for, by a thread meanwhile, or on the card."""


class Clips(NamedTuple):
    """Training clips on the device, see :class:`~napari_udvd.training.sampling.Draw`.

    Attributes
    ----------
    grey, is_target, series, measured
        As `clips` and the others of a draw; `grey` is in grey levels, or in network
        units where they are normalised on the way.
    has_target
        Whether any frame is to be learned from; known without asking the device.
    """

    grey: Tensor
    is_target: Tensor
    series: Series
    measured: Tensor | None
    has_target: bool


Normalise: TypeAlias = "Callable[[Clips], Clips]"
"""Brings grey levels to network units."""


class MakeSampler(Protocol):
    """Makes a sampler that reads with a given function."""

    def __call__(self, *, read: Callable[[Movie, int, int], Block]) -> ClipSampler: ...


def make_feed(
    movies: Sequence[Movie],
    make_sampler: MakeSampler,
    device: torch.device,
    way: Way | None = None,
    normalise: Normalise | None = None,
) -> Feed:
    """Choose how clips come to a device.

    Parameters
    ----------
    movies
        What is learned from.
    make_sampler
        Called with `read`, see :class:`~napari_udvd.training.sampling.ClipSampler`.
    device
        That learns.
    way
        How; chosen by device and free memory if None.
    normalise
        What is done to clips on the device, if anything.
    """
    way = way or _best_way(movies, device)
    if way == "card":
        sampler = make_sampler(read=_CardMovies(movies, device).read)
        return CardFeed(sampler, device, normalise)
    sampler = make_sampler(read=read_block)
    return (AheadFeed if way == "ahead" else Feed)(sampler, device, normalise)


def _best_way(movies: Sequence[Movie], device: torch.device) -> Way:
    pixels = [
        movie.stack.n_frames
        * len(movie.series.channels)
        * int(np.prod(movie.stack.frame_shape))
        for movie in movies
    ]
    if device.type != "cuda":
        # of what is not in memory no two threads read at the same time
        is_there = device.type == "cpu" and 4 * sum(pixels) <= sampling.MEMORY_BYTES
        return "ahead" if is_there else "here"
    # which pixels were measured is looked up on the processor
    masked = sum(n for n, m in zip(pixels, movies, strict=True) if m.stack.validity)
    free, _ = torch.cuda.mem_get_info(device)
    fits = 4 * sum(pixels) <= CARD_SHARE * free and masked <= sampling.MEMORY_BYTES
    return "card" if fits else "ahead"


class Feed:
    """Cuts clips when they are asked for.

    Parameters
    ----------
    sampler
        That draws them.
    device
        Where they go.
    normalise
        What is done to them there, if anything.
    """

    def __init__(
        self,
        sampler: ClipSampler,
        device: torch.device,
        normalise: Normalise | None = None,
    ) -> None:
        self._sampler, self._device = sampler, device
        self._normalise = normalise

    @property
    def longest(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of the largest clips."""
        return self._sampler.longest

    @property
    def state(self) -> dict[str, Any]:
        """State of the source of randomness after the clips that were given out."""
        return self._sampler.state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; before any clips were given out."""
        self._sampler.state = state

    def next(self, batch: int) -> Clips:
        """Return the next clips."""
        return self._sent(_pinned(self._sampler.draw(batch), self._device))

    def close(self) -> None:
        """Prepare nothing any more."""

    def _sent(self, clips: Clips) -> Clips:
        """Bring clips to the device."""
        return self._ready(_sent(clips, self._device))

    def _ready(self, clips: Clips) -> Clips:
        return clips if self._normalise is None else self._normalise(clips)


class AheadFeed(Feed):
    """Prepares the next clips in a thread, parameters as those of :class:`Feed`."""

    def __init__(
        self,
        sampler: ClipSampler,
        device: torch.device,
        normalise: Normalise | None = None,
    ) -> None:
        super().__init__(sampler, device, normalise)
        self._state = sampler.state
        self._thread = one_core_threads(1, "napari-udvd-clips")
        self._prepared: Future[tuple[Clips, dict[str, Any]]] | None = None
        self._batch = 0

    @property
    def state(self) -> dict[str, Any]:
        """State after the clips that were given out, not those that are prepared."""
        return self._state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; before any clips were given out."""
        super().restore(state)
        self._state = state

    def next(self, batch: int) -> Clips:
        """Return the next clips; of the size that was first asked for."""
        if self._prepared is None:
            self._prepared = self._thread.submit(self._prepare, batch)
            self._batch = batch
        if batch != self._batch:
            raise ValueError(f"{self._batch} clips are prepared, not {batch}")
        clips, self._state = self._prepared.result()
        self._prepared = self._thread.submit(self._prepare, batch)
        # a processor's are there already, and ready
        return clips if self._device.type == "cpu" else self._sent(clips)

    def close(self) -> None:
        """Prepare nothing any more; waits for what is being read."""
        self._thread.shutdown(cancel_futures=True)

    def _prepare(self, batch: int) -> tuple[Clips, dict[str, Any]]:
        clips = _pinned(self._sampler.draw(batch), self._device)
        if self._device.type == "cpu":
            clips = self._sent(clips)
        return clips, self._sampler.state


class CardFeed(Feed):
    """Cuts clips on the device, parameters as those of :class:`Feed`.

    The sampler's blocks hold tensors on the device.
    """

    def next(self, batch: int) -> Clips:
        """Return the next clips."""
        places = self._sampler.place(batch)
        is_target, measured = cut_masks(places)
        # nothing but where to look goes to the card, and what may be learned there
        draw = Draw(_index(places), is_target, places.block.movie.series, measured)
        sent = _sent(_pinned(draw, self._device), self._device)
        return self._ready(sent._replace(grey=_cut_there(places, sent.grey)))


class _CardMovies:
    """Movies that lie on a device."""

    def __init__(self, movies: Sequence[Movie], device: torch.device) -> None:
        self._movies = list(movies)
        self._whole = [_uploaded(movie, device) for movie in movies]

    def read(self, movie: Movie, first: int, size: int) -> Block:
        """Return a view, see :func:`~napari_udvd.training.sampling.read_block`."""
        whole = self._whole[self._movies.index(movie)]
        part = slice(first, first + size)
        return whole._replace(
            first=first,
            frames=whole.frames[part],
            measured=None if whole.measured is None else whole.measured[part],
        )


def _uploaded(movie: Movie, device: torch.device) -> Block:
    """Copy a movie to a device, a few frames at a time."""
    rows, columns = measured_box(movie.stack, movie.series)
    n_frames, step = movie.stack.n_frames, sampling.BLOCK_FRAMES
    frames, masks = None, []
    for first in range(0, n_frames, step):
        span = range(first, min(first + step, n_frames))
        clip, measured = read_frames(
            movie.stack, movie.series, span, rows, columns, device
        )
        if frames is None:
            frames = torch.empty((n_frames, *clip.shape[1:]), device=device)
        frames[span.start : span.stop] = clip
        masks += [] if measured is None else [measured]
    known = np.concatenate(masks) if masks else None
    missing = missing_frames(movie.stack, movie.series)
    return Block(movie, 0, frames, known, missing)


def _index(places: Places) -> npt.NDArray[Any]:
    """Frames, rows and columns of every clip, in this order, ``(N, T + h + w)``."""
    return np.array([_positions(place) for place in places.clips])


def _positions(place: Place) -> list[int]:
    spans = (
        place.frames,
        range(place.rows.start, place.rows.stop),
        range(place.columns.start, place.columns.stop),
    )
    return [
        position
        for span, flip in zip(spans, place.flips, strict=True)
        for position in (reversed(span) if flip else span)
    ]


def _cut_there(places: Places, index: Tensor) -> Tensor:
    """Cut out ``(N, T, C, h, w)`` where the frames are."""
    frames, one = places.block.frames, places.clips[0]
    t, y, x = index.split(
        [
            len(one.frames),
            one.rows.stop - one.rows.start,
            one.columns.stop - one.columns.start,
        ],
        dim=1,
    )
    channels = torch.arange(frames.shape[1], device=frames.device)
    clips: Tensor = frames[
        t[:, :, None, None, None],
        channels[:, None, None],
        y[:, None, None, :, None],
        x[:, None, None, None, :],
    ]
    return clips.transpose(-1, -2).contiguous() if places.swap else clips


def _pinned(draw: Draw, device: torch.device) -> Clips:
    measured = draw.measured
    return Clips(
        pinned(draw.clips, device),
        pinned(draw.is_target, device),
        draw.series,
        None if measured is None else pinned(measured, device),
        bool(draw.is_target.any()),
    )


def _sent(clips: Clips, device: torch.device) -> Clips:
    measured = clips.measured
    return clips._replace(
        grey=send(clips.grey, device),
        is_target=send(clips.is_target, device),
        measured=None if measured is None else send(measured, device),
    )
