"""Random patches of a movie, read as they are needed.

Short movies are held in memory whole. Of long ones a few blocks of frames are held
and replaced one after another, so that memory stays bounded and every frame gets
its turn even where reading is slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.series import (
    Series,
    measured_box,
    missing_frames,
    read_measured,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.stack import Stack

__all__ = ["ClipSampler", "Draw", "Movie"]

MEMORY_BYTES = 512 * 2**20
"""Float32 frames that the sampler may hold."""

BLOCK_FRAMES = 24
"""Frames to choose from in a block of a movie too long to be held."""

STEPS_PER_BLOCK = 4
"""Draws after which the oldest block is replaced."""

MOSTLY = 0.5
"""Share of a patch that should have been measured, if one is found in so many ..."""
TRIES = 8

Clip = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Movie(NamedTuple):
    """One series of one stack, with the frames kept for validation."""

    stack: Stack
    series: Series
    held_out: frozenset[int]


class Draw(NamedTuple):
    """Training clips.

    Attributes
    ----------
    clips
        ``(N, targets + 2 context, C, h, w)`` in grey levels.
    is_target
        ``(N, targets)``: False for frames held out for validation, which may be seen
        as neighbours but never be learned from.
    series
        Where they come from.
    measured
        ``(N, targets, C, h, w)``: False for pixels that hold no measurement; None where
        all do.
    """

    clips: Clip
    is_target: Mask
    series: Series
    measured: Mask | None = None


class _Block(NamedTuple):
    movie: Movie
    first: int
    frames: Clip  # (T, C, H, W)
    measured: Mask | None
    missing: frozenset[int]


class ClipSampler:
    """Draws augmented clips.

    Parameters
    ----------
    movies
        What to draw from, each with the same number of channels.
    context
        Frames before and after an output frame.
    targets
        Output frames of a clip.
    fewest
        Clips have this many output frames at least, `targets` at most, as chance wants.
        By default all have `targets`.
    patch
        Rows and columns (smaller where a frame is).
    transpose
        Also swap rows and columns; not where the hole is not square, because noise
        that is correlated along rows must stay so.
    rng
        Source of randomness; its state is the sampler's state.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        *,
        context: int,
        targets: int,
        patch: int,
        transpose: bool,
        rng: np.random.Generator,
        fewest: int | None = None,
    ) -> None:
        self._movies = list(movies)
        self._context = context
        self._patch = patch
        self._transpose = transpose
        self._rng = rng
        shortest = min(movie.stack.n_frames for movie in movies)
        self._targets = min(targets, shortest)
        self._fewest = min(fewest or targets, self._targets)
        sizes = [
            4 * m.stack.n_frames * len(m.series.channels) * np.prod(m.stack.frame_shape)
            for m in self._movies
        ]
        self._draws = 0
        self._blocks: list[_Block] = []
        self._whole = sum(sizes) <= MEMORY_BYTES
        if self._whole:
            self._blocks = [_read_block(m, 0, m.stack.n_frames) for m in self._movies]

    def draw(self, batch: int) -> Draw:
        """Draw clips of one series, all augmented alike in size."""
        if not self._whole:
            self._turn_over()
        block = self._blocks[self._rng.integers(len(self._blocks))]
        count = self._targets
        if self._fewest < count:
            count = int(self._rng.integers(self._fewest, count + 1))
        pairs = [self._clip(block, count) for _ in range(batch)]
        swap = self._transpose and self._rng.random() < 0.5
        clips = np.stack([clip for clip, _, _ in pairs])
        masks = np.stack([mask for _, mask, _ in pairs])
        known = [part for _, _, part in pairs if part is not None]
        measured = np.stack(known) if known else None
        if swap:
            clips = clips.swapaxes(-1, -2)
            measured = None if measured is None else measured.swapaxes(-1, -2)
        if measured is not None:
            measured = np.ascontiguousarray(measured)
        clips = np.ascontiguousarray(clips)
        return Draw(clips, masks, block.movie.series, measured)

    def _clip(self, block: _Block, count: int) -> tuple[Clip, Mask, Mask | None]:
        """Draw one clip, and again if hardly any of it was measured."""
        drawn = self._drawn(block, count)
        for _ in range(TRIES):
            measured = drawn[2]
            if measured is None or measured.mean() >= MOSTLY:
                break
            drawn = self._drawn(block, count)
        return drawn

    def _drawn(self, block: _Block, count: int) -> tuple[Clip, Mask, Mask | None]:
        n_frames = block.movie.stack.n_frames
        # the ends of the movie are mirrored; the ends of a block have no neighbours
        stop = block.first + len(block.frames)
        first = block.first + (self._context if block.first > 0 else 0)
        last = stop - count - (self._context if stop < n_frames else 0)
        start = int(self._rng.integers(first, last + 1))
        targets = range(start, start + count)
        frames = _around(targets, self._context, n_frames, block)
        index = [t - block.first for t in frames]
        height, width = block.frames.shape[-2:]
        y = int(self._rng.integers(max(height - self._patch, 0) + 1))
        x = int(self._rng.integers(max(width - self._patch, 0) + 1))
        clip = block.frames[index, :, y : y + self._patch, x : x + self._patch]
        unseen = block.movie.held_out | block.missing
        mask = np.array([t not in unseen for t in targets])
        measured = None
        if block.measured is not None:
            own = [t - block.first for t in targets]
            part = block.measured[own]
            measured = part[:, :, y : y + self._patch, x : x + self._patch]
        flips = self._rng.random(3) < 0.5
        if flips[0]:
            clip, mask = clip[::-1], mask[::-1]
            measured = None if measured is None else measured[::-1]
        turned = np.s_[:, :, :: -1 if flips[1] else 1, :: -1 if flips[2] else 1]
        measured = None if measured is None else measured[turned]
        return clip[turned], mask, measured

    def _turn_over(self) -> None:
        """Replace the oldest block now and then."""
        movie = self._movies[self._rng.integers(len(self._movies))]
        bytes_per_frame = (
            4 * len(movie.series.channels) * int(np.prod(movie.stack.frame_shape))
        )
        enough = self._targets + 2 * self._context
        wanted = BLOCK_FRAMES + enough
        size = max(min(wanted, MEMORY_BYTES // bytes_per_frame), enough)
        size = min(size, movie.stack.n_frames)
        room = max(MEMORY_BYTES // (size * bytes_per_frame), 1)
        if len(self._blocks) < min(room, 4) or self._draws % STEPS_PER_BLOCK == 0:
            first = int(self._rng.integers(movie.stack.n_frames - size + 1))
            self._blocks.append(_read_block(movie, first, size))
            del self._blocks[: max(len(self._blocks) - room, 0)]
        self._draws += 1


def _around(targets: range, context: int, n_frames: int, block: _Block) -> list[int]:
    """Targets and the frames around them, as :func:`series.window` for one target.

    Beyond the ends of the movie stand frames of the other side, never a target,
    unless there are no others.
    """
    if len(targets) == 1:
        held = range(block.first, block.first + len(block.frames))
        frames = window(targets.start, context, n_frames, block.missing)
        if all(t in held for t in frames):
            return frames
        # beyond what is in memory the missing frames are seen, filled
        return window(targets.start, context, n_frames)
    frames = []
    for t in range(targets.start - context, targets.stop + context):
        inside = 0 <= t < n_frames
        opposite = targets.start + targets.stop - 1 - t
        frames.append(t if inside else min(max(opposite, 0), n_frames - 1))
    return frames


def _read_block(movie: Movie, first: int, size: int) -> _Block:
    span = range(first, first + size)
    box = measured_box(movie.stack, movie.series)
    frames, measured = read_measured(movie.stack, movie.series, span, *box)
    missing = missing_frames(movie.stack, movie.series)
    return _Block(movie, first, frames, measured, missing)
