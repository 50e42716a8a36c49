"""Streaming a network over a stack: no seams, everything in its place, any memory."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd import cutting
from napari_udvd.cutting import blocks, window
from napari_udvd.formats import ArraySink
from napari_udvd.inference import block_denoiser as denoising
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.inference.stream import Progress, denoise_stack
from napari_udvd.models import UDVD, Clip, Geometry, posterior
from napari_udvd.runtime.device import choose_device
from napari_udvd.runtime.memory import is_out_of_memory
from napari_udvd.runtime.transfer import Arrivals
from napari_udvd.stack import Stack
from napari_udvd.validity import inspect
from tiny import (
    CAMERA,
    tiny_calibration,
    tiny_center_blind,
    tiny_movie,
    tiny_net,
    tiny_stbn,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.models import Network

torch.set_num_threads(1)  # frames are small

HOLES = [(1, 1), (1, 3), (3, 1), (3, 3), (5, 5), (3, 7)]

TILED = [(64, 64), (51, 47), (131, 18), (17, 90), (33, 34)]


def run(net: Network, stack: Stack, **options: Any) -> npt.NDArray[Any]:
    """Denoise in float32; with ``std=True`` also put out the standard deviation."""
    with_std = options.pop("std", False)
    calibrations = options.pop("calibrations", None)
    if calibrations is None:
        calibrations = [tiny_calibration()] * stack.n_channels
    sinks = [ArraySink(stack) for _ in range(2 if with_std else 1)]
    for sink in sinks:
        sink.__enter__()
    extra = {"std_sink": sinks[1]} if with_std else {}
    if "joint" in options:
        extra["joint"] = options.pop("joint")
    request = replace(EXACT, **options)
    for _ in denoise_stack(net, calibrations, stack, sinks[0], request, **extra):
        pass
    for sink in sinks:
        sink.__exit__(None, None, None)  # complains about frames never written
    return np.stack([sink.array for sink in sinks]) if with_std else sinks[0].array


def assert_close(a: npt.ArrayLike, b: npt.ArrayLike) -> None:
    """Equal to 1e-4 of the largest magnitude, as the network sees it."""
    a, b = np.asarray(a), np.asarray(b)
    offset = tiny_calibration().offset
    largest = np.abs(b - offset).max()
    assert largest > 1
    assert np.abs(a - b).max() <= 1e-4 * largest


# --- tiles --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", TILED, ids=str)
@pytest.mark.parametrize("hole", [(1, 1), (3, 1), (5, 5)])
def test_tiled_equals_untiled(shape: tuple[int, int], hole: tuple[int, int]) -> None:
    """Every shape and every hole with both sizes of tiles."""
    # with one stage the reach is short, so that tiles have inner borders
    net = tiny_net(frames=3, hole=hole, likelihood=True)
    stack = tiny_movie(2, shape)
    whole = run(net, stack, std=True)
    tile = (16, 23)[(TILED.index(shape) + HOLES.index(hole)) % 2]
    tiled = run(net, stack, std=True, tile=tile)
    assert_close(tiled[0], whole[0])
    np.testing.assert_allclose(tiled[1], whole[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_tiles_whose_halo_ends_inside_the_frame(
    hole: tuple[int, int], turned: bool
) -> None:
    """Every hole with and without the posterior, once along x and once along y."""
    use_posterior = (HOLES.index(hole) + turned) % 2 == 1
    # longer than the reach on both sides: a halo that is too small shows here
    net = tiny_net(frames=3, hole=hole, likelihood=True)
    shape = (10, 2 * net.geometry.radius + 53)
    stack = tiny_movie(2, (16, shape[1]))
    data = np.asarray(stack.data)[:, :10]
    stack = Stack.from_array(data.swapaxes(1, 2) if turned else data, "TYX")
    assert net.geometry.radius + 30 < max(stack.frame_shape)
    whole = run(net, stack, use_posterior=use_posterior)
    assert_close(run(net, stack, use_posterior=use_posterior, tile=29), whole)


@pytest.mark.slow
def test_tiles_of_the_published_cascade() -> None:
    # two stages: 150 pixels of halo on each side
    net = tiny_net(frames=5, likelihood=True)
    long = 2 * net.geometry.radius + 61
    stack = Stack.from_array(np.asarray(tiny_movie(5, (16, long)).data)[:, :7])
    whole = run(net, stack, std=True)
    tiled = run(net, stack, std=True, tile=37)
    assert_close(tiled[0], whole[0])
    np.testing.assert_allclose(tiled[1], whole[1], rtol=1e-3, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    frames=st.sampled_from([1, 3]),
    height=st.integers(16, 40),
    width=st.integers(16, 40),
    tile=st.integers(8, 50),
    n_frames=st.integers(2, 4),
    hole=st.sampled_from(HOLES),
)
def test_any_tile_on_any_frame(
    frames: int, height: int, width: int, tile: int, n_frames: int, hole: Any
) -> None:
    net = tiny_net(frames=frames, hole=hole, likelihood=True)
    stack = tiny_movie(n_frames, (height, width))
    assert_close(run(net, stack, tile=tile), run(net, stack))


@pytest.mark.parametrize("hole", [*HOLES, (7, 7), (9, 1)], ids=str)
@pytest.mark.parametrize("shape", [(12, 227), (213, 11)], ids=str)
def test_tiles_of_the_fast_network(hole: tuple[int, int], shape: Any) -> None:
    # both the pooling grid and the lattice must fit, whatever the size
    net = tiny_center_blind(hole=hole, near=1, far=(), likelihood=True)
    stack = Stack.from_array(
        np.random.default_rng(0).poisson(60, (2, *shape)).astype("u2"), "TYX"
    )
    whole = run(net, stack, std=True)
    tiled = run(net, stack, std=True, tile=29)
    assert_close(tiled[0], whole[0])
    np.testing.assert_allclose(tiled[1], whole[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("net", ["udvd", "fast"])
@pytest.mark.parametrize("shape", [(13, 190), (191, 12)], ids=str)
def test_tiles_of_all_views(net: str, shape: tuple[int, int]) -> None:
    # of an odd side a mirrored view leaves the last pixel out
    chosen: Network = (
        tiny_net(frames=1, likelihood=True)
        if net == "udvd"
        else tiny_center_blind(near=1, far=(), likelihood=True)
    )
    stack = Stack.from_array(
        np.random.default_rng(0).poisson(60, (2, *shape)).astype("u2"), "TYX"
    )
    whole = run(chosen, stack, std=True, self_ensemble=True)
    tiled = run(chosen, stack, std=True, self_ensemble=True, tile=29)
    assert_close(tiled[0], whole[0])
    np.testing.assert_allclose(tiled[1], whole[1], rtol=1e-3, atol=1e-3)


def test_large_frames_are_cut_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_net(frames=1)
    stack = tiny_movie(2, (16, 180))
    whole = run(net, stack)
    monkeypatch.setitem(denoising.TILE, "cpu", 40)
    seen: list[int] = []
    sweep = UDVD.sweep
    monkeypatch.setattr(UDVD, "sweep", lambda *args: seen.append(1) or sweep(*args))
    assert_close(run(net, stack), whole)
    assert len(seen) == 5  # 180 columns in parts of at most 40, one block


@pytest.mark.parametrize("tile", [-5, 0])
def test_an_impossible_tile_is_refused(tile: int) -> None:
    # and never answered with whatever was in the memory
    with pytest.raises(ValueError, match="tile"):
        run(tiny_net(frames=1), tiny_movie(2), tile=tile)


# --- blocks and edges in time -------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("block", [1, 2, 3, 8])
def test_blocks_equal_one_block(
    frames: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tiny_net(frames=frames, likelihood=True)
    stack = tiny_movie(7)
    whole = run(net, stack, std=True)
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", block)
    in_blocks = run(net, stack, std=True)
    assert_close(in_blocks[0], whole[0])
    np.testing.assert_allclose(in_blocks[1], whole[1], rtol=1e-4)


@pytest.mark.parametrize("net", [tiny_net(), tiny_center_blind()], ids=["udvd", "fast"])
@pytest.mark.parametrize("n_frames", [2, 3, 4, 5, 9])
def test_each_frame_sees_its_neighbours_and_at_the_ends_those_opposite(
    net: Network, n_frames: int
) -> None:
    stack = tiny_movie(n_frames)
    movie = torch.from_numpy(stack.read().astype(np.float32))
    scaler = Scaler([tiny_calibration()])
    windows = torch.stack(
        [movie[window(t, net.geometry.context, n_frames)] for t in range(n_frames)]
    )
    clips = scaler.normalise(windows[:, :, None])
    with torch.no_grad():
        mean = net.predict(Clip(clips, scaler.noise), torch.float32).mean
        if net.least_views == 2:  # the other one is turned, and runs backwards
            turned = Clip(clips.flip(1, 3, 4), scaler.noise)
            other = net.predict(turned, torch.float32).mean.flip(3, 4)
            mean = (mean + other) / 2
    assert_close(run(net, stack, use_posterior=False), scaler.restore(mean)[:, 0, 0])


def test_a_single_frame_suits_a_network_of_one() -> None:
    stack = Stack.from_array(np.asarray(tiny_movie(1).data)[0], "YX")
    assert run(tiny_net(frames=1), stack).shape == stack.shape


# --- blocks in any order --------------------------------------------------------------


@pytest.mark.parametrize("net", [tiny_net(), tiny_center_blind()], ids=["udvd", "fast"])
def test_blocks_in_any_order(net: Network) -> None:
    movie = np.asarray(tiny_movie(5, (16, 18)).data)
    stack = Stack.from_array(np.stack([movie, movie[::-1]]), "CTYX")
    expected = run(net, stack)
    denoiser = BlockDenoiser(net, [tiny_calibration()] * 2, stack)
    runs = [(a, b) for a in range(5) for b in range(a + 1, 6)]
    for k in np.random.default_rng(0).permutation(2 * len(runs)):
        start, stop = runs[k // 2]
        mean, std = denoiser.block(denoiser.series[k % 2], start, stop)
        assert mean.dtype == np.float32
        np.testing.assert_array_equal(mean[:, 0], expected[k % 2, start:stop])
        assert std is None


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_runs_that_are_denoised_in_the_pauses_of_others(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoising, "threads_on", lambda _: threads)
    net, stack = tiny_center_blind(), tiny_movie(8)
    calibrations = [tiny_calibration()]
    alone = BlockDenoiser(net, calibrations, stack, replace(EXACT, with_std=True))
    series = alone.series[0]
    expected = alone.block(series, 0, 8), alone.block(series, 5, 6)
    denoiser = BlockDenoiser(net, calibrations, stack, replace(EXACT, with_std=True))
    *pauses, result = denoiser.steps(series, 0, 8)
    assert pauses == [None] * -(-8 // threads)
    for step in denoiser.steps(series, 0, 8):
        # a consumer may train meanwhile
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        if step is None:
            between = denoiser.block(series, 5, 6)
            np.testing.assert_array_equal(between, expected[1])
    assert step is not None
    np.testing.assert_array_equal(step, expected[0])
    np.testing.assert_array_equal(result, expected[0])


def test_runs_share_the_frames_that_they_read() -> None:
    data = Long()
    net: Any = Echo()  # sees a frame before and one after
    denoiser = BlockDenoiser(net, [tiny_calibration()], Stack.from_array(data, "TYX"))

    def frames_read(start: int, stop: int) -> int:
        before = data.pixels
        mean, _ = denoiser.block(denoiser.series[0], start, stop)
        level = 100 + np.arange(start, stop) % 50
        np.testing.assert_allclose(mean[:, 0, 0, 0], level, atol=1e-3)
        return (data.pixels - before) // 256

    frames_read(1000, 1001)  # first all of it is looked at, once
    assert frames_read(100, 110) == 12
    assert frames_read(110, 120) == 10  # onwards
    assert frames_read(100, 110) == 10  # and back
    assert frames_read(104, 105) == 0
    assert frames_read(100, 110) == 9  # around what is known
    assert frames_read(1999, 2000) == 2
    assert frames_read(0, 1) == 2


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (3, 2), (2, 5), (7, 8)])
def test_frames_that_the_movie_does_not_have(start: int, stop: int) -> None:
    net: Any = Echo()
    denoiser = BlockDenoiser(net, [tiny_calibration()], tiny_movie(4))
    with pytest.raises(IndexError, match=f"frames {start} to {stop - 1} of 4"):
        denoiser.block(denoiser.series[0], start, stop)


@settings(max_examples=30, deadline=None)
@given(n_frames=st.integers(1, 50), rows=st.sampled_from([8, 2048, 40000]))
def test_blocks_cover_the_movie_once(n_frames: int, rows: int) -> None:
    data = np.broadcast_to(np.uint8(0), (n_frames, rows, 600))
    parts = blocks(Stack.from_array(data, "TYX"))
    assert [t for part in parts for t in range(*part)] == list(range(n_frames))
    for start, stop in parts:
        assert stop - start <= cutting.BLOCK_FRAMES
        assert (stop - start) * rows * 600 * 4 <= cutting.BLOCK_BYTES or (
            stop - start == 1
        )


# --- planes -------------------------------------------------------------------------


def levels() -> npt.NDArray[np.float32]:
    """TCZYX 4 x 2 x 3 x 8 x 9, every plane at a grey level of its own."""
    t, c, z = np.indices((4, 2, 3))
    level = 1000.0 * c + 100 * z + 10 * t
    return np.broadcast_to(level[..., None, None], (4, 2, 3, 8, 9)).astype("f4")


class Echo(torch.nn.Module):
    """Stands in for a network: puts out the middle frame it was shown."""

    geometry = Geometry(context=1, radius=4, grid=1, least_frames=1)
    hole, likelihood = (1, 1), False
    shares_frames, least_views = False, 1

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels

    def prepare(self, clip: Clip) -> Clip:
        return clip

    def sweep_prepared(self, clip: Clip, windows: Any, precision: Any) -> Any:
        from napari_udvd.models import Prediction

        assert clip.frames.shape[2] == self.channels
        for _, middle, _ in windows:
            yield Prediction(clip.frames[:, middle].float())


@settings(max_examples=20, deadline=None)
@given(
    axes=st.permutations("TCZYX").map("".join),
    joint=st.booleans(),
    tile=st.sampled_from([None, 5]),
)
def test_every_plane_lands_in_its_place(
    axes: str, joint: bool, tile: int | None
) -> None:
    data = levels() + np.arange(72, dtype="f4").reshape(8, 9) / 100
    data = data.transpose(["TCZYX".index(axis) for axis in axes])
    stack = Stack.from_array(data, axes)
    net: Any = Echo(2 if joint else 1)
    out = run(net, stack, joint=joint, tile=tile)
    np.testing.assert_allclose(out, data, atol=1e-3)


def test_every_channel_has_its_own_calibration() -> None:
    movie = np.asarray(tiny_movie(4).data).astype("f4")
    both = Stack.from_array(np.stack([movie, 5 * movie + 50], axis=1), "TCYX")
    other = Calibration(
        5 * 130.0 + 50,
        5 * 80.0,
        type(CAMERA)(5 * CAMERA.gain, 5 * CAMERA.offset + 50, 5 * CAMERA.read_noise),
    )
    net = tiny_net(frames=3, likelihood=True)
    out = run(net, both, calibrations=[tiny_calibration(), other])
    # in network units the channels are the same movie
    np.testing.assert_allclose(out[:, 1], 5 * out[:, 0] + 50, rtol=1e-4)
    assert_close(out[:, 0], run(net, Stack.from_array(movie, "TYX")))


def test_joint_channels_are_seen_together() -> None:
    net = tiny_net(frames=3, channels=2, likelihood=True)
    movie = np.asarray(tiny_movie(4).data)
    stack = Stack.from_array(np.stack([movie, movie[::-1]], axis=1), "TCYX")
    out = run(net, stack, joint=True, std=True)
    scaler = Scaler([tiny_calibration()] * 2)
    padded = np.pad(
        stack.data, ((1, 1), (0, 0), (0, 0), (0, 0)), mode="reflect"
    ).astype("f4")
    clip = scaler.normalise(torch.from_numpy(padded)[None])
    with torch.no_grad():
        prediction = net(Clip(clip, scaler.noise))
        variance = scaler.noise.variance(prediction.mean)
        mean, std = posterior(prediction, clip[:, 1:-1], variance)
    assert_close(out[0], scaler.restore(mean)[0].numpy())
    np.testing.assert_allclose(out[1], scaler.restore_std(std)[0], rtol=1e-4)


# --- what is put out ----------------------------------------------------------------


def test_posterior_and_its_std_in_grey_levels() -> None:
    net = tiny_net(frames=3, likelihood=True)
    stack = tiny_movie(3)
    prior_mean, prior_std = run(net, stack, std=True, use_posterior=False)
    mean, std = run(net, stack, std=True)
    noisy = stack.read().astype("f8")
    noise_variance = CAMERA.variance(prior_mean)
    prior_variance = prior_std.astype("f8") ** 2
    weight = noise_variance / (noise_variance + prior_variance)
    expected = weight * prior_mean + (1 - weight) * noisy
    # both variances have a floor of 1e-5 in network units
    np.testing.assert_allclose(mean, expected, atol=0.5)
    expected_std = np.sqrt(weight * prior_variance)
    np.testing.assert_allclose(std, expected_std, atol=0.05 * CAMERA.read_noise)


def test_a_mean_only_network_puts_out_its_mean() -> None:
    stack = tiny_movie(3)
    net = tiny_net(frames=3)
    with_posterior, without = (
        run(net, stack, use_posterior=wanted) for wanted in (True, False)
    )
    np.testing.assert_array_equal(with_posterior, without)


def test_a_mean_only_network_has_no_std_to_put_out() -> None:
    # and never whatever was in the memory instead
    with pytest.raises(ValueError, match=r"std|deviation|likelihood"):
        run(tiny_net(frames=3), tiny_movie(3), std=True)


def test_bfloat16_is_close() -> None:
    net = tiny_net(frames=3, width=8, likelihood=True)
    stack = tiny_movie(3)
    exact = run(net, stack)
    rounded = run(net, stack, precision=torch.bfloat16)
    assert 0 < np.abs(rounded - exact).mean() < 0.02 * exact.std()


def test_the_network_learns_nothing_and_gradients_stay_on() -> None:
    net = tiny_net(frames=1)
    for _ in denoise_stack(net, [tiny_calibration()], tiny_movie(3), Nowhere()):
        # a generator that is waiting must not switch off gradients for others
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


# --- progress and cancelling --------------------------------------------------------


class Nowhere:
    """Counts what it is given."""

    def __init__(self) -> None:
        self.frames = 0
        self.largest = 0

    def write(self, frames: Any, start: int, plane: Any) -> None:
        self.frames += len(frames)
        self.largest = max(self.largest, len(frames))


@pytest.mark.parametrize("joint", [False, True])
def test_progress(joint: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 3)
    stack = Stack.from_array(np.zeros((4, 2, 3, 16, 16), "f4"), "TCZYX")
    net = tiny_net(frames=1, channels=2 if joint else 1)
    calibrations = [tiny_calibration()] * 2
    told = list(denoise_stack(net, calibrations, stack, Nowhere(), joint=joint))
    assert all(isinstance(step, Progress) and step.total == 24 for step in told)
    done = [step.done for step in told]
    assert done == sorted(set(done))
    assert done[-1] == 24


def test_cancelling_stops_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 2)
    cancel, sink = threading.Event(), Nowhere()
    steps = denoise_stack(
        tiny_net(frames=1), [tiny_calibration()], tiny_movie(9), sink, cancel=cancel
    )
    next(steps)
    cancel.set()
    assert list(steps) == []
    assert sink.frames == 2


# --- memory -------------------------------------------------------------------------


class Long:
    """Two thousand frames that exist only when they are read."""

    shape, dtype = (2000, 16, 16), np.dtype("u2")

    def __init__(self) -> None:
        self.most_at_once = 0
        self.pixels = 0

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        t = np.arange(2000)[key[0]]
        self.most_at_once = max(self.most_at_once, len(t))
        pattern = np.arange(256).reshape(16, 16) * 7 % 5
        block = pattern + (100 + t % 50)[:, None, None]
        block = block[:, key[1], key[2]].astype("u2")
        self.pixels += block.size
        return block


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    data, sink = Long(), Nowhere()
    net: Any = Echo()
    steps = denoise_stack(net, [tiny_calibration()], Stack.from_array(data), sink)
    for _ in steps:
        pass
    assert sink.frames == 2000
    assert sink.largest <= cutting.BLOCK_FRAMES
    assert data.most_at_once <= cutting.BLOCK_FRAMES + 2 * net.geometry.context
    # each frame is read once, and looked at once before
    assert data.pixels == 2 * 2000 * 256


def test_blocks_of_large_frames_are_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Long()
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 5 * 16 * 16 * 4)
    net: Any = Echo()
    calibrations = [tiny_calibration()]
    stack = Stack.from_array(data)
    assert inspect(stack) is stack
    data.most_at_once = 0
    next(denoise_stack(net, calibrations, stack, Nowhere()))
    assert data.most_at_once == 5 + net.geometry.context


OUT_OF_MEMORY = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 17179869184 bytes."
    ),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    "numpy": MemoryError("Unable to allocate 2.00 GiB"),
}


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let networks fail on anything larger than a number of pixels."""
    sweep = UDVD.sweep

    def limit(pixels: int, error: BaseException) -> list[int]:
        sizes: list[int] = []

        def limited(net: UDVD, clip: Clip, *more: Any) -> Any:
            sizes.append(clip.frames[0, 0, 0].numel())
            if sizes[-1] > pixels:
                raise error
            yield from sweep(net, clip, *more)

        monkeypatch.setattr(UDVD, "sweep", limited)
        return sizes

    return limit


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
def test_out_of_memory_halves_the_tile(kind: str, limited: Any) -> None:
    net = tiny_net(frames=1, likelihood=True)
    # long enough that a smaller tile with its halo really is smaller
    stack = Stack.from_array(np.asarray(tiny_movie(3, (16, 400)).data)[:, :6], "TYX")
    expected = run(net, stack, std=True)
    sizes = limited(6 * 260, OUT_OF_MEMORY[kind])
    found = run(net, stack, std=True)
    assert_close(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)
    failed = [n for n in sizes if n > 6 * 260]
    assert failed[0] == 6 * 400
    assert len(failed) <= 3  # it remembers what fits
    fitting = sizes[len(sizes) - sizes[::-1].index(failed[-1]) :]
    assert max(fitting) <= 6 * 260
    assert max(fitting) > 6 * 200  # and no smaller than need be


