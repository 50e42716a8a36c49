"""Speed of UDVD beside a plain layer-by-layer implementation, with the same weights.

Prints Markdown tables of

- streaming inference: seconds per output frame;
- a training step of four output frames: forward and backward;
- the weight gradient of single convolutions beside torch's own.

Plain and ours take turns; times and ratios are medians over the turns.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import REPOSITORY, machine, progress, set_up, table
from napari_udvd.models import UDVD, CameraNoise, Clip, from_published
from napari_udvd.models.udvd.causal import (
    SLOPE,
    CausalConv,
    CausalJoin,
    _causal_backward,
)
from napari_udvd.models.udvd.network import UDVDStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from napari_udvd.models.udvd.halfplane import HalfPlaneUNet

sys.path.insert(0, str(REPOSITORY / "tests"))
from plain_udvd import PlainUDVD

NO_NOISE = CameraNoise(*torch.zeros(3))
"""UDVD does not look at it."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

RESOLUTION = {"enc1": 1, "enc2": 2, "enc3": 4, "dec2": 2, "dec1": 1}
"""How many times smaller than the frame the images of a block are."""

FRAMES_PER_TURN = 4
"""Frames that are pushed through a stream each time."""

CAUSAL = (2, 1)
"""Padding of a convolution that sees rows above only."""

GRADIENT_SHAPES = [
    # images, inputs, outputs, rows, columns: layers of a step at 128 x 128
    (24, 48, 48, 128, 136),
    (16, 96, 96, 128, 136),
    (16, 96, 96, 64, 68),
    (24, 48, 48, 32, 34),
]


class Task(NamedTuple):
    """Something to be timed; `work` units (frames, steps) are done per call."""

    call: Callable[[], object]
    work: int
    gflop: float  # nominal, per unit


# --- the networks -------------------------------------------------------------------


def _ours(published: Mapping[str, Tensor]) -> UDVD:
    """Convert what the published network has, weights or their gradients."""
    net = from_published(published)
    if not isinstance(net, UDVD):
        raise TypeError(f"these are not the weights of UDVD, but of {net.name}")
    return net


def same_networks(width: int) -> tuple[PlainUDVD, UDVD]:
    """Build the plain network, and ours with its weights."""
    torch.manual_seed(0)
    features = UDVD(width=width).stage_one.dec1.conv4.weight.shape[0]
    plain = PlainUDVD(width=width, stage_one_features=features)
    for weight in plain.parameters():  # so that activations keep their size
        torch.nn.init.kaiming_normal_(weight, SLOPE)
    return plain, _ours(plain.state_dict())


# --- operations ---------------------------------------------------------------------


def plain_gflop(net: PlainUDVD, rows: int, columns: int, training: bool) -> float:
    """Operations of the published network per output frame."""
    pixels = rows * columns
    weight = net.state_dict()["denoiser_1.enc1.conv1.conv.weight"]
    first = 3 * 4 * 2 * weight.numel() * pixels
    total = 0
    for name, weight in net.named_parameters():
        stage, block, *_ = name.split(".")
        times = 3 if stage == "denoiser_1" else 1
        turns = 1 if stage.startswith("nin") else 4
        smaller = RESOLUTION.get(block, 1) ** 2
        total += 2 * weight.numel() * pixels // smaller * turns * times
    return (3 * total - first if training else total) / 1e9


def our_gflop(
    net: UDVD, rows: int, columns: int, stage_one: int, outputs: int, training: bool
) -> float:
    """Operations of the reformulated network, without borders and rows that overlap.

    Parameters
    ----------
    net, rows, columns
        Network and size of a frame.
    stage_one, outputs
        Passes through the first stage, and frames put out.
    training
        Also the gradients of all weights and of all activations but the clip.
    """
    first, of_clip = _unet_flop(net.stage_one)
    second, _ = _unet_flop(net.stage_two)
    joins = sum(
        2 * join.weight.numel() for join in (net.join_a, net.join_b, net.join_c)
    )
    forward = 4 * (stage_one * first + outputs * second) + outputs * joins
    total = 3 * forward - 4 * stage_one * of_clip if training else forward
    return total * rows * columns / 1e9


