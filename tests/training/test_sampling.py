"""Patches: what is drawn, how it is turned, and how much memory that takes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.cutting import window
from napari_udvd.planes import Series
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training import sampling
from napari_udvd.training.sampling import ClipSampler, Movie

if TYPE_CHECKING:
    import numpy.typing as npt


def movie_of(
    data: Any, axes: str = "TYX", channels: tuple[int, ...] = (0,), z: int = 0
) -> Movie:
    stack = Stack.from_array(data, axes)
    return Movie(stack, Series(channels, z), DENOISE.hold_out(stack.n_frames))


def sampler_of(*movies: Movie, seed: int = 0, **options: Any) -> ClipSampler:
    options = {"context": 2, "targets": 4, "patch": 16, "transpose": True} | options
    return ClipSampler(movies, rng=np.random.default_rng(seed), **options)


def frame_numbers(n_frames: int, height: int = 20, width: int = 24) -> Any:
    """Movie whose every pixel is the number of its frame."""
    t = np.arange(n_frames, dtype=np.float32)[:, None, None]
    return np.broadcast_to(t, (n_frames, height, width))


@settings(max_examples=60, deadline=None)
@given(
    n_frames=st.integers(2, 60),
    context=st.sampled_from([0, 1, 2, 4]),
    targets=st.integers(1, 9),
    batch=st.integers(1, 3),
    patch=st.sampled_from([16, 64]),
    seed=st.integers(0, 99),
    short_of_memory=st.booleans(),
)
def test_clips_are_neighbouring_frames_and_targets_are_never_held_out(
    n_frames: int,
    context: int,
    targets: int,
    batch: int,
    patch: int,
    seed: int,
    short_of_memory: bool,
) -> None:
    movie = movie_of(frame_numbers(n_frames))
    with pytest.MonkeyPatch.context() as memory:
        if short_of_memory:
            memory.setattr(sampling, "MEMORY_BYTES", 1)
        sampler = sampler_of(
            movie, context=context, targets=targets, patch=patch, seed=seed
        )
        draws = [sampler.draw(batch) for _ in range(5)]
    targets = min(targets, n_frames)
    for draw in draws:
        n, t, c, h, w = draw.clips.shape
        assert (n, t, c) == (batch, targets + 2 * context, 1)
        assert {h, w} == {min(patch, 20), min(patch, 24)}
        assert draw.clips.dtype == np.float32
        assert draw.clips.flags.c_contiguous
        assert draw.is_target.shape == (batch, targets)
        assert draw.series == Series((0,), 0)
        assert (draw.clips == draw.clips[..., :1, :1]).all()
        for frames, is_target in zip(
            draw.clips[..., 0, 0, 0], draw.is_target, strict=True
        ):
            numbers = frames.astype(int).tolist()
            inner = numbers[context : context + targets]
            assert is_target.tolist() == [t not in movie.held_out for t in inner]
            step = 1 if targets == 1 or inner[1] > inner[0] else -1
            assert inner == list(range(inner[0], inner[0] + step * targets, step))
            if targets == 1:  # the direction shows in the neighbours only
                expected = window(inner[0], context, n_frames)
                assert numbers in (expected, expected[::-1])
                assert numbers.count(inner[0]) == 1  # or it would see its own noise
                continue
            for k, t in enumerate(numbers):
                was = inner[0] + step * (k - context)
                opposite = inner[0] + inner[-1] - was
                if 0 <= was < n_frames:
                    assert t == was
                elif 0 <= opposite < n_frames:
                    assert t == opposite
                else:
                    assert 0 <= t < n_frames


def test_both_directions_of_time_occur() -> None:
    sampler = sampler_of(movie_of(frame_numbers(20)))
    rising = [
        clip[3, 0, 0, 0] > clip[2, 0, 0, 0]
        for _ in range(30)
        for clip in sampler.draw(2).clips
    ]
    assert 0.25 < np.mean(rising) < 0.75


@pytest.mark.parametrize("transpose", [False, True])
def test_rows_become_columns_only_where_they_may(transpose: bool) -> None:
    # grey levels change from row to row, and never along one
    data = np.zeros((12, 40, 40), "f4") + np.arange(40, dtype="f4")[:, None]
    sampler = sampler_of(movie_of(data), transpose=transpose)
    along_rows = upside_down = 0
    for _ in range(60):
        clip = sampler.draw(1).clips[0, 0, 0]
        down, right = np.unique(np.diff(clip, axis=0)), np.unique(np.diff(clip, axis=1))
        assert {len(down), len(right)} == {1}
        assert sorted(abs(v) for v in (down[0], right[0])) == [0, 1]
        along_rows += right[0] != 0
        upside_down += down[0] < 0
    assert (10 < along_rows < 50) if transpose else along_rows == 0
    assert upside_down > 5


def test_both_mirror_images_occur() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(size=(16, 16)).astype("f4")
    data = np.broadcast_to(image, (8, 16, 16))
    sampler = sampler_of(movie_of(data), transpose=True)
    looks = {sampler.draw(1).clips[0, 0, 0].tobytes() for _ in range(200)}
    expected = {
        np.ascontiguousarray(x[:: -1 if i else 1, :: -1 if j else 1]).tobytes()
        for x in (image, image.T)
        for i in (0, 1)
        for j in (0, 1)
    }
    assert looks == expected  # all eight, and nothing else


def test_patches_come_from_everywhere() -> None:
    data = np.arange(30 * 34, dtype="f4").reshape(1, 30, 34).repeat(6, axis=0)
    sampler = sampler_of(movie_of(data), patch=16)
    seen = np.zeros(30 * 34, bool)
    for _ in range(300):
        seen[sampler.draw(1).clips.astype(int).ravel()] = True
    assert seen.all()


def test_every_movie_and_plane_has_its_turn() -> None:
    data = np.zeros((10, 2, 3, 20, 20), "f4")
    data += 10 * np.arange(2)[:, None, None, None] + np.arange(3)[:, None, None]
    movies = [movie_of(data, "TCZYX", (c,), z) for c in range(2) for z in range(3)]
    sampler = sampler_of(*movies)
    counts: dict[float, int] = {}
    for _ in range(300):
        draw = sampler.draw(1)
        (level,) = set(draw.clips.ravel().tolist())
        assert level == 10 * draw.series.channels[0] + draw.series.z
        counts[level] = counts.get(level, 0) + 1
    assert set(counts) == {0, 1, 2, 10, 11, 12}
    assert min(counts.values()) > 20


def test_joint_channels_stay_together() -> None:
    data = np.zeros((10, 2, 20, 20), "f4")
    data[:, 1] = 7
    clips = sampler_of(movie_of(data, "TCYX", (0, 1))).draw(2).clips
    assert clips.shape == (2, 8, 2, 16, 16)
    assert (clips[:, :, 0] == 0).all()
    assert (clips[:, :, 1] == 7).all()


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    movie = movie_of(rng.uniform(size=(12, 40, 40)).astype("f4"))

    def clips(seed: int) -> npt.NDArray[Any]:
        sampler = sampler_of(movie, seed=seed)
        return np.stack([sampler.draw(2).clips for _ in range(5)])

    np.testing.assert_array_equal(clips(1), clips(1))
    assert (clips(1) != clips(2)).any()


# --- movies that do not fit into memory ---------------------------------------------


class Lazy:
    """Frames that exist when they are read; every pixel is the number of its frame."""

    def __init__(self, n_frames: int, side: int = 16) -> None:
        self.shape, self.dtype = (n_frames, side, side), np.dtype("u2")
        self.calls: list[int] = []

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        t = np.arange(self.shape[0])[key[0]]
        self.calls.append(len(t))
        block = np.broadcast_to(t[:, None, None], (len(t), *self.shape[1:]))
        return block[:, key[1], key[2]].astype("u2")


def test_short_movies_are_read_once() -> None:
    data = Lazy(50)
    sampler = sampler_of(movie_of(data))
    for _ in range(20):
        sampler.draw(2)
    assert data.calls == [50]


def test_long_movies_are_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Lazy(1000)
    room = 3 * sampling.BLOCK_FRAMES * 16 * 16 * 4
    monkeypatch.setattr(sampling, "MEMORY_BYTES", room)
    sampler = sampler_of(movie_of(data))
    assert data.calls == []
    seen: set[int] = set()
    for _ in range(1500):
        seen.update(sampler.draw(1).clips[0, :, 0, 0, 0].astype(int).tolist())
        held = sum(block.frames.nbytes for block in sampler._blocks)
        assert held <= room
    # frames to choose from, and those around them: four targets, context of two
    assert max(data.calls) <= sampling.BLOCK_FRAMES + 8
    # about one block in STEPS_PER_BLOCK draws
    assert len(data.calls) <= 1500 / sampling.STEPS_PER_BLOCK + 5
    assert len(seen) > 980  # every part of the movie has its turn


def test_the_ends_of_a_long_movie_are_learned_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # their mirrored neighbours occur when denoising, so they must in training
    monkeypatch.setattr(sampling, "MEMORY_BYTES", 1)
    n_frames = sampling.BLOCK_FRAMES + 2 + 6  # two more than a block
    sampler = sampler_of(movie_of(Lazy(n_frames)), targets=2)
    targets: set[int] = set()
    for _ in range(600):
        clip = sampler.draw(1).clips[0, :, 0, 0, 0].astype(int)
        targets.update(clip[2:-2].tolist())
    assert targets == set(range(n_frames))


@pytest.mark.parametrize("targets", [19, 20, 21, 24, 60])
def test_many_targets_of_a_long_movie(
    targets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MEMORY_BYTES", 1)
    sampler = sampler_of(movie_of(Lazy(100)), targets=targets)
    assert sampler.draw(1).is_target.shape == (1, targets)


def test_one_block_of_large_frames_stays_within_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a camera of 4096 x 4096 pixels has frames of 64 MB: 24 of them are too many
    room = 8 * 64 * 64 * 4
    monkeypatch.setattr(sampling, "MEMORY_BYTES", room)
    sampler = sampler_of(movie_of(Lazy(200, side=64)), targets=1)
    for _ in range(20):
        sampler.draw(1)
        assert sum(block.frames.nbytes for block in sampler._blocks) <= room


def test_large_and_small_movies_together_stay_within_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = 4 * sampling.BLOCK_FRAMES * 64 * 64 * 4
    monkeypatch.setattr(sampling, "MEMORY_BYTES", room)
    small, large = Lazy(300, side=16), Lazy(300, side=64)
    sampler = sampler_of(movie_of(small), movie_of(large))
    for _ in range(200):
        sampler.draw(1)
        assert sum(block.frames.nbytes for block in sampler._blocks) <= 1.25 * room


@settings(max_examples=40, deadline=None)
@given(n_frames=st.integers(1, 500))
def test_frames_held_out(n_frames: int) -> None:
    held_out = DENOISE.hold_out(n_frames)
    assert all(0 <= t < n_frames for t in held_out)
    if n_frames < 3:
        assert not held_out
    else:
        assert 1 <= len(held_out) <= min(8, max(n_frames // 10, 1))
        # spread evenly: no two closer than ten frames
        assert all(b - a >= 10 for a, b in pairwise(sorted(held_out)))


@pytest.mark.parametrize("n_frames", [6, 40])
def test_clips_are_of_any_length_between_two(n_frames: int) -> None:
    movie = movie_of(frame_numbers(n_frames))
    drawn = sampler_of(movie, context=0, targets=10, fewest=4, patch=8)
    lengths = set()
    for _ in range(100):
        clips, is_target = drawn.draw(2)[:2]
        lengths.add(clips.shape[1])
        assert is_target.shape == clips.shape[:2]
        steps = np.diff(clips[:, :, 0, 0, 0], axis=1)
        assert (abs(steps) == 1).all()
    assert lengths == set(range(4, min(n_frames, 10) + 1))


def test_no_clip_is_of_a_held_out_frame_alone() -> None:
    """Nobody learns from it: predicting it would be work for nothing."""
    stack = Stack.from_array(np.zeros((20, 8, 8), np.float32), "TYX")
    held_out = frozenset({3, 4, 5, 6, 7, 15})
    movie = Movie(stack, Series((0,), 0), held_out)
    sampler = ClipSampler(
        [movie],
        context=1,
        targets=1,
        patch=8,
        transpose=False,
        rng=np.random.default_rng(0),
    )
    drawn = [place for _ in range(60) for place in sampler.place(4).clips]
    assert all(place.is_target.all() for place in drawn)
    assert {place.targets[0] for place in drawn} == set(range(20)) - held_out
