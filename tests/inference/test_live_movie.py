"""A movie that is denoised while it is looked at: right, quick, and nothing left."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd import cutting
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import ArraySink, open_stack, read_record, to_dtype
from napari_udvd.inference import frame_store, request
from napari_udvd.inference.frame_store import FrameArray
from napari_udvd.inference.live_movie import DenoisedMovie, Filled
from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.stream import Progress
from napari_udvd.models import UDVD
from napari_udvd.stack import Plane, Stack
from tiny import (
    ALONE,
    learned_from,
    tiny_calibration,
    tiny_center_blind,
    tiny_movie,
    tiny_net,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

torch.set_num_threads(1)  # frames are small

FRAMES, SHAPE = 7, (16, 20)

PLAIN = replace(EXACT, events=False, refine=False)
"""What is predicted is put out: frames are counted here."""

WITH_STD = Request(device="cpu", with_std=True, events=False, refine=False)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks of a short movie; and let no clock decide about the precision."""
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 3)
    monkeypatch.setattr(request, "choose_precision", lambda _: torch.float32)


def movie_of(axes: str = "TYX", dtype: str = "u2") -> Stack:
    """Every plane is a movie of its own."""
    movie = np.asarray(tiny_movie(FRAMES, SHAPE).data).astype(dtype)
    planes = np.stack([movie, movie[::-1]], axis=1)  # TCYX
    planes = np.stack([planes, planes[..., ::-1, :]], axis=2)  # TCZYX
    index = tuple(slice(None) if axis in axes else 0 for axis in "TCZYX")
    kept = [axis for axis in "TCZYX" if axis in axes]
    data = planes[index].transpose([kept.index(axis) for axis in axes])
    return Stack.from_array(data, axes, scale={"T": 0.5, "X": 0.1}, source="a.tif")


def trained(stack: Stack, *, joint: bool = False, fast: bool = False) -> Denoiser:
    channels = stack.n_channels if joint else 1
    if fast:
        net: Any = tiny_center_blind(channels=channels)
    else:
        net = tiny_net(frames=3, channels=channels, likelihood=True)
    calibrations = tuple(tiny_calibration(130 + c) for c in range(stack.n_channels))
    return Denoiser(
        net, calibrations, joint, record={"seconds": 3.0} | learned_from(stack)
    )


@cache
def case(
    axes: str, joint: bool = False, fast: bool = False, events: bool = False
) -> tuple[Denoiser, Stack, npt.NDArray[Any], npt.NDArray[Any]]:
    """Denoiser, movie, and mean and standard deviation block by block."""
    stack = movie_of(axes)
    denoiser = trained(stack, joint=joint, fast=fast)
    with ArraySink(stack) as mean, ArraySink(stack) as std:
        for _ in denoiser.restore(
            stack, mean, replace(EXACT, events=events, refine=events), std_sink=std
        ):
            pass
    return denoiser, stack, mean.array, std.array


@pytest.fixture
def movie(tmp_path: Path) -> Iterator[DenoisedMovie]:
    denoiser, stack, *_ = case("TYX")
    folder = tmp_path / "temporary"
    folder.mkdir()
    started = DenoisedMovie(denoiser, stack, WITH_STD, folder=folder)
    yield started
    started.close()


def fill(movie: DenoisedMovie) -> list[Filled]:
    return list(movie.fill())


def ranges(filled: list[Filled]) -> list[tuple[int, int]]:
    return [(step.start, step.stop) for step in filled]


# --- the same result, whatever is looked at ------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    axes=st.sampled_from(["TYX", "CTYX", "XTZY", "TCZYX"]),
    joint=st.booleans(),
    fast=st.booleans(),
    data=st.data(),
)
def test_any_order_gives_what_denoising_at_once_gives(
    axes: str, joint: bool, fast: bool, data: st.DataObject
) -> None:
    fill_in_any_order(data, axes, joint, fast)


@settings(max_examples=4, deadline=None)
@given(fast=st.booleans(), data=st.data())
def test_any_order_gives_the_same_second_stage(fast: bool, data: st.DataObject) -> None:
    fill_in_any_order(data, "CTYX", fast=fast, events=True)


