"""The part on view: sharpened as asked, denoised once, and left whenever one likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blurred_scenes import OFFSET, PLAIN, blurred, untrained
from napari_udvd.inference.live_view import View
from napari_udvd.optics import Gaussian
from napari_udvd.sharpening import Choice, Look, Optics, Sharpener, SharpLook, _look
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

MOVIE = blurred("vesicles", 1.2, 30)
VIEW = View(4, 0, slice(8, 40), slice(4, 36))


def looked(look: SharpLook, view: View, optics: Optics) -> tuple[Look, int]:
    """Take a look; also how many pauses there were."""
    *pauses, last = look.steps(view, optics)
    assert last is not None and not any(pauses)
    return last, len(pauses)


def test_it_is_what_the_movie_gets_by_as_many_iterations() -> None:
    stack = Stack.from_array(MOVIE.noisy, "TYX")
    model, optics = untrained(stack), Optics(Gaussian(1.2))
    view = View(4, 0, slice(0, 48), slice(0, 48))
    look, pauses = looked(SharpLook(model, stack, PLAIN), view, optics)
    assert look.view == view and pauses > 20
    chosen = [Choice.asked(count) for count in look.iterations]
    movie = Sharpener.of(model, optics, chosen).blocks(stack, PLAIN)
    (series,) = movie.series
    frame, _ = movie.block(series, 4, 5)
    np.testing.assert_allclose(look.pixels, frame[0], rtol=1e-4, atol=1e-2)


def test_it_goes_on_as_long_as_the_copy_is_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    movie = blurred("vesicles", 1.2, 300)
    clean = (blurred("vesicles", 1.2, 1e5).noisy - OFFSET) * 300 / 1e5 + OFFSET

    def perfect(*_: object) -> Generator[None, None, np.ndarray]:
        yield
        return clean[4:5, None, 0:48, 0:48]

    monkeypatch.setattr(_look, "restored", perfect)
    stack = Stack.from_array(movie.noisy, "TYX")
    view = View(4, 0, slice(0, 48), slice(0, 48))
    look, _ = looked(
        SharpLook(untrained(stack), stack, PLAIN), view, Optics(Gaussian(1.2))
    )
    (count,) = look.iterations
    assert count > 3
    before, after = (
        float(np.square(frame - OFFSET - movie.truth[4]).mean())
        for frame in (clean[4], look.pixels[0])
    )
    assert after < 0.7 * before


def test_another_blur_takes_no_other_denoising(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    restored = _look.restored

    def counted(*args: object) -> object:
        calls.append(1.0)
        return restored(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(_look, "restored", counted)
    stack = Stack.from_array(MOVIE.noisy, "TYX")
    look = SharpLook(untrained(stack), stack, PLAIN)
    first, _ = looked(look, VIEW, Optics(Gaussian(1.2)))
    other, _ = looked(look, VIEW, Optics(Gaussian(0.8), zoom=2))
    assert len(calls) == 2  # the frame, and its copy
    assert other.pixels.shape == (1, 64, 64) and other.zoom == 2
    again, _ = looked(look, VIEW, Optics(Gaussian(1.2)))
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert len(calls) == 2
    looked(look, View(5, 0, VIEW.rows, VIEW.columns), Optics(Gaussian(1.2)))
    assert len(calls) == 4


def test_one_that_was_left_is_made_anew() -> None:
    stack = Stack.from_array(MOVIE.noisy, "TYX")
    model, optics = untrained(stack), Optics(Gaussian(1.2))
    look = SharpLook(model, stack, PLAIN)
    steps = look.steps(VIEW, optics)
    next(steps)
    del steps
    left, _ = looked(look, VIEW, optics)
    fresh, _ = looked(SharpLook(model, stack, PLAIN), VIEW, optics)
    np.testing.assert_array_equal(left.pixels, fresh.pixels)


def test_a_blur_larger_than_the_view_and_pixels_that_were_not_measured() -> None:
    frames = MOVIE.noisy.astype(np.float32)
    frames[:, 20, 20] = np.nan
    stack = Stack.from_array(np.stack([frames, frames[:, ::-1]], axis=1), "TCYX")
    view = View(0, 0, slice(16, 24), slice(16, 24))
    look, _ = looked(
        SharpLook(untrained(stack), stack, PLAIN), view, Optics(Gaussian(3.0))
    )
    assert look.pixels.shape == (2, 8, 8) and len(look.iterations) == 2
    gaps = np.zeros((2, 8, 8), bool)
    gaps[0, 4, 4] = True
    assert np.isnan(look.pixels[gaps]).all() and np.isfinite(look.pixels[~gaps]).all()
