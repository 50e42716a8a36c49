"""Students: what they learn from, who judges them, and what becomes of a movie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from blurred_scenes import PLAIN, result_of, untrained
from napari_udvd.errors import InputError
from napari_udvd.inference.flashes import Flash
from napari_udvd.models.improvers import build_improver
from napari_udvd.sharpening import Clock, Effort, lesson_and_test
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.steadying import SteadyDenoiser, Student, _student
from napari_udvd.steadying._copies import Copies, Copy
from napari_udvd.steadying._denoiser import SteadyBlocks
from tiny import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOVIE = simulate("nuclei", frames=13, shape=(32, 32), photons=20, seed=1)

FRAMES = MOVIE.noisy.read().reshape(13, 32, 32).astype(np.float32)


def student(*, used: bool = True, is_filled: bool = True) -> Student:
    """Make one of random weights, or one that has learned nothing."""
    net = build_improver("s2svr", seen=_student.SEEN)
    if is_filled:
        fill(net)
    return Student(net.eval(), used, 20.0, 0.1, False, None, 3.0, 1.0, "")


def test_what_has_learned_nothing_or_is_not_used_adds_nothing() -> None:
    light = FRAMES - 100
    assert not student(is_filled=False).added(light, light).any()
    assert not student(used=False).added(light, light).any()
    assert student().added(light, light).any()


def test_a_large_frame_has_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.tile(FRAMES[:4] - 100, (1, 3, 1))
    net = build_improver("s2svr", seen=_student.SEEN)
    fill(net)
    with torch.no_grad():  # what goes on from frame to frame has no end of its own
        for weight in net.encoder.parameters():
            weight.mul_(0.3)
    one = replace(student(), net=net.eval())
    whole = one.added(wide, wide)
    monkeypatch.setattr(_student, "TILE", 64)
    apart = one.added(wide, wide)
    assert np.abs(apart - whole).max() < 0.02 * np.abs(whole).max()


def test_what_was_not_measured_is_left_out() -> None:
    light = FRAMES - 100
    light[3] = np.nan
    found = student().added(light, light)
    assert not found[3].any() and found[2].any() and np.isfinite(found).all()
    light[1:] = np.nan
    assert not student().added(light, light).any()  # one frame is no movie


def test_copies_have_opposite_noise_and_teach_each_other() -> None:
    frames = FRAMES.copy()
    frames[:, 5, 6] = np.nan
    stack = Stack.from_array(frames, "TYX")
    model = untrained(stack)
    parts = lesson_and_test(model, stack, 0)
    assert parts is not None
    lesson, test = parts
    copies = Copies(model, stack, 0, PLAIN, ())
    light, (one, other) = result_of(copies.alike(lesson, 0))
    count = lesson.at.stop - lesson.at.start
    assert light.shape == one.noisy.shape == (count, 32, 32)
    recorded = (frames[:count] - 100) / copies.unit
    mean = (one.noisy + other.noisy).numpy() / 2
    known = np.isfinite(recorded)
    np.testing.assert_allclose(mean[known], recorded[known], atol=1e-5)
    assert one.taught is other.denoised and other.taught is one.denoised
    assert torch.equal(one.other, other.noisy)
    assert not torch.equal(one.denoised, other.denoised)
    np.testing.assert_array_equal((one.weight > 0).numpy(), known)
    judge = result_of(copies.judging(test, 1))
    assert judge.taught is None and judge.noisy.shape[0] == 3
    # the judge has more noise than lessons have
    assert judge.weight.max() < one.weight.max()


def chance(seed: int, *, biased: float = 0.0) -> tuple[Copy, Copy]:
    """Make copies of an empty scene: for lessons and the first judge, and the other."""
    draw = torch.Generator().manual_seed(seed)
    first, second, noise = (
        torch.randn(8, 64, 64, generator=draw) * scale for scale in (0.1, 0.1, 1.0)
    )
    weight = torch.ones(8, 64, 64)
    test = Copy(first, first, noise, second + biased, weight)
    return test, test._replace(taught=None)


@pytest.mark.parametrize(
    ("added", "biased", "used", "said"),
    [
        (lambda light: -light, 0.0, True, "closer to those of an independent copy"),
        (lambda light: light, 0.0, False, "no steadier"),
        (lambda light: 1.0 - light, 1.0, False, "steadier, but further"),
    ],
)
def test_both_judges_must_be_for_it(
    monkeypatch: pytest.MonkeyPatch, added: Any, biased: float, used: bool, said: str
) -> None:
    monkeypatch.setattr(_student, "_added", lambda net, noisy, light, *_: added(light))
    found = _student._judged("s2svr", student(), *chance(1, biased=biased))
    assert found.used == used and said in found.reason
    assert (found.steadier > 2) == (said != "no steadier")


def test_it_learns_what_is_chance() -> None:
    torch.manual_seed(0)
    net = build_improver("s2svr", seen=_student.SEEN)
    lessons = [chance(seed)[0] for seed in (2, 3)]
    lessons = [
        Copy(*(None if each is None else each[:6, :16, :16] for each in lesson))  # type: ignore[arg-type]
        for lesson in lessons
    ]
    scale = _student._chance(lessons)
    assert scale == pytest.approx(0.1, rel=0.1)
    clock = Clock(Effort(steps=24))
    losses = list(_student._learn(net, lessons, clock, 0, scale, follows=False))
    assert len(losses) == 24
    # half of the distance is the other's chance, which nobody can know
    assert np.mean(losses[-6:]) < 0.95 < np.mean(losses[:2])


class Inner:
    """Denoises to what a movie is, with an event."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.series = (
            untrained(Stack.from_array(frames, "TYX"))
            .blocks(Stack.from_array(frames, "TYX"), PLAIN)
            .series
        )
        self.pixels_seen = frames[0].size

    def steps(self, series: Any, start: int, stop: int) -> Iterator[Any]:
        yield None
        yield self._frames[start:stop, None].copy(), None

    def flashes_in(self, series: Any, start: int, stop: int) -> Sequence[Flash]:
        flash = Flash(5, 0, 0, 10, 12, "pixel", 50.0, 9.0, 1.0)
        return [flash] if start <= 5 < stop else []


