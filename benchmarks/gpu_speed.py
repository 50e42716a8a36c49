"""How fast a device is at what users wait for.

Every number is the median of a stated number of repetitions after one that is not
counted, and waits for the device before the clock is read. Speed does not depend on
weights: most networks here have random ones.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tifffile
import torch

import napari_udvd as nu
from benchmarks.common import REPOSITORY
from benchmarks.gpu_checks import clip_for, free_memory, noise_on, rms_apart, shipped
from benchmarks.gpu_report import NotHere
from napari_udvd.filters import adaptive_filter
from napari_udvd.formats import ArraySink, create
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.metrics import psnr
from napari_udvd.models import STBN, UDVD, CenterBlind, Clip, from_published
from napari_udvd.models.catalogue import find
from napari_udvd.models.udvd.network import UDVDStream
from napari_udvd.noise import NoiseModel
from napari_udvd.runtime.device import choose_precision
from napari_udvd.runtime.memory import is_out_of_memory
from napari_udvd.simulation import simulate
from napari_udvd.tasks import DENOISE
from napari_udvd.training import Preview, Step, train_events
from napari_udvd.training.learner import Learner

sys.path.insert(0, str(REPOSITORY / "tests"))
from plain_udvd import PlainUDVD

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from benchmarks.gpu_report import Budget, Numbers
    from napari_udvd.models import Network, Prediction

__all__ = ["MEASUREMENTS", "Case"]

CALIBRATION = Calibration(50.0, 40.0, NoiseModel(1.0, 0.0, 1.0))
REPEATS = 5
PATCH = 64

FULL = 0.9
"""Share of the best rate of clips at which a batch is said to fill the device."""

PLAIN_EDGE, PLAIN_PATCH = 512, 128

SLOPE = 0.1
"""Of the rectifiers of UDVD."""


class Case(NamedTuple):
    """What is measured, and for how long.

    Attributes
    ----------
    device
        Where.
    is_small
        Sizes for a CPU.
    budget
        Time for all measurements together.
    """

    device: torch.device
    is_small: bool
    budget: Budget


# --- clocks -------------------------------------------------------------------------


def wait(device: torch.device) -> None:
    """Let the device finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(
    work: Callable[[], object], device: torch.device, repeats: int = REPEATS
) -> list[float]:
    """Seconds of each repetition, after one to warm up."""
    found = []
    for turn in range(repeats + 1):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        if turn > 0:
            found.append(time.perf_counter() - began)
    return found


def share_on_device(work: Callable[[], object], device: torch.device) -> float | None:
    """Share of the time in which the device computes; None where nobody can tell.

    The rest is time in which it waits for the processor. Kernels as the profiler saw
    them, over the time that the same work takes without it.
    """
    if device.type != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    seconds = median(seconds_of(work, device, 3))
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
        wait(device)
    busy = sum(event.self_device_time_total for event in profiler.key_averages())
    return busy / 1e6 / seconds if busy else None


