"""The average over mirrored and turned views of a movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.models import STBN, Clip, Prediction
from napari_udvd.models.views import count_views, sweep_views
from tiny import ANY_NOISE, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLES = [(1, 1), (3, 3), (3, 1), (1, 5)]


def clip_of(*shape: int) -> torch.Tensor:
    values = np.random.default_rng(0).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_the_average_is_that_of_all_views_with_the_same_hole(
    hole: tuple[int, int],
) -> None:
    net = tiny_center_blind(hole=hole)
    clip, windows = clip_of(10, 1, 14, 11), [range(9), range(1, 10)]
    with torch.inference_mode():
        found = list(
            sweep_views(net, Clip(clip[None], ANY_NOISE), windows, torch.float32)
        )
        for k, window in enumerate(windows):
            views = []
            for turns in range(4) if hole[0] == hole[1] else (0, 2):
                for mirrored in (False, True):
                    seen = clip[list(window)].rot90(turns, (2, 3))
                    seen = seen.flip(3) if mirrored else seen
                    mean = net(Clip(seen[None], ANY_NOISE)).mean[0, 0]
                    mean = mean.flip(2) if mirrored else mean
                    views.append(mean.rot90(-turns, (1, 2)))
            assert len(views) == count_views(hole)
            assert (views[0] - views[-1]).abs().max() > 0.1
            expected = torch.stack(views).mean(0)
            torch.testing.assert_close(found[k].mean[0], expected, rtol=0, atol=1e-3)
            assert found[k].factor.shape == (1, 1, 1, 14, 11)


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
    with torch.inference_mode():
        found = list(
            sweep_views(net, Clip(clip[None], ANY_NOISE), windows, torch.float32)
        )
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
def test_no_view_looks_into_the_hole(hole: tuple[int, int]) -> None:
    net = tiny_center_blind(hole=hole)
    clip = clip_of(9, 1, 17, 17)
    other, (y, x) = clip.clone(), (8, 9)
    rows, columns = np.indices((17, 17))
    hidden = (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)
    other[4, :, torch.from_numpy(hidden)] = 1e3
    with torch.inference_mode():
        one, two = (
            next(
                sweep_views(
                    net, Clip(frames[None], ANY_NOISE), [range(9)], torch.float32
                )
            )
            for frames in (clip, other)
        )
    assert torch.equal(one.mean[..., y, x], two.mean[..., y, x])
    assert torch.equal(one.factor[..., y, x], two.factor[..., y, x])
    assert (one.mean - two.mean).abs().max() > 1
