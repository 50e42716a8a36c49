"""Clips are the same, whatever way they come to the device."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import torch

from napari_udvd.planes import Series, missing_frames
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training import feeding, sampling
from napari_udvd.training.feeding import AheadFeed, Clips, Feed, Way, make_feed
from napari_udvd.training.sampling import ClipSampler, Movie
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")
WAYS = get_args(Way)


def movie_of(data: Any, axes: str = "TYX", channels: tuple[int, ...] = (0,)) -> Movie:
    stack = inspect(Stack.from_array(data, axes))
    series = Series(channels, 0)
    return Movie(
        stack, series, DENOISE.hold_out(stack.n_frames, missing_frames(stack, series))
    )


def counts(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).poisson(200, shape).astype("f4")


def spoiled() -> Any:
    """Half of the frame and a wandering place are NaN, two frames were dropped."""
    data = counts(30, 40, 44)
    data[:, :, 24:] = np.nan
    for t in range(30):
        data[t, t : t + 5, 3:9] = np.nan
    data[[7, 8]] = 0
    return data


MOVIES: dict[str, list[Movie]] = {
    "plain": [movie_of(counts(20, 40, 44).astype("u2"))],
    "small": [movie_of(counts(20, 14, 44))],
    "joint": [movie_of(counts(20, 2, 30, 31), "TCYX", (0, 1))],
    "spoiled": [movie_of(spoiled())],
    "several": [movie_of(counts(9, 20, 40, seed=1)), movie_of(spoiled())],
}


def feed_of(
    movies: list[Movie], way: Way, device: torch.device = CPU, **options: Any
) -> Feed:
    options = {"context": 2, "targets": 4, "patch": 16, "transpose": True} | options
    rng = np.random.default_rng(3)
    make = partial(ClipSampler, movies, rng=rng, **options)
    return make_feed(movies, make, device, way)


def assert_same(one: Clips, other: Clips) -> None:
    for mine, theirs in zip(one[:2], other[:2], strict=True):
        assert isinstance(mine, torch.Tensor)
        assert mine.dtype == theirs.dtype
        assert mine.is_contiguous()
        assert torch.equal(mine, theirs)
    assert (one.measured is None) == (other.measured is None)
    if one.measured is not None and other.measured is not None:
        assert torch.equal(one.measured, other.measured)
    assert one.series == other.series
    assert one.has_target == other.has_target == bool(one.is_target.any())


@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("name", MOVIES)
@pytest.mark.parametrize("options", [{}, {"targets": 1}, {"fewest": 2}], ids=str)
@pytest.mark.parametrize("short_of_memory", [False, True])
def test_clips_do_not_depend_on_the_way(
    way: Way,
    name: str,
    options: dict[str, int],
    short_of_memory: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if short_of_memory:
        monkeypatch.setattr(sampling, "MEMORY_BYTES", 40_000)
        monkeypatch.setattr(sampling, "BLOCK_FRAMES", 4)
    known, tried = (feed_of(MOVIES[name], w, **options) for w in ("here", way))
    targets = 0
    for _ in range(12):
        expected = known.next(3)
        assert_same(tried.next(3), expected)
        assert tried.state == known.state
        targets += expected.has_target
        if name == "spoiled":
            assert expected.measured is not None
            assert torch.isfinite(expected.grey).all()
    assert targets
    tried.close()


def test_what_is_spoiled_is_spoiled() -> None:
    feed = feed_of(MOVIES["spoiled"], "card")
    drawn = [feed.next(4) for _ in range(20)]
    assert not all(bool(clips.measured.all()) for clips in drawn)  # type: ignore[union-attr]
    assert not all(bool(clips.is_target.all()) for clips in drawn)


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_on_from_a_state(way: Way) -> None:
    first = feed_of(MOVIES["several"], way)
    for _ in range(3):
        first.next(2)
    state = first.state  # what is prepared already was not given out
    expected = [first.next(2) for _ in range(3)]
    second = feed_of(MOVIES["several"], way)
    second.restore(state)
    for clips in expected:
        assert_same(second.next(2), clips)
    first.close()
    second.close()


class Listening:
    """A sampler that tells in which thread it draws, and may fail."""

    longest = (1, 1, 1, 1)

    def __init__(self) -> None:
        self.drawn, self.state = 0, {"n": 0}

    def draw(self, batch: int) -> Any:
        self.drawn += 1
        self.state = {"n": self.drawn}
        if self.drawn == 3:
            raise OSError("the disk is gone")
        clips = np.full((batch, 1, 1, 1, 1), self.drawn, "f4")
        return sampling.Draw(clips, np.ones((batch, 1), bool), Series((0,), 0))


@pytest.fixture
def ahead() -> Iterator[AheadFeed]:
    sampler: Any = Listening()
    feed = AheadFeed(sampler, CPU)
    yield feed
    feed.close()


def test_one_draw_is_prepared_meanwhile_and_errors_come_in_time(
    ahead: AheadFeed,
) -> None:
    sampler: Any = ahead._sampler
    assert sampler.drawn == 0
    assert ahead.next(2).grey.flatten().tolist() == [1, 1]
    assert ahead.next(2).grey.flatten().tolist() == [2, 2]
    assert ahead.state == {"n": 2}
    with pytest.raises(OSError, match="disk"):
        ahead.next(2)
    assert sampler.drawn == 3


def test_clips_are_normalised_by_the_thread_that_draws() -> None:
    threads: set[str] = set()

    def halved(clips: Clips) -> Clips:
        threads.add(threading.current_thread().name)
        return clips._replace(grey=clips.grey / 2)

    sampler: Any = Listening()
    feed = AheadFeed(sampler, CPU, halved)
    assert feed.next(2).grey.flatten().tolist() == [0.5, 0.5]
    feed.close()
    assert threads == {"napari-udvd-clips_0"}


def test_it_ends_while_clips_are_drawn() -> None:
    """As when a training is cancelled: what is being drawn is not waited for twice."""
    drawing, go_on = threading.Event(), threading.Event()

    class Slow(Listening):
        def draw(self, batch: int) -> Any:
            drawn = super().draw(batch)
            if self.drawn == 2:
                drawing.set()
                assert go_on.wait(10)
            return drawn

    sampler: Any = Slow()
    feed = AheadFeed(sampler, CPU)
    feed.next(2)
    assert drawing.wait(10)
    assert feed.state == {"n": 1}  # a checkpoint of now draws the second ones again
    threading.Timer(0.05, go_on.set).start()
    feed.close()
    assert sampler.drawn == 2


def test_the_batch_stays(ahead: AheadFeed) -> None:
    ahead.next(2)
    with pytest.raises(ValueError, match="2 clips are prepared, not 3"):
        ahead.next(3)


@pytest.mark.parametrize(
    ("free", "way"), [(10**9, "card"), (4 * 20 * 40 * 44, "ahead"), (0, "ahead")]
)
def test_a_movie_lies_on_a_card_with_room_for_it(
    free: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**10))
    assert feeding._best_way(MOVIES["plain"], torch.device("cuda:0")) == way
    assert feeding._best_way(MOVIES["plain"], CPU) == "ahead"


def test_masks_too_large_to_be_looked_up_keep_a_movie_off_the_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10**9, 10**10))
    monkeypatch.setattr(sampling, "MEMORY_BYTES", 1000)
    card = torch.device("cuda:0")
    assert feeding._best_way(MOVIES["spoiled"], card) == "ahead"
    assert feeding._best_way(MOVIES["plain"], card) == "card"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MOVIES)
def test_clips_on_a_card_are_those_of_the_processor(way: Way, name: str) -> None:
    movies = MOVIES[name]
    tried = feed_of(movies, way, torch.device("cuda"))
    known = feed_of(movies, "here")
    for _ in range(5):
        clips = tried.next(3)
        assert clips.grey.is_cuda
        moved = [x.cpu() if isinstance(x, torch.Tensor) else x for x in clips]
        assert_same(Clips(*moved), known.next(3))
    tried.close()
