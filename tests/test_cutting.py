"""Where a movie is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd import cutting
from napari_udvd.cutting import (
    blocks,
    central,
    place_in,
    runs,
    spread,
    stretches,
    with_halo,
)
from napari_udvd.stack import Layout


@given(st.integers(1, 300), st.integers(1, 40), st.booleans())
def test_a_sample_is_spread_evenly(length: int, count: int, nearest: bool) -> None:
    found = spread(length, count, nearest=nearest)
    assert len(found) == min(length, count)
    assert found[0] == 0
    assert found[-1] == length - 1 or count == 1
    gaps = np.diff(found)
    assert len(found) < 3 or gaps.max() - gaps.min() <= 1
    exact = np.linspace(0, length - 1, len(found))
    late = np.asarray(found) - exact
    low, high = (-0.5, 0.5) if nearest else (-1.0, 0.0)
    assert late.min() >= low - 1e-9
    assert late.max() <= high + 1e-9


@given(st.integers(1, 100), st.integers(1, 100))
def test_the_middle_of_an_axis(length: int, edge: int) -> None:
    found = central(length, edge)
    assert found.stop - found.start == min(edge, length)
    assert 0 <= length - found.stop - found.start <= 1


@given(st.data())
def test_a_halo_ends_on_the_grid_counted_from_both_ends(data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 400))
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    halo, grid = data.draw(st.integers(0, 80)), data.draw(st.sampled_from([1, 4, 16]))
    seen = with_halo(slice(start, stop), length, halo, grid)
    assert seen.start % grid == 0 and (length - seen.stop) % grid == 0
    assert 0 <= seen.start <= max(start - halo, 0)
    assert min(stop + halo, length) <= seen.stop <= length
    assert max(start - halo, 0) - seen.start < grid
    axis = np.arange(length)
    core = axis[seen][place_in(seen, slice(start, stop))]
    np.testing.assert_array_equal(core, axis[start:stop])


def test_runs_end_where_a_number_is_missing() -> None:
    assert runs([]) == []
    assert runs([1, 2, 3, 7, 9, 10]) == [[1, 2, 3], [7], [9, 10]]


@pytest.mark.parametrize(("dtype", "longest"), [("u2", 50), ("f8", 12)])
def test_what_is_computed_and_what_is_read_as_one(
    dtype: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 100 * 8 * 10)
    like = Layout("TYX", (130, 10, 8), np.dtype(dtype))
    assert [stop - start for start, stop in blocks(like)] == [16] * 8 + [2]
    for cut in (blocks(like), stretches(like)):
        assert [t for part in cut for t in range(*part)] == list(range(130))
    assert max(stop - start for start, stop in stretches(like)) == longest
    assert stretches(like, 8) == stretches(Layout("TYX", like.shape, np.dtype("f8")))
