"""Random patches of a movie, read as they are needed.

Short movies are held in memory whole. Of long ones a few blocks of frames are held
and replaced one after another, so that memory stays bounded and every frame gets
its turn even where reading is slow.

Where clips are is drawn first (:meth:`ClipSampler.place`) and cut out afterwards, so
that whoever holds the frames elsewhere can do the second by other means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import window
from napari_udvd.planes import Series, measured_box, missing_frames, read_measured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.stack import Stack

__all__ = [
    "Block",
    "ClipSampler",
    "Draw",
    "Movie",
    "Place",
    "Places",
    "cut_masks",
    "read_block",
]

MEMORY_BYTES = 512 * 2**20
"""Float32 frames that the sampler may hold."""

BLOCK_FRAMES = 24
"""Frames to choose from in a block of a movie too long to be held."""

STEPS_PER_BLOCK = 4
"""Draws after which the oldest block is replaced."""

MOSTLY = 0.5
"""Share of a patch that should have been measured, if one is found in so many ..."""
TRIES = 8
"""... attempts, as a clip of which any frame is to be learned from."""

Frames = npt.NDArray[np.float32]
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
        Of the shape of `clips`: False for pixels that hold no measurement; None where
        all do.
    """

    clips: Frames
    is_target: Mask
    series: Series
    measured: Mask | None = None


class Block(NamedTuple):
    """Neighbouring frames of a movie to draw from.

    Attributes
    ----------
    movie
        Where they are from.
    first
        Number of the first of them.
    frames
        ``(T, C, H, W)`` in grey levels: an array, or what stands for it elsewhere.
    measured
        Which pixels were measured, of the same shape; None where all were.
    missing
        Frames of the movie in which nothing was measured.
    """

    movie: Movie
    first: int
    frames: Any
    measured: Mask | None
    missing: frozenset[int]


class Place(NamedTuple):
    """Where one clip is in its block, and how it is turned.

    Attributes
    ----------
    frames, targets
        All of its frames and those to learn from, as positions in the block.
    is_target
        For each of the latter: it was not held out, nor is it missing.
    rows, columns
        The patch.
    flips
        Whether time, rows and columns are mirrored.
    """

    frames: list[int]
    targets: list[int]
    is_target: Mask
    rows: slice
    columns: slice
    flips: tuple[bool, bool, bool]