def fill_in_any_order(
    data: st.DataObject,
    axes: str,
    joint: bool = False,
    fast: bool = False,
    events: bool = False,
) -> None:
    """Look here and there while a movie fills, and compare with all at once."""
    denoiser, stack, mean, std = case(axes, joint, fast, events)
    planes = st.none() | st.sampled_from(list(stack.planes()))
    wants = st.none() | st.tuples(st.integers(0, FRAMES - 1), planes)
    movie = DenoisedMovie(
        denoiser, stack, replace(WITH_STD, events=events, refine=events)
    )
    assert movie.std is not None
    total = FRAMES * stack.n_channels * stack.n_planes
    while not movie.complete:
        if want := data.draw(wants):
            movie.want(*want)
        steps = movie.fill()
        for step in steps:
            assert 0 <= step.progress.done <= step.progress.total == total
            assert step.progress == movie.progress
            for plane in step.planes:
                assert all(
                    movie.is_done(t, plane) for t in range(step.start, step.stop)
                )
            if want := data.draw(wants):
                movie.want(*want)
            if data.draw(st.integers(0, 3)) == 0:
                break
        steps.close()
    np.testing.assert_array_equal(np.asarray(movie.mean), mean)
    np.testing.assert_array_equal(np.asarray(movie.std), std)
    assert movie.progress == Progress(total, total)
    assert fill(movie) == []
    movie.close()


def test_nothing_is_there_before(movie: DenoisedMovie) -> None:
    assert movie.std is not None
    assert np.isnan(np.asarray(movie.mean)).all()
    assert np.isnan(movie.std[3]).all()
    assert not any(movie.is_done(t) for t in range(FRAMES))
    assert movie.progress == Progress(0, FRAMES)
    assert not movie.complete
    first = next(movie.fill())
    assert first == Filled((Plane(),), 0, 3, Progress(3, FRAMES))
    missing = np.isnan(np.asarray(movie.mean)).all(axis=(1, 2))
    np.testing.assert_array_equal(missing, [False] * 3 + [True] * 4)
    assert [movie.is_done(t) for t in range(FRAMES)] == list(~missing)


def test_no_standard_deviation_unless_asked_for() -> None:
    denoiser, stack, mean, _ = case("TYX")
    movie = DenoisedMovie(denoiser, stack, PLAIN)
    assert movie.std is None
    fill(movie)
    np.testing.assert_array_equal(movie.mean[...], mean)
    with pytest.raises(InputError, match="standard deviation"):
        movie.export("never.ome.tif", quantity="std")
    movie.close()


def test_without_the_posterior() -> None:
    denoiser, stack, mean, _ = case("TYX")
    movie = DenoisedMovie(denoiser, stack, Request(use_posterior=False, device="cpu"))
    fill(movie)
    expected = denoiser.denoise(stack, dtype="f4", use_posterior=False, device="cpu")
    assert np.abs(expected - mean).mean() > 0.5
    np.testing.assert_array_equal(movie.mean[...], expected)
    movie.close()


