"""The average over mirrored and turned views of a movie."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.models import STBN, UDVD, CenterBlind, Clip, Geometry, Prediction
from napari_udvd.models.views import (
    Views,
    count_views,
    predict_pixel_in_views,
    sweep_views,
)
from tiny import ANY_NOISE, tiny_center_blind, tiny_net

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_udvd.models import Network

HOLES = [(1, 1), (3, 3), (3, 1), (1, 5)]

FLIPS: list[tuple[int, ...]] = [(), (2, 3), (2,), (3,)]
"""Axes of ``(T, C, H, W)`` that are mirrored in one view after the other."""

PARTS = [slice(2), slice(2, 4)]


def clip_of(*shape: int) -> torch.Tensor:
    values = np.random.default_rng(0).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def swept(
    net: Network, frames: torch.Tensor, windows: Any, count: int
) -> list[Prediction]:
    clip = Clip(frames[None], ANY_NOISE)
    with torch.inference_mode():
        return list(sweep_views(net, clip, windows, torch.float32, count))


def test_a_network_says_how_many_views_it_needs() -> None:
    fast, other = tiny_center_blind(), tiny_net()
    assert count_views(fast) == CenterBlind.least_views == 2
    assert count_views(other) == UDVD.least_views == STBN.least_views == 1
    assert count_views(fast, True) == count_views(other, True) == 8
    assert count_views(tiny_center_blind(hole=(3, 1)), True) == 4


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("every", [False, True])
def test_the_average_is_that_of_views_with_the_same_hole(
    hole: tuple[int, int], every: bool
) -> None:
    net = tiny_center_blind(hole=hole)
    clip, windows = clip_of(10, 1, 14, 12), [range(9), range(1, 10)]
    count = count_views(net, every)
    found = swept(net, clip, windows, count)
    for k, window in enumerate(windows):
        views = []
        for view in range(count):
            seen, flips = clip[list(window)], FLIPS[view % 4]
            seen = (seen.transpose(2, 3) if view >= 4 else seen).flip(flips)
            # one in two runs backwards in time
            seen = seen.flip(0) if view % 2 else seen
            with torch.inference_mode():
                mean = net(Clip(seen[None], ANY_NOISE)).mean[0].flip(flips)[0]
            views.append(mean.transpose(1, 2) if view >= 4 else mean)
        assert (views[0] - views[-1]).abs().max() > 0.1
        expected = torch.stack(views).mean(0)
        torch.testing.assert_close(found[k].mean[0], expected, rtol=0, atol=1e-3)
        assert found[k].factor.shape == (1, 1, 1, 14, 12)


class Weaving:
    """Predicts zero, and beside it a weave along rows, columns and both."""

    geometry = Geometry(context=0, radius=0, grid=8, least_frames=1)
    hole, shares_frames = (1, 1), False

    def prepare(self, clip: Clip) -> Clip:
        return clip

    def sweep_prepared(self, clip: Clip, windows: Any, _: Any) -> Iterator[Prediction]:
        height, width = clip.frames.shape[-2:]
        rows, columns = (-1.0) ** torch.arange(height), (-1.0) ** torch.arange(width)
        weave = 1 * rows[:, None] + 2 * columns + 4 * rows[:, None] * columns
        for _window in windows:
            yield Prediction(weave[None, None])


@pytest.mark.parametrize("shape", [(16, 18), (17, 18), (16, 13), (15, 21)], ids=str)
def test_views_take_a_weave_out_whether_sides_are_even_or_odd(
    shape: tuple[int, int],
) -> None:
    net: Any = Weaving()
    inner = ..., slice(shape[0] // 2 * 2), slice(shape[1] // 2 * 2)
    for count in (2, 4, 8):
        (found,) = swept(net, torch.zeros(1, 1, *shape), [range(1)], count)
        left = found.mean[inner].abs()
        # two views cannot take out what alternates along both sides
        assert (left == (4 if count == 2 else 0)).all()


def test_the_last_row_of_an_odd_side_is_seen_by_the_views_that_have_it() -> None:
    net = tiny_center_blind()
    clip = clip_of(9, 1, 13, 15)
    (one,), (two,) = (swept(net, clip, [range(9)], count) for count in (1, 2))
    for edge in ((..., -1, slice(None)), (..., slice(None), -1)):
        torch.testing.assert_close(two.mean[edge], one.mean[edge])
        torch.testing.assert_close(two.factor[edge], one.factor[edge])
    assert (one.mean - two.mean)[..., :-1, :-1].abs().mean() > 0.01


@pytest.mark.parametrize("zoom", [1, 2])
def test_masks_are_turned_with_the_frames_and_larger_pictures_back(zoom: int) -> None:
    """A network that puts out its frame, zero where nothing was measured."""

    def sweep(clip: Clip, windows: Any, _: Any) -> Iterator[Prediction]:
        for (t,) in windows:
            seen = clip.frames[:, t] * clip.mask[:, t]
            seen = seen.repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)
            yield Prediction(seen)

    geometry = Geometry(context=0, radius=0, grid=2, least_frames=1, zoom=zoom)
    net: Any = SimpleNamespace(
        geometry=geometry,
        hole=(1, 1),
        shares_frames=False,
        prepare=lambda clip: clip,
        sweep_prepared=sweep,
    )
    frames, mask = clip_of(2, 1, 5, 8), clip_of(2, 1, 5, 8) > 0
    clip = Clip(frames[None], ANY_NOISE, mask[None])
    for count in (2, 8):
        found = sweep_views(net, clip, [[0], [1]], torch.float32, count)
        for t, (mean, _) in enumerate(found):
            expected = (frames * mask)[t].repeat_interleave(zoom, 1)
            expected = expected.repeat_interleave(zoom, 2)
            torch.testing.assert_close(mean[0], expected)


def test_what_all_windows_have_in_common_is_done_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, clip = tiny_center_blind(), clip_of(12, 1, 9, 12)
    windows = [range(k, k + 9) for k in range(4)]
    expected = swept(net, clip, windows, 2)
    prepare, prepared = net.prepare, []

    def counted(clip: Clip) -> Clip:
        prepared.append(clip)
        return prepare(clip)

    monkeypatch.setattr(net, "prepare", counted)
    with torch.inference_mode():
        views = Views(net, Clip(clip[None], ANY_NOISE), 2)
        # two runs at a time, as two cores take them
        runs = [views.sweep(windows[part], torch.float32) for part in PARTS]
        found = [prediction for run in runs for prediction in run]
    assert len(prepared) == 1
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.mean, other.mean)
        assert torch.equal(one.factor, other.factor)


@pytest.mark.parametrize("likelihood", [True, False])
def test_views_of_a_recurrent_network_do_not_keep_their_features_together(
    likelihood: bool,
) -> None:
    torch.manual_seed(0)
    net = STBN(features=4, modules=1, blocks=1, likelihood=likelihood, context=2)
    clip, windows = clip_of(6, 1, 12, 12), [range(5), range(1, 6)]
    at_work = most = 0

    class Watched(STBN):
        def sweep(self, *arguments: Any) -> Iterator[Prediction]:
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            yield from super().sweep(*arguments)
            at_work -= 1

    net.__class__ = Watched
    found = swept(net, clip, windows, 8)
    with torch.inference_mode():
        one = list(net.sweep(Clip(clip[None], ANY_NOISE), windows, torch.float32))
        turned = net.sweep(
            Clip(clip.rot90(1, (2, 3))[None], ANY_NOISE), windows, torch.float32
        )
        other = [Prediction(p.mean.rot90(-1, (2, 3)), p.factor) for p in turned]
    assert most == 1
    assert len(found) == 2
    for average, a, b in zip(found, one, other, strict=True):
        assert (average.factor is not None) == likelihood
        assert average.mean.shape == a.mean.shape
        # an average is nearer to each than they are to each other
        apart = (a.mean - b.mean).norm()
        assert 0 < (average.mean - a.mean).norm() < apart


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("place", [(8, 9), (16, 16), (14, 15), (15, 0)], ids=str)
def test_no_view_looks_into_the_hole(
    hole: tuple[int, int], place: tuple[int, int]
) -> None:
    net = tiny_center_blind(hole=hole)
    clip = clip_of(9, 1, 17, 17)
    other, (y, x) = clip.clone(), place
    rows, columns = np.indices((17, 17))
    hidden = (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)
    other[4, :, torch.from_numpy(hidden)] = 1e3
    for count in (2, count_views(net, True)):
        (one,), (two,) = (
            swept(net, frames, [range(9)], count) for frames in (clip, other)
        )
        assert torch.equal(one.mean[..., y, x], two.mean[..., y, x])
        assert torch.equal(one.factor[..., y, x], two.factor[..., y, x])
        assert (one.mean - two.mean).abs().max() > 1


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_pixel_is_that_of_the_frame(count: int) -> None:
    net = tiny_center_blind()
    clip = clip_of(9, 1, 21, 18)
    (frame,) = swept(net, clip, [range(9)], count)
    for y, x in [(10, 7), (20, 17), (0, 0), (20, 3)]:
        with torch.inference_mode():
            pixel = predict_pixel_in_views(
                net, Clip(clip[None], ANY_NOISE), 4, y, x, count
            )
        here = ..., slice(y, y + 1), slice(x, x + 1)
        for alone, whole in zip(pixel, frame, strict=True):
            torch.testing.assert_close(alone, whole[here], rtol=1e-4, atol=1e-4)
