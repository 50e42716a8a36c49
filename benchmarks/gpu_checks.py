"""Whether a device computes what it should: plain functions, used by tests as well.

Each takes a device, raises if something is wrong, and returns what it measured. On a
CPU they are smaller, and some compare a CPU with itself: there they show that the
checks themselves still work.
"""

from __future__ import annotations

import copy
import gc
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import REPOSITORY
from benchmarks.gpu_report import NotHere
from napari_udvd.filters import adaptive_filter
from napari_udvd.formats import ArraySink
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.metrics import psnr
from napari_udvd.models import (
    STBN,
    UDVD,
    CameraNoise,
    CenterBlind,
    Clip,
    flow_from_published,
    from_published,
)
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.tasks import DENOISE
from napari_udvd.training import Checkpoint, Failed, Finished, Step, train_events
from napari_udvd.training.warm_start import warm_start

sys.path.insert(0, str(REPOSITORY / "tests"))
from parity import published_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.models import Network
    from napari_udvd.simulation import SimulatedMovie
    from napari_udvd.stack import Plane

    Found = dict[str, Any]
    Floats = npt.NDArray[np.float32]

__all__ = ["CHECKS"]

TOLERANCE = 1e-4
"""Largest difference of results in float32, relative to the largest result."""

GRADIENT_TOLERANCE = 1e-3
"""Of gradients in float32, relative to their norm: rectifiers have kinks."""

HALF_TOLERANCE = 0.1
"""Root mean square error of bfloat16, relative to the spread of the result."""

LEAK = 1e-5
"""Gradient in the hole, relative to the largest: algorithms that go through other
bases (Winograd, Fourier) leave rounding errors where an exact zero should be."""

PARITY_FOLDERS = REPOSITORY.parent / "shared", REPOSITORY / "shared"
WIDE_HOLE = "udvd_wide_blind_spot"
PUBLISHED_UDVD = (
    "udvd_single_frame",
    "udvd_gray",
    "udvd_rgb_likelihood",
    "udvd_gray_blind_noise",
    WIDE_HOLE,
)

NOISE = CameraNoise(torch.tensor(0.3), torch.tensor(-2.0), torch.tensor(0.2))
"""In network units, of numbers of order one."""

CAMERA = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)


# --- what the checks share ----------------------------------------------------------


def is_small(device: torch.device) -> bool:
    """Whether little should be computed: CPUs are slow."""
    return device.type == "cpu"


@contextmanager
def exact() -> Iterator[None]:
    """Compute in float32 where it says so: cards round to TF32 otherwise."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def networks(small: bool, hole: tuple[int, int] = (1, 1)) -> dict[str, Network]:
    """Build one of each kind whose output depends on all that it can see."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fast = CenterBlind(hole=hole, preset="small" if small else "medium")
        warm_start(fast)
        udvd = UDVD(width=4 if small else 48, hole=hole, likelihood=True)
        for weight in udvd.parameters():  # so that activations keep their size
            torch.nn.init.kaiming_normal_(weight, 0.1)
        size = {"features": 8, "modules": 2, "blocks": 1} if small else {"features": 32}
        stbn = STBN(hole=hole, **size)  # type: ignore[arg-type]
        warm_start(stbn)
    return {"Fast": fast.eval(), "UDVD": udvd.eval(), "STBN": stbn.eval()}


def clip_for(net: Network, edge: int, frames: int = 0, seed: int = 1) -> Tensor:
    """Random frames ``(1, T, 1, H, W)``, as many as a window has if not said."""
    rng = np.random.default_rng(seed)
    shape = 1, frames or 2 * net.geometry.context + 1, 1, edge, edge + 4
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


def noise_on(device: torch.device) -> CameraNoise:
    """Return the noise, where frames of this device need it."""
    return CameraNoise(*(value.to(device) for value in NOISE))


