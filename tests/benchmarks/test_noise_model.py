"""The benchmark of the noise model compares with the right truth."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.inference.restorer import Denoiser

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_scene_has_the_light_and_the_noise_that_it_says(
    benchmark_script: Callable[[str], Any],
) -> None:
    script = benchmark_script("noise_model")
    stack, truth = script.scene("nuclei", 1, 50.0, 0.25, 6, 64)
    light = (truth - 100) / 2
    assert np.percentile(light, 99.9) == pytest.approx(62.5, rel=0.02)
    assert light.min() >= 12.4
    error = stack.read().astype(float) - truth
    variance = float(np.mean(script.CAMERA.variance(truth))) + script.ROUNDING
    assert np.mean(error**2) == pytest.approx(variance, rel=0.05)


def test_what_is_measured_right_and_wrong_is_counted(
    benchmark_script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = benchmark_script("noise_model")
    stack, truth = script.scene("nuclei", 1, 50.0, 0.0, 40, 128)
    right = script.compare("a", stack, truth, script.CAMERA)
    for what in ("gain", "read_noise", "variance"):
        assert script.is_right(getattr(right, what)), what
    half = nu.diagnose(stack)
    object.__setattr__(half.noise, "gain", 1.0)
    monkeypatch.setattr(script.nu, "diagnose", lambda _: half)
    wrong = script.compare("b", stack, truth, script.CAMERA)
    assert wrong.gain == pytest.approx(0.5)
    assert not script.is_right(wrong.variance)
    cells = script.summary([right, wrong])
    assert cells[:2] == ["1 of 2", "x 0.50"]
    assert cells[-1] == ("1 of 1" if half.reasons else "0 of 1")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nuclei_divide_on_a_dark_ground(
    benchmark_script: Callable[[str], Any], place: int
) -> None:
    script = benchmark_script("noise_model")
    light = script.dividing_nuclei(script.SHAPES[place], place)
    assert light.shape == script.SHAPES[place]
    assert np.mean(light < 0.5) > 0.9
    assert 4 < np.percentile(light, 99.9) < 40
    from scipy import ndimage

    counts = [ndimage.label(frame > 2)[1] for frame in light]
    assert max(counts) > counts[0]  # some have divided


def test_offsets_cost_and_dark_frames_cure(
    benchmark_script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # offsets reach the result by the network; what comes after it takes ten times as
    # long
    alone = partialmethod(Denoiser.denoise, events=False, refine=False)
    monkeypatch.setattr(Denoiser, "denoise", alone)
    script = benchmark_script("noise_model")
    name, *cells = script.offsets_row("nuclei", 1, 24, 64)
    plain, bad, auto, many, few = map(float, cells)
    assert name == "nuclei"
    assert bad < auto < plain
    assert bad < few < many < plain + 0.2
