"""OME-TIFF: several images in one file, several files, and what the header says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

import dialects
from napari_udvd.errors import InputError
from napari_udvd.formats import list_images, open_stack

if TYPE_CHECKING:
    from pathlib import Path


def pixels(*shape: int, seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 9000, shape).astype("u2")


def image(movie: npt.NDArray[Any], **more: Any) -> dict[str, Any]:
    """Describe an image of pixels ``(T, Y, X)``, all in the file itself."""
    n, height, width = movie.shape
    return {"sizes": {"T": n, "Y": height, "X": width}, **more}


def blocks(n: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [{"FirstT": t, "IFD": first + t, "PlaneCount": 1, **more} for t in range(n)]


def assert_movie(path: Any, expected: npt.NDArray[Any], axes: str = "TYX") -> Any:
    stack = open_stack(path)
    assert stack.axes == axes
    np.testing.assert_array_equal(np.asarray(stack.data), expected)
    return stack


class TestOneFilePerPosition:
    """Each file holds one image, and the header of each describes all."""

    def write(
        self, folder: Path, lengths: list[int], uuids: bool = True
    ) -> tuple[list[Path], list[npt.NDArray[Any]]]:
        movies = [pixels(n, 16, 18, seed=k) for k, n in enumerate(lengths)]
        paths = [folder / f"scene_{k}.ome.tif" for k in range(len(lengths))]
        images = [
            image(
                movie,
                name=f"scene {k}",
                blocks=blocks(
                    len(movie),
                    file=paths[k].name,
                    uuid=f"urn:uuid:{k}" if uuids else "",
                ),
            )
            for k, movie in enumerate(movies)
        ]
        for k, (path, movie) in enumerate(zip(paths, movies, strict=True)):
            own = f"urn:uuid:{k}" if uuids else None
            dialects.plain_pages(path, movie, dialects.ome_xml(images, own))
        return paths, movies

    @pytest.mark.parametrize("uuids", [True, False])
    @pytest.mark.parametrize("lengths", [[6, 6, 6], [3, 5], [2, 4, 3, 8]])
    def test_each_file_opens_as_itself(
        self, tmp_path: Path, lengths: list[int], uuids: bool
    ) -> None:
        paths, movies = self.write(tmp_path, lengths, uuids)
        for k, (path, movie) in enumerate(zip(paths, movies, strict=True)):
            stack = assert_movie(path, movie)
            assert (
                f"one of the {len(lengths)} images of its set, {k + 1}: 'scene {k}'"
                in (stack.notes[0])
            )
            assert [found.name for found in list_images(path)] == [
                f"scene {j}" for j in range(len(lengths))
            ]

    def test_another_image_of_the_set_is_chosen(self, tmp_path: Path) -> None:
        paths, movies = self.write(tmp_path, [6, 6, 6])
        for k, movie in enumerate(movies):
            for choice in (k + 1, f"scene {k}"):
                stack = assert_movie(f"{paths[1]}#{choice}", movie)
                assert stack.notes == ()
                assert stack.data.files == (str(paths[k]),)

    def test_the_identifier_decides_and_not_the_name(self, tmp_path: Path) -> None:
        paths, movies = self.write(tmp_path, [6, 6, 6])
        renamed = paths[1].rename(tmp_path / "best.ome.tif")
        assert_movie(renamed, movies[1])
        paths[2].rename(paths[1])  # scene 2 under the name of scene 1
        assert_movie(paths[1], movies[2])

    def test_files_that_changed_names_are_refused(self, tmp_path: Path) -> None:
        paths, _ = self.write(tmp_path, [6, 6, 6])
        other = paths[1].rename(tmp_path / "other")
        paths[2].rename(paths[1])
        other.rename(paths[2])
        with pytest.raises(InputError, match="another file of the set under its name"):
            open_stack(f"{paths[0]}#2")

    def test_only_files_of_the_chosen_image_are_needed(self, tmp_path: Path) -> None:
        paths, movies = self.write(tmp_path, [6, 6, 6])
        paths[0].unlink()
        assert_movie(paths[1], movies[1])
        with pytest.raises(InputError, match=r"not in the folder .*scene_0\.ome\.tif"):
            open_stack(f"{paths[1]}#1")


class TestSeveralImagesInOneFile:
    @pytest.mark.parametrize("lengths", [[4, 6], [3, 3, 3]])
    def test_one_is_chosen(self, tmp_path: Path, lengths: list[int]) -> None:
        movies = [pixels(n, 16, 18, seed=k) for k, n in enumerate(lengths)]
        firsts = np.cumsum([0, *lengths])
        xml = dialects.ome_xml(
            [
                image(movie, blocks=blocks(len(movie), int(first)))
                for movie, first in zip(movies, firsts, strict=False)
            ]
        )
        path = tmp_path / "a.ome.tif"
        dialects.plain_pages(path, np.concatenate(movies), xml)
        with pytest.raises(
            InputError, match=f"holds {len(lengths)} images: 1: 'image 0'"
        ):
            open_stack(path)
        for k, movie in enumerate(movies):
            assert_movie(f"{path}#{k + 1}", movie)

    def test_images_of_different_sizes_and_types(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie, mask = pixels(5, 16, 18), np.ones((5, 8, 30), np.uint8)
        with tifffile.TiffWriter(path, ome=True) as writer:
            for frames in (movie, mask):
                writer.write(
                    frames,
                    metadata={"axes": "TYX"},
                    contiguous=False,
                    compression="zlib",
                )
        assert_movie(f"{path}#1", movie)
        assert_movie(f"{path}#2", mask)

    def test_an_overview_is_no_movie(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie = pixels(5, 16, 18)
        with tifffile.TiffWriter(path, ome=True) as writer:
            writer.write(movie[0], metadata={"axes": "YX", "Name": "overview"})
            writer.write(movie, metadata={"axes": "TYX", "Name": "run"})
        stack = assert_movie(path, movie)
        assert "2: 'run' TYX (5, 16, 18)" in stack.notes[0]

    def test_pages_that_two_images_claim(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie = pixels(6, 16, 18)
        xml = dialects.ome_xml([image(movie), image(movie)])
        dialects.plain_pages(path, movie, xml)
        with pytest.raises(InputError, match=r"gives page 0 to two images"):
            open_stack(f"{path}#2")

    def test_a_pyramid_is_one_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie = pixels(5, 32, 36)
        with tifffile.TiffWriter(path, ome=True) as writer:
            writer.write(movie, subifds=1, metadata={"axes": "TYX"})
            writer.write(movie[:, ::2, ::2], subfiletype=1)
        assert len(list_images(path)) == 1
        assert_movie(path, movie)


class TestWhereThePlanesAre:
    @pytest.mark.parametrize("order", ["XYZCT", "XYCZT", "XYTZC", "XYTCZ", "XYCTZ"])
    def test_every_order_of_planes(self, tmp_path: Path, order: str) -> None:
        sizes = {"T": 4, "C": 2, "Z": 3}
        axes = [axis for axis in reversed(order) if axis in sizes]
        movie = pixels(*(sizes[axis] for axis in axes), 16, 18)
        xml = dialects.ome_xml(
            [{"sizes": {**sizes, "Y": 16, "X": 18}, "order": order, "blocks": [{}]}]
        )
        path = tmp_path / "a.ome.tif"
        dialects.plain_pages(path, movie.reshape(-1, 16, 18), xml)
        assert_movie(path, movie, "".join(axes) + "YX")

    @pytest.mark.parametrize("seed", range(3))
    def test_pages_in_any_order(self, tmp_path: Path, seed: int) -> None:
        movie = pixels(7, 16, 18)
        stored = np.random.default_rng(seed).permutation(7)
        told = [
            {"FirstT": int(t), "IFD": page, "PlaneCount": 1}
            for page, t in enumerate(stored)
        ]
        path = tmp_path / "a.ome.tif"
        xml = dialects.ome_xml([image(movie, blocks=told)])
        dialects.plain_pages(path, movie[stored], xml)
        assert_movie(path, movie)

    def test_no_block_means_all_pages(self, tmp_path: Path) -> None:
        movie = pixels(5, 16, 18)
        path = tmp_path / "a.ome.tif"
        dialects.plain_pages(path, movie, dialects.ome_xml([image(movie, blocks=[])]))
        assert_movie(path, movie)

    def test_more_pages_than_planes(self, tmp_path: Path) -> None:
        movie = pixels(8, 16, 18)
        path = tmp_path / "a.ome.tif"
        xml = dialects.ome_xml([image(movie[:5], blocks=blocks(5, 2))])
        dialects.plain_pages(path, movie, xml)
        assert_movie(path, movie[2:7])

    @pytest.mark.parametrize("there", [1, 4])
    def test_fewer_pages_than_planes(self, tmp_path: Path, there: int) -> None:
        movie = pixels(6, 16, 18)
        path = tmp_path / "a.ome.tif"
        xml = dialects.ome_xml([image(movie, blocks=blocks(6))])
        dialects.plain_pages(path, movie[:there], xml)
        with pytest.raises(InputError, match=f"promises 6 planes but holds {there}"):
            open_stack(path)
        stack = open_stack(path, axes="TYX" if there > 1 else "YX")
        np.testing.assert_array_equal(np.asarray(stack.data), movie[:there].squeeze())
        assert "pages are read in their order" in stack.notes[0]

    def test_pages_of_another_size(self, tmp_path: Path) -> None:
        movie = pixels(4, 16, 18)
        path = tmp_path / "a.ome.tif"
        xml = dialects.ome_xml([{"sizes": {"T": 4, "Y": 18, "X": 16}}])
        dialects.plain_pages(path, movie, xml)
        with pytest.raises(InputError, match="does not fit what the file holds"):
            open_stack(path)

    @pytest.mark.parametrize("master", ["set.companion.ome", "master.ome.tif"])
    def test_a_set_described_by_another_file(self, tmp_path: Path, master: str) -> None:
        movie = pixels(6, 16, 18)
        names = [f"part_{k}.ome.tif" for k in range(3)]
        told = [
            {"FirstT": t, "IFD": t % 2, "PlaneCount": 1}
            | {"file": names[t // 2], "uuid": f"urn:uuid:{t // 2}"}
            for t in range(6)
        ]
        xml = dialects.ome_xml([image(movie, blocks=told)], "urn:uuid:master")
        if master.endswith(".tif"):
            dialects.plain_pages(tmp_path / master, movie[:1], xml)
        else:
            (tmp_path / master).write_text(xml, encoding="utf-8")
        for k, name in enumerate(names):
            only = (
                f'<?xml version="1.0"?><OME xmlns="{dialects.OME}" '
                f'UUID="urn:uuid:{k}"><BinaryOnly MetadataFile="{master}" '
                'UUID="urn:uuid:master"/></OME>'
            )
            dialects.plain_pages(tmp_path / name, movie[2 * k : 2 * k + 2], only)
        for name in names:
            assert_movie(tmp_path / name, movie)

    def test_times_that_lie_along_another_axis(self, tmp_path: Path) -> None:
        """Lifetimes or wavelengths along T are no time."""
        movie = pixels(6, 16, 18)
        more = (
            '<StructuredAnnotations><XMLAnnotation ID="Annotation:0" Namespace="'
            'openmicroscopy.org/omero/dimension/modulo"><Value><Modulo><ModuloAlongT '
            'Type="lifetime" Start="0" End="5" Step="1"/></Modulo></Value>'
            "</XMLAnnotation></StructuredAnnotations>"
        )
        reference = '<AnnotationRef ID="Annotation:0"/>'
        xml = dialects.ome_xml([image(movie, inner=reference)], more=more)
        path = tmp_path / "a.ome.tif"
        dialects.plain_pages(path, movie, xml)
        with pytest.raises(InputError, match="are not those of a movie"):
            open_stack(path)

    @pytest.mark.parametrize("odd", ["i2", "u1", "shape"])
    def test_files_of_a_set_that_differ(self, tmp_path: Path, odd: str) -> None:
        movie = pixels(4, 16, 18) % 100
        names = [f"part_{k}.ome.tif" for k in range(2)]
        told = [
            {"FirstT": t, "IFD": t % 2, "PlaneCount": 1}
            | {"file": names[t // 2], "uuid": f"urn:uuid:{t // 2}"}
            for t in range(4)
        ]
        for k, name in enumerate(names):
            part = movie[2 * k : 2 * k + 2]
            if k == 1:
                part = part[:, :8] if odd == "shape" else part.astype(odd)
            xml = dialects.ome_xml([image(movie, blocks=told)], f"urn:uuid:{k}")
            dialects.plain_pages(tmp_path / name, part, xml)
        for name in names:
            with pytest.raises(InputError, match=r"one image|does not fit"):
                open_stack(tmp_path / name)


class TestWhatItSays:
    def write(self, path: Path, movie: npt.NDArray[Any], **more: Any) -> Any:
        dialects.plain_pages(path, movie, dialects.ome_xml([image(movie, **more)]))
        return open_stack(path)

    @pytest.mark.parametrize("unit", ["s", "ms", "min"])
    @pytest.mark.parametrize(
        "times", [[0, 1, 2, 3, 63, 123], [5, 6, 8, 9, 10, 11], [0.5, 1, 9, 9.5, 10, 11]]
    )
    def test_irregular_times_are_kept_and_written(
        self, tmp_path: Path, save: Any, times: list[float], unit: str
    ) -> None:
        planes = [
            {"TheT": t, "TheC": 0, "TheZ": 0, "DeltaT": time, "DeltaTUnit": unit}
            for t, time in enumerate(times)
        ]
        stack = self.write(
            tmp_path / "a.ome.tif", pixels(6, 16, 18), planes=planes, TimeIncrement=1
        )
        assert stack.times == tuple(times) and stack.units["T"] == unit
        assert "T" not in stack.scale and "irregular" in stack.describe()
        for name in ("b.ome.tif", "b.ome.zarr"):
            save(tmp_path / name, stack)
            again = open_stack(tmp_path / name)
            assert again.times == stack.times and again.units["T"] == unit
            assert "T" not in again.scale
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
            xml = str(tif.ome_metadata)
        assert xml.count("DeltaT=") == 6 and "TimeIncrement" not in xml

    def test_incomplete_times_are_left_out(self, tmp_path: Path) -> None:
        planes = [{"TheT": t, "TheC": 0, "TheZ": 0, "DeltaT": t**2} for t in range(4)]
        stack = self.write(tmp_path / "a.ome.tif", pixels(6, 16, 18), planes=planes)
        assert stack.times is None and "T" not in stack.scale

    def test_units_are_those_of_the_file(self, tmp_path: Path) -> None:
        stack = self.write(
            tmp_path / "a.ome.tif",
            pixels(4, 16, 18),
            PhysicalSizeX=65.0,
            PhysicalSizeXUnit="nm",
            PhysicalSizeY=0.065,
            TimeIncrement=2,
            TimeIncrementUnit="min",
        )
        assert stack.scale == {"X": 65.0, "Y": 0.065, "T": 2.0}
        assert stack.units == {"X": "nm", "Y": "µm", "T": "min"}

    @pytest.mark.parametrize("said", ["int16", "uint8", "float"])
    def test_another_type_than_that_of_the_pages(
        self, tmp_path: Path, said: str
    ) -> None:
        stack = self.write(tmp_path / "a.ome.tif", pixels(4, 16, 18), type=said)
        assert stack.dtype == np.uint16
        assert "uint16" in stack.notes[0]
