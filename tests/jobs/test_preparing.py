"""What is seen to before a batch begins."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.preparing import HeldMovie, check_movies, place_of
from napari_udvd.stack import Stack
from tiny import tiny_movie
from written import content, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "a.ome.tif", tiny_movie(5))


def test_a_movie_is_that_of_its_file_until_something_is_changed(file: Path) -> None:
    stack = open_stack(file)
    assert HeldMovie(stack, "a", file).is_its_source()
    assert not HeldMovie(stack, "a").is_its_source()
    assert not HeldMovie(stack, "a", file.with_name("none.tif")).is_its_source()
    pixels = stack.read()
    same = Stack.from_array(pixels, "TYX", scale=stack.scale, units=stack.units)
    assert HeldMovie(same, "a", file).is_its_source()
    pixels[0, 3, 4] += 1  # not in the frame in the middle
    assert not HeldMovie(same, "a", file).is_its_source()
    larger = replace(stack, scale={**stack.scale, "Y": 7.0})
    assert not HeldMovie(larger, "a", file).is_its_source()


def test_a_movie_is_written_as_it_is_and_nothing_is_replaced_unasked(
    tmp_path: Path,
) -> None:
    stack = tiny_movie(5)
    movie = HeldMovie(stack, "cells: 1/2", None)
    path = place_of(movie, tmp_path)
    assert path == tmp_path / "movies" / "cells- 1-2.ome.tif"
    assert list(movie.write(path, overwrite=False))[-1] == Progress(5, 5)
    found = open_stack(path)
    np.testing.assert_array_equal(found.read(), stack.read())
    assert (found.scale, found.units) == (stack.scale, stack.units)

    before = content(path)
    assert list(movie.write(path, overwrite=True)) == []  # it is there
    other = HeldMovie(tiny_movie(5, seed=3), "cells: 1/2")
    with pytest.raises(OutputError, match="another movie is"):
        list(other.write(path, overwrite=False))
    assert content(path) == before
    list(other.write(path, overwrite=True))
    np.testing.assert_array_equal(open_stack(path).read(), other.stack.read())


def test_nothing_is_left_where_writing_was_stopped(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    path = tmp_path / "movies" / "a.ome.tif"
    assert list(
        HeldMovie(tiny_movie(5), "a").write(path, overwrite=False, cancel=cancel)
    )
    assert list(path.parent.iterdir()) == []


def test_all_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    check_movies([file], tmp_path / "out")
    bad = [tmp_path / f"{k}.tif" for k in range(5)]
    for path in bad[:-1]:
        path.write_bytes(b"no movie")
    with pytest.raises(InputError, match="5 movies cannot be read") as refused:
        check_movies([*bad, file], tmp_path / "out")
    for path in bad[:3]:
        assert path.name in str(refused.value)
    assert "and 2 more" in str(refused.value)
    with pytest.raises(InputError, match="1 movie cannot be read"):
        check_movies(bad[-1:], tmp_path / "out")
    stopped = threading.Event()
    stopped.set()
    check_movies(bad, tmp_path / "out", stopped)


def test_results_stay_apart_from_movies(file: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "x" / "..", file, file / "inside"):
        with pytest.raises(InputError, match=r"that of the movie 'a\.ome\.tif'"):
            check_movies([file], folder)
    check_movies([file], tmp_path / "results")
