"""What held-out frames say of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.scaling import Calibration
from napari_udvd.models import Clip, ClipFlow, Prediction
from napari_udvd.noise import NoiseModel
from napari_udvd.planes import Series
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training import validation
from napari_udvd.training.flow_course import movement
from napari_udvd.training.sampling import Movie
from napari_udvd.training.validation import Validation

CAMERA = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)
CALIBRATION = Calibration(130.0, 60.0, CAMERA)


class Known:
    """Stands in for a network: predicts what a test wants, in grey levels."""

    def __init__(self, context: int, predict: Any) -> None:
        self.context, self._predict = context, predict

    def predict(self, clip: Clip, precision: Any) -> Prediction:
        grey = clip.frames * CALIBRATION.scale + CALIBRATION.offset
        found = self._predict(grey, self.context)
        return Prediction((found - CALIBRATION.offset) / CALIBRATION.scale)

    predict_fairly = predict


def validation_of(stack: Stack, context: int = 2) -> Validation:
    movie = Movie(stack, Series((0,), 0), DENOISE.hold_out(stack.n_frames))
    return Validation(
        [movie],
        [CALIBRATION],
        task=DENOISE,
        context=context,
        device=torch.device("cpu"),
        precision=torch.float32,
    )


def verdict_of(stack: Stack, predict: Any, context: int = 2) -> tuple[str, ...]:
    net: Any = Known(context, predict)
    return validation_of(stack, context).verdict(net).warnings


MOVIE = simulate("calcium", frames=24, shape=(64, 64), seed=3, photons=20)


def average(grey: torch.Tensor, context: int) -> torch.Tensor:
    return (grey[:, context - 1] + grey[:, context + 1])[:, None] / 2


def test_a_good_network_gives_no_sentence() -> None:
    # four frames average better than two
    def good(grey: torch.Tensor, context: int) -> torch.Tensor:
        return (grey.sum(1, keepdim=True) - grey[:, context, None]) / (2 * context)

    still = np.broadcast_to(MOVIE.truth.read()[0], (24, 64, 64))
    rng = np.random.default_rng(0)
    noisy = rng.normal(still, np.sqrt(CAMERA.variance(still))).astype("f4")
    assert verdict_of(Stack.from_array(noisy, "TYX"), good) == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda grey, context: torch.full_like(grey[:, context, None], 100.0),
        lambda grey, context: torch.full_like(grey[:, context, None], 1e4),
        lambda grey, context: grey[:, context, None].flip(-1),
        lambda grey, context: grey[:, context, None] * torch.nan,
    ],
    ids=["dark", "bright", "mirrored", "not a number"],
)
def test_nonsense_is_no_better_than_the_noisy_movie(nonsense: Any) -> None:
    (said,) = verdict_of(MOVIE.noisy, nonsense)
    assert "no better than the noisy movie" in said
    assert "do not use it" in said


def test_what_is_no_better_than_a_plain_average() -> None:
    def worse(grey: torch.Tensor, context: int) -> torch.Tensor:
        wave = torch.linspace(0, 60, grey.shape[-1]).sin()
        return average(grey, context) + 2 * wave

    (said,) = verdict_of(MOVIE.noisy, worse)
    assert "no better than a plain average" in said
    assert "train longer" in said


def test_a_result_without_content_is_told() -> None:
    # so dim that the right grey level is far better than an average of two frames
    truth = np.full((24, 64, 64), 200.0)
    truth[:, 20:40, 20:40] = 212
    rng = np.random.default_rng(0)
    noisy = rng.normal(truth, np.sqrt(CAMERA.variance(truth))).astype("f4")
    stack = Stack.from_array(noisy, "TYX")

    def level(grey: torch.Tensor, context: int) -> torch.Tensor:
        return torch.full_like(grey[:, :1], float(truth.mean()))

    def right(grey: torch.Tensor, context: int) -> torch.Tensor:
        return torch.from_numpy(truth[0]).float().expand_as(grey[:, :1])

    (said,) = verdict_of(stack, level)
    assert "nothing that an empty frame" in said
    assert verdict_of(stack, right) == ()


def test_a_little_better_than_the_average_is_better() -> None:
    # half-way to the truth, which is better whatever moves
    truth = MOVIE.truth.read()

    def better(grey: torch.Tensor, context: int) -> torch.Tensor:
        found = average(grey, context)
        distance = [
            float(np.abs(MOVIE.noisy.read()[t] - grey[0, context, 0].numpy()).max())
            for t in range(24)
        ]
        clean = torch.from_numpy(truth[int(np.argmin(distance))])
        return found + 0.5 * (clean - found)

    assert verdict_of(MOVIE.noisy, better) == ()


def test_a_network_of_one_frame_is_judged_too() -> None:
    # it has no context of its own, but the frames before and after are there
    (said,) = verdict_of(
        MOVIE.noisy, lambda grey, _: torch.full_like(grey[:, :1], 1e4), context=0
    )
    assert "no better than the noisy movie" in said


@pytest.mark.parametrize("context", [1, 4, 20])
@pytest.mark.parametrize("n_frames", [2, 3, 5, 21, 50])
def test_no_window_shows_the_frame_that_it_judges_twice(
    n_frames: int, context: int
) -> None:
    # a network that finds the noise there would look perfect
    t = np.arange(n_frames, dtype="f4")[:, None, None]
    stack = Stack.from_array(np.broadcast_to(t, (n_frames, 16, 16)), "TYX")
    for window in validation_of(stack, context)._windows:
        frames = window.clip[:, 0, 0, 0].tolist()
        assert len(frames) == 2 * context + 1
        assert frames.count(frames[context]) == 1


def test_held_out_frames_are_judged_where_there_is_structure() -> None:
    data = np.zeros((20, 300, 310), "f4")
    data[:, 200:280, 150:290] = np.random.default_rng(0).uniform(0, 9, (20, 80, 140))
    for window in validation_of(Stack.from_array(data, "TYX"))._windows:
        assert window.clip.shape[-2:] == (validation.EDGE, validation.EDGE)
        assert window.clip[2, 0].std() > 1.5 * data[0].std()


def test_the_advantage_of_one_network_over_another() -> None:
    judge = validation_of(MOVIE.noisy)
    blurred: Any = Known(2, average)
    worse: Any = Known(2, lambda grey, k: grey[:, k - 1 : k])
    gain, error = judge.advantage(blurred, worse)
    assert gain > 5 * error > 0
    assert judge.advantage(worse, blurred) == pytest.approx((-gain, error))
    assert judge.advantage(blurred, blurred) == (0, 0)
    # it is the difference of the losses
    assert gain == pytest.approx(judge.loss(worse) - judge.loss(blurred), rel=1e-6)


class Drifts:
    """Stands in for STBN: says by how much the frames of a clip move."""

    def __init__(self, lasting: float, common: float, noise: float) -> None:
        self._rng = np.random.default_rng(0)
        self._sizes = lasting, common, noise

    def estimate_flow(self, clip: torch.Tensor, precision: Any) -> ClipFlow:
        frames, _, height, width = clip.shape[1:]
        lasting, common, noise = self._sizes
        shape = (frames - 1, 2, height, width)
        flow = noise * self._rng.standard_normal(shape)
        flow[:, 0, :, : width // 2] += lasting  # two halves pass each other
        flow[:, 0, :, width // 2 :] -= lasting
        flow[:, 1] += common * self._rng.choice([-1, 1], frames - 1)[:, None, None]
        found = torch.from_numpy(flow)[None]
        return ClipFlow(found, -found)


@pytest.mark.parametrize(
    ("lasting", "common", "expected"), [(0.5, 0, 0.5), (0, 0.7, 0.7), (0, 0, 0)]
)
def test_movement_is_what_lasts_or_what_all_pixels_share(
    lasting: float, common: float, expected: float
) -> None:
    net: Any = Drifts(lasting, common, noise=1.0)
    clips = validation_of(MOVIE.noisy).clips()
    found = movement(net, clips, torch.float32)
    assert found == pytest.approx(expected, abs=0.08)


# --- the best mean of two -------------------------------------------------------------


def noisy_steps() -> Stack:
    """Left half dim and right half bright, with the noise of the camera."""
    truth = np.broadcast_to(np.where(np.arange(40) < 20, 130.0, 400.0), (30, 40, 40))
    rng = np.random.default_rng(0)
    noisy = truth + rng.standard_normal(truth.shape) * np.sqrt(CAMERA.variance(truth))
    return Stack.from_array(noisy.astype(np.float32), "TYX")


def says(dim: float, bright: float) -> Any:
    """Make a network that says one grey level on the left, and one on the right."""
    levels = torch.where(torch.arange(40) < 20, dim, bright)
    return Known(2, lambda grey, context: levels.expand(1, 1, 1, 40, 40))


def test_the_error_of_a_prediction_is_known_in_units_of_the_noise() -> None:
    judge = validation_of(noisy_steps())
    assert judge.error(says(130.0, 400.0)) == pytest.approx(0, abs=0.05)
    # 63 and 603 are the variances of the noise
    off = (63.0**0.5, 603.0**0.5)
    worse = judge.error(says(130.0 - off[0], 400.0 + off[1]))
    expected = (
        (63 + 63) / (CAMERA.variance(130 - off[0]))
        + (603 + 603) / (CAMERA.variance(400 + off[1]))
    ) / 2 - 1
    assert worse == pytest.approx(float(expected), rel=0.1)


def test_the_best_mean_of_two_predictions() -> None:
    judge = validation_of(noisy_steps())
    dim, bright = 130.0, 400.0
    for net, other, share in (
        (says(dim, bright), says(dim - 6, bright - 20), 1.0),
        (says(dim - 6, bright - 20), says(dim, bright), 0.0),
        (says(dim + 3, bright + 10), says(dim - 6, bright - 20), 2 / 3),
    ):
        for found in judge.shares(net, other):
            assert found.share == pytest.approx(share, abs=4 * found.error)
            assert 0 < found.error < 0.1
    # better where it is dim, worse where it is bright: it depends on what counts
    in_noise, in_grey = judge.shares(says(dim, bright - 10), says(dim - 10, bright))
    assert in_noise.share > 0.8
    assert in_grey.share == pytest.approx(0.5, abs=0.1)
    same = judge.shares(says(dim, bright), says(dim, bright))
    assert [tuple(each) for each in same] == [(0.0, 0.0)] * 2