def test_running_out_once_in_a_later_block_keeps_what_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 2)
    net = tiny_net(frames=3)
    stack = tiny_movie(6, (40, 44))
    expected = run(net, stack)
    calls = 0
    sweep = UDVD.sweep

    def fail_once(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OUT_OF_MEMORY["cuda"]
        return sweep(*args)

    monkeypatch.setattr(UDVD, "sweep", fail_once)
    assert_close(run(net, stack), expected)


def test_memory_is_given_back_before_smaller_tiles_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = tiny_net(frames=1, likelihood=True)
    stack = tiny_movie(3, (40, 44))
    expected = run(net, stack, std=True)
    held: list[weakref.ref[torch.Tensor]] = []
    released: list[bool] = []
    sweep = UDVD.sweep

    def fails_in_the_second_frame(net: UDVD, clip: Any, *more: Any) -> Any:
        features = torch.zeros(9)
        held.append(weakref.ref(features))
        for k, prediction in enumerate(sweep(net, clip, *more)):
            if k == 1 and not released:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield prediction
        del features

    def release(device: torch.device) -> None:
        # what is still referred to would not be given back
        released.append(all(feature() is None for feature in held))

    monkeypatch.setattr(UDVD, "sweep", fails_in_the_second_frame)
    monkeypatch.setattr(denoising, "release", release)
    found = run(net, stack, std=True)
    assert released == [True]
    assert_close(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)


@pytest.mark.parametrize(("device", "times"), [("cuda:0", 1), ("cpu", 0), ("mps", 0)])
def test_only_a_card_keeps_memory(
    device: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[None] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(None))
    denoising.release(torch.device(device))
    assert len(emptied) == times


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("tile", [None, 20])
def test_frames_that_arrive_late_land_in_their_places(
    ensemble: bool, tile: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, net = tiny_movie(7, (16, 28)), tiny_net(frames=3, likelihood=True)
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 3)
    how: dict[str, Any] = {"std": True, "self_ensemble": ensemble, "tile": tile}
    expected = run(net, stack, **how)
    monkeypatch.setattr(denoising, "Arrivals", partial(Arrivals, 4))
    assert np.array_equal(run(net, stack, **how), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("tile", [None, 20])
@pytest.mark.parametrize(
    "net",
    [tiny_net(frames=3, likelihood=True), tiny_center_blind(), tiny_stbn()],
    ids=["udvd", "fast", "stbn"],
)
def test_a_card_says_what_the_processor_says(net: Network, tile: int | None) -> None:
    choose_device("cuda")  # float32 is float32
    stack = tiny_movie(7)
    expected = run(net, stack, std=True, tile=tile)
    found = run(net, stack, std=True, tile=tile, device="cuda")
    net.cpu()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


def test_when_even_the_smallest_tile_is_too_large(limited: Any) -> None:
    sizes = limited(0, OUT_OF_MEMORY["cuda"])
    sink = Nowhere()
    steps = denoise_stack(
        tiny_net(frames=1), [tiny_calibration()], tiny_movie(3, (100, 90)), sink
    )
    with pytest.raises(MemoryError) as caught:
        next(steps)
    message = str(caught.value)
    assert "32 x 32" in message
    assert "cpu" in message
    assert "smaller network" in message
    assert sink.frames == 0
    assert len(sizes) < 6


def test_other_errors_are_not_taken_for_a_lack_of_memory(limited: Any) -> None:
    sizes = limited(0, RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    with pytest.raises(RuntimeError, match="cuDNN"):
        run(tiny_net(frames=1), tiny_movie(3))
    assert len(sizes) == 1


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
def test_lack_of_memory_is_recognised(kind: str) -> None:
    assert is_out_of_memory(OUT_OF_MEMORY[kind])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape mismatch"),
        ValueError("out of memory"),
        KeyboardInterrupt("out of memory"),
        OSError("No space left on device"),
    ],
)
def test_and_nothing_else_is(error: BaseException) -> None:
    assert not is_out_of_memory(error)
