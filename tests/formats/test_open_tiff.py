"""Reading TIFF, ImageJ hyperstacks and OME-TIFF."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack


def assert_same(path: Path, expected: Any, axes: str, named: str | None = None) -> None:
    stack = open_stack(path, axes=named)
    assert stack.axes == axes
    assert stack.dtype == expected.dtype.newbyteorder("=")
    assert stack.dtype.isnative
    np.testing.assert_array_equal(np.asarray(stack.data), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 3},
        {"compression": "zlib", "tile": (16, 16)},
        {"tile": (16, 16)},
        {"rowsperstrip": 3},
    ],
    ids=str,
)
def test_every_layout_reads_the_same(
    tmp_path: Path, movie: Any, options: dict[str, Any]
) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"}, **options)
    assert_same(path, movie, "TYX")


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "u4", "f2", "f4", ">f8", "i8"])
def test_dtypes(tmp_path: Path, movie: Any, dtype: str) -> None:
    path = tmp_path / "movie.tif"
    pixels = movie.astype(dtype)
    order = ">" if dtype[0] == ">" else "<"
    tifffile.imwrite(path, pixels, byteorder=order, metadata={"axes": "TYX"})
    assert_same(path, pixels, "TYX")


@pytest.mark.parametrize("compression", [None, "zlib"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_block_is_what_numpy_would_give(
    compression: str | None, data: st.DataObject
) -> None:
    movie = np.arange(4 * 2 * 5 * 7, dtype=np.uint16).reshape(4, 2, 5, 7)
    spans = st.one_of(st.integers(-9, 9), st.none())
    steps = st.sampled_from([None, 1, 2, -1, -2])
    key = tuple(
        data.draw(
            st.one_of(st.integers(-n, n - 1), st.builds(slice, spans, spans, steps))
        )
        for n in movie.shape
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "movie.tif")
        tifffile.imwrite(
            path, movie, compression=compression, metadata={"axes": "TCYX"}
        )
        block = open_stack(path).data[key]
    np.testing.assert_array_equal(block, movie[key])
    assert block.shape == movie[key].shape


def test_unnamed_pages_are_frames_and_a_note_says_so(
    tmp_path: Path, movie: Any
) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata=None)
    assert_same(path, movie, "TYX")
    (note,) = open_stack(path).notes
    assert "not named" in note and "TYX" in note and str(path) in note


def test_named_axes_need_no_note(tmp_path: Path, movie: Any) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"})
    assert open_stack(path).notes == ()


def test_two_unnamed_axes_are_ambiguous(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    pixels = np.zeros((2, 5, 8, 9), np.uint8)
    tifffile.imwrite(path, pixels, metadata={})
    with pytest.raises(InputError, match=r"\(2, 5, 8, 9\) are ambiguous.*axes="):
        open_stack(path)
    assert_same(path, pixels, "TZYX", named="tzyx")


def test_axes_that_are_no_movie(tmp_path: Path) -> None:
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 5, 8, 9), np.uint8), metadata={"axes": "TAYX"})
    with pytest.raises(InputError, match="'TAYX'"):
        open_stack(path)


class TestImageJ:
    """Hyperstacks as ImageJ and Fiji write them."""

    def write(self, path: Path, shape: tuple[int, ...], axes: str, **metadata: Any):
        pixels = np.random.default_rng(0).integers(0, 99, shape, np.uint16)
        tifffile.imwrite(
            path,
            pixels,
            imagej=True,
            resolution=(5.0, 4.0),
            metadata={"axes": axes, **metadata},
        )
        return pixels

    def test_time_depth_and_channels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        pixels = self.write(
            path,
            (4, 3, 2, 8, 9),
            "TZCYX",
            unit="micron",
            spacing=0.7,
            finterval=1.5,
        )
        assert_same(path, pixels, "TZCYX")
        stack = open_stack(path)
        assert stack.scale == pytest.approx({"X": 0.2, "Y": 0.25, "Z": 0.7, "T": 1.5})
        assert stack.units == {"X": "µm", "Y": "µm", "Z": "µm", "T": "s"}

    def test_slices_stay_depth(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        pixels = self.write(path, (6, 8, 9), "ZYX", unit="um", spacing=2.0)
        assert_same(path, pixels, "ZYX")
        assert open_stack(path).scale["Z"] == 2.0

    def test_the_user_may_call_slices_frames(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        pixels = self.write(path, (6, 8, 9), "ZYX", unit="um", spacing=2.0)
        assert_same(path, pixels, "TYX", named="TYX")
        stack = open_stack(path, axes="TYX")
        assert stack.scale == pytest.approx({"X": 0.2, "Y": 0.25})

    def test_escaped_unit(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (6, 8, 9), "TYX", unit="\\u00B5m")
        assert open_stack(path).units == {"X": "µm", "Y": "µm"}

    @pytest.mark.parametrize("fps", [4.0, 30.0, 0.5])
    def test_the_speed_of_playing_is_no_interval(
        self, tmp_path: Path, fps: float
    ) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (6, 8, 9), "TYX", unit="um", fps=fps)
        stack = open_stack(path)
        assert "T" not in stack.scale and "T" not in stack.units
        (note,) = stack.notes
        assert f"fps={fps:g}" in note and "interval is not known" in note

    def test_an_interval_wins_over_the_speed(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (6, 8, 9), "TYX", unit="um", fps=4.0, finterval=2.5)
        stack = open_stack(path)
        assert stack.scale["T"] == 2.5 and stack.units["T"] == "s"
        assert stack.notes == ()

    @pytest.mark.parametrize("metadata", [{}, {"unit": "pixel"}])
    def test_uncalibrated(self, tmp_path: Path, metadata: dict[str, str]) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (6, 8, 9), "TYX", **metadata)
        stack = open_stack(path)
        assert stack.scale == {} and stack.units == {}

    def test_channel_labels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (3, 2, 8, 9), "TCYX", Labels=["GFP", "RFP"] * 3)
        assert open_stack(path).channel_names == ("GFP", "RFP")

    def test_labels_of_frames_are_not_channels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        self.write(path, (3, 2, 8, 9), "TCYX", Labels=[f"t{i}" for i in range(6)])
        assert open_stack(path).channel_names == ()


class TestOme:
    """OME-TIFF written by tifffile."""

    def write(self, path: Path, pixels: Any, axes: str, **metadata: Any) -> None:
        tifffile.imwrite(
            path,
            pixels,
            ome=True,
            photometric="minisblack",
            metadata={"axes": axes, **metadata},
        )

    def test_calibration_and_names(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        pixels = np.arange(3 * 4 * 2 * 8 * 9, dtype="u2").reshape(3, 4, 2, 8, 9)
        self.write(
            path,
            pixels,
            "CTZYX",
            PhysicalSizeX=110.0,
            PhysicalSizeXUnit="nm",
            PhysicalSizeY=0.11,
            PhysicalSizeZ=0.5,
            TimeIncrement=40.0,
            TimeIncrementUnit="ms",
            Channel={"Name": ["DAPI", "GFP", "RFP"]},
        )
        assert_same(path, pixels, "CTZYX")
        stack = open_stack(path)
        assert stack.scale == {"X": 110.0, "Y": 0.11, "Z": 0.5, "T": 40.0}
        assert stack.units == {"X": "nm", "Y": "µm", "Z": "µm", "T": "ms"}
        assert stack.channel_names == ("DAPI", "GFP", "RFP")

    @pytest.mark.parametrize(
        ("shape", "axes"), [((6, 8, 9), "ZYX"), ((8, 9), "YX"), ((6, 8, 9), "TYX")]
    )
    def test_only_what_is_there(
        self, tmp_path: Path, shape: tuple[int, ...], axes: str
    ) -> None:
        path = tmp_path / "a.ome.tif"
        pixels = np.ones(shape, np.uint8)
        self.write(path, pixels, axes)
        assert_same(path, pixels, axes)

    def test_interval_from_plane_times(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        self.write(
            path,
            np.ones((4, 8, 9), np.uint8),
            "TYX",
            Plane={"DeltaT": [0.5, 2.4, 4.6, 6.5], "DeltaTUnit": ["s"] * 4},
        )
        stack = open_stack(path)
        assert stack.scale["T"] == pytest.approx(2.0)
        assert stack.units["T"] == "s"

    def test_explicit_axes_keep_what_still_applies(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        self.write(
            path,
            np.ones((4, 8, 9), np.uint8),
            "ZYX",
            PhysicalSizeX=0.1,
            PhysicalSizeZ=0.5,
        )
        stack = open_stack(path, axes="TYX")
        assert stack.axes == "TYX" and stack.scale == {"X": 0.1}
        assert open_stack(path, axes="TZCYX").shape == (1, 4, 1, 8, 9)

    @pytest.mark.parametrize("axes", ["YX", "TCYX", "TCZYX"])
    def test_explicit_axes_must_fit(self, tmp_path: Path, axes: str) -> None:
        path = tmp_path / "a.ome.tif"
        self.write(path, np.ones((4, 8, 9), np.uint8), "ZYX")
        with pytest.raises(
            InputError, match=rf"{axes}.* name {len(axes)} .* has 3: shape \(4, 8, 9\)"
        ):
            open_stack(path, axes=axes)

    def test_several_images_are_listed_and_one_is_chosen(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        with tifffile.TiffWriter(path, ome=True) as writer:
            for n in (5, 3):
                writer.write(np.full((n, 8, 9), n, "u1"), metadata={"axes": "TYX"})
        with pytest.raises(InputError, match=r"2 images: 1: 'Image0' TYX \(5, 8, 9\)"):
            open_stack(path)
        for number, n in ((1, 5), (2, 3)):
            chosen = Path(f"{path}#{number}")
            assert_same(chosen, np.full((n, 8, 9), n, "u1"), "TYX")
            assert open_stack(chosen).notes == ()

    def test_the_only_movie_and_a_note(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        with tifffile.TiffWriter(path, ome=True) as writer:
            for n, axes in ((1, "YX"), (3, "TYX")):
                pixels = np.full((n, 8, 9), n, "u1").squeeze()
                writer.write(pixels, metadata={"axes": axes})
        assert_same(path, np.full((3, 8, 9), 3, "u1"), "TYX")
        assert "2 images" in open_stack(path).notes[0]

    def write_set(self, folder: Path, compression: str | None = None) -> list[Path]:
        """Write three files of two frames each, as one OME-TIFF movie."""
        paths = [folder / f"part{i}.ome.tif" for i in range(3)]
        blocks = "".join(
            f'<TiffData FirstT="{2 * i + k}" IFD="{k}" PlaneCount="1">'
            f'<UUID FileName="{path.name}">urn:uuid:{i}</UUID></TiffData>'
            for i, path in enumerate(paths)
            for k in range(2)
        )
        for i, path in enumerate(paths):
            xml = (
                '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
                f'UUID="urn:uuid:{i}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
                'DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" SizeZ="1" '
                'SizeC="1" SizeT="6" TimeIncrement="3">'
                f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}'
                "</Pixels></Image></OME>"
            )
            with tifffile.TiffWriter(path, byteorder="<>"[i % 2]) as writer:
                for k in range(2):
                    writer.write(
                        np.full((8, 9), 2 * i + k, np.uint16),
                        description=xml if k == 0 else None,
                        metadata=None,
                        contiguous=False,
                        compression=compression,
                    )
        return paths

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_a_set_opens_from_any_of_its_files(
        self, tmp_path: Path, compression: str | None
    ) -> None:
        for path in self.write_set(tmp_path, compression):
            stack = open_stack(path)
            assert stack.shape == (6, 8, 9) and stack.axes == "TYX"
            np.testing.assert_array_equal(
                np.asarray(stack.data)[:, 3, 4], [0, 1, 2, 3, 4, 5]
            )
            assert stack.scale == {"T": 3.0} and stack.notes == ()

    def test_missing_files_of_a_set_are_named(self, tmp_path: Path) -> None:
        paths = self.write_set(tmp_path)
        paths[1].unlink()
        with pytest.raises(InputError, match=r"part1\.ome\.tif") as caught:
            open_stack(paths[0])
        assert "one of 3 files" in str(caught.value)
        assert "part2" not in str(caught.value)

    def test_a_truncated_file_of_a_set_is_named(self, tmp_path: Path) -> None:
        paths = self.write_set(tmp_path)
        os.truncate(paths[2], paths[2].stat().st_size - 20)
        with pytest.raises(InputError):
            open_stack(paths[0])

    def test_a_renamed_file_still_opens(self, tmp_path: Path, save: Any) -> None:
        pixels = np.ones((4, 8, 9), np.uint8)
        self.write(tmp_path / "a.ome.tif", pixels, "TYX")
        (tmp_path / "a.ome.tif").rename(tmp_path / "b.ome.tif")
        assert_same(tmp_path / "b.ome.tif", pixels, "TYX")

    def test_part_of_a_set_described_elsewhere(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<BinaryOnly MetadataFile="set.companion.ome" UUID="urn:uuid:1"/></OME>'
        )
        tifffile.imwrite(path, np.ones((8, 9)), description=xml, metadata=None)
        with pytest.raises(InputError, match=r"set\.companion\.ome"):
            open_stack(path)

    def test_planes_promised_but_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint8" SizeX="9" SizeY="8" SizeZ="1" SizeC="1" SizeT="5">'
            '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/>'
            "</Pixels></Image></OME>"
        )
        with tifffile.TiffWriter(path) as writer:
            for k in range(3):
                writer.write(
                    np.zeros((8, 9), np.uint8),
                    description=xml if k == 0 else None,
                    metadata=None,
                    contiguous=False,
                )
        with pytest.raises(InputError, match="promises 5 planes but holds 3"):
            open_stack(path)

    def test_damaged_xml(self, tmp_path: Path, capfd: Any) -> None:
        path = tmp_path / "a.ome.tif"
        self.write(path, np.ones((4, 8, 9), np.uint8), "TYX")
        content = path.read_bytes()
        path.write_bytes(content.replace(b"</Image>", b"</Imago>"))
        with pytest.raises(InputError, match=r"OME-XML.*does not fit.*axes="):
            open_stack(path)
        assert_same(path, np.ones((4, 8, 9), np.uint8), "TYX", named="TYX")
        assert capfd.readouterr().err == ""


class TestBad:
    """Files that are not what they seem."""

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            open_stack(tmp_path / "no.tif")

    def test_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_text("this is not a picture\n" * 20)
        with pytest.raises(InputError, match=r"a\.tif.*not a TIFF"):
            open_stack(path)

    @pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"II*\0\x08\0\0\0"])
    def test_stub(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.tif"):
            open_stack(path)

    @pytest.mark.parametrize(
        ("shape", "axes"), [((8, 9, 3), "YXS"), ((5, 8, 9, 3), "TYXS")]
    )
    def test_colour(self, tmp_path: Path, shape: Any, axes: str) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(
            path, np.zeros(shape, "u1"), photometric="rgb", metadata={"axes": axes}
        )
        for explicit in (None, "TYX", "TYXC"):
            with pytest.raises(InputError, match=r"colour picture \(3 values.*RGB"):
                open_stack(path, axes=explicit)

    @pytest.mark.parametrize("dtype", [np.complex64, bool])
    def test_dtypes_that_are_no_intensities(self, tmp_path: Path, dtype: Any) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, np.zeros((5, 16, 16), dtype), metadata={"axes": "TYX"})
        with pytest.raises(InputError, match="dtype"):
            open_stack(path)

    def test_a_compression_without_decoder(self, tmp_path: Path, movie: Any) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, movie, compression="zlib", metadata=None)
        with tifffile.TiffFile(path, mode="r+b") as tif:
            for page in tif.pages:
                page.tags["Compression"].overwrite(32809)  # ThunderScan
        with pytest.raises(InputError, match=r"THUNDERSCAN.*imagecodecs"):
            open_stack(path)

    def test_damaged_compressed_pixels(self, tmp_path: Path, movie: Any) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, movie, compression="zlib", metadata={"axes": "TYX"})
        with tifffile.TiffFile(path) as tif:
            offset = tif.pages[4].dataoffsets[0]
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(b"\xff" * 8)
        stack = open_stack(path)
        np.testing.assert_array_equal(stack.read(slice(0, 4)), movie[:4])
        with pytest.raises(InputError, match=r"a\.tif.*damaged"):
            stack.read(4)

    def test_file_that_shrinks_while_open(self, tmp_path: Path, movie: Any) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, movie, metadata={"axes": "TYX"})
        stack = open_stack(path)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(InputError, match="too early"):
            stack.read()

    def test_unreadable(self, tmp_path: Path, movie: Any) -> None:
        if not hasattr(os, "geteuid"):
            pytest.skip("permissions of this system cannot be taken away")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            path = folder / "a.tif"
            tifffile.imwrite(path, movie)
            path.chmod(0)
            user = os.geteuid()
            if user == 0:
                os.seteuid(65534)  # root may read everything
            try:
                with pytest.raises(InputError, match="Permission denied"):
                    open_stack(path)
            finally:
                os.seteuid(user)

    def test_looping_directories_end(self, tmp_path: Path, movie: Any) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, movie[:1], metadata=None)
        content = bytearray(path.read_bytes())
        first = int.from_bytes(content[4:8], "little")
        n_tags = int.from_bytes(content[first : first + 2], "little")
        end = first + 2 + 12 * n_tags
        content[end : end + 4] = first.to_bytes(4, "little")
        path.write_bytes(content)
        assert open_stack(path).shape == (10, 14)


def _variants(folder: Path, movie: Any, save: Any) -> dict[str, Path]:
    from napari_udvd.stack import Stack

    axes = {"metadata": {"axes": "TYX"}}
    paths = {
        name: folder / f"{name}.tif"
        for name in ("plain", "unnamed", "deflate", "imagej", "ome", "own", "paged")
    }
    tifffile.imwrite(paths["plain"], movie, **axes)
    tifffile.imwrite(paths["unnamed"], movie, metadata=None)
    tifffile.imwrite(paths["deflate"], movie, compression="zlib", **axes)
    tifffile.imwrite(paths["imagej"], movie, imagej=True, **axes)
    tifffile.imwrite(paths["ome"], movie, ome=True, **axes)
    save(paths["own"], Stack.from_array(movie, "TYX"))
    with tifffile.TiffWriter(paths["paged"]) as writer:
        for frame in movie:
            writer.write(frame, contiguous=False, metadata=None)
    return paths


VARIANTS = ("plain", "unnamed", "deflate", "imagej", "ome", "own", "paged")


@pytest.fixture(scope="module")
def variants(tmp_path_factory: Any, save: Any) -> tuple[dict[str, bytes], Any]:
    movie = np.random.default_rng(0).integers(1, 999, (12, 10, 14), np.uint16)
    paths = _variants(tmp_path_factory.mktemp("variants"), movie, save)
    return {name: path.read_bytes() for name, path in paths.items()}, movie


@pytest.mark.parametrize("variant", VARIANTS)
@given(part=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, deadline=None)
def test_a_cut_file_is_never_read_as_a_shorter_movie(
    variants: Any, variant: str, part: float
) -> None:
    contents, movie = variants
    content = contents[variant]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.tif"
        path.write_bytes(content[: int(part * len(content))])
        try:
            found = np.asarray(open_stack(path).data)
        except InputError as error:
            assert "cut.tif" in str(error)
        else:
            np.testing.assert_array_equal(found, movie)


@pytest.mark.parametrize("variant", VARIANTS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_damaged_file_gives_pixels_or_an_input_error(
    variants: Any, variant: str, data: st.DataObject
) -> None:
    content = bytearray(variants[0][variant])
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, min(len(content) - 1, 700)))
        content[where] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.tif"
        path.write_bytes(content)
        try:
            stack = open_stack(path)
            assert stack.read(0, rows=slice(0, 1)).ndim == 3
        except InputError as error:
            assert re.search(r"damaged\.tif", str(error))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_threads_read_side_by_side(
    tmp_path: Path, movie: Any, compression: str | None
) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, compression=compression, metadata={"axes": "TYX"})
    stack = open_stack(path)
    gate = threading.Barrier(4)

    def read(seed: int) -> bool:
        gate.wait()
        order = np.random.default_rng(seed).integers(0, len(movie), 60)
        return all((stack.read(int(t))[0] == movie[t]).all() for t in order)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(4)))


def test_only_what_is_asked_for_is_read(
    tmp_path: Path, movie: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_udvd.formats import _planes

    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"})
    asked: list[int] = []
    read_fully = _planes._read_fully

    def counting(file: Any, n_bytes: int) -> Any:
        asked.append(n_bytes)
        return read_fully(file, n_bytes)

    monkeypatch.setattr(_planes, "_read_fully", counting)
    stack = open_stack(path)
    assert asked == []
    stack.read(slice(3, 5), rows=slice(2, 6), columns=slice(1, 4))
    assert asked == [4 * 14 * 2] * 2


class TestRealFiles:
    """Files that others wrote."""

    def test_frap(self, shared_data: Path) -> None:
        stack = open_stack(shared_data / "embl_frap_70x512x512.tif")
        assert (stack.axes, stack.shape) == ("TYX", (70, 512, 512))
        assert stack.read(0).min() >= 378 and stack.notes == ()

    def test_two_channel_hyperstack(self, shared_data: Path) -> None:
        path = shared_data / "neubias_NPCsingleNucleus_15x2x180x183.tif"
        stack = open_stack(path)
        assert (stack.axes, stack.shape) == ("TCYX", (15, 2, 180, 183))
        assert stack.scale == pytest.approx({"X": 0.164735, "Y": 0.164735}, rel=1e-5)
        assert stack.units == {"X": "µm", "Y": "µm"}
        np.testing.assert_array_equal(np.asarray(stack.data), tifffile.imread(path))

    def test_stuck_beads_pages(self, shared_data: Path) -> None:
        path = shared_data / "pims_stuck_beads_5x512x512.tif"
        stack = open_stack(path)
        assert (stack.axes, stack.shape) == ("TYX", (5, 512, 512))
        assert len(stack.notes) == 1
        np.testing.assert_array_equal(np.asarray(stack.data), tifffile.imread(path))

    @pytest.mark.parametrize("number", range(3))
    def test_incomplete_set(self, shared_data: Path, number: int, capfd: Any) -> None:
        folder = shared_data / "mitosis_4D_ome_incomplete"
        with pytest.raises(InputError, match=r"48 of them.*mitosis_T03\.ome\.tif"):
            open_stack(folder / f"mitosis_T0{number}.ome.tif")
        assert capfd.readouterr().err == ""

    def test_colour_pictures(self, shared_data: Path) -> None:
        folder = shared_data / "drosophila_compressed"
        with pytest.raises(InputError, match="colour picture"):
            open_stack(folder / "DrosophilaEmbryo_GFPHistone_0000.tif")
        with pytest.raises(InputError, match="colour picture"):
            open_stack(folder)