def _unet_flop(unet: HalfPlaneUNet) -> tuple[float, float]:
    """Operations per pixel, and how many of them read the U-Net's input."""
    total = of_input = 0.0
    for block, smaller in RESOLUTION.items():
        for name, layer in getattr(unet, block).named_children():
            per_pixel = _layer_flop(layer) / smaller**2
            total += per_pixel
            if (block, name) == ("enc1", "conv1"):
                of_input += per_pixel
            elif (block, name) == ("dec1", "conv1"):
                of_input += 2 * layer.weight[:, layer.low :].numel()
    return total, of_input


def _layer_flop(layer: nn.Module) -> float:
    if isinstance(layer, CausalJoin):
        # four taps of the transposed 4x4 kernel reach a pixel, not nine
        low = layer.weight[:, : layer.low].numel() * 4 / 9
        return 2 * (low + layer.weight[:, layer.low :].numel())
    assert isinstance(layer, CausalConv)
    return 2.0 * layer.weight.numel()


def counted_gflop(call: Callable[[], object]) -> float:
    """Operations that torch counts while something runs."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops()) / 1e9


# --- measuring ----------------------------------------------------------------------


def measure(tasks: Mapping[str, Task], turns: int) -> dict[str, list[float]]:
    """Seconds per unit of work of each task in each turn; tasks take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(turns):
        for name, task in tasks.items():
            start = time.perf_counter()
            task.call()
            seconds[name].append((time.perf_counter() - start) / task.work)
            progress(f"turn {turn + 1}: {name}: {seconds[name][-1]:.3f} s")
    return seconds


