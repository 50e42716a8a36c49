"""Power by frequency, of boxes of a movie."""

from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.quality._copies import Correlations, draw
from napari_udvd.quality._frequencies import Boxes


def test_boxes_are_of_the_middle_and_do_not_overlap() -> None:
    boxes = Boxes(2, 57, 60)
    assert boxes.shape == (2, 57, 60)
    movie = np.arange(5 * 120 * 131).reshape(5, 120, 131)
    cut = boxes.cut(movie)
    assert cut.shape == (2 * 2 * 2, 2, 57, 60)
    assert len(np.unique(cut)) == cut.size
    assert (cut[0] == movie[:2, 3:60, 5:65]).all()
    assert (cut[-1] == movie[2:4, 60:117, 65:125]).all()


def test_a_part_that_is_smaller_than_a_box_has_none() -> None:
    power = Boxes(4, 40, 40).power(np.ones((3, 40, 40), np.float32))
    assert power.boxes == 0
    assert (power.sums == 0).all()


def test_all_bins_together_are_the_sum_of_products() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 4, 50, 47)).astype(np.float32)
    boxes = Boxes(4, 50, 47)
    assert boxes.modes.sum() == boxes.size == one.size
    assert boxes.power(one).sums.sum() == pytest.approx((one**2).sum(), rel=1e-4)
    crossed = boxes.power(one, two).sums.sum()
    assert crossed == pytest.approx((one * two).sum(dtype=float), abs=0.1)


def test_a_smooth_picture_is_in_the_lowest_bins() -> None:
    still = np.broadcast_to(np.cos(np.arange(50) * 2 * np.pi / 50), (4, 50, 50))
    boxes = Boxes(4, 50, 50)
    sums = boxes.power(still.astype(np.float32)).sums
    assert sums[:2].sum() == pytest.approx(still.size / 2, rel=1e-4)


@pytest.mark.parametrize("correlations", [(0.0, 0.0), (0.3, -0.2), (0.0, 0.49)])
def test_noise_has_the_power_that_is_said(correlations: tuple[float, float]) -> None:
    known = Correlations(*correlations)
    boxes = Boxes(4, 56, 56)
    noise = draw(np.random.default_rng(1), (64, 112, 112), known)
    power = boxes.power(noise)
    mean = power.sums / boxes.modes / power.boxes
    chance = np.sqrt(2 / (boxes.modes * power.boxes))
    expected = boxes.of_noise(known)
    assert (np.abs(mean - expected) < 4.5 * chance * expected + 0.01).all()
    assert (boxes.modes @ expected) / boxes.size == pytest.approx(1)
