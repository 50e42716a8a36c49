"""Several images in one file: listed, and one chosen by number or name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.formats import movie_name, open_stack
from napari_udvd.formats._images import Image, choose, how_chosen, split_choice

if TYPE_CHECKING:
    from pathlib import Path

MOVIE = Image("Series 1", "TYX", (30, 64, 48))
OTHER = Image("Series 2", "TCYX", (10, 2, 64, 48))
PICTURE = Image("", "YX", (512, 512))
UNNAMED = Image("", "?YX", (7, 64, 48))


class TestSplit:
    @pytest.mark.parametrize(
        ("behind", "choice"),
        [("#2", "2"), ("#Series 3", "Series 3"), ("#a/b #4", "a/b #4"), ("#", "")],
    )
    def test_a_choice_is_behind_the_name(
        self, tmp_path: Path, behind: str, choice: str
    ) -> None:
        path = tmp_path / "movie.lif"
        path.touch()
        assert split_choice(f"{path}{behind}") == (str(path), choice)

    @pytest.mark.parametrize("name", ["a#2.npy", "#2.npy", "a.npy#2", "a#1#2.npy"])
    def test_a_name_that_exists_is_a_name(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.touch()
        assert split_choice(str(path)) == (str(path), None)
        assert split_choice(f"{path}#3") == (str(path), "3")

    def test_a_folder_with_a_number(self, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        folder = tmp_path / "run#2"
        folder.mkdir()
        path = folder / "movie.tif"
        path.touch()
        assert split_choice(f"{path}#name") == (str(path), "name")

    def test_what_does_not_exist_stays_whole(self, tmp_path: Path) -> None:
        path = str(tmp_path / "movie#2.lif")
        assert split_choice(path) == (path, None)
        with pytest.raises(InputError, match=r"movie#2\.lif' does not exist"):
            open_stack(path)


class TestChoose:
    def test_the_only_one_needs_no_choice(self) -> None:
        for image in (MOVIE, PICTURE):
            assert choose([image], None, "a.lif") == 0
            assert how_chosen([image], 0, None, "a.lif") == ()

    @pytest.mark.parametrize("choice", ["2", "Series 2"])
    def test_by_number_and_by_name(self, choice: str) -> None:
        images = [MOVIE, OTHER, PICTURE]
        assert choose(images, choice, "a.lif") == 1
        assert how_chosen(images, 1, choice, "a.lif") == ()

    def test_a_name_wins_over_a_number(self) -> None:
        images = [MOVIE._replace(name="2"), OTHER._replace(name="3"), PICTURE]
        assert choose(images, "2", "a.lif") == 0
        assert choose(images, "1", "a.lif") == 0

    @pytest.mark.parametrize("images", [[PICTURE, MOVIE], [PICTURE, UNNAMED, PICTURE]])
    def test_the_only_movie_and_a_note(self, images: list[Image]) -> None:
        assert choose(images, None, "a.lif") == 1
        (note,) = how_chosen(images, 1, None, "a.lif")
        assert f"2: {images[1]}" in note
        assert "'a.lif#1'" in note

    @pytest.mark.parametrize(
        "images", [[MOVIE, OTHER], [MOVIE, UNNAMED], [PICTURE, PICTURE]]
    )
    def test_not_decided_for_the_user(self, images: list[Image]) -> None:
        with pytest.raises(InputError) as told:
            choose(images, None, "a.lif")
        for number, image in enumerate(images, 1):
            assert f"{number}: {image}" in str(told.value)
        assert "'a.lif#1'" in str(told.value)

    @pytest.mark.parametrize("choice", ["0", "3", "-1", "Series 9", "", "2.0", "²"])
    def test_one_that_is_not_there(self, choice: str) -> None:
        told = re.escape(f"has no image {choice!r}. It holds 2 images: 1: {MOVIE}; 2: ")
        with pytest.raises(InputError, match=told):
            choose([MOVIE, OTHER], choice, "a.lif")

    def test_a_name_given_twice(self) -> None:
        with pytest.raises(InputError, match=r"2 images .* called 'Series 1' \(1, 3\)"):
            choose([MOVIE, OTHER, MOVIE], "Series 1", "a.lif")

    def test_only_those_in_the_file_that_was_named(self) -> None:
        images = [MOVIE, PICTURE, PICTURE]
        assert choose(images, None, "b.ome.tif", among=[2]) == 2
        with pytest.raises(InputError, match=r"3 images: 1: .*'b\.ome\.tif#2'"):
            choose(images, None, "b.ome.tif", among=[1, 2])
        assert choose(images, "1", "b.ome.tif", among=[1, 2]) == 0

    def test_ten_are_listed(self) -> None:
        images = [Image(f"P{i}", "TYX", (5, 8, 8)) for i in range(1, 13)]
        with pytest.raises(InputError, match=r"10: 'P10' .*; and 2 more") as told:
            choose(images, None, "a.lif")
        assert "P11" not in str(told.value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("folder/movie.ome.tif", "movie"),
        ("a.b.tiff", "a.b"),
        ("movie.OME.TIF", "movie"),
        ("movie.ome.zarr/", "movie"),
        ("movie.zarr.zip", "movie"),
        ("movie", "movie"),
    ],
)
def test_name_of_a_movie(path: str, name: str) -> None:
    assert movie_name(path) == name


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("2", "movie-2"),
        ("Series 3", "movie-Series_3"),
        ("A/1/0", "movie-A_1_0"),
        ("../..", "movie-image"),
        ("Zelle Ä: 1", "movie-Zelle_Ä_1"),
    ],
)
def test_a_chosen_image_has_a_name_for_files(
    tmp_path: Path, choice: str, name: str
) -> None:
    path = tmp_path / "movie.ome.tif"
    path.touch()
    assert movie_name(f"{path}#{choice}") == name


def test_one_image_is_listed_and_chosen(tmp_path: Path) -> None:
    path = tmp_path / "movie.npy"
    movie = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    np.save(path, movie)
    assert nu.list_images(path) == (Image("", "???", (3, 4, 5)),)
    stack = nu.open(f"{path}#1")
    np.testing.assert_array_equal(stack.read(), movie)
    assert stack.source == f"{path}#1"
    with pytest.raises(InputError, match=r"no image '2'. It holds one image: 1: "):
        nu.open(f"{path}#2")