def convolution_share(call: Callable[[], object]) -> float:
    """Share of the time spent in convolutions and matrix products."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        call()
    events = profiler.key_averages()
    inside = sum(
        event.self_cpu_time_total
        for event in events
        if "convolution" in event.key or event.key in ("aten::mm", "aten::addmm")
    )
    return float(inside / sum(event.self_cpu_time_total for event in events))


def report(
    tasks: Mapping[str, Task], turns: int, unit: str, differences: Mapping[str, str]
) -> str:
    """Run the tasks and return their table; the first one is the baseline."""
    shares = {}
    for name, task in tasks.items():  # this is also the warm-up
        progress(f"profiling {name}")
        shares[name] = convolution_share(task.call)
    seconds = measure(tasks, turns)
    baseline = seconds[next(iter(tasks))]
    rows = []
    for name, task in tasks.items():
        ratios = [a / b for a, b in zip(baseline, seconds[name], strict=True)]
        rate = task.gflop / median(seconds[name])
        rows.append(
            (
                name,
                f"{median(seconds[name]):.3f}",
                f"{median(ratios):.1f}x",
                f"{rate:.0f}",
                f"{shares[name]:.0%}",
                differences.get(name, ""),
            )
        )
    header = ("", f"s per {unit}", "faster", "GFLOP/s", "convolution", "difference")
    return table(header, rows)


# --- inference ----------------------------------------------------------------------


def inference(plain: PlainUDVD, net: UDVD, size: int, turns: int) -> None:
    """Time streaming inference of a movie of size x size pixels."""
    generator = torch.Generator().manual_seed(1)
    movie = torch.randn(12, 1, 1, size, size, generator=generator)
    window = movie[:5, 0, 0][None]

    def run_plain() -> Tensor:
        with torch.inference_mode():
            out: Tensor = plain(window)
        return out

    progress("plain: the numbers to compare with")
    expected = run_plain()
    tasks = {
        "plain, float32": Task(
            run_plain, 1, plain_gflop(plain, size, size, training=False)
        )
    }
    differences = {}
    gflop = our_gflop(net, size, size, 1, 1, training=False)
    for name, dtype in PRECISIONS.items():
        stream = _Stream(net, movie.to(dtype))
        found = stream.first()
        assert found is not None
        gap = found - expected
        differences[f"ours, {name}"] = _rms_and_largest(gap, expected.std())
        tasks[f"ours, {name}"] = Task(stream.turn, FRAMES_PER_TURN, gflop)
    print(f"\n### Streaming inference, {size} x {size}, width {net.width}\n")
    print(report(tasks, turns, "frame", differences))
    counted = _counted_inference(net, movie)
    print(
        f"\nOperations per frame: {tasks['plain, float32'].gflop:.0f} GFLOP as "
        f"published, {gflop:.0f} reformulated ({counted:.0f} as torch counts them in "
        "float32, with borders and overlap). Difference: of the outputs, rms and "
        "largest, in standard deviations of the output."
    )


def _counted_inference(net: UDVD, movie: Tensor) -> float:
    """Operations of one more output frame."""
    shapes_only, frames = copy.deepcopy(net).to("meta"), movie.to("meta")
    with_one, with_none = (
        counted_gflop(partial(_Stream(shapes_only, frames).first, outputs))
        for outputs in (1, 0)
    )
    return with_one - with_none


def _rms_and_largest(gap: Tensor, unit: Tensor) -> str:
    relative = gap / unit
    rms = float(relative.square().mean().sqrt())
    return f"{rms:.0e}, {float(relative.abs().max()):.0e}"


class _Stream:
    """A stream that is fed with the frames of a movie, over and over."""

    def __init__(self, net: UDVD, movie: Tensor) -> None:
        self._stream, self._movie, self._at = UDVDStream(net), movie, 0

    def first(self, outputs: int = 1) -> Tensor | None:
        """Push frames until there is an output; one less for ``outputs=0``."""
        for _ in range(4 + outputs):
            out = self._push()
        return out

    def turn(self) -> None:
        for _ in range(FRAMES_PER_TURN):
            self._push()

    def _push(self) -> Tensor | None:
        frame = self._movie[self._at % len(self._movie)]
        self._at += 1
        with torch.inference_mode():
            prediction = self._stream.push(frame)
        return None if prediction is None else prediction.mean


# --- training -----------------------------------------------------------------------


def training(plain: PlainUDVD, net: UDVD, size: int, turns: int) -> None:
    """Time forward and backward of four output frames of size x size pixels."""
    generator = torch.Generator().manual_seed(2)
    clip = torch.randn(1, 8, 1, size, size, generator=generator)
    windows = torch.cat([clip[:, k : k + 5] for k in range(4)])
    net.train()

    def run_plain() -> None:
        plain.zero_grad()
        plain(windows[:, :, 0]).square().mean().backward()

    def ours(net: UDVD, batch: Tensor) -> Callable[[], None]:
        def run() -> None:
            net.zero_grad()
            net(Clip(batch, NO_NOISE)).mean.square().mean().backward()

        return run

    progress("plain: the numbers to compare with")
    run_plain()
    gradients = {n: p.grad for n, p in plain.named_parameters() if p.grad is not None}
    expected = _ours(gradients)
    tasks = {
        "plain, float32": Task(
            run_plain, 1, 4 * plain_gflop(plain, size, size, training=True)
        )
    }
    differences = {}
    gflop = {
        "clip of 8 frames": our_gflop(net, size, size, 6, 4, training=True),
        "4 windows of 5 frames": our_gflop(net, size, size, 12, 4, training=True),
    }
    for name, dtype in PRECISIONS.items():
        for what, batch in zip(gflop, (clip, windows), strict=True):
            title = f"ours, {what}, {name}"
            tasks[title] = Task(ours(net, batch.to(dtype)), 1, gflop[what])
            tasks[title].call()
            differences[title] = _gradient_gap(net, expected)
    print(f"\n### Training step of four {size} x {size} frames, width {net.width}\n")
    print(report(tasks, turns, "step", differences))
    shapes_only = copy.deepcopy(net).to("meta")
    counted = [
        counted_gflop(ours(shapes_only, batch.to("meta"))) for batch in (clip, windows)
    ]
    print(
        "\nOperations per step: "
        f"{tasks['plain, float32'].gflop:.0f} GFLOP as published; reformulated, "
        + " and ".join(
            f"{nominal:.0f} for a {what} ({count:.0f} as torch counts them)"
            for (what, nominal), count in zip(gflop.items(), counted, strict=True)
        ).replace("a 4", "4")
        + ". Difference: of all gradients, as a share of their norm; and the largest, "
        "as a share of the largest gradient in the same layer."
    )


def _gradient_gap(net: UDVD, expected: UDVD) -> str:
    """Difference of all gradients together, and the largest of any weight."""
    squares = wanted_squares = largest = 0.0
    for ours, theirs in zip(net.parameters(), expected.parameters(), strict=True):
        assert ours.grad is not None
        wanted = theirs.detach()
        gap = ours.grad - wanted
        squares += float(gap.square().sum())
        wanted_squares += float(wanted.square().sum())
        largest = max(largest, float(gap.abs().max() / wanted.abs().max()))
    return f"{(squares / wanted_squares) ** 0.5:.0e}, {largest:.0e}"


# --- weight gradient ----------------------------------------------------------------


def weight_gradients(shapes: Sequence[tuple[int, ...]], turns: int) -> None:
    """Time our weight gradient of 3x3 convolutions beside torch's."""
    rows = []
    for shape in shapes:
        for name, dtype in PRECISIONS.items():
            x, grad, weight = _layer(shape, dtype)
            theirs = partial(_weight_gradient_of_torch, grad, x, weight)
            ours = partial(_weight_gradient_of_ours, grad, x, weight)
            wanted = theirs().float()
            gap = float((ours().float() - wanted).abs().max() / wanted.abs().max())
            gflop = 2 * weight.numel() * x[:, 0].numel() / 1e9
            tasks = {"torch": Task(theirs, 1, gflop), "ours": Task(ours, 1, gflop)}
            seconds = measure(tasks, turns)
            pairs = zip(seconds["torch"], seconds["ours"], strict=True)
            images, inputs, outputs, height, width = shape
            rows.append(
                (
                    f"{images} x {inputs} to {outputs} x {height} x {width}, {name}",
                    f"{1e3 * median(seconds['torch']):.0f}",
                    f"{1e3 * median(seconds['ours']):.0f}",
                    f"{median(a / b for a, b in pairs):.1f}x",
                    f"{gflop / median(seconds['ours']):.0f}",
                    f"{gap:.0e}",
                )
            )
    print("\n### Weight gradient of a 3x3 convolution\n")
    header = ("images x channels x rows x columns", "torch, ms", "ours, ms")
    print(table((*header, "faster", "GFLOP/s", "difference"), rows))


