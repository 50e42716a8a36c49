"""A movie is sharper than it was recorded: scenes whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blurred_scenes import OFFSET, PLAIN, blurred, flat, result_of, untrained
from napari_udvd.formats import create
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.metrics import psnr
from napari_udvd.optics import Blur, Gaussian, richardson_lucy
from napari_udvd.sharpening import Choice, Optics, Sharpener
from napari_udvd.stack import Stack
from tiny import ALONE

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_udvd.inference.restorer import Denoiser

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings(
    "ignore:the result (is no better|shows nothing)"
)

AROUND = Gaussian(1.2)


class Case(NamedTuple):
    """A scene, standard deviation of its blur, photons, grid of the result."""

    kind: str
    sigma: float
    photons: float
    zoom: int = 1


LINES = Case("filaments", 1.5, 20)
COARSE = Case("filaments", 0.7, 30, 2)


class Sharpened(NamedTuple):
    """What was made of a scene: light, offset taken off."""

    truth: npt.NDArray[np.float32]
    denoised: npt.NDArray[np.float32]
    sharp: npt.NDArray[np.float32]
    sharpener: Sharpener


@cache
def sharpened(case: Case) -> Sharpened:
    truth, noisy = blurred(case.kind, case.sigma, case.photons, zoom=case.zoom)
    stack = Stack.from_array(noisy, "TYX")
    denoiser = nu.train(stack, steps=1)
    optics = Optics(Gaussian(case.sigma), case.zoom)
    sharpener = result_of(Sharpener.fitted(denoiser, stack, optics, PLAIN))
    offset = np.float32(denoiser.calibrations_for(stack)[0].noise.offset)
    return Sharpened(
        truth,
        denoiser.denoise(stack, dtype=np.float32, **ALONE) - offset,
        sharpener.denoise(stack, **ALONE) - offset,
        sharpener,
    )


def enlarged(frames: npt.NDArray[np.float32], zoom: int) -> npt.NDArray[np.float32]:
    blur = Blur(AROUND, frames.shape[1:], zoom)
    return np.asarray(blur.inside(blur.canvas(torch.from_numpy(frames))))


@pytest.mark.parametrize("case", [LINES, COARSE])
def test_nearer_to_the_truth_than_what_is_only_denoised(case: Case) -> None:
    found = sharpened(case)
    assert found.sharp.shape == found.truth.shape
    before = psnr(found.truth, enlarged(found.denoised, case.zoom))
    assert psnr(found.truth, found.sharp) > before + 1.0


@pytest.mark.parametrize("case", [LINES, COARSE])
def test_iterations_are_nearly_as_good_as_the_best(case: Case) -> None:
    found = sharpened(case)
    blur = Blur(Gaussian(case.sigma), found.denoised.shape[1:], case.zoom)
    tried = richardson_lucy(torch.from_numpy(found.denoised), blur)
    best = max(
        psnr(found.truth, blur.inside(iterate.scene).numpy())
        for iterate in islice(tried, 60)
    )
    assert psnr(found.truth, found.sharp) > best - 0.5


def test_light_stays(case: Case = LINES) -> None:
    found = sharpened(case)
    assert found.sharp.mean() == pytest.approx(found.denoised.mean(), rel=0.05)
    assert found.sharp.min() > -1e-3


def test_copies_agree_on_finer_structure_and_no_mottle_is_seen() -> None:
    (assessed,) = sharpened(LINES).sharpener.assessments
    assert assessed is not None
    assert assessed.after.resolution < assessed.before.resolution / 1.2
    assert assessed.warnings == ()


def test_a_flat_background_stays_flat() -> None:
    noisy = flat(15)
    stack = Stack.from_array(noisy, "TYX")
    denoiser = nu.train(stack, steps=1)
    sharpener = result_of(Sharpener.fitted(denoiser, stack, Optics(AROUND), PLAIN))
    assert sharpener.choices[0].iterations == 1
    found = sharpener.denoise(stack, **ALONE)
    plain = denoiser.denoise(stack, dtype=np.float32, **ALONE)
    assert found.std() < 1.2 * plain.std()
    light = found - OFFSET
    assert light.max() < 1.5 * np.median(light)


@pytest.fixture
def movie() -> npt.NDArray[np.float32]:
    return blurred("nuclei", 1.2, 30, edge=40, frames=5).noisy


def chosen(denoiser: Denoiser, optics: Optics, *iterations: int) -> Sharpener:
    return Sharpener.of(denoiser, optics, [Choice(k, (), 9.0) for k in iterations])


def by_hand(frames: Any, blur: Blur, iterations: int) -> npt.NDArray[np.float32]:
    light = torch.from_numpy(np.asarray(frames, np.float32) - np.float32(OFFSET))
    *_, last = islice(richardson_lucy(light, blur), iterations + 1)
    return np.asarray(blur.inside(last.scene)) + np.float32(OFFSET)


def test_what_was_not_measured_is_not_invented(movie: npt.NDArray[np.float32]) -> None:
    holed = movie.copy()
    holed[:, 5:9, 7:11] = np.nan
    stack = Stack.from_array(holed, "TYX")
    found = chosen(untrained(stack), Optics(AROUND), 6).denoise(stack, **ALONE)
    gap = np.zeros(movie.shape, bool)
    gap[:, 5:9, 7:11] = True
    np.testing.assert_array_equal(np.isnan(found), gap)
    # a gap is no edge: its rim is not brighter or darker than the rest
    rim = found[:, 3:11, 5:13][~gap[:, 3:11, 5:13]]
    assert found[~gap].min() - 1e-3 <= rim.min()
    assert rim.max() <= found[~gap].max()
    assert np.median(rim) == pytest.approx(np.median(movie[:, 3:11, 5:13]), rel=0.2)


def test_what_a_mask_leaves_out_stays_as_denoising_leaves_it(
    movie: npt.NDArray[np.float32],
) -> None:
    known = np.ones(movie.shape[1:], bool)
    known[10:14, 3:30] = False
    bright = np.where(known, movie, np.float32(3e4))
    results = []
    for pixels in (movie, bright):
        stack = Stack.from_array(pixels, "TYX", mask=known)
        denoiser = untrained(stack)
        plain = denoiser.denoise(stack, dtype=np.float32, **ALONE)
        found = chosen(denoiser, Optics(AROUND), 4).denoise(stack, **ALONE)
        np.testing.assert_array_equal(found[:, ~known], plain[:, ~known])
        results.append(found[:, known])
    # and what is there plays no part
    np.testing.assert_array_equal(*results)


def test_a_frame_that_was_dropped_is_predicted_and_sharpened(
    movie: npt.NDArray[np.float32],
) -> None:
    dropped = movie.copy()
    dropped[2] = np.nan
    stack = Stack.from_array(dropped, "TYX")
    denoiser = untrained(stack)
    plain = denoiser.denoise(stack, dtype=np.float32, **ALONE)
    assert np.isfinite(plain).all()
    found = chosen(denoiser, Optics(AROUND), 6).denoise(stack, **ALONE)
    expected = by_hand(plain, Blur(AROUND, (40, 40)), 6)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("joint", [False, True])
def test_each_channel_by_its_own_iterations_and_blur(
    movie: npt.NDArray[np.float32], joint: bool
) -> None:
    stack = Stack.from_array(np.stack([movie, movie[:, ::-1]], 1), "TCYX")
    denoiser = untrained(stack, channels=2 if joint else 1)
    wide = Gaussian(1.8)
    optics = Optics(AROUND, by_channel=(AROUND, wide))
    found = chosen(denoiser, optics, 2, 7).denoise(stack, **ALONE)
    plain = denoiser.denoise(stack, dtype=np.float32, **ALONE)
    for channel, (psf, iterations) in enumerate(((AROUND, 2), (wide, 7))):
        expected = by_hand(plain[:, channel], Blur(psf, (40, 40)), iterations)
        np.testing.assert_allclose(found[:, channel], expected, rtol=1e-4)


def test_channels_are_chosen_for_one_by_one(movie: npt.NDArray[np.float32]) -> None:
    empty = flat(15, 40, 5)
    stack = Stack.from_array(np.stack([movie, empty], 1), "TCYX")
    denoiser = nu.train(stack, steps=1)
    sharpener = result_of(Sharpener.fitted(denoiser, stack, Optics(AROUND), PLAIN))
    first, second = sharpener.choices
    assert first.iterations > 1 == second.iterations
    assert len(sharpener.assessments) == 2
    record = sharpener.provenance(stack, PLAIN)["sharpening"]
    assert [each["iterations"] for each in record["channels"]] == [
        first.iterations,
        1,
    ]
    assert "1.2 px" in record["blur"]


def test_a_finer_grid_covers_the_same_field_of_view(
    movie: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    stack = Stack.from_array(
        movie,
        "TYX",
        scale={"T": 2.0, "Y": 0.3, "X": 0.3},
        units={"T": "s", "Y": "µm", "X": "µm"},
    )
    sharpener = chosen(untrained(stack), Optics(Gaussian(0.7), 2), 3)
    layout = sharpener.layout(stack)
    assert layout.frame_shape == (80, 80)
    assert layout.scale["X"] == pytest.approx(0.15)
    path = tmp_path / "fine.ome.tif"
    with create(path, like=layout, dtype=np.float32, record={}) as sink:
        assert list(sharpener.restore(stack, sink, PLAIN))
    written = nu.open(path)
    assert written.scale["Y"] * 80 == pytest.approx(0.3 * 40)
    # no shift: what is bright lies in the same place
    coarse = written.read().reshape(5, 40, 2, 40, 2).mean(axis=(2, 4))
    plain = sharpener.denoise(stack, **ALONE).reshape(coarse.shape[0], 40, 2, 40, 2)
    np.testing.assert_allclose(coarse, plain.mean(axis=(2, 4)), rtol=1e-5)
    before = untrained(stack).denoise(stack, dtype=np.float32, **ALONE)
    for axis in (1, 2):
        ahead = np.corrcoef(np.roll(coarse, 1, axis).ravel(), before.ravel())[0, 1]
        behind = np.corrcoef(np.roll(coarse, -1, axis).ravel(), before.ravel())[0, 1]
        here = np.corrcoef(coarse.ravel(), before.ravel())[0, 1]
        assert here > max(ahead, behind)
        assert ahead == pytest.approx(behind, abs=0.02)


@pytest.mark.parametrize("zoom", [1, 2])
def test_tiles_have_no_seams(movie: npt.NDArray[np.float32], zoom: int) -> None:
    stack = Stack.from_array(movie, "TYX")
    sharpener = chosen(untrained(stack), Optics(Gaussian(0.7), zoom), 5)
    whole = sharpener.denoise(stack, **ALONE)
    tiled = sharpener.denoise(stack, tile=16, **ALONE)
    np.testing.assert_allclose(tiled, whole, rtol=1e-4)


def test_in_a_movie_that_fills_up(
    movie: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    stack = Stack.from_array(movie, "TYX")
    sharpener = chosen(untrained(stack), Optics(Gaussian(0.7), 2), 3)
    live = DenoisedMovie(sharpener, stack, PLAIN, folder=tmp_path)
    live.want(3)
    first = next(iter(live.fill()))
    assert live.is_done(3) and first.start <= 3 < first.stop
    assert list(live.fill()) or live.complete
    sharp = sharpener.denoise(stack, **ALONE)
    np.testing.assert_allclose(np.asarray(live.mean), sharp, rtol=1e-4)
    # what was taken away, on the pixels of the movie
    coarse = sharp.reshape(5, 40, 2, 40, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(live.residual[1:3], (movie - coarse)[1:3], atol=0.05)
    np.testing.assert_allclose(live.residual.frame(4), (movie - coarse)[4], atol=0.05)
    assert live.residual[2, 3].shape == (40,)
    live.close()


def test_the_result_is_no_less_exact_than_its_brightest_pixel() -> None:
    """Sharp points are brighter than the movie's type may hold."""
    movie = blurred("vesicles", 1.2, 30, edge=40, frames=4).noisy
    stack = Stack.from_array(movie.round().astype(np.uint8), "TYX")
    sharpener = chosen(untrained(stack), Optics(AROUND), 2)
    assert sharpener.dtype_for(stack) == np.float32
    assert sharpener.dtype_for(stack, replace(PLAIN, dtype="input")) == np.uint8


def test_iterations_follow_the_offset_that_was_told(
    movie: npt.NDArray[np.float32],
) -> None:
    stack = Stack.from_array(movie, "TYX")
    plain = untrained(stack)
    low = replace(
        plain,
        calibrations=tuple(
            replace(each, noise=replace(each.noise, offset=50.0))
            for each in plain.calibrations
        ),
    )
    results = [
        chosen(each, Optics(AROUND), 4).denoise(stack, **ALONE) for each in (plain, low)
    ]
    assert np.abs(results[0] - results[1]).max() > 1.0