class Places(NamedTuple):
    """Where the clips of a draw are.

    Attributes
    ----------
    block
        What they are cut from.
    clips
        One for each, all of one size.
    swap
        Rows and columns are swapped.
    """

    block: Block
    clips: list[Place]
    swap: bool


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
    read
        Gives the frames of a movie from one on, so many, as :func:`read_block` does.
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
        read: Callable[[Movie, int, int], Block] | None = None,
    ) -> None:
        self._movies = list(movies)
        self._read = read or read_block
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
        self._blocks: list[Block] = []
        self._whole = sum(sizes) <= MEMORY_BYTES
        if self._whole:
            self._blocks = [self._read(m, 0, m.stack.n_frames) for m in self._movies]

    @property
    def longest(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of the largest clips that are drawn."""
        shapes = [movie.stack.frame_shape for movie in self._movies]
        return (
            self._targets + 2 * self._context,
            len(self._movies[0].series.channels),
            min(self._patch, max(height for height, _ in shapes)),
            min(self._patch, max(width for _, width in shapes)),
        )

    @property
    def state(self) -> dict[str, Any]:
        """State of the source of randomness; set it to go on from there."""
        return dict(self._rng.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self._rng.bit_generator.state = value

    def draw(self, batch: int) -> Draw:
        """Draw clips of one series, all augmented alike in size."""
        places = self.place(batch)
        block = places.block
        clips = np.stack(
            [
                _turned(_cut(block.frames, place), place.flips, places.swap)
                for place in places.clips
            ]
        )
        is_target, measured = cut_masks(places)
        clips = np.ascontiguousarray(clips)
        return Draw(clips, is_target, block.movie.series, measured)

    def place(self, batch: int) -> Places:
        """Draw where clips of one series are, without cutting them out."""
        if not self._whole:
            self._turn_over()
        block = self._blocks[self._rng.integers(len(self._blocks))]
        count = self._targets
        if self._fewest < count:
            count = int(self._rng.integers(self._fewest, count + 1))
        clips = [self._place(block, count) for _ in range(batch)]
        return Places(block, clips, self._transpose and self._rng.random() < 0.5)

    def _place(self, block: Block, count: int) -> Place:
        """Draw one clip, and again if hardly any of it was measured."""
        drawn = self._drawn(block, count)
        for _ in range(TRIES):
            if block.measured is None or _known(block, drawn).mean() >= MOSTLY:
                break
            drawn = self._drawn(block, count)
        return drawn

    def _drawn(self, block: Block, count: int) -> Place:
        n_frames = block.movie.stack.n_frames
        # the ends of the movie are mirrored; the ends of a block have no neighbours
        stop = block.first + len(block.frames)
        first = block.first + (self._context if block.first > 0 else 0)
        last = stop - count - (self._context if stop < n_frames else 0)
        unseen = block.movie.held_out | block.missing
        for _ in range(TRIES):
            start = int(self._rng.integers(first, last + 1))
            targets = range(start, start + count)
            if not unseen.issuperset(targets):  # there is something to learn from
                break
        frames = _around(targets, self._context, n_frames, block)
        height, width = block.frames.shape[-2:]
        y = int(self._rng.integers(max(height - self._patch, 0) + 1))
        x = int(self._rng.integers(max(width - self._patch, 0) + 1))
        flips = self._rng.random(3) < 0.5
        return Place(
            [t - block.first for t in frames],
            [t - block.first for t in targets],
            np.array([t not in unseen for t in targets]),
            slice(y, min(y + self._patch, height)),
            slice(x, min(x + self._patch, width)),
            (bool(flips[0]), bool(flips[1]), bool(flips[2])),
        )

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
            self._blocks.append(self._read(movie, first, size))
            del self._blocks[: max(len(self._blocks) - room, 0)]
        self._draws += 1


def _around(targets: range, context: int, n_frames: int, block: Block) -> list[int]:
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


def cut_masks(places: Places) -> tuple[Mask, Mask | None]:
    """Cut out what :class:`Draw` calls `is_target` and `measured`."""
    block = places.block
    is_target = np.stack(
        [
            place.is_target[::-1] if place.flips[0] else place.is_target
            for place in places.clips
        ]
    )
    if block.measured is None:
        return is_target, None
    known = [
        _turned(_cut(block.measured, place), place.flips, places.swap)
        for place in places.clips
    ]
    return is_target, np.ascontiguousarray(np.stack(known))


def _known(block: Block, place: Place) -> Mask:
    """Which pixels of the frames to learn from were measured, not yet turned."""
    assert block.measured is not None
    return block.measured[place.targets][:, :, place.rows, place.columns]


def _cut(frames: npt.NDArray[Any], place: Place) -> npt.NDArray[Any]:
    return frames[place.frames, :, place.rows, place.columns]


def _turned(
    clip: npt.NDArray[Any], flips: tuple[bool, bool, bool], swap: bool = False
) -> npt.NDArray[Any]:
    time, rows, columns = (-1 if flip else 1 for flip in flips)
    turned = clip[::time, :, ::rows, ::columns]
    return turned.swapaxes(-1, -2) if swap else turned


def read_block(movie: Movie, first: int, size: int) -> Block:
    """Read so many frames of a movie, from one on."""
    span = range(first, first + size)
    box = measured_box(movie.stack, movie.series)
    frames, measured = read_measured(movie.stack, movie.series, span, *box)
    missing = missing_frames(movie.stack, movie.series)
    return Block(movie, first, frames, measured, missing)