# --- as an array ---------------------------------------------------------------------


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Any mix of what the array promises to take."""
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        position = st.integers(-n, n - 1)
        ends = st.none() | st.integers(-n - 2, n + 2)
        steps = st.none() | st.integers(1, 3) | st.integers(-3, -1)
        kinds = position | position.map(np.int64) | st.builds(slice, ends, ends, steps)
        parts.append(draw(kinds))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), ...)
        if parts[-1] is not ...:  # what follows belongs to the last axes
            parts = [p if isinstance(p, slice) or p is ... else 0 for p in parts]
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


@settings(max_examples=200, deadline=None)
@given(
    axes=st.sampled_from(["YX", "TYX", "YTX", "XYT", "CTYX", "XZTYC", "TCZYX"]),
    data=st.data(),
)
def test_frames_are_indexed_as_in_numpy(axes: str, data: st.DataObject) -> None:
    sizes = {"T": 4, "C": 2, "Z": 3, "Y": 5, "X": 6}
    shape = tuple(sizes[axis] for axis in axes)
    expected = np.random.default_rng(0).random(shape).astype("f4")
    stack = Stack.from_array(expected, axes)
    frames = FrameArray(stack, Path(tempfile.gettempdir()))
    expected = expected.copy()
    there = data.draw(st.integers(0, 2**24 - 1))
    for number, (t, plane) in enumerate(
        (t, plane) for t in range(stack.n_frames) for plane in stack.planes()
    ):
        index = {"T": t, "C": plane.c, "Z": plane.z}
        if there >> number & 1:
            frames.put(t, plane, stack.read(t, plane)[0])
        else:
            expected[tuple(index.get(axis, slice(None)) for axis in axes)] = np.nan
    key = data.draw(keys(shape))
    found = frames[key]
    np.testing.assert_array_equal(found, expected[key])
    assert found.dtype == np.float32
    assert found.shape == expected[key].shape
    frames.close()


def test_what_a_viewer_asks_of_an_array(movie: DenoisedMovie) -> None:
    fill(movie)
    frames = movie.mean
    assert frames.shape == (FRAMES, *SHAPE)
    assert (frames.ndim, frames.size, len(frames)) == (3, FRAMES * 320, FRAMES)
    assert frames.dtype == np.dtype("f4")
    assert np.asarray(frames).dtype == np.float32
    assert np.asarray(frames, dtype="f8").dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.array(frames, copy=False)
    frame = frames[2]
    frame[:] = 0  # belongs to whoever asked
    assert frames[2].any()


@pytest.mark.parametrize("key", [7, -8, (0, 16), (0, 0, 0, 0), (..., ...), (0, 0, 20)])
def test_positions_outside(movie: DenoisedMovie, key: Any) -> None:
    with pytest.raises(IndexError):
        movie.mean[key]


@pytest.mark.parametrize("key", [None, 1.5, "T", [0, 1], np.arange(2)])
def test_other_kinds_of_index(movie: DenoisedMovie, key: Any) -> None:
    with pytest.raises(TypeError):
        movie.mean[key]


@pytest.mark.parametrize("plane", [Plane(), Plane(1), Plane(0, 1), Plane(-1), None])
@pytest.mark.parametrize("t", [-1, 7, 3])
def test_frames_that_the_movie_does_not_have(
    movie: DenoisedMovie, t: int, plane: Plane | None
) -> None:
    if t == 3 and plane in (Plane(), None):
        movie.want(t, plane)
        return
    with pytest.raises(IndexError, match=f"frame {t}"):
        movie.want(t, plane)
    if plane is not None:
        with pytest.raises(IndexError, match=f"frame {t}"):
            movie.is_done(t, plane)


# --- what is looked at comes first ---------------------------------------------------


def test_blocks_in_order_if_nobody_looks(movie: DenoisedMovie) -> None:
    assert ranges(fill(movie)) == [(0, 3), (3, 6), (6, 7)]


def test_the_wanted_frame_then_its_block_then_onwards(movie: DenoisedMovie) -> None:
    movie.want(4)
    assert ranges(fill(movie)) == [(4, 5), (3, 6), (6, 7), (0, 3)]


def test_the_last_wanted_frame_counts(movie: DenoisedMovie) -> None:
    for t in (0, 2, 6):
        movie.want(t)
    # the last block is a single frame: it is not denoised twice
    assert ranges(fill(movie)) == [(6, 7), (0, 3), (3, 6)]


def test_a_wanted_frame_does_not_wait_for_the_block_at_work(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    sweep = UDVD.sweep

    def counting(*args: Any) -> Any:
        nonlocal seen
        for prediction in sweep(*args):
            seen += 1
            if seen == 2:  # in the middle of the first block
                movie.want(5)
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", counting)
    steps = movie.fill()
    first = next(steps)
    assert (first.start, first.stop, seen) == (5, 6, 3)
    assert first.progress.done == 0
    assert [(s.start, s.stop) for s in steps] == [(0, 3), (3, 6), (6, 7)]
    assert seen == FRAMES + 1  # nothing else was denoised twice


def test_blocks_come_to_an_end_although_the_movie_is_played(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    sweep = UDVD.sweep

    def playing(*args: Any) -> Any:
        nonlocal seen
        for prediction in sweep(*args):
            seen += 1
            movie.want(3 + seen % 4)
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", playing)
    assert ranges(fill(movie)).index((0, 3)) <= 3


def test_several_planes_of_one_time_point() -> None:
    denoiser, stack, *_ = case("CTYX")
    movie = DenoisedMovie(denoiser, stack, PLAIN)
    movie.want(0, Plane(0))
    movie.want(4, Plane(1))
    movie.want(4, Plane(0))
    order = [(step.planes[0].c, step.start, step.stop) for step in movie.fill()]
    assert order[:4] == [(0, 4, 5), (1, 4, 5), (0, 3, 6), (1, 3, 6)]
    assert sorted(order[4:]) == [
        (c, *part) for c in (0, 1) for part in ((0, 3), (6, 7))
    ]
    movie.close()


def test_the_plane_that_is_looked_at_comes_before_others() -> None:
    denoiser, stack, *_ = case("TCZYX")
    movie = DenoisedMovie(denoiser, stack, PLAIN)
    movie.want(4, Plane(1, 0))
    assert {step.planes[0] for step in islice(movie.fill(), 4)} == {Plane(1, 0)}
    movie.close()


@pytest.mark.alone
def test_nobody_waits_for_the_network(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    sweep = UDVD.sweep

    def stuck(*args: Any) -> Any:
        for k, prediction in enumerate(sweep(*args)):
            if k == 1:
                at_work.set()
                assert go_on.wait(30)
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", stuck)
    worker = threading.Thread(target=fill, args=(movie,))
    worker.start()
    assert at_work.wait(30)
    start = time.monotonic()
    for t in range(FRAMES):
        movie.want(t)
        assert np.isnan(movie.mean[t]).all()
        assert not movie.is_done(t)
    assert movie.progress.done == 0
    assert not movie.complete
    waited = time.monotonic() - start
    go_on.set()
    worker.join(60)
    assert movie.complete
    assert waited < 1  # the network was held up for as long as this took


# --- interruptions -------------------------------------------------------------------


def test_cancelled_and_continued(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    sweep = UDVD.sweep
    cancel = threading.Event()

    def counting(*args: Any) -> Any:
        nonlocal seen
        for prediction in sweep(*args):
            seen += 1
            if seen == 5:  # in the middle of the second block
                cancel.set()
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", counting)
    assert ranges(list(movie.fill(cancel))) == [(0, 3)]
    assert seen == 5  # not to the end of the block
    assert list(movie.fill(cancel)) == []
    cancel.clear()
    assert ranges(list(movie.fill(cancel))) == [(3, 6), (6, 7)]
    assert seen == 5 + 4
    np.testing.assert_array_equal(movie.mean[...], case("TYX")[2])


def test_cancelling_in_the_last_frame_keeps_the_block(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = threading.Event()
    seen = 0
    sweep = UDVD.sweep

    def counting(*args: Any) -> Any:
        nonlocal seen
        for prediction in sweep(*args):
            seen += 1
            if seen == 6:
                cancel.set()
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", counting)
    assert ranges(list(movie.fill(cancel))) == [(0, 3), (3, 6)]
    assert seen == 6


def test_a_thread_that_reads_meanwhile(movie: DenoisedMovie) -> None:
    mean = case("TYX")[2]
    wrong: list[int] = []
    reads = 0
    ended = threading.Event()

    def look() -> None:
        nonlocal reads
        rng = np.random.default_rng(0)
        while not ended.is_set():
            t = int(rng.integers(FRAMES))
            movie.want(t)
            done = movie.is_done(t)
            frame = movie.mean[t]
            there = not np.isnan(frame).all()
            # all of it or nothing, and what is done can be read
            if (there and not (frame == mean[t]).all()) or (done and not there):
                wrong.append(t)
            reads += 1

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    fill(movie)
    ended.set()
    for reader in readers:
        reader.join(30)
    assert reads > 50
    assert not wrong
    np.testing.assert_array_equal(movie.mean[...], mean)


def test_a_second_thread_waits_for_the_first(movie: DenoisedMovie) -> None:
    steps = movie.fill()
    next(steps)
    cancel, found = threading.Event(), list[Any]()
    second = threading.Thread(target=lambda: found.extend(movie.fill(cancel)))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    steps.close()
    second.join(30)
    assert ranges(found) == [(3, 6), (6, 7)]


def test_a_second_thread_that_waits_can_be_cancelled(movie: DenoisedMovie) -> None:
    steps = movie.fill()
    next(steps)
    cancel, found = threading.Event(), list[Any]()
    second = threading.Thread(target=lambda: found.extend(movie.fill(cancel)))
    second.start()
    cancel.set()
    second.join(30)
    assert found == []
    assert ranges(list(steps)) == [(3, 6), (6, 7)]


def test_a_thread_never_waits_for_itself(movie: DenoisedMovie) -> None:
    steps = movie.fill()
    next(steps)
    with pytest.raises(RuntimeError, match="this thread"):
        next(movie.fill())
    steps.close()
    assert ranges(fill(movie)) == [(3, 6), (6, 7)]


def test_running_out_of_memory_keeps_what_is_done(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = movie.fill()
    next(steps)

    def too_large(*args: Any) -> Any:
        raise MemoryError("Unable to allocate 2.00 GiB")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(UDVD, "sweep", too_large)
        with pytest.raises(MemoryError, match="smaller network"):
            next(steps)
    assert movie.progress.done == 3
    assert ranges(fill(movie)) == [(3, 6), (6, 7)]


# --- what does not fit ---------------------------------------------------------------


def test_what_is_asked_is_checked_at_once(tmp_path: Path) -> None:
    denoiser, stack, *_ = case("TYX")
    mean_only = Denoiser(tiny_net(frames=3), (tiny_calibration(),))
    with pytest.raises(InputError, match=r"2 channel\(s\)"):
        DenoisedMovie(denoiser, movie_of("CTYX"))
    with pytest.raises(InputError, match="at least 2"):
        DenoisedMovie(denoiser, stack.crop(slice(0, 1)))
    with pytest.raises(InputError, match="'tpu'"):
        DenoisedMovie(denoiser, stack, Request(device="tpu"))
    with pytest.raises(InputError, match="tile is 0"):
        DenoisedMovie(denoiser, stack, Request(tile=0))
    with pytest.raises(InputError, match="standard deviation"):
        DenoisedMovie(mean_only, stack, WITH_STD)
    with pytest.raises(OutputError, match="none"):
        DenoisedMovie(denoiser, stack, folder=tmp_path / "none")


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_pixels_that_are_infinite(bad: float) -> None:
    denoiser, stack, *_ = case("TYX")
    pixels = stack.read().astype("f4")
    pixels[5, 3, 7] = pixels[6, 0, 0] = bad
    broken = Stack.from_array(pixels, "TYX", source="b.tif")
    movie = DenoisedMovie(denoiser, broken, PLAIN)
    done = []
    with pytest.raises(InputError, match=r"b\.tif.* 2 .*T = 5, Y = 3, X = 7"):
        for step in movie.fill():
            done.append((step.start, step.stop))
    assert done == []  # the movie is looked at before anything is denoised
    movie.close()


def test_nothing_is_read_before_it_is_needed() -> None:
    denoiser, stack, *_ = case("TYX")
    read: list[tuple[int, int]] = []

    class Watched:
        shape, dtype = stack.shape, np.dtype("f4")

        def __getitem__(self, key: Any) -> Any:
            read.append((key[0].start, key[0].stop))
            return np.asarray(stack.data)[key].astype("f4")

    movie = DenoisedMovie(denoiser, Stack.from_array(Watched(), "TYX"), PLAIN)
    movie.want(5)
    assert movie.mean[5].shape == SHAPE
    assert read == []
    steps = movie.fill()
    next(steps)
    # all of it once, to see what was measured; then what is wanted
    whole = [span for span in read if span != (4, 7)]
    assert read[-1] == (4, 7)
    assert {t for first, stop in whole for t in range(first, stop)} >= set(range(5))
    read.clear()
    next(steps)
    assert read == [(2, 4)]
    list(steps)
    movie.close()


def test_an_imported_network_is_calibrated_on_the_movie(tmp_path: Path) -> None:
    stack = tiny_movie(12, (40, 40))
    imported = Denoiser(tiny_net(frames=3), ())
    movie = DenoisedMovie(imported, stack, PLAIN)
    assert next(movie.fill()).stop == 3
    expected = imported.denoise(stack, dtype="f4", device="cpu", **ALONE)
    np.testing.assert_array_equal(movie.mean[:3], expected[:3])
    list(movie.export(tmp_path / "clean.tif"))
    record = read_record(tmp_path / "clean.tif")
    assert record is not None
    found = imported.calibrations_for(stack)
    assert record["calibrations"] == [c.to_dict() for c in found]
    movie.close()


# --- the temporary file --------------------------------------------------------------


def test_a_disk_with_too_little_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser, stack, *_ = case("TYX")
    needed = 4 * FRAMES * SHAPE[0] * SHAPE[1]
    usage = type("Usage", (), {"free": 2 * needed - 1})
    monkeypatch.setattr(frame_store.shutil, "disk_usage", lambda _: usage)
    DenoisedMovie(denoiser, stack, folder=tmp_path).close()
    with pytest.raises(OutputError) as caught:
        DenoisedMovie(denoiser, stack, WITH_STD, folder=tmp_path)
    message = str(caught.value)
    assert str(2 * needed) in message
    assert str(2 * needed - 1) in message
    assert str(tmp_path) in message


RUN_ELSEWHERE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from napari_udvd import cutting
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.errors import OutputError
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.inference.request import EXACT
from tiny import learned_from, tiny_calibration, tiny_movie, tiny_net

cutting.BLOCK_FRAMES = 3
stack = tiny_movie(7, (16, 20))
denoiser = Denoiser(tiny_net(frames=3), (tiny_calibration(),))
movie = DenoisedMovie(denoiser, stack, EXACT, folder=Path(sys.argv[1]))
"""


