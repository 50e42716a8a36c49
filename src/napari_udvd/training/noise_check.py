"""Is the noise model right? Frames held out answer, at every brightness.

What was measured from differences of frames is compared with what a network leaves
over. The shipped weights know simulated movies of many kinds; they predict frames
without having seen the pixel that they predict, so its squared distance from the
prediction is the noise there plus the error of the prediction. That bounds the noise
from above; less the error that the network expects of itself, it bounds it from
below. A noise model outside of these bounds is contradicted by the movie.

It has to be asked before training: a network that learns with a wrong noise model
takes what is missing into its own uncertainty, and its loss looks right again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.errors import InputError
from napari_udvd.models import Facts, build_network
from napari_udvd.models.catalogue import specs
from napari_udvd.noise import NoiseModel, fit_line
from napari_udvd.planes import Series, middle_plane, missing_frames
from napari_udvd.runtime.device import choose_precision
from napari_udvd.tasks import DENOISE
from napari_udvd.training.sampling import Movie
from napari_udvd.training.validation import Residual, Validation
from napari_udvd.training.warm_start import warm_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["confirm_noise"]

Doubles = npt.NDArray[np.float64]

CONTRADICTED = 1.5
"""Factor between a noise variance and its bounds that is more than their error."""
SURE = 4.0
"""Standard errors by which a bound must be passed."""
GROUP = 64
"""Pixels whose mean square is one number; of these, the median is taken."""
LEAST_GROUPS = 12
"""Groups of a bin of brightness."""
BINS = 16
"""Bins of brightness at most; the brightest are finer and finer."""
RAREST = 20.0
"""Excess kurtosis, above which nothing is said: less than a photon in twenty pixels."""
WORTH = 0.7
"""A correction must bring the model so much nearer to its bounds."""
DETAIL = 6.0
"""Scale of the second difference along both axes that leaves white noise its std."""


class Levels(NamedTuple):
    """Residuals by brightness; one entry for each bin.

    Attributes
    ----------
    level
        Mean prediction, grey levels.
    upper, lower
        Bounds of the noise variance.
    error
        Relative standard error of either.
    """

    level: Doubles
    upper: Doubles
    lower: Doubles
    error: Doubles


def confirm_noise(
    plan: Plan,
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    device: torch.device,
) -> Plan:
    """Correct the noise models of a plan where the movies contradict them.

    Noise that the user gave is not corrected, only doubted.
    """
    calibrations, sentences = [], []
    spec = next(spec for spec in specs().values() if spec.weights is not None)
    facts = Facts(
        n_frames=min(stack.n_frames for stack in stacks),
        source="",
        hole=plan.hole,
        lingers=any(d["blind_neighbours"] for d in plan.diagnoses),
    )
    arguments = spec.arguments(spec.name, spec.settings(), facts)
    for c, calibration in enumerate(plan.calibrations):
        own = [d for d in plan.diagnoses if d["channel"] == c]
        if not own:  # nothing was measured in this channel
            calibrations.append(calibration)
            continue
        with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
            net = build_network(spec.name, arguments)
        fine_share = min(float(d["fine_share"]) for d in own)
        judge = _Judge(stacks, c, calibration, net, fine_share, device)
        noise, sentence = _confirmed(judge, settings.noise is not None)
        calibrations.append(replace(calibration, noise=noise))
        if sentence:
            which = f"channel {c}: " if len(plan.calibrations) > 1 else ""
            sentences.append(which + sentence)
    return replace(
        plan,
        calibrations=tuple(calibrations),
        corrections=(*plan.corrections, *sentences),
    )


class _Judge:
    """The shipped weights, and frames held out of one channel."""

    def __init__(
        self,
        stacks: Sequence[Stack],
        channel: int,
        calibration: Calibration,
        net: Network,
        fine_share: float,
        device: torch.device,
    ) -> None:
        self.noise = calibration.noise
        self._calibration, self._channel = calibration, channel
        self._fine_share, self._device = fine_share, device
        movies = [
            (stack, Series((channel,), plane.z))
            for stack in stacks
            if (plane := middle_plane(stack, channel)) is not None
        ]
        self._movies = [
            Movie(stack, series, held)
            for stack, series in movies
            if (held := DENOISE.hold_out(stack.n_frames, missing_frames(stack, series)))
        ]
        self.is_able = bool(self._movies) and warm_start(net).done
        self._net = net.to(device).eval()

    def levels(self, noise: NoiseModel) -> Levels | None:
        """Bounds of the noise, as the network sees them if it is told `noise`."""
        validation = Validation(
            self._movies,
            [replace(self._calibration, noise=noise)] * (self._channel + 1),
            task=DENOISE,
            context=self._net.geometry.context,
            device=self._device,
            precision=choose_precision(self._device),
        )
        return _by_level(validation.residuals(self._net), self._fine_share, noise)


def _confirmed(judge: _Judge, given: bool) -> tuple[NoiseModel, str]:
    """Noise model that the judge agrees with, and what a user should know."""
    noise = judge.noise
    before = judge.levels(noise) if judge.is_able else None
    wrong = None if before is None else _contradiction(before, noise)
    if before is None or wrong is None:
        return noise, ""
    at, factor = wrong
    bound = "at least" if factor > 1 else "at most"
    said = (
        f"at a brightness of {at:.4g} grey levels the noise variance is {bound} "
        f"{factor:.2g} times what the noise model says, judged by frames held out"
    )
    if given:
        return noise, f"{said}; the noise that was given is used all the same"
    corrected = _fitted(before, noise)
    after = None if corrected is None else judge.levels(corrected)
    if corrected is None or after is None:
        return noise, f"{said}; the result may be less good"
    if _distance(after, corrected) >= WORTH * _distance(before, noise):
        return noise, f"{said}; the result may be less good"
    return corrected, (
        f"{said}; it was corrected: gain {corrected.gain:.3g} and read noise "
        f"{corrected.read_noise:.3g} instead of {noise.gain:.3g} and "
        f"{noise.read_noise:.3g}"
    )


def _contradiction(levels: Levels, noise: NoiseModel) -> tuple[float, float] | None:
    """Brightness at which the model is most wrong, and by which factor at least.

    The factor is the bound that the model violates: a lower one above 1, or an upper
    one below 1.
    """
    model = noise.variance(levels.level)
    margin = np.maximum(CONTRADICTED, 1.0 + SURE * levels.error)
    low = levels.lower / model / margin
    high = levels.upper / model * margin
    worst_low, worst_high = int(low.argmax()), int(high.argmin())
    if max(low[worst_low], 1.0 / max(high[worst_high], 1e-9)) <= 1.0:
        return None
    if low[worst_low] >= 1.0 / max(high[worst_high], 1e-9):
        return float(levels.level[worst_low]), float(low[worst_low] * margin[worst_low])
    return (
        float(levels.level[worst_high]),
        float(high[worst_high] / margin[worst_high]),
    )


def _distance(levels: Levels, noise: NoiseModel) -> float:
    """Mean distance of a model from its bounds, as the logarithm of a factor."""
    model = noise.variance(levels.level)
    below = np.log(np.maximum(levels.lower, 1e-3 * levels.upper) / model)
    above = np.log(model / levels.upper)
    return float(np.maximum(np.maximum(below, above), 0.0).mean())


def _fitted(levels: Levels, noise: NoiseModel) -> NoiseModel | None:
    middle = (levels.lower + levels.upper) / 2.0
    gain, constant, *_ = fit_line(levels.level, middle, levels.error)
    dark = gain * noise.offset + constant
    least = 0.25 * float(middle[levels.level.argmin()])
    try:
        return NoiseModel(gain, noise.offset, float(np.sqrt(max(dark, least))))
    except InputError:
        return None


def _by_level(
    residuals: Sequence[Residual],
    fine_share: float,
    noise: NoiseModel,
) -> Levels | None:
    """Bounds of the noise variance in bins of the predicted brightness.

    Parameters
    ----------
    residuals
        Of some frames.
    fine_share
        Variance of the finest detail of the noise, relative to white noise.
    noise
        Tells how rare photons are, and so how many pixels make a mean.
    """
    inner = np.s_[1:-1, 1:-1]
    known = [r.measured[inner] for r in residuals]

    def of_all(images: Sequence[Doubles]) -> Doubles:
        pairs = zip(images, known, strict=True)
        return np.concatenate([image[mask] for image, mask in pairs])

    level = of_all([r.mean[inner] for r in residuals])
    total = of_all([r.left[inner] ** 2 for r in residuals])
    expected = of_all([r.expected[inner] for r in residuals])
    # errors of a prediction are smoother than noise
    fine = of_all([_detail(r.left) ** 2 for r in residuals]) / max(fine_share, 1e-3)
    order = np.argsort(level, kind="stable")
    n = len(order)
    edges = np.round(n * (1.0 - 0.5 ** np.linspace(0.0, 8.0, BINS))).astype(int)
    rows = []
    for first, last in zip(edges, [*edges[1:], n], strict=True):
        part = np.sort(order[first:last])  # groups that have nothing to do with level
        if len(part) < LEAST_GROUPS * GROUP:
            continue
        # Medians leave the tails of the noise out, means leave nothing out.
        upper = float(total[part].mean())
        excess = _excess(noise, float(level[part].mean()))
        if excess > RAREST:
            continue
        size = int(max(GROUP, 16 * excess))
        found = [_typical(squares[part], size) for squares in (total, fine)]
        typical, error = min(found, key=lambda one: one[0])
        lower = max(typical - float(expected[part].mean()), 0.0)
        rows.append((float(level[part].mean()), upper, lower, error))
    if len(rows) < 2:
        return None
    return Levels(*np.array(rows).T)


def _excess(noise: NoiseModel, level: float) -> float:
    """Excess kurtosis of the noise at a brightness: 1 over the mean for counts."""
    light = max(level - noise.offset, 0.0)
    return float(noise.gain**3 * light / max(float(noise.variance(level)) ** 2, 1e-300))


def _typical(squares: Doubles, size: int) -> tuple[float, float]:
    """Mean square without the few places where a prediction fails; relative error."""
    count = max(len(squares) // size, min(LEAST_GROUPS, len(squares)))
    size = len(squares) // count
    # neighbours make a group: where a prediction fails it fails for all of them
    groups = squares[: count * size].reshape(count, size).mean(axis=1)
    typical = float(np.median(groups))
    spread = 1.4826 * float(np.median(np.abs(groups - typical)))
    return typical, 1.2533 * spread / max(typical, 1e-300) / np.sqrt(count)


def _detail(image: Doubles) -> Doubles:
    down = image[:-2] - 2.0 * image[1:-1] + image[2:]
    both = down[:, :-2] - 2.0 * down[:, 1:-1] + down[:, 2:]
    return np.asarray(both / DETAIL)