def test_a_frame_is_the_same_whatever_it_is_asked_for_with() -> None:
    stack = Stack.from_array(FRAMES, "TYX")
    inner: Any = Inner(FRAMES)
    (series,) = inner.series
    blocks = SteadyBlocks(inner, stack, [student()], [100.0])
    whole, _ = blocks.block(series, 0, 13)
    part, _ = blocks.block(series, 6, 9)
    np.testing.assert_array_equal(part, whole[6:9])
    changed = whole[:, 0] != FRAMES
    assert changed[4].mean() > 0.9
    event = slice(7, 14), slice(9, 16)
    assert not changed[5][event].any() and changed[5].mean() > 0.8


def test_gaps_are_left_as_denoising_leaves_them() -> None:
    frames = FRAMES.copy()
    frames[:, 5, 6] = np.nan
    stack = Stack.from_array(frames, "TYX")
    inner: Any = Inner(frames)
    (series,) = inner.series
    found, _ = SteadyBlocks(inner, stack, [student()], [100.0]).block(series, 0, 3)
    assert np.isnan(found[:, 0, 5, 6]).all()
    found[:, 0, 5, 6] = 0
    assert np.isfinite(found).all()


def test_a_movie_that_is_too_short_stays_the_denoised_one() -> None:
    stack = Stack.from_array(FRAMES[:3], "TYX")
    model = untrained(stack)
    effort = Effort(steps=1)
    steady = result_of(SteadyDenoiser.fitted("s2svr", model, stack, PLAIN, effort))
    (found,) = steady.students
    assert not found.used and "too few frames" in found.reason
    how: dict[str, Any] = {"events": False, "refine": False, "dtype": np.float32}
    np.testing.assert_array_equal(
        steady.denoise(stack, **how), model.denoise(stack, **how)
    )
    assert steady.provenance(stack)["students"] == [found.to_dict()]


def test_there_is_no_file_and_no_standard_deviation_of_it() -> None:
    stack = Stack.from_array(FRAMES, "TYX")
    known = untrained(stack)
    steady = SteadyDenoiser(
        known.net, known.calibrations, record=known.record, students=(student(),)
    )
    with pytest.raises(InputError, match="leave `save` out"):
        steady.save("model.safetensors")
    with pytest.raises(InputError, match="no standard deviation"):
        steady.blocks(stack, replace(PLAIN, with_std=True))