def elsewhere(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code that has a `movie` of seven frames in a process of its own."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-c", RUN_ELSEWHERE + textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    import resource

    denoiser, stack, *_ = case("TYX")
    movie = DenoisedMovie(denoiser, stack, PLAIN, folder=tmp_path)
    frame = 4 * SHAPE[0] * SHAPE[1]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * frame // 2, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write") as caught:
            fill(movie)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(tmp_path) in str(caught.value)
    assert [movie.is_done(t) for t in range(4)] == [True, True, False, False]
    assert movie.progress.done == 0
    assert np.isnan(movie.mean[2]).all() and np.isfinite(movie.mean[1]).all()
    fill(movie)  # once there is room it goes on
    assert movie.complete and np.isfinite(movie.mean[...]).all()
    movie.close()


def test_a_frame_that_failed_half_way_is_not_there(tmp_path: Path) -> None:
    stack = movie_of()
    frames = FrameArray(stack, tmp_path)
    good, other = (stack.read(t)[0].astype("f4") for t in (0, 5))
    frames.put(2, Plane(), good)

    class Failing:
        """Writes half of what it is given, once."""

        def __init__(self, file: Any) -> None:
            self._file, self.writes = file, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, rest: memoryview) -> int:
            self.writes += 1
            if self.writes == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return int(self._file.write(rest[: len(rest) // 2 or 1]))

    frames._file = Failing(frames._file)  # type: ignore[assignment]
    with pytest.raises(OutputError, match="cannot write"):
        frames.put(2, Plane(), other)
    assert not frames.has(2)
    assert np.isnan(frames[2]).all()
    frames.put(2, Plane(), other)  # in many small pieces
    np.testing.assert_array_equal(frames[2], other)
    frames.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    done = elsewhere(
        tmp_path,
        """
        for _ in movie.fill():
            print(np.isfinite(movie.mean[0]).all(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_leaves_nothing(tmp_path: Path) -> None:
    done = elsewhere(tmp_path, "print(next(movie.fill()).stop)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert list(tmp_path.iterdir()) == []


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc/self/fd")
@pytest.mark.parametrize("how", ["close", "forget"])
def test_the_file_goes_with_the_movie(tmp_path: Path, how: str) -> None:
    denoiser, stack, *_ = case("TYX")
    gc.collect()
    before = open_files()
    movie = DenoisedMovie(denoiser, stack, WITH_STD, folder=tmp_path)
    next(movie.fill())
    assert open_files() == before + 2
    if how == "close":
        movie.close()
        movie.close()
    else:
        del movie
        gc.collect()
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []


def test_frames_outlive_the_movie(tmp_path: Path) -> None:
    # a viewer's layer holds the array and nothing else
    denoiser, stack, mean, _ = case("TYX")
    movie = DenoisedMovie(denoiser, stack, PLAIN, folder=tmp_path)
    fill(movie)
    frames = movie.mean
    del movie
    gc.collect()
    np.testing.assert_array_equal(frames[...], mean)
    frames.close()


def test_nothing_is_there_after(movie: DenoisedMovie) -> None:
    fill(movie)
    movie.close()
    assert np.isnan(movie.mean[2]).all()
    assert not movie.is_done(2)
    assert not movie.complete
    movie.want(3)
    with pytest.raises(ValueError, match="closed"):
        next(movie.fill())
    with pytest.raises(ValueError, match="closed"):
        movie.export("never.ome.tif")


def test_closing_ends_the_filling(
    movie: DenoisedMovie, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = UDVD.sweep
    seen = 0

    def closing(*args: Any) -> Any:
        nonlocal seen
        for prediction in sweep(*args):
            seen += 1
            if seen == 5:
                movie.close()
            yield prediction

    monkeypatch.setattr(UDVD, "sweep", closing)
    assert ranges(fill(movie)) == [(0, 3)]
    assert seen == 5


# --- export --------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["TYX", "XTYC", "TCZYX"])
@pytest.mark.parametrize("dtype", ["input", "float32"])
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_an_export_is_the_denoised_movie(
    tmp_path: Path, axes: str, dtype: str, suffix: str
) -> None:
    denoiser, stack, mean, _ = case(axes)
    movie = DenoisedMovie(denoiser, stack, PLAIN)
    path = tmp_path / f"clean{suffix}"
    movie.want(4)
    next(movie.fill())
    told = list(movie.export(path, dtype))
    assert movie.complete
    done = [step.done for step in told]
    assert done == sorted(done)
    assert done[-1] == told[-1].total == 2 * FRAMES * stack.n_channels * stack.n_planes
    written = open_stack(path)
    expected = mean.transpose([stack.axes.index(axis) for axis in stack.canonical_axes])
    wanted = stack.dtype if dtype == "input" else np.dtype("f4")
    assert written.dtype == wanted
    assert written.axes == stack.canonical_axes
    assert written.scale == stack.scale
    np.testing.assert_array_equal(np.asarray(written.data), to_dtype(expected, wanted))
    record = read_record(path)
    assert record is not None
    assert record == {
        **denoiser.provenance(stack, PLAIN),
        "calibrations": [c.to_dict() for c in denoiser.calibrations],
    }
    movie.close()


def test_the_standard_deviation_is_exported(
    movie: DenoisedMovie, tmp_path: Path
) -> None:
    fill(movie)
    told = list(movie.export(tmp_path / "std.tif", "float32", quantity="std"))
    assert told[-1] == Progress(FRAMES, FRAMES)  # nothing was left to denoise
    np.testing.assert_array_equal(
        np.asarray(open_stack(tmp_path / "std.tif").data), case("TYX")[3]
    )
    record = read_record(tmp_path / "std.tif")
    assert record is not None
    assert record["quantity"] == "standard deviation"


@pytest.mark.parametrize("how", ["cancel", "close the iterator", "close the movie"])
@pytest.mark.parametrize("after", [1, 2, 4, 5])
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_an_export_that_is_stopped_leaves_nothing(
    movie: DenoisedMovie, tmp_path: Path, how: str, after: int, suffix: str
) -> None:
    before = list(tmp_path.iterdir())
    path = tmp_path / f"clean{suffix}"
    cancel = threading.Event()
    # three blocks to denoise, then three to write, of which the last commits
    steps = movie.export(path, cancel=cancel)
    for _ in range(after):
        last = next(steps)
    assert last.done < last.total
    if how == "cancel":
        cancel.set()
        assert list(steps) == []
    elif how == "close the iterator":
        steps.close()
    else:
        movie.close()
        with pytest.raises(ValueError):
            list(steps)
    assert list(tmp_path.iterdir()) == before
    if how != "close the movie":
        assert movie.progress.done == {1: 3, 2: 6}.get(after, FRAMES)
        list(movie.export(path))
        assert path.exists()


def test_cancelling_comes_too_late_once_all_is_written(
    movie: DenoisedMovie, tmp_path: Path
) -> None:
    cancel, path = threading.Event(), tmp_path / "clean.ome.tif"
    for step in movie.export(path, cancel=cancel):
        if step.done == step.total:
            cancel.set()
    # what was told to be written is there
    assert open_stack(path).n_frames == FRAMES


def test_an_export_that_cannot_be_is_refused_at_once(
    movie: DenoisedMovie, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        movie.export(tmp_path / "none" / "clean.ome.tif")
    with pytest.raises(OutputError, match="suffix"):
        movie.export(tmp_path / "clean.png")
    (tmp_path / "clean.tif").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        movie.export(tmp_path / "clean.tif")
    list(movie.export(tmp_path / "clean.tif", overwrite=True))
    assert open_stack(tmp_path / "clean.tif").shape == (FRAMES, *SHAPE)
    assert movie.complete


def test_what_is_looked_at_comes_first_during_an_export_too(
    movie: DenoisedMovie, tmp_path: Path
) -> None:
    steps = movie.export(tmp_path / "clean.tif")
    next(steps)
    movie.want(6)
    next(steps)
    assert movie.is_done(6)
    assert not movie.is_done(3)
    list(steps)