class _Peak:
    """Memory of the device that some work needs at most, above what was there, MB."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        free_memory(device)
        self._before = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)

    @property
    def megabytes(self) -> float | None:
        if self._device.type != "cuda":
            return None
        peak = torch.cuda.max_memory_allocated(self._device)
        return round((peak - self._before) / 1e6, 1)


# --- what is measured ---------------------------------------------------------------


def fast() -> CenterBlind:
    """Build *Fast* in the size that is taken without a choice."""
    return CenterBlind(**find(CenterBlind.name).settings().model_dump())


def networks(case: Case) -> dict[str, Network]:
    """Build networks of the size that users of a card get; small ones for a CPU."""
    torch.manual_seed(0)
    if case.is_small:
        size = {"features": 8, "modules": 2, "blocks": 1}
        return {
            "Fast": CenterBlind(preset="small"),
            "UDVD": UDVD(width=4, likelihood=True),
            "STBN": STBN(**size),  # type: ignore[arg-type]
        }
    return {
        "Fast": fast(),
        "UDVD": UDVD(**find("udvd").sizes["gpu"], likelihood=True),
        "STBN": STBN(**find("stbn").sizes["gpu"]),
    }


def stack_of(frames: int, edge: int) -> nu.Stack:
    """Return noise: speed does not depend on what a movie shows."""
    rng = np.random.default_rng(0)
    few = rng.poisson(50, (min(frames, 16), edge, edge)).astype(np.uint16)
    return nu.Stack.from_array(np.resize(few, (frames, edge, edge)), "TYX")


def frames_per_second(case: Case, found: Numbers) -> None:
    """Denoise movies in memory, everything included, once after a warm-up.

    As many frames as fit into the time of a network and size, by the warm-up.
    """
    sizes = (48, 96) if case.is_small else (512, 2048)
    precision = choose_precision(case.device)
    each = case.budget.left / (len(sizes) * 3)
    for edge in sizes:
        for name, net in networks(case).items():
            label = f"{name}, {edge} x {edge}"
            if case.budget.left < each / 2:
                found[label] = "no time"
                continue
            peak = _Peak(case.device)

            def run(
                stack: nu.Stack, net: Network = net, precision: torch.dtype = precision
            ) -> float:
                began = time.perf_counter()
                with ArraySink(stack, np.float32) as sink:
                    for _ in denoise_stack(
                        net,
                        [CALIBRATION],
                        stack,
                        sink,
                        Request(device=case.device, precision=precision),
                    ):
                        pass
                return time.perf_counter() - began

            few = stack_of(2 if case.is_small else 16 * 512 // edge, edge)
            run(few)
            warm = run(few)
            pace = few.n_frames / warm
            most = 8 if case.is_small else 512 * 512 * 800 // edge**2
            frames = int(min(max(0.4 * each * pace, few.n_frames), most))
            stack = stack_of(frames, edge)
            seconds = run(stack)
            found[label] = {
                "frames/s": frames / seconds,
                "frames": frames,
                "peak, MB": peak.megabytes,
            }
            if warm < each / 10:  # it is done several times more
                again = partial(run, few)
                found[label]["share on device"] = share_on_device(again, case.device)
            net.to("cpu")


def beside_layer_by_layer(case: Case, found: Numbers) -> None:
    """UDVD of the published width beside the same network as the papers draw it.

    One frame of 512 x 512, and a training step of four frames of 128 x 128; medians
    of five, float32 as torch computes it by default, and bfloat16.
    """
    width = 8 if case.is_small else 48
    edge = 48 if case.is_small else PLAIN_EDGE
    patch = 32 if case.is_small else PLAIN_PATCH
    repeats = 1 if case.is_small else REPEATS
    features = UDVD(width=width).stage_one.dec1.conv4.weight.shape[0]
    torch.manual_seed(0)
    plain = PlainUDVD(width=width, stage_one_features=features)
    for weight in plain.parameters():
        torch.nn.init.kaiming_normal_(weight, SLOPE)
    net = from_published(plain.state_dict()).to(case.device)
    assert isinstance(net, UDVD)
    plain = plain.to(case.device)
    generator = torch.Generator().manual_seed(1)
    movie = torch.randn(12, 1, 1, edge, edge, generator=generator).to(case.device)
    clip = torch.randn(1, 8, 1, patch, patch, generator=generator).to(case.device)
    windows = torch.cat([clip[:, k : k + 5] for k in range(4)])
    for precision in (torch.float32, torch.bfloat16):
        cast = copy.deepcopy(plain).to(precision)
        stream, at = UDVDStream(net), 0
        frames, images = movie.to(precision), windows[:, :, 0].to(precision)
        same = clip.to(precision)

        def push(
            stream: UDVDStream = stream, frames: Tensor = frames
        ) -> Prediction | None:
            nonlocal at
            at += 1
            with torch.inference_mode():
                out: Prediction | None = stream.push(frames[at % len(frames)])
            return out

        for _ in range(5):
            last = push()
        window = torch.stack([frames[(at - k) % 12, 0, 0] for k in range(4, -1, -1)])

        def whole(cast: Any = cast, window: Tensor = window) -> Tensor:
            with torch.inference_mode():
                out: Tensor = cast(window[None])
            return out

        def step_plain(cast: Any = cast, images: Tensor = images) -> None:
            cast.zero_grad()
            cast(images).float().square().mean().backward()

        def step_ours(same: Tensor = same) -> None:
            net.zero_grad()
            net(Clip(same, noise_on(case.device))).mean.square().mean().backward()

        kind = str(precision).removeprefix("torch.")
        assert last is not None
        numbers: Numbers = {"apart, rms": rms_apart(last.mean, whole())}
        found[f"a frame and a step, {kind}"] = numbers
        for what, theirs, ours in (
            ("frame", whole, push),
            ("training step", step_plain, step_ours),
        ):
            peak = _Peak(case.device)
            slow = median(seconds_of(theirs, case.device, repeats))
            peak_plain, peak = peak.megabytes, _Peak(case.device)
            fast = median(seconds_of(ours, case.device, repeats))
            numbers[what] = {
                "layer by layer, ms": 1e3 * slow,
                "ours, ms": 1e3 * fast,
                "faster": slow / fast,
                "peak, MB": [peak_plain, peak.megabytes],
            }


def training_steps(case: Case, found: Numbers) -> None:
    """Optimiser steps per second by the clips of a batch, until more gain nothing.

    The batch that fills the device is the smallest with nine tenths of the best rate
    of clips. Median of five.
    """
    each = case.budget.left / 3
    for name, net in networks(case).items():
        budget = case.budget.at_most(each)
        course = find(net.name).recipe
        batch, rates = 1, dict[int, float]()
        rows: Numbers = {}
        found[name] = {"by batch": rows}
        most = 2 if case.is_small else 4096
        while batch <= most and budget.left > 0:
            free_memory(case.device)
            peak = _Peak(case.device)
            try:
                work = _steps(net, batch, course.targets, case)
                seconds = median(seconds_of(work, case.device, REPEATS))
                share = share_on_device(work, case.device)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                rows[str(batch)] = "out of memory"
                break
            rates[batch] = batch / seconds
            rows[str(batch)] = {
                "steps/s": 1 / seconds,
                "clips/s": batch / seconds,
                "peak, MB": peak.megabytes,
                "share on device": share,
            }
            before = rates.get(batch // 4, 0.0)
            if rates[batch] < 1.05 * before:  # twice as many, twice: nothing gained
                break
            batch *= 2
        best = max(rates.values(), default=0.0)
        filling = [batch for batch, rate in rates.items() if rate >= FULL * best]
        found[name]["batch that fills it"] = min(filling, default=None)


def _steps(net: Network, batch: int, targets: int, case: Case) -> Callable[[], None]:
    """Prepare one step of training with so many clips."""
    count = min(targets, 4) if case.is_small else targets
    patch = 16 if case.is_small else PATCH
    net = copy.deepcopy(net).to(case.device).train()
    learner = Learner(net, choose_precision(case.device), DENOISE)
    scaler = Scaler([CALIBRATION], case.device)
    shape = batch, count + 2 * net.margin, 1, patch, patch
    clips = torch.randn(shape, device=case.device)  # in network units
    is_target = torch.ones(batch, count, dtype=torch.bool, device=case.device)

    def step() -> None:
        learner.learn(DENOISE.batch(Clip(clips, scaler.noise), is_target), 1e-4)

    return step


def click_to_filter(case: Case, found: Numbers) -> None:
    """Milliseconds from a click on a pixel to its filter; the first, and median of 9.

    A movie of 512 x 512; every click is on another pixel.
    """
    edge = 64 if case.is_small else 512
    for name, net in networks(case).items():
        model = Denoiser(net.to(case.device).eval(), (CALIBRATION,))
        stack = stack_of(2 * net.geometry.context + 1, edge)
        times = []
        for k in range(3 if case.is_small else 10):
            began = time.perf_counter()
            adaptive_filter(
                model, stack, net.geometry.context, edge // 2 + 3 * k, edge // 2 - k
            )
            times.append(1e3 * (time.perf_counter() - began))
        found[name] = {"first, ms": times[0], "others, ms": median(times[1:])}


# --- what a graph or a compiler would add -------------------------------------------


def graphs_and_compiler(case: Case, found: Numbers) -> None:
    """*Fast* as it is, as a CUDA graph, and compiled; medians of 20 in turn.

    A window of 512 x 512, and forward and backward of a batch (the optimiser left
    out). What a graph saves is the time in which the device waits for the processor.
    """
    if case.device.type != "cuda":
        raise NotHere("CUDA graphs are for CUDA devices")
    device, precision = case.device, choose_precision(case.device)
    torch.manual_seed(0)
    net = fast().to(device)
    noise, course = noise_on(device), find(net.name).recipe
    net.requires_grad_(False).eval()
    window = clip_for(net, 508).to(device)[..., :508, :512]

    def forward() -> Tensor:
        with torch.no_grad():
            mean: Tensor = net.predict(Clip(window, noise), precision).mean
        return mean

    _compare("inference", forward, case, found)
    batches = {
        course.batch: torch.randn(
            course.batch, 2 * net.geometry.context + 1, 1, PATCH, PATCH, device=device
        ),
        64: torch.randn(
            64, 2 * net.geometry.context + 1, 1, PATCH, PATCH, device=device
        ),
    }
    for batch, clips in batches.items():
        learner = fast().to(device).train()
        parameters = list(learner.parameters())

        def step(
            learner: CenterBlind = learner,
            parameters: list[Any] = parameters,
            clips: Tensor = clips,
        ) -> Tensor:
            is_target = torch.ones(len(clips), 1, dtype=torch.bool, device=device)
            given = DENOISE.batch(Clip(clips, noise), is_target)
            prediction = learner.predict_clip(given.clip, precision)
            loss = DENOISE.loss(prediction, given).mean()
            gradients = torch.autograd.grad(loss, parameters)
            return torch.cat([gradient.flatten() for gradient in gradients])

        _compare(f"training, batch {batch}", step, case, found)


def _compare(what: str, work: Callable[[], Tensor], case: Case, found: Numbers) -> None:
    """Time work as it is, as a graph, and compiled, as far as there is time."""
    numbers: Numbers = {}
    found[what] = numbers
    wanted = work().clone()
    numbers["eager, ms"] = _milliseconds(work, case.device)
    for name, make in (("graph", _graphed), ("compiled", _compiled)):
        if case.budget.left < (5 if name == "graph" else 15):
            numbers[name] = "no time"
            continue
        try:
            began = time.perf_counter()
            other = make(work)
            gap = rms_apart(other(), wanted)
            numbers[f"{name}, s to make"] = time.perf_counter() - began
            numbers[f"{name}, apart"] = gap
            numbers[f"{name}, ms"] = _milliseconds(other, case.device)
        except Exception as error:  # what cannot be compiled is a result as well
            numbers[name] = f"{type(error).__name__}: {str(error)[:300]}"
    numbers["eager again, ms"] = _milliseconds(work, case.device)


def _milliseconds(work: Callable[[], Tensor], device: torch.device) -> float:
    return 1e3 * median(seconds_of(work, device, 20))


def _graphed(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Record work once; what is returned only plays it again."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # whatever is made at the first call
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()

    def again() -> Tensor:
        graph.replay()
        return out

    return again


def _compiled(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    compiled: Callable[[], Tensor] = torch.compile(work)
    compiled()
    return compiled


# --- what users wait for ------------------------------------------------------------


def a_training_of_ten_seconds(case: Case, found: Numbers) -> None:
    """First look, steps and result of a training with a time limit, all included."""
    edge = 64 if case.is_small else 512
    scene = simulate("nuclei", frames=12 if case.is_small else 60, shape=(edge, edge))
    seconds = 2.0 if case.is_small else 10.0
    began = time.monotonic()
    settings = make_settings(minutes=seconds / 60, device=str(case.device))
    model = None
    for event in train_events([scene.noisy], settings):
        if isinstance(event, Preview) and "first look, s" not in found:
            found["first look, s"] = time.monotonic() - began
        if isinstance(event, Step):
            found["steps"] = event.step
        model = getattr(event, "denoiser", None)
    found["training, s"] = time.monotonic() - began
    assert model is not None
    result = model.denoise(scene.noisy, device=str(case.device), dtype=np.float32)
    found["with denoising, s"] = time.monotonic() - began
    truth = scene.truth.read()
    found["noisy, dB"] = psnr(truth, scene.noisy.read())
    found["result, dB"] = psnr(truth, result)


def a_file_in_and_out(case: Case, found: Numbers) -> None:
    """2,000 frames of 512 x 512 from a TIFF into a TIFF, as far as there is time."""
    frames, edge = (8, 64) if case.is_small else (2000, 512)
    budget = case.budget.at_most(40)
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "movie.tif", Path(name) / "clean.ome.tif"
        movie = np.asarray(stack_of(frames, edge).data)
        how = {"axes": "TYX"}
        tifffile.imwrite(source, movie, imagej=True, metadata=how)
        del movie
        cancel = threading.Event()
        timer = threading.Timer(budget.left, cancel.set)
        timer.start()
        began = time.monotonic()
        stack = nu.open(source)
        model = shipped(case.is_small)
        sink = create(target, like=stack, dtype=np.float32, record={})
        done = 0
        try:
            with sink:
                for progress in denoise_stack(
                    model.net,
                    (CALIBRATION,),
                    stack,
                    sink,
                    Request(device=case.device),
                    cancel=cancel,
                ):
                    done = progress.done
                    found["frames"] = done
                    found["s"] = time.monotonic() - began
        except nu.OutputError:
            if done == frames:
                raise
            found["stopped"] = "no more time"  # a file that is not whole is removed
        finally:
            timer.cancel()
        found["s, with closing the file"] = time.monotonic() - began
        found["frames/s"] = done / found["s, with closing the file"]


MEASUREMENTS: dict[str, tuple[float, Callable[[Case, Numbers], None]]] = {
    "frames per second": (0.3, frames_per_second),
    "beside layer by layer": (0.1, beside_layer_by_layer),
    "training steps by batch": (0.25, training_steps),
    "click to filter": (0.1, click_to_filter),
    "a training of ten seconds": (0.3, a_training_of_ten_seconds),
    "a file of 2,000 frames in and out": (0.45, a_file_in_and_out),
    "graphs and compiler": (1.0, graphs_and_compiler),
}
"""Each with its share of the time that is left when its turn comes."""