def _layer(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Input, gradient of the output, and weight of a causal convolution."""
    images, inputs, outputs, rows, columns = shape
    generator = torch.Generator().manual_seed(3)
    sizes = (
        (images, inputs, rows, columns),
        (images, outputs, rows + 2, columns),  # two rows are padded on both sides
        (outputs, inputs, 3, 3),
    )
    x, grad, weight = (
        torch.randn(size, generator=generator).to(
            dtype, memory_format=torch.channels_last
        )
        for size in sizes
    )
    return x, grad, weight


def _weight_gradient_of_torch(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    gradients = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [1, 1], CAUSAL, [1, 1], False, [0, 0], 1,
        [False, True, False],
    )  # fmt: skip
    found: Tensor = gradients[1]
    return found


def _weight_gradient_of_ours(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    _, found = _causal_backward(grad, x, weight, 0, (False, True))
    assert found is not None
    return found


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("inference", "training", "weight-gradient")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=48, help="48 as published")
    parser.add_argument("--size", type=int, default=512, help="of a frame, in pixels")
    parser.add_argument("--patch", type=int, default=128, help="of a training step")
    parser.add_argument("--turns", type=int, default=3, help="repeats")
    parser.add_argument("--images", type=int, help="of the weight gradients' layers")
    options = parser.parse_args()
    set_up(options.threads)
    print(machine())
    plain, net = same_networks(options.width)
    if "inference" in options.parts:
        inference(plain, net, options.size, options.turns)
    if "training" in options.parts:
        training(plain, net, options.patch, options.turns)
    if "weight-gradient" in options.parts:
        shapes = [
            (options.images or images, *layer) for images, *layer in GRADIENT_SHAPES
        ]
        weight_gradients(shapes, options.turns)


if __name__ == "__main__":
    main()
