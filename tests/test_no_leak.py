"""The noise of a pixel never reaches its own prediction, in no frame of a movie.

A network that sees the noise it is judged by looks perfect and removes nothing. On a
constant signal whatever a prediction shares with its own noisy pixel is such a leak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.formats import ArraySink
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.models import CenterBlind, Clip
from napari_udvd.noise import NoiseModel
from napari_udvd.planes import series_of
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training.learner import Learner
from napari_udvd.training.sampling import ClipSampler, Movie
from tiny import tiny_center_blind

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.models import Network

torch.set_num_threads(1)

CALIBRATION = Calibration(100.0, 60.0, NoiseModel(0.0, 100.0, 10.0))
SIDE = 64
LARGEST = 0.08
"""Of a correlation over 64 x 64 pixels: five standard deviations."""


def noise_movie(n_frames: int) -> npt.NDArray[Any]:
    rng = np.random.default_rng(n_frames)
    return rng.normal(100, 10, (n_frames, SIDE, SIDE)).astype("f4")


def predicted(net: Network, movie: npt.NDArray[Any], ensemble: bool = False) -> Any:
    """Denoise with the prediction alone; the noisy pixel is not put back."""
    stack = Stack.from_array(movie, "TYX")
    with ArraySink(stack) as sink:
        for _ in denoise_stack(
            net,
            [CALIBRATION],
            stack,
            sink,
            use_posterior=False,
            self_ensemble=ensemble,
        ):
            pass
    return sink.array


def leaks(net: Network, movie: npt.NDArray[Any], ensemble: bool = False) -> Any:
    """Correlation of each predicted frame with the noisy one."""
    pairs = zip(movie, predicted(net, movie, ensemble), strict=True)
    return np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])


def trained(net: CenterBlind, movie: npt.NDArray[Any], steps: int) -> CenterBlind:
    """Learn from the movie, fast: a leak is what is learned first."""
    stack = Stack.from_array(movie, "TYX")
    (series,) = series_of(stack)
    sampler = ClipSampler(
        [Movie(stack, series, frozenset())],
        context=net.geometry.context,
        targets=1,
        patch=32,
        transpose=True,
        rng=np.random.default_rng(0),
    )
    scaler, learner = Scaler([CALIBRATION]), Learner(net, torch.float32, DENOISE)
    for _ in range(steps):
        draw = sampler.draw(4)
        clips = scaler.normalise(torch.from_numpy(draw.clips))
        clip = Clip(clips, scaler.noise)
        learner.learn(DENOISE.batch(clip, torch.from_numpy(draw.is_target)), 3e-3)
    return learner.net.eval()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("n_frames", "far", "ensemble"),
    [
        *((n, far, False) for n in (2, 3, 4, 7, 20) for far in ((), (2, 4))),
        (2, (2, 4), True),
        (5, (2, 4), True),
    ],
)
def test_no_pixel_has_a_say_in_its_own_prediction(
    n_frames: int, far: tuple[int, ...], ensemble: bool
) -> None:
    net = tiny_center_blind(near=3, far=far)
    movie = noise_movie(n_frames)[:, :16, :17]
    before, (y, x) = predicted(net, movie, ensemble), (7, 9)
    for t in range(n_frames):
        other = movie.copy()
        other[t, y, x] += 200
        after = predicted(net, other, ensemble)
        assert after[t, y, x] == before[t, y, x], t
        # while its neighbours in space and time do see it
        assert after[t, y, x + 1] != before[t, y, x + 1]
        assert (after[:, y, x] != before[:, y, x]).any()


@pytest.mark.parametrize("n_frames", [2, 5])
def test_nothing_leaks_after_learning_or_averaging(n_frames: int) -> None:
    torch.manual_seed(0)
    movie = noise_movie(n_frames)
    net = trained(CenterBlind(preset="small", near=2, far=(2,)), movie, steps=25)
    for ensemble in (False, True):
        found = leaks(net, movie, ensemble)
        assert np.abs(found).max() < LARGEST, found


def test_a_leak_would_show() -> None:
    # the same with the blind spot opened: it is learned at once
    torch.manual_seed(0)
    net = CenterBlind(preset="small", near=2, far=(2,))
    net.mask = torch.ones_like(net.mask)
    movie = noise_movie(5)
    assert np.abs(leaks(trained(net, movie, steps=25), movie)).min() > 3 * LARGEST


@pytest.mark.parametrize("n_frames", [2, 3, 4, 5, 9])
def test_hidden_neighbours_have_no_say_either(n_frames: int) -> None:
    # for noise that lives on in the next frame
    net = tiny_center_blind(near=3, far=(2,), hidden=1)
    if n_frames < net.geometry.least_frames:
        pytest.skip("the movie is too short for hidden neighbours, and refused")
    movie, (y, x) = noise_movie(n_frames)[:, :16, :17], (7, 9)
    before = predicted(net, movie)
    for t in range(n_frames):
        other = movie.copy()
        near = slice(max(t - 1, 0), t + 2)
        other[near, y, x] += 200
        assert predicted(net, other)[t, y, x] == before[t, y, x], t
