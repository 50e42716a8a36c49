"""Movies on which a blind-spot network fails are recognised, and only those."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from napari_udvd.noise import NOT_INDEPENDENT, diagnose
from napari_udvd.simulation import KINDS, add_noise, simulate
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.noise import Diagnosis

Movie = npt.NDArray[Any]


@cache
def drawn(kind: str, frames: int, shape: tuple[int, int], seed: int) -> Movie:
    """Draw a scene once for all cameras."""
    rng = np.random.default_rng(seed)
    return KINDS[kind].draw(frames, *shape, rng)[0]


@cache
def recorded(kind: str, photons: float = 30.0, frames: int = 40) -> Movie:
    noisy, _ = add_noise(drawn(kind, frames, (128, 128), 1), photons=photons, seed=1)
    return noisy.astype(np.float32)


def diagnosis_of(movie: Movie) -> Diagnosis:
    return diagnose(Stack.from_array(movie, "TYX"))


def blended(movie: Movie, shift: float) -> Movie:
    """Place frames between the frames of a movie."""
    return (1.0 - shift) * movie[:-1] + shift * movie[1:]


def resized(movie: Movie, factor: float, order: int) -> Movie:
    return np.asarray(ndimage.zoom(movie, (1, factor, factor), order=order))


def compressed(movie: Movie, quality: int) -> Movie:
    """Send every frame through JPEG, as motion JPEG does."""
    scaled = np.clip(movie * (200.0 / np.percentile(movie, 99.9)), 0, 255)
    frames = []
    for frame in scaled.astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality)
        frames.append(np.asarray(Image.open(file)))
    return np.stack(frames)


def interlaced(kind: str, photons: float) -> Movie:
    """Take even rows from every other frame and odd rows from those between."""
    movie = recorded(kind, photons, frames=80)
    woven = movie[0::2].copy()
    woven[:, 1::2] = movie[1::2, 1::2]
    return woven


# --- no false alarm -----------------------------------------------------------------

CAMERAS: dict[str, dict[str, Any]] = {
    "usual": {},
    "photon counting": {"offset": 0.0, "read_noise": 0.3, "gain": 1.0},
    "EMCCD": {"gain": 20.0, "read_noise": 10.0, "offset": 300.0},
    "correlated": {"correlation": ((1.0, 1.0),)},
}
MOVIES = [
    (40, (128, 128), 3.0),
    (30, (128, 96), 300.0),
    (20, (64, 96), 3000.0),
    (20, (96, 64), 30.0),
    (12, (16, 40), 2.0),
    (12, (40, 24), 100.0),
]


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("kind", KINDS)
def test_clean_movies_raise_no_alarm(kind: str, camera: str) -> None:
    """Every scene and every camera with every size, not all three with each other."""
    first = (list(KINDS).index(kind) + list(CAMERAS).index(camera)) % 3
    for frames, size, photons in MOVIES[first::3]:
        scene = drawn(kind, frames, size, 5)
        noisy, _ = add_noise(scene, photons=photons, seed=5, **CAMERAS[camera])
        diagnosis = diagnose(Stack.from_array(noisy, "TYX"))
        assert diagnosis.broken == (), (frames, size, photons)
        assert not diagnosis.blind_neighbours
        assert diagnosis.verdict != "unsuitable"


@pytest.mark.parametrize("light", [0.005, 0.05, 1.0])
def test_few_photons_are_no_repeats(light: float) -> None:
    movie = np.random.default_rng(0).poisson(light, (40, 64, 64)).astype(np.uint8)
    assert diagnosis_of(movie).broken == ()


def test_dark_frames_between_bright_ones_are_no_repeats() -> None:
    light = np.where(np.arange(40) % 5, 0.05, 1.0)[:, None, None]
    movie = np.random.default_rng(0).poisson(20 * light * np.ones((40, 64, 64)))
    assert not any("repeated" in reason for reason in diagnosis_of(movie).broken)


def test_a_rolling_shutter_is_not_interlaced() -> None:
    """Every row is later than the one above, by a whole frame over the frame."""
    movie = recorded("vesicles", 300.0, frames=48)
    rows = np.arange(128)
    share = (rows / 128)[:, None]
    rolled = (1.0 - share) * movie[:-1] + share * movie[1:]
    assert not any("interlaced" in reason for reason in diagnosis_of(rolled).broken)


def test_notes_are_not_broken_assumptions() -> None:
    """Few frames, a hole, saturation and bleaching are good to know, no more."""
    fading = np.array([1.0, 0.8, 0.6, 0.4])[:, None, None]
    movie = simulate(
        "nuclei", frames=4, correlation=((1.0, 1.0),), photons=60.0
    ).noisy.data
    movie = np.minimum(100.0 + (movie - 100.0) * fading, 190.0).astype(np.uint16)
    diagnosis = diagnosis_of(movie)
    for words in ("a hole of 1 x 3", "only 4 frames", "saturated", "bleaching"):
        assert any(words in reason for reason in diagnosis.reasons), words
    assert diagnosis.broken == ()
    assert diagnosis.verdict == "warn"


@pytest.mark.parametrize(
    "pattern", ["pims_*.tif", "allen_2p_*.tif", "embl_*.tif", "hyper*.tif", "bia_*.tif"]
)
def test_real_movies_raise_no_alarm(shared_data: Path, pattern: str) -> None:
    diagnosis = diagnosis_of(tifffile.imread(next(shared_data.glob(pattern))))
    assert diagnosis.broken == ()
    assert not diagnosis.blind_neighbours


# --- noise in space -----------------------------------------------------------------


def test_noise_beyond_any_hole_is_broken() -> None:
    movie = simulate("nuclei", frames=20, correlation=np.ones((5, 5)))
    diagnosis = diagnose(movie.noisy)
    assert diagnosis.verdict == "unsuitable"
    assert diagnosis.broken[0].startswith(NOT_INDEPENDENT)
    # nothing is gained by a larger hole, so nothing is said of one
    assert diagnosis.broken_under((1, 1)) == diagnosis.broken


def test_a_hole_that_is_too_small_is_named() -> None:
    diagnosis = diagnose(
        simulate("nuclei", frames=20, correlation=[[1], [1]], seed=2).noisy
    )
    assert diagnosis.hole == (3, 1)
    assert diagnosis.broken_under((3, 1)) == diagnosis.broken_under((5, 5)) == ()
    (sentence,) = diagnosis.broken_under((1, 3))
    assert "beyond the hole of 1 x 3" in sentence
    assert "needs 3 x 1" in sentence


@pytest.mark.parametrize("photons", [5.0, 300.0])
@pytest.mark.parametrize("kind", KINDS)
def test_compression(kind: str, photons: float) -> None:
    (reason,) = broken(
        compressed(recorded(kind, photons, frames=16), 60), "blocks of 8 x 8"
    )
    assert "use the data as it was before" in reason


def test_compression_is_found_in_a_part_of_the_frame() -> None:
    """The grid of blocks then begins somewhere, and windows begin elsewhere."""
    wide = np.tile(recorded("nuclei"), (1, 1, 6))[:16, :, :700]
    cropped = compressed(wide, 60)[:, 3:, 5:]
    assert broken(cropped, "blocks of 8 x 8")


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_movie_that_was_compressed(shared_data: Path, channel: int) -> None:
    files = sorted((shared_data / "drosophila_compressed").glob("*.tif"))
    movie = np.stack([tifffile.imread(file)[..., channel] for file in files])
    assert broken(movie, "blocks of 8 x 8")


def test_compression_that_leaves_the_noise_alone_is_no_matter() -> None:
    assert diagnosis_of(compressed(recorded("calcium"), 97)).broken == ()


RESIZED: dict[str, tuple[float, int, str]] = {
    "doubled": (2.0, 0, "2.0 columns"),
    "doubled, linear": (2.0, 1, "2.0 columns"),
    "enlarged, cubic": (1.25, 3, "5.0 columns"),
    "reduced": (0.8, 1, "3.9 columns"),
}


@pytest.mark.parametrize("factor, order, words", RESIZED.values(), ids=RESIZED)
@pytest.mark.parametrize("kind", ["calcium", "lattice", "vesicles"])
def test_resized_pixels(kind: str, factor: float, order: int, words: str) -> None:
    for photons in (5.0, 300.0):
        movie = resized(recorded(kind, photons)[:12], factor, order)
        (reason,) = broken(movie, "pixels were interpolated")
        assert words in reason
        assert "compressed in blocks" not in reason


@pytest.mark.parametrize("axis", [1, 2])
def test_every_second_line_filled_in(axis: int) -> None:
    """As deinterlacing does; the neighbours are all alike, those two apart are not."""
    movie = recorded("filaments").swapaxes(1, axis).copy()
    movie[:, 1:-1:2] = 0.5 * (movie[:, :-2:2] + movie[:, 2::2])
    name = ("rows", "columns")[axis - 1]
    (reason,) = broken(movie.swapaxes(1, axis), "pixels were interpolated")
    assert f"2.0 {name}" in reason


# --- time ---------------------------------------------------------------------------


@pytest.mark.parametrize("photons", [30.0, 300.0])
@pytest.mark.parametrize("kind", KINDS)
def test_interlacing(kind: str, photons: float) -> None:
    """Rows that were taken half a frame later: odd ones here, even ones there."""
    late = (list(KINDS).index(kind) + (photons == 30.0)) % 2
    names = ("odd", "even") if late else ("even", "odd")
    movie = interlaced(kind, photons)[:, 1 - late :]
    (reason,) = broken(movie, "interlaced")
    assert reason.startswith(f"{names[0]} rows were recorded 0.")
    assert f"later than {names[1]} rows" in reason


def test_rows_of_one_field_in_parts_of_large_frames() -> None:
    """Windows begin at odd and at even rows of a frame larger than they are."""
    movie = np.tile(interlaced("vesicles", 100.0)[:16], (1, 5, 5))[:, :601, :601]
    (reason,) = broken(movie, "interlaced")
    assert reason.startswith("odd rows")


def test_noise_that_lasts_must_not_be_seen_in_the_next_frame() -> None:
    movie = recorded("calcium")
    mean = 0.5 * (movie[1:] + movie[:-1])
    diagnosis = diagnosis_of(mean)
    assert diagnosis.blind_neighbours
    assert diagnosis.to_dict()["blind_neighbours"] is True
    (reason,) = broken(mean, "not white in time")
    assert "extended to the neighbouring frames automatically" in reason


@pytest.mark.parametrize("share", [0.5, 0.3])
@pytest.mark.parametrize("kind", ["nuclei", "lattice"])
def test_frames_put_between_frames(kind: str, share: float) -> None:
    """A higher frame rate by blending, as a converter does it: 24 to 30."""
    movie = recorded(kind)
    between = blended(movie, share)
    slow = np.insert(movie, range(4, 40, 4), between[3::4], axis=0)
    (reason,) = broken(slow, "at most 8 frames before")
    assert "repeated or blended" in reason


@pytest.mark.parametrize("distance", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", ["nuclei", "calcium"])
def test_frames_that_come_again_later(kind: str, distance: int) -> None:
    """Not exactly: the movie was written again with other grey levels."""
    movie = recorded(kind, 100.0).copy()
    again = np.arange(9, 40, 9)
    movie[again] = movie[again - distance]
    movie = np.rint(movie + np.random.default_rng(0).normal(0, 0.5, movie.shape))
    (reason,) = broken(movie, "at most 8 frames before")
    assert reason.startswith("4 of 39 frames")


def test_a_ninth_frame_is_out_of_sight() -> None:
    movie = recorded("nuclei").copy()
    movie[20] = movie[11]
    assert diagnosis_of(movie).broken == ()


def test_exact_repeats_are_told_once_and_hidden_where_there_are_many() -> None:
    movie = recorded("calcium")
    doubled = diagnosis_of(np.repeat(movie, 2, axis=0))
    assert len(doubled.broken) == 1
    assert "repeat the one before exactly" in doubled.broken[0]
    assert doubled.blind_neighbours
    one = np.insert(movie, 20, movie[19], axis=0)
    once = diagnosis_of(one)
    assert "1 of 40 frames repeat" in once.broken[0]
    assert not once.blind_neighbours


def broken(movie: Movie, words: str) -> list[str]:
    """Sentences with these words, all of them among the reasons too."""
    diagnosis = diagnosis_of(movie)
    assert diagnosis.verdict != "ok"
    assert set(diagnosis.broken) <= set(diagnosis.reasons)
    assert diagnosis.to_dict()["broken"] == list(diagnosis.broken)
    return [reason for reason in diagnosis.broken if words in reason]