def apart(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, relative to the largest of what is wanted."""
    found, wanted = found.detach().cpu().double(), wanted.detach().cpu().double()
    return float((found - wanted).abs().max() / wanted.abs().max())


def rms_apart(found: Tensor, wanted: Tensor) -> float:
    """Root mean square difference, relative to the spread of what is wanted."""
    found, wanted = found.detach().cpu().double(), wanted.detach().cpu().double()
    return float((found - wanted).square().mean().sqrt() / wanted.std())


def movie(small: bool, kind: str = "nuclei", frames: int = 0) -> SimulatedMovie:
    """Simulate a movie that takes seconds to learn from."""
    edge = 48 if small else 256
    return simulate(kind, frames=frames or (12 if small else 48), shape=(edge, edge))


def check(is_right: bool, otherwise: str) -> None:
    """Raise unless something is right; also where Python leaves out assertions."""
    if not is_right:
        raise AssertionError(otherwise)


def shipped(small: bool) -> Denoiser:
    """*Fast* as it is shipped, with the calibration of :func:`movie`."""
    net = networks(small)["Fast"]
    return Denoiser(net.eval(), (Calibration(150.0, 60.0, CAMERA),))


# --- the same numbers ---------------------------------------------------------------


def each_network_equals_the_cpu(device: torch.device) -> Found:
    """Compare whole clips, and frame after frame, in float32 and in bfloat16."""
    small, found = is_small(device), {}
    edge = 20 if small else 64
    for name, net in networks(small).items():
        clip = clip_for(net, edge, 2 * net.geometry.context + 3)
        windows = [list(range(k, k + 2 * net.geometry.context + 1)) for k in range(3)]

        def numbers(
            where: torch.device,
            precision: torch.dtype,
            net: Network = net,
            clip: Tensor = clip,
            windows: list[list[int]] = windows,
        ) -> tuple[Tensor, Tensor]:
            moved, frames = copy.deepcopy(net).to(where), clip.to(where)
            with torch.inference_mode():
                whole = moved.predict(Clip(frames, noise_on(where)), precision)
                swept = list(
                    moved.sweep(Clip(frames, noise_on(where)), windows, precision)
                )
            assert whole.factor is not None
            both = torch.cat([whole.mean, whole.factor[..., 0, :, :]])
            return both.cpu(), torch.cat([each.mean for each in swept]).cpu()

        with exact():
            wanted = numbers(torch.device("cpu"), torch.float32)
            ours = numbers(device, torch.float32)
            gap = max(apart(a, b) for a, b in zip(ours, wanted, strict=True))
        found[name] = gap
        check(gap <= TOLERANCE, f"{name} is {gap:.1e} off in float32")
        half = numbers(device, torch.bfloat16)
        error = max(rms_apart(a, b) for a, b in zip(half, wanted, strict=True))
        found[f"{name}, bfloat16, rms"] = error
        check(error <= HALF_TOLERANCE, f"{name} is {error:.2f} off in bfloat16")
        if device.type == "cuda":  # what users without bfloat16 get
            rounded = numbers(device, torch.float32)
            found[f"{name}, TF32, rms"] = max(
                rms_apart(a, b) for a, b in zip(rounded, wanted, strict=True)
            )
    return found


def gradients_equal_those_of_the_cpu(device: torch.device) -> Found:
    """Compare what training learns from, of all weights together."""
    small, found = is_small(device), {}
    edge = 20 if small else 64
    for name, net in networks(small).items():
        clip = clip_for(
            net, edge, 2 * net.margin + (8 if net.geometry.recurrent else 1)
        )

        def gradient(
            where: torch.device,
            precision: torch.dtype,
            net: Network = net,
            clip: Tensor = clip,
        ) -> Tensor:
            moved, frames = copy.deepcopy(net).to(where), clip.to(where)
            moved.train()
            targets = frames.shape[1] - 2 * net.margin
            is_target = torch.ones(len(frames), targets, dtype=torch.bool)
            seen = Clip(frames, noise_on(where))
            batch = DENOISE.batch(seen, is_target.to(where))
            prediction = moved.predict_clip(batch.clip, precision)
            loss = DENOISE.loss(prediction, batch).mean()
            parameters = list(moved.denoising_parameters().values())
            parts = torch.autograd.grad(loss, parameters)
            return torch.cat([part.flatten().cpu() for part in parts]).double()

        with exact():
            wanted = gradient(torch.device("cpu"), torch.float32)
            gap = float((gradient(device, torch.float32) - wanted).norm())
        found[name] = gap / float(wanted.norm())
        check(found[name] <= GRADIENT_TOLERANCE, f"gradient of {name} is off: {found}")
        half = gradient(device, torch.bfloat16)
        error = float((half - wanted).norm() / wanted.norm())
        found[f"{name}, bfloat16"] = error
        check(error <= 3 * HALF_TOLERANCE, f"bfloat16 gradient of {name}: {error:.2f}")
    return found


def the_published_numbers(device: torch.device) -> Found:
    """Compare with outputs of the published code, of the same weights and inputs."""
    folder = parity_folder()
    names = PUBLISHED_UDVD[:1] if is_small(device) else PUBLISHED_UDVD
    found = {}
    with torch.inference_mode(), exact():
        for name in names:
            case = load_case(folder, name)
            hole = (3, 3) if name == WIDE_HOLE else (1, 1)
            net: Any = from_published(published_weights(case), hole).to(device)
            n, _, height, width = case["input"].shape
            clip = torch.from_numpy(case["input"]).view(
                n, -1, net.channels, height, width
            )
            found[name] = apart(
                net.raw(clip.to(device)), torch.from_numpy(case["output"])
            )
        case = load_case(folder, "pwcnet_flow")
        flow_net = flow_from_published(published_weights(case)).to(device)
        first, second = (
            torch.from_numpy(case[which]).to(device) for which in ("first", "second")
        )
        published = torch.from_numpy(case["flow"]).flip(1)  # (dx, dy) there
        found["pwcnet_flow"] = apart(flow_net(first, second), published)
        if not is_small(device):
            case = load_case(folder, "stbn_rgb")
            net = from_published(published_weights(case)).to(device)
            std = torch.as_tensor(case["noise_std"]).to(device)
            ours = (
                net.raw(torch.from_numpy(case["input"]).to(device), std).cpu().numpy()
            )
            error = np.abs(ours - case["output"]) / np.abs(case["output"]).max()
            # a flow that lands between two pixels may round either way
            found["stbn_rgb, 99th percentile"] = float(np.percentile(error, 99))
    wrong = {name: gap for name, gap in found.items() if gap > TOLERANCE}
    check(not wrong, f"not the published numbers: {wrong}")
    return found


def parity_folder() -> Path:
    """Folder of published results, or say that there is none."""
    for folder in PARITY_FOLDERS:
        if (folder / "parity").is_dir():
            return folder / "parity"
    raise NotHere(f"the published results are not in {PARITY_FOLDERS[0] / 'parity'}")


def load_case(folder: Path, name: str) -> Found:
    """Read one published result."""
    with np.load(folder / f"{name}.npz") as arrays:
        return dict(arrays)


def a_denoised_movie_equals_that_of_the_cpu(device: torch.device) -> Found:
    """Compare blocks, posterior, standard deviation and averaged views, in float32."""
    small = is_small(device)
    edge = 40 if small else 96
    scene = simulate("nuclei", frames=4 if small else 8, shape=(edge, edge + 6))
    model = shipped(small)
    results = {}
    with exact():
        for where in (torch.device("cpu"), device):
            with ArraySink(scene.noisy) as mean, ArraySink(scene.noisy) as std:
                for _ in denoise_stack(
                    copy.deepcopy(model.net),
                    model.calibrations,
                    scene.noisy,
                    mean,
                    replace(EXACT, device=where, self_ensemble=True),
                    std_sink=std,
                ):
                    pass
            results[where.type] = mean.array, std.array
    noise = float(np.mean((scene.noisy.read() - scene.truth.read()) ** 2)) ** 0.5
    gaps = {
        what: float(np.abs(a - b).max()) / noise
        for what, a, b in zip(
            ("mean", "std"), results[device.type], results["cpu"], strict=True
        )
    }
    check(max(gaps.values()) < 1e-2, f"in units of the noise: {gaps}")
    return {f"{what}, in units of the noise": gap for what, gap in gaps.items()}


def a_filter_equals_that_of_the_cpu(device: torch.device) -> Found:
    """Compare what a click on a pixel shows."""
    small, found = is_small(device), {}
    scene = movie(True, frames=8)  # a CPU takes long for a wide network's filter
    for name, net in networks(small).items():
        model = Denoiser(net, (Calibration(150.0, 60.0, CAMERA),))
        weights = []
        for where in (torch.device("cpu"), device):
            model.net.to(where)
            seen = adaptive_filter(model, scene.noisy, 4, 20, 21)
            weights.append(torch.from_numpy(seen.weights))
        found[name] = apart(weights[1], weights[0])
        check(found[name] <= 1e-3, f"the filter of {name} is off by {found[name]:.1e}")
    return found


# --- blind --------------------------------------------------------------------------


def no_network_sees_the_hole(device: torch.device) -> Found:
    """See that the gradient of an output is zero where its own noise is."""
    small, found = is_small(device), {}
    edge = 24 if small else 48
    y, x = edge // 2, edge // 2 + 1
    for hole in ((1, 1), (3, 1)):
        for name, net in networks(small, hole).items():
            moved = net.to(device)
            clip = clip_for(net, edge).to(device).requires_grad_()
            middle = clip.shape[1] // 2
            hidden = (
                slice(y - hole[0] // 2, y + hole[0] // 2 + 1),
                slice(x - hole[1] // 2, x + hole[1] // 2 + 1),
            )
            for precision in (torch.float32, torch.bfloat16):
                with exact():
                    prediction = moved.predict(Clip(clip, noise_on(device)), precision)
                    assert prediction.factor is not None
                    pixel = prediction.mean + 0.7 * prediction.factor[..., 0, :, :]
                    (seen,) = torch.autograd.grad(pixel[0, 0, 0, y, x], clip)
                size = seen[0, :, 0].abs()
                # UDVD hides the place in every frame, the others in its own
                own = size if name == "UDVD" else size[middle : middle + 1]
                leak = float(own[:, hidden[0], hidden[1]].max() / size.max())
                kind = str(precision).removeprefix("torch.")
                found[f"{name}, {hole[0]}x{hole[1]}, {kind}"] = leak
                check(float(size.max()) > 0, f"{name} sees nothing")
                if precision == torch.float32:
                    check(leak <= LEAK, f"{name} sees {leak:.1e} of its own noise")
            around = size[middle].clone()
            around[hidden] = 0
            check(float(around.max()) > 0, f"{name} does not see its own frame at all")
    return found


# --- whole jobs ---------------------------------------------------------------------


def training_and_denoising_help(device: torch.device) -> Found:
    """See that a movie is better afterwards, by each network."""
    small = is_small(device)
    scene = movie(small)
    truth = scene.truth.read()
    found = {"noisy, dB": psnr(truth, scene.noisy.read())}
    ways: dict[str, Found] = {
        "Fast": {"model": "centerblind", "steps": 60, "gain": 3.0}
    }
    if small:
        ways["Fast"] |= {"steps": 3, "batch": 2}
    else:
        ways |= {
            "UDVD": {"model": "udvd", "width": 16, "steps": 150, "gain": 1.0},
            "STBN": {"model": "stbn", "width": 16, "steps": 60, "gain": 1.0},
        }
    for name, settings in ways.items():
        gain = settings.pop("gain")
        began = time.monotonic()
        model = nu.train(
            scene.noisy, device=str(device), self_ensemble=False, **settings
        )
        trained = time.monotonic()
        clean = model.denoise(scene.noisy, device=str(device), dtype=np.float32)
        found[f"{name}, training, s"] = trained - began
        found[f"{name}, denoising, s"] = time.monotonic() - trained
        found[f"{name}, dB"] = psnr(truth, clean)
        check(bool(np.isfinite(clean).all()), f"{name} gives what is not finite")
        check(found[f"{name}, dB"] > found["noisy, dB"] + gain, f"too little: {found}")
    return found


def a_model_travels(device: torch.device) -> Found:
    """See that a model trained here is the same in a file and on a CPU."""
    small = is_small(device)
    scene = movie(small, frames=8)
    model = nu.train(scene.noisy, device=str(device), steps=2, batch=2)
    check(
        all(weight.device.type == "cpu" for weight in model.net.parameters()),
        "the model of a training is not on the CPU",
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.safetensors")
        again = nu.load(Path(folder) / "model.safetensors")
    there = again.denoise(scene.noisy, device="cpu", dtype=np.float32)
    here = again.denoise(scene.noisy, device=str(device), dtype=np.float32)
    noise = float(np.mean((scene.noisy.read() - scene.truth.read()) ** 2)) ** 0.5
    gap = float(np.sqrt(np.mean((here - there) ** 2))) / noise
    check(gap < 0.05, f"{gap:.3f} of the noise apart, in the precisions users get")
    return {"apart, in units of the noise": gap}


def a_stopped_training_goes_on(device: torch.device) -> Found:
    """See that it gets to where one gets that was not interrupted."""
    scene = movie(True, frames=12)
    settings = make_settings(
        model="centerblind", device=str(device), steps=6, batch=2, patch=32
    )

    def run(path: Path | None, resume: bool, stop_after: int | None) -> Finished:
        cancel = threading.Event()
        for event in train_events(
            [scene.noisy], settings, checkpoint=path, resume=resume, cancel=cancel
        ):
            if isinstance(event, Step):
                steps.append(event.step)
                if event.step == stop_after:
                    cancel.set()
            if isinstance(event, Failed):
                raise event.error
        if not isinstance(event, Finished):
            raise AssertionError(f"it ended with {event}")
        return event

    steps: list[int] = []
    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        whole = run(None, False, None)
        with tempfile.TemporaryDirectory() as folder:
            path, steps = Path(folder) / "state", []
            run(path, False, 3)
            resumed = run(path, True, None)
    check(steps == [1, 2, 3, 4, 5, 6], f"steps {steps}")
    one, two = (
        torch.cat([p.detach().flatten() for p in end.denoiser.net.parameters()])
        for end in (whole, resumed)
    )
    gap = float((one - two).norm() / one.norm())
    check(gap <= (0 if is_small(device) else 0.02), f"weights {gap:.1e} apart")
    return {"weights apart": gap}


def running_out_of_memory_halves_the_tile(device: torch.device) -> Found:
    """See that the result is the same; and that a training says what to do."""
    if device.type != "cuda":
        raise NotHere("only the memory of a CUDA device can be made scarce")
    scene = simulate("nuclei", frames=4, shape=(768, 768))
    model = shipped(False)

    def denoised() -> tuple[Floats, int]:
        blocks = BlockDenoiser(
            copy.deepcopy(model.net),
            model.calibrations,
            scene.noisy,
            replace(EXACT, device=device),
        )
        mean, _ = blocks.block(blocks.series[0], 0, 2)
        return mean, blocks._edge

    total = torch.cuda.get_device_properties(device).total_memory
    found: Found = {}
    with exact():
        free_memory(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_reserved(device)
        wanted, whole = denoised()
        peak = torch.cuda.max_memory_reserved(device)
        found |= {"peak, MB": (peak - before) / 1e6, "tile": whole}
        free_memory(device)
        before = torch.cuda.memory_reserved(device)
        try:
            torch.cuda.set_per_process_memory_fraction(
                (before + 0.3 * (peak - before)) / total, device
            )
            ours, edge = denoised()
            found["tile with a third of it"] = edge
            free_memory(device)
            # 8 MB are not enough for a step
            torch.cuda.set_per_process_memory_fraction(
                (torch.cuda.memory_reserved(device) + 8e6) / total, device
            )
            settings = make_settings(steps=2, batch=64, device=str(device))
            try:
                *_, end = train_events([scene.noisy], settings)
            except (MemoryError, torch.OutOfMemoryError) as error:
                end = Failed(error)  # before the training began
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
            free_memory(device)
    check(edge < whole, f"the tile stays at {edge}: memory was not scarce")
    gap = float(np.abs(ours - wanted).max() / wanted.max())
    found["apart"] = gap
    check(gap < 1e-3, f"tiles make a difference of {gap:.1e}")
    check(isinstance(end, Failed), f"a training without memory ended with {end}")
    assert isinstance(end, Failed)
    found["training says"] = str(end.error)[:200]
    check(isinstance(end.error, MemoryError), f"not explained: {end.error!r}")
    return found


def free_memory(device: torch.device) -> None:
    """Give back what nobody uses."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def the_second_device_equals_the_first(device: torch.device) -> Found:
    """Denoise on both, and begin a training on the second."""
    if torch.cuda.device_count() < 2:
        raise NotHere(f"there are {torch.cuda.device_count()} CUDA devices, not two")
    scene, model = movie(False, frames=8), shipped(False)
    one, two = (
        model.denoise(scene.noisy, device=f"cuda:{k}", dtype=np.float32) for k in (0, 1)
    )
    gap = float(np.abs(one - two).max() / one.max())
    check(gap < 1e-3, f"{gap:.1e} apart")
    nu.train(scene.noisy, device="cuda:1", steps=2)
    return {"apart": gap}


def cancelling_is_quick(device: torch.device) -> Found:
    """Take the time from pressing the button to the end of training and denoising."""
    small = is_small(device)
    scene = movie(small)
    cancel, pressed = threading.Event(), [0.0]

    def press() -> None:
        pressed[0] = time.monotonic()
        cancel.set()

    settings = make_settings(device=str(device), minutes=2, batch=2 if small else None)
    found: Found = {}
    reason = ""
    with tempfile.TemporaryDirectory() as folder:
        timer = threading.Timer(0.5, press)
        for event in train_events(
            [scene.noisy], settings, checkpoint=Path(folder) / "state", cancel=cancel
        ):
            if isinstance(event, Step) and event.step == 1:
                timer.start()
            saved = isinstance(event, Checkpoint)
            reason = event.reason if isinstance(event, Finished) else reason
        found["training, s"] = time.monotonic() - pressed[0]
        check(saved or reason == "cancelled", f"it ended because of {reason!r}")
    cancel.clear()
    long = nu.Stack.from_array(np.tile(scene.noisy.read(), (20, 1, 1)), "TYX")
    model, done = shipped(small), 0
    timer = threading.Timer(0.5, press)
    timer.start()
    for progress in denoise_stack(
        model.net,
        model.calibrations,
        long,
        Nowhere(),
        Request(device=device, self_ensemble=True),
        cancel=cancel,
    ):
        done = progress.done
    finished = time.monotonic()
    timer.join()
    if done < long.n_frames:
        found["denoising, s"] = finished - pressed[0]
    found["frames denoised"] = done
    slowest = max(value for key, value in found.items() if key.endswith(", s"))
    check(slowest < (20 if small else 2), f"it takes {slowest:.1f} s to stop")
    return found


class Nowhere:
    """Takes frames and forgets them: what is cancelled leaves no whole result."""

    def write(self, frames: Floats, start: int, plane: Plane) -> None:
        """Forget them."""


class Watched:
    """A CuPy array that counts how often its pixels are copied to the host."""

    def __init__(self, array: Any, copies: list[int] | None = None) -> None:
        self._array, self.copies = array, [] if copies is None else copies

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return tuple(self._array.shape)

    @property
    def dtype(self) -> Any:
        """Of the array."""
        return self._array.dtype

    @property
    def __cuda_array_interface__(self) -> Any:
        return self._array.__cuda_array_interface__

    def __getitem__(self, key: Any) -> Watched:
        return Watched(self._array[key], self.copies)

    def get(self) -> Any:
        """Copy to the host."""
        self.copies.append(int(self._array.nbytes))
        return self._array.get()


def arrays_on_the_device_are_denoised(device: torch.device) -> Found:
    """Compare with a copy in NumPy, and say how much is copied to the host."""
    if device.type != "cuda":
        raise NotHere("CuPy arrays are on CUDA devices")
    try:
        import cupy
    except ImportError:
        raise NotHere("CuPy is not installed") from None
    scene, model = movie(False, frames=8), shipped(False)
    pixels = scene.noisy.read()
    wanted = model.denoise(pixels, "TYX", device=str(device), dtype=np.float32)
    array = Watched(cupy.asarray(pixels))
    result: Any = model.denoise(array, "TYX", device=str(device), dtype=np.float32)
    comes_back = type(result).__module__.partition(".")[0]
    ours = result.get() if comes_back == "cupy" else result
    gap = float(np.abs(np.asarray(ours) - wanted).max() / wanted.max())
    check(gap < 1e-3, f"{gap:.1e} apart")
    return {
        "apart": gap,
        "comes back as": comes_back,
        "bytes copied to the host, per byte of the movie": sum(array.copies)
        / pixels.nbytes,
    }


CHECKS: dict[str, Callable[[torch.device], Found]] = {
    function.__name__.replace("_", " "): function
    for function in (
        each_network_equals_the_cpu,
        gradients_equal_those_of_the_cpu,
        no_network_sees_the_hole,
        the_published_numbers,
        a_denoised_movie_equals_that_of_the_cpu,
        a_filter_equals_that_of_the_cpu,
        training_and_denoising_help,
        a_model_travels,
        a_stopped_training_goes_on,
        running_out_of_memory_halves_the_tile,
        cancelling_is_quick,
        arrays_on_the_device_are_denoised,
        the_second_device_equals_the_first,
    )
}
"""All of them by name, the most important first."""
