"""TIFF dialects of microscopes: the right pixels under the right axes, or a refusal."""

from __future__ import annotations

import warnings
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


def pixels(*shape: int, dtype: str = "u2", seed: int = 0) -> npt.NDArray[Any]:
    """Pixels that are all different between planes."""
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def assert_movie(
    path: Path | str, expected: npt.NDArray[Any], axes: str, named: str | None = None
) -> Any:
    stack = open_stack(path, axes=named)
    assert stack.axes == axes
    assert stack.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(stack.data), expected)
    return stack


class TestAppended:
    """Files written piece by piece with ``append=True``."""

    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize(
        ("chunks", "named"),
        [
            ([6, 6, 6], None),
            ([1] * 9, None),
            ([4, 4, 3], None),
            ([5, 5], "TYX"),
            ([2] * 8, "TYX"),
        ],
    )
    def test_pieces_that_are_alike_are_one_movie(
        self, tmp_path: Path, chunks: list[int], named: str | None, compression: Any
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(sum(chunks), 20, 24)
        for stop, n in zip(np.cumsum(chunks), chunks, strict=True):
            piece = movie[stop - n : stop]
            metadata = {"axes": named} if named else {}
            with warnings.catch_warnings():
                # three frames are stored like a colour picture
                warnings.simplefilter("ignore", DeprecationWarning)
                tifffile.imwrite(
                    path,
                    piece if named else piece.squeeze(),
                    append=path.exists(),
                    metadata=metadata,
                    compression=compression,
                )
        stack = assert_movie(path, movie, "TYX")
        assert f"one movie of {len(movie)} frames" in stack.notes[0]
        assert len(list_images(path)) == 1
        assert_movie(path, movie, "TYX", named="TYX")

    def test_frames_of_several_channels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(6, 2, 20, 24)
        for frame in movie:
            tifffile.imwrite(
                path, frame, append=path.exists(), metadata={"axes": "CYX"}
            )
        with pytest.raises(InputError, match="the file names only C, Y, X"):
            open_stack(path)
        assert_movie(path, movie, "TCYX", named="TCYX")

    @pytest.mark.parametrize(
        "shapes",
        [
            [(5, 20, 24), (5, 20, 25)],
            [(2, 20, 24), (5, 20, 24)],
            [(5, 20, 24), (2, 20, 24), (5, 20, 24)],
        ],
    )
    def test_unlike_pieces_are_listed(self, tmp_path: Path, shapes: Any) -> None:
        path = tmp_path / "a.tif"
        movies = [pixels(*shape, seed=k) for k, shape in enumerate(shapes)]
        for movie in movies:
            tifffile.imwrite(path, movie, append=path.exists())
        with pytest.raises(InputError, match=rf"{len(shapes)} images: 1: \?YX "):
            open_stack(path)
        for number, movie in enumerate(movies, 1):
            assert_movie(f"{path}#{number}", movie, "TYX")

    def test_pieces_of_another_type_are_not_joined(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        for dtype in ("u2", "u1"):
            movie = pixels(5, 20, 24, dtype=dtype)
            tifffile.imwrite(path, movie, append=path.exists())
        with pytest.raises(InputError, match="2 images"):
            open_stack(path)

    def test_pages_stored_in_two_ways_are_one_movie(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(9, 20, 24)
        for t, frame in enumerate(movie):
            tifffile.imwrite(
                path,
                frame,
                append=path.exists(),
                metadata=None,
                compression="zlib" if t % 3 else None,
            )
        assert_movie(path, movie, "TYX")

    def test_a_thumbnail_is_no_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(9, 20, 24)
        with tifffile.TiffWriter(path) as writer:
            for frame in movie:
                writer.write(frame, metadata=None, contiguous=False)
            small = movie[0, ::2, ::2]
            writer.write(small, metadata=None, subfiletype=1, contiguous=False)
        assert len(list_images(path)) == 1
        assert_movie(path, movie, "TYX")


class TestPlanarColour:
    """Three or four grey planes that tifffile stores like those of a colour picture."""

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [
            ((6, 3, 20, 24), "TCYX"),
            ((6, 4, 20, 24), "TZYX"),
            ((4, 20, 24), "TYX"),
            ((2, 3, 4, 20, 24), "TZCYX"),
        ],
    )
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_the_file_names_the_axes(
        self, tmp_path: Path, shape: Any, axes: str, compression: Any
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(*shape)
        tifffile.imwrite(
            path,
            movie,
            photometric="rgb",
            planarconfig="separate",
            metadata={"axes": axes},
            compression=compression,
        )
        assert_movie(path, movie, axes)
        assert_movie(path, movie, axes, named=axes)

    @pytest.mark.parametrize(
        ("shape", "axes"), [((6, 3, 20, 24), "TCYX"), ((3, 20, 24), "TYX")]
    )
    def test_the_user_names_the_axes(
        self, tmp_path: Path, shape: Any, axes: str
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(*shape)
        tifffile.imwrite(path, movie, photometric="rgb", planarconfig="separate")
        with pytest.raises(InputError, match=r"colour picture .* axes=\"T?CYX\""):
            open_stack(path)
        assert_movie(path, movie, axes, named=axes)

    def test_channels_of_ome_stored_as_samples(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie = pixels(5, 3, 20, 24)
        tifffile.imwrite(
            path,
            movie,
            ome=True,
            photometric="rgb",
            planarconfig="separate",
            metadata={"axes": "TCYX"},
        )
        assert_movie(path, movie, "TCYX", named="TCYX")


class TestImageJ:
    """What ImageJ writes beside the pixels."""

    def write(self, path: Path, movie: npt.NDArray[Any], **lines: Any) -> None:
        said = {"images": len(movie), "frames": len(movie), "unit": "micron", **lines}
        text = "ImageJ=1.54f\n" + "\n".join(f"{k}={v}" for k, v in said.items()) + "\n"
        dialects.plain_pages(path, movie, text)

    @pytest.mark.parametrize("lowest", [-32768, -5, 100])
    def test_signed_pixels(self, tmp_path: Path, lowest: int) -> None:
        path = tmp_path / "a.tif"
        movie = (pixels(4, 20, 24).astype("i4") + lowest).astype("i2")
        stored = (movie.astype("i4") + 32768).astype("u2")
        self.write(path, stored, cf=0, c0=-32768.0, c1=1.0, vunit="gray value")
        assert_movie(path, movie, "TYX")

    def test_another_calibration_is_noted(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(4, 20, 24)
        self.write(path, movie, cf=0, c0=-10.0, c1=0.5)
        (note,) = assert_movie(path, movie, "TYX").notes
        assert "-10 + 0.5 x their value" in note

    @pytest.mark.parametrize(
        ("times", "interval"),
        [([0.0, 2.0, 4.1, 6.0], 2.0), ([0.0, 1.0, 60.0, 61.0], None)],
    )
    def test_times_of_the_importer(
        self, tmp_path: Path, times: list[float], interval: float | None
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(4, 20, 24)
        info = "\n".join(f"timestamp #{k} = {t}" for k, t in enumerate(times))
        tifffile.imwrite(
            path,
            movie,
            imagej=True,
            metadata={"axes": "TYX", "finterval": 2.0, "unit": "um", "Info": info},
        )
        stack = open_stack(path)
        assert stack.scale.get("T") == interval
        assert stack.times == (None if interval else tuple(times))

    def test_a_virtual_stack_has_one_page(self, tmp_path: Path) -> None:
        """As ImageJ writes stacks of more than 4 GB: all planes behind one page."""
        path = tmp_path / "a.tif"
        movie = pixels(7, 20, 24)
        text = "ImageJ=1.54f\nimages=7\nframes=7\nunit=um\nfinterval=0.5\n"
        tags = [*dialects.basic_tags(movie[0]), (270, dialects.ASCII, text)]
        dialects.one_page(path, movie, tags)
        stack = assert_movie(path, movie, "TYX")
        assert stack.scale["T"] == 0.5


class TestMicroManager:
    """Image stack files and NDTiff data sets."""

    SAID = {  # noqa: RUF012
        "PixelSize_um": 0.16,
        "z-step_um": 0.5,
        "Interval_ms": 100,
        "ChNames": ["GFP", "RFP"],
    }

    @pytest.mark.parametrize("shape", [(6, 2, 3, 20, 24), (9, 2, 1, 20, 24)])
    def test_everything_it_says_is_kept(self, tmp_path: Path, shape: Any) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(*shape)
        dialects.mmstack(path, movie, summary=self.SAID)
        axes = "TCZYX" if shape[2] > 1 else "TCYX"
        stack = assert_movie(path, movie.squeeze(), axes)
        assert stack.scale["X"] == stack.scale["Y"] == 0.16
        assert (stack.scale["T"], stack.units["T"]) == (100.0, "ms")
        assert stack.scale.get("Z", 0.5) == 0.5
        assert stack.channel_names == ("GFP", "RFP") and stack.notes == ()

    @pytest.mark.parametrize("order", ["forwards", "backwards", "depths first"])
    def test_the_map_says_where_planes_are(self, tmp_path: Path, order: str) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(4, 2, 3, 20, 24)
        present = list(np.ndindex(4, 2, 3))
        if order == "backwards":
            present.reverse()
        elif order == "depths first":
            present.sort(key=lambda key: (key[2], key[0], key[1]))
        dialects.mmstack(path, movie, present=present)
        assert_movie(path, movie, "TCZYX")

    def test_each_position_of_a_set_opens_as_itself(self, tmp_path: Path) -> None:
        labels = [{"Label": name} for name in ("well A", "well B", "well C")]
        said = {**self.SAID, "Positions": 3, "StagePositions": labels}
        movies = [pixels(5, 2, 1, 20, 24, seed=k) for k in range(3)]
        paths = [tmp_path / f"cells_MMStack_Pos{k}.ome.tif" for k in range(3)]
        for k, (path, movie) in enumerate(zip(paths, movies, strict=True)):
            dialects.mmstack(path, movie, position=k, summary=said)
        names = [image.name for image in list_images(paths[1])]
        assert names == ["well A", "well B", "well C"]
        for k, (path, movie) in enumerate(zip(paths, movies, strict=True)):
            stack = assert_movie(path, movie.squeeze(), "TCYX")
            assert f"{k + 1}: 'well {'ABC'[k]}'" in stack.notes[0]
            other = f"{path}#well {'ABC'[k - 1]}"
            assert_movie(other, movies[k - 1].squeeze(), "TCYX")

    def test_frames_go_on_in_the_next_file(self, tmp_path: Path) -> None:
        movie = pixels(8, 2, 1, 20, 24)
        parts = [tmp_path / f"cells_MMStack_Pos0{k}.ome.tif" for k in ("", "_1")]
        for path, frames in zip(parts, (range(5), range(5, 8)), strict=True):
            present = [(t, c, 0) for t in frames for c in range(2)]
            dialects.mmstack(path, movie, present=present, summary=self.SAID)
        for path in parts:
            assert_movie(path, movie.squeeze(), "TCYX")

    def test_files_of_another_recording_are_left_alone(self, tmp_path: Path) -> None:
        movie, other = pixels(4, 1, 1, 20, 24), pixels(4, 1, 1, 20, 24, seed=1)
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        dialects.mmstack(path, movie, summary={"StartTime": "10:00"})
        again = tmp_path / "cells_MMStack_Pos1.ome.tif"
        dialects.mmstack(again, other, position=1, summary={"StartTime": "11:00"})
        assert len(list_images(path)) == 1
        assert_movie(path, movie[:, 0, 0], "TYX")
        assert_movie(again, other[:, 0, 0], "TYX")

    @pytest.mark.parametrize("n_planes", [7, 8, 9])
    def test_a_recording_that_was_stopped(self, tmp_path: Path, n_planes: int) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(20, 2, 1, 20, 24)
        present = list(np.ndindex(20, 2, 1))[:n_planes]
        dialects.mmstack(path, movie, present=present)
        n = n_planes // 2
        stack = assert_movie(path, movie[:n, :, 0], "TCYX")
        assert f"promises 20 frames but holds {n}" in stack.notes[0]

    def test_planes_missing_in_the_middle(self, tmp_path: Path) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(6, 2, 1, 20, 24)
        present = [key for key in np.ndindex(6, 2, 1) if key != (2, 1, 0)]
        dialects.mmstack(path, movie, present=present)
        with pytest.raises(InputError, match="frame 2 is not complete"):
            open_stack(path)

    @pytest.mark.parametrize(
        ("times", "interval"),
        [
            ([0, 133, 266, 400, 533], pytest.approx(133.25)),
            ([0, 100, 200, 300, 400], 100.0),
            ([0, 100, 200, 900, 1000], None),
        ],
    )
    def test_recorded_times_go_before_the_nominal_interval(
        self, tmp_path: Path, times: list[float], interval: Any
    ) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(5, 2, 1, 20, 24)
        dialects.mmstack(path, movie, summary=self.SAID, times=times)
        stack = open_stack(path)
        assert stack.scale.get("T") == interval and stack.units["T"] == "ms"
        assert stack.times == (tuple(times) if interval is None else None)
        assert bool(stack.notes) == (interval != 100.0)

    def test_damaged_words_of_a_page_cost_the_times_only(self, tmp_path: Path) -> None:
        path = tmp_path / "cells_MMStack_Pos0.ome.tif"
        movie = pixels(5, 2, 1, 20, 24)
        dialects.mmstack(path, movie, summary=self.SAID, times=range(0, 500, 100))
        content = path.read_bytes()
        at = content.rindex(b'{"FrameIndex": 2, "ChannelIndex": 0')
        path.write_bytes(content[:at] + b"[" + content[at + 1 :])
        stack = assert_movie(path, movie.squeeze(), "TCYX")
        assert stack.scale["T"] == 100.0
        assert "times of the frames" in stack.notes[0]

    @pytest.mark.parametrize(
        ("axes", "shape", "expected"),
        [
            (("time", "channel"), (5, 2, 20, 24), "TCYX"),
            (("time", "z"), (5, 3, 20, 24), "TZYX"),
            (("time",), (7, 20, 24), "TYX"),
        ],
    )
    def test_ndtiff(
        self, tmp_path: Path, axes: tuple[str, ...], shape: Any, expected: str
    ) -> None:
        movie = pixels(*shape)
        channels = ["DAPI", "Cy5"] if "channel" in axes else []
        path = dialects.ndtiff(
            tmp_path / "set", movie, axes, channels=channels, summary={"z-step_um": 2}
        )
        stack = assert_movie(path, movie, expected)
        assert stack.scale["X"] == 0.25 and stack.channel_names == tuple(channels)
        assert stack.scale.get("Z", 2.0) == 2.0

    def test_positions_of_ndtiff(self, tmp_path: Path) -> None:
        movie = pixels(2, 5, 20, 24)
        path = dialects.ndtiff(tmp_path / "set", movie, ("position", "time"))
        with pytest.raises(InputError, match="2 images: 1: 'position 1' TYX"):
            open_stack(path)
        for k in range(2):
            assert_movie(f"{path}#{k + 1}", movie[k], "TYX")


class TestScanImage:
    """Volumes, channels and split recordings of ScanImage."""

    def settings(self, **values: Any) -> dict[str, Any]:
        stack = {"enable": "true", "framesPerSlice": 1}
        known = {f"SI.hStackManager.{k}": v for k, v in {**stack, **values}.items()}
        known["SI.hRoiManager.scanFrameRate"] = 30.0
        return known

    @pytest.mark.parametrize(("slices", "volumes"), [(4, 10), (7, 3), (2, 20)])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_fast_volumes(
        self, tmp_path: Path, slices: int, volumes: int, channels: int
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(volumes, slices, channels, 20, 24, dtype="i2")
        saved = "[1;3]" if channels == 2 else "3"
        settings = self.settings(
            numSlices=slices, actualNumSlices=slices, numVolumes=volumes
        ) | {
            "SI.hFastZ.enable": "true",
            "SI.hChannels.channelSave": saved,
            "SI.hChannels.channelName": "{'red' 'none' 'green'}",
            "SI.hRoiManager.scanVolumeRate": 5.0,
            "SI.hStackManager.stackZStepSize": 12,
        }
        dialects.scanimage(path, movie.reshape(-1, 20, 24), settings)
        expected = movie if channels > 1 else movie[:, :, 0]
        axes = "TZCYX" if channels > 1 else "TZYX"
        stack = assert_movie(path, expected, axes)
        assert stack.scale["T"] == pytest.approx(0.2) and stack.scale["Z"] == 12
        assert stack.channel_names == (
            ("red", "green") if channels == 2 else ("green",)
        )
        assert stack.notes == ()

    def test_frames_on_the_way_back_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(6, 5, 20, 24, dtype="i2")
        settings = self.settings(
            numSlices=3,
            actualNumSlices=3,
            numVolumes=6,
            numFramesPerVolumeWithFlyback=5,
        ) | {"SI.hFastZ.enable": "true"}
        dialects.scanimage(path, movie.reshape(-1, 20, 24), settings)
        stack = assert_movie(path, movie[:, :3], "TZYX")
        assert "2 frames of the way back" in stack.notes[0]

    @pytest.mark.parametrize(("first", "skipped"), [(1, 0), (13, 0), (6, 3), (8, 1)])
    def test_a_part_of_a_set_begins_anywhere(
        self, tmp_path: Path, first: int, skipped: int
    ) -> None:
        path = tmp_path / "a_00002.tif"
        frames = pixels(20, 20, 24, dtype="i2")
        settings = self.settings(numSlices=4, actualNumSlices=4, numVolumes=100)
        settings["SI.hFastZ.enable"] = "true"
        dialects.scanimage(path, frames, settings, first_frame=first)
        n = (20 - skipped) // 4
        expected = frames[skipped : skipped + 4 * n].reshape(n, 4, 20, 24)
        stack = assert_movie(path, expected, "TZYX")
        assert len(stack.notes) == (skipped > 0) + ((20 - skipped) % 4 > 0)

    @pytest.mark.parametrize("n", [40, 17, 1])
    @pytest.mark.parametrize("promised", [1000, "Inf"])
    def test_a_part_of_a_movie(self, tmp_path: Path, n: int, promised: Any) -> None:
        path = tmp_path / "a_00001.tif"
        frames = pixels(n, 20, 24, dtype="i2")
        settings = self.settings(numSlices=1, framesPerSlice=promised)
        dialects.scanimage(path, frames, settings)
        for named in (None, "TYX"):
            stack = assert_movie(path, frames, "TYX", named=named)
            assert stack.scale["T"] == pytest.approx(1 / 30)
            said = " ".join(stack.notes)
            assert ("of the 1000 frames" in said) == (promised == 1000)

    def test_slices_recorded_one_after_the_other(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(3, 5, 20, 24, dtype="i2")  # slices, frames
        settings = self.settings(numSlices=3, framesPerSlice=5, numVolumes=1)
        dialects.scanimage(path, movie.reshape(-1, 20, 24), settings)
        stack = assert_movie(path, movie.transpose(1, 0, 2, 3), "TZYX")
        assert "T" not in stack.scale
        assert "no regular interval" in stack.notes[0]

    @pytest.mark.parametrize(
        ("said", "shape", "axes", "interval"),
        [
            (
                "scanimage.SI4.channelsSave = [1;2]\nscanimage.SI4.stackNumSlices = 1\n"
                "scanimage.SI4.acqNumFrames = 9\nscanimage.SI4.scanFrameRate = 20",
                (9, 1, 2),
                "TCYX",
                0.05,
            ),
            (
                "scanimage.SI5.channelsSave = 2\nscanimage.SI5.stackNumSlices = 3\n"
                "scanimage.SI5.fastZEnable = true\nscanimage.SI5.fastZNumVolumes = 6\n"
                "scanimage.SI5.scanFrameRate = 30\nscanimage.SI5.acqNumFrames = 1",
                (6, 3, 1),
                "TZYX",
                0.1,
            ),
            (
                "state.configName='a'\rstate.acq.numberOfChannelsSave=2\r"
                "state.acq.numberOfZSlices=1\rstate.acq.numberOfFrames=9\r"
                "state.acq.frameRate=4\rstate.acq.numAvgFramesSave=1",
                (9, 1, 2),
                "TCYX",
                0.25,
            ),
        ],
    )
    def test_older_versions(
        self, tmp_path: Path, said: str, shape: Any, axes: str, interval: float
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(*shape, 20, 24, dtype="i2")
        dialects.plain_pages(path, movie.reshape(-1, 20, 24), said)
        stack = assert_movie(path, movie.squeeze(), axes)
        assert stack.scale["T"] == pytest.approx(interval) and stack.notes == ()

    def test_size_of_a_pixel(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        settings = self.settings(numSlices=1)
        corners = "[-60 -50;60 -50;60 50;-60 50]"
        settings["SI.hRoiManager.imagingFovUm"] = corners
        dialects.scanimage(path, pixels(9, 20, 24, dtype="i2"), settings)
        assert open_stack(path).scale["X"] == 5.0
        assert open_stack(path).scale["Y"] == 5.0

    def test_frames_of_which_a_page_is_the_mean(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        settings = self.settings(numSlices=1, framesPerSlice=80)
        settings["SI.hScan2D.logAverageFactor"] = 4
        frames = pixels(20, 20, 24, dtype="i2")
        dialects.scanimage(path, frames, settings)
        stack = assert_movie(path, frames, "TYX")
        assert stack.scale["T"] == pytest.approx(4 / 30) and stack.notes == ()

    def test_a_part_of_a_slice_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        frames = pixels(7, 20, 24, dtype="i2")
        settings = self.settings(numSlices=3, framesPerSlice=5)
        dialects.scanimage(path, frames, settings)
        with pytest.raises(InputError, match=r'part of a volume.*axes="TYX"'):
            open_stack(path)
        stack = assert_movie(path, frames, "TYX", named="TYX")
        assert "read in their order" in stack.notes[0]


class TestLsm:
    """Zeiss LSM."""

    @pytest.mark.parametrize(
        ("shape", "scan", "axes"),
        [
            ((6, 1, 1, 20, 24), 3, "TYX"),
            ((6, 1, 2, 20, 24), 3, "TCYX"),
            ((4, 3, 3, 20, 24), 6, "TZCYX"),
        ],
    )
    def test_pixels_and_what_it_says(
        self, tmp_path: Path, shape: Any, scan: int, axes: str
    ) -> None:
        path = tmp_path / "a.lsm"
        movie = pixels(*shape)
        names = ["Ch1-T1", "Ch2-T1", "ChD"][: shape[2]]
        dialects.lsm(
            path,
            movie,
            scan=scan,
            voxel=(2e-7, 2.5e-7, 1e-6),
            interval=1.5,
            stamps=3.0 + 1.5 * np.arange(shape[0]),
            names=names,
        )
        stack = assert_movie(path, movie.squeeze(), axes)
        assert (stack.scale["X"], stack.scale["Y"]) == (0.2, 0.25)
        assert stack.units["X"] == "µm" and stack.scale.get("Z", 1.0) == 1.0
        assert (stack.scale["T"], stack.units["T"]) == (1.5, "s")
        assert stack.channel_names == tuple(names) and stack.notes == ()

    def test_irregular_stamps(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lsm"
        stamps = [10.0, 11.0, 12.0, 42.0]
        dialects.lsm(
            path, pixels(4, 1, 1, 20, 24), scan=3, voxel=(1e-7,) * 3, stamps=stamps
        )
        stack = open_stack(path)
        assert stack.times == (0.0, 1.0, 2.0, 32.0) and "T" not in stack.scale

    def test_positions(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lsm"
        movie = pixels(2, 5, 1, 1, 20, 24)
        dialects.lsm(path, movie, scan=3, voxel=(1e-7,) * 3, positions=2)
        with pytest.raises(InputError, match="2 images: 1: 'position 1' TYX"):
            open_stack(path)
        for k in range(2):
            assert_movie(f"{path}#{k + 1}", movie[k, :, 0, 0], "TYX")


class TestMetaMorph:
    """Stacks of MetaMorph (STK)."""

    @pytest.mark.parametrize("dtype", ["u1", "u2"])
    @pytest.mark.parametrize("interval", [100, 2000])
    def test_a_movie(self, tmp_path: Path, dtype: str, interval: int) -> None:
        path = tmp_path / "a.stk"
        movie = pixels(7, 20, 24, dtype=dtype)
        dialects.stk(
            path,
            movie,
            pixel=(65, 1000),
            created=[5000 + interval * t for t in range(7)],
        )
        stack = assert_movie(path, movie, "TYX")
        assert stack.scale["X"] == 0.065 and stack.units["X"] == "µm"
        assert stack.scale["T"] == pytest.approx(interval / 1000)
        assert stack.units["T"] == "s" and stack.notes == ()

    def test_irregular_times(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stk"
        movie = pixels(4, 20, 24)
        dialects.stk(path, movie, pixel=(1, 10), created=[0, 100, 200, 60200])
        assert open_stack(path).times == (0.0, 0.1, 0.2, 60.2)

    def test_a_stack_in_depth(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stk"
        movie = pixels(5, 20, 24)
        dialects.stk(
            path, movie, pixel=(1, 10), distance=0.5, created=range(0, 500, 100)
        )
        stack = assert_movie(path, movie, "ZYX")
        assert stack.scale["Z"] == 0.5

    def test_wavelengths_in_turn_are_channels(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stk"
        movie = pixels(5, 2, 20, 24)
        created = [1000 * (k // 2) + 50 * (k % 2) for k in range(10)]
        dialects.stk(
            path,
            movie.reshape(10, 20, 24),
            pixel=(1, 10),
            created=created,
            waves=[488, 561] * 5,
        )
        stack = assert_movie(path, movie, "TCYX")
        assert stack.channel_names == ("488 nm", "561 nm")
        assert stack.scale["T"] == pytest.approx(1.0)

    def test_wavelengths_without_order_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stk"
        movie = pixels(6, 20, 24)
        waves = [488, 561, 488, 488, 561, 561]
        dialects.stk(path, movie, pixel=(1, 10), created=range(6), waves=waves)
        with pytest.raises(InputError, match="several wavelengths in no regular order"):
            open_stack(path)
        assert_movie(path, movie, "TYX", named="TYX")


@pytest.mark.parametrize(
    ("dimensions", "axes"),
    [
        ([("T", 6, 2.0, "s")], "TYX"),
        ([("Ch", 2, 1.0, ""), ("T", 3, 2.0, "s")], "TCYX"),
        ([("Z", 3, 0.5, "um"), ("T", 2, 2.0, "s")], "TZYX"),
    ],
)
def test_fluoview(tmp_path: Path, dimensions: Any, axes: str) -> None:
    path = tmp_path / "a.tif"
    movie = pixels(6, 20, 24)
    frame = [("X", 24, 0.1, "um"), ("Y", 20, 0.1, "um")]
    dialects.fluoview(path, movie, [*frame, *dimensions])
    sizes = {"Ch": "C"}
    shape = [n for _, n, _, _ in reversed(dimensions)]
    stack = assert_movie(path, movie.reshape(*shape, 20, 24), axes)
    assert stack.scale["X"] == 0.1 and stack.scale["T"] == 2.0
    assert all(sizes.get(name, name) in stack.axes for name, *_ in dimensions)


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        ((20000, 20000), "CENTIMETER", 0.5),
        ((50800, 25400), "INCH", 0.5),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((20000, 20000), "NONE", None),
    ],
)
def test_resolution_tags_of_a_microscope(
    tmp_path: Path, resolution: Any, unit: str, size: float | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, pixels(5, 20, 24), resolution=resolution, resolutionunit=unit
    )
    stack = open_stack(path)
    assert stack.scale.get("X") == size
    assert stack.units == ({"Y": "µm", "X": "µm"} if size else {})


@pytest.mark.parametrize(
    ("said", "scale"),
    [
        (
            {"finterval": 0.5, "unit": "um", "spacing": 2},
            {"T": 0.5, "X": 0.2, "Y": 0.2},
        ),
        ({"TimeIncrement": 20, "TimeIncrementUnit": "ms"}, {"T": 20}),
        ({"PhysicalSizeX": 65, "PhysicalSizeXUnit": "nm"}, {"X": 65}),
        ({"fps": 10}, {}),
    ],
)
def test_what_the_description_of_tifffile_adds(
    tmp_path: Path, said: dict[str, Any], scale: dict[str, float]
) -> None:
    path = tmp_path / "a.tif"
    movie = pixels(5, 20, 24)
    tifffile.imwrite(path, movie, metadata={"axes": "TYX", **said}, resolution=(5, 5))
    assert assert_movie(path, movie, "TYX").scale == scale


@pytest.mark.parametrize("left", [0.97, 0.99])
def test_a_dialect_whose_tags_are_cut_off_is_not_taken_for_another(
    tmp_path: Path, left: float
) -> None:
    path = tmp_path / "a.stk"
    dialects.stk(path, pixels(7, 20, 24), pixel=(1, 10), created=range(7))
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(InputError, match=r"tag 3362\d, which says how|cannot be read"):
        open_stack(path)


@pytest.mark.parametrize("piece", range(3))
def test_a_description_of_other_pages_is_refused(tmp_path: Path, piece: int) -> None:
    path = tmp_path / "a.tif"
    for seed in range(3):
        tifffile.imwrite(path, pixels(5, 20, 24, seed=seed), append=path.exists())
    content = path.read_bytes()
    parts = content.split(b"[5, 20, 24]")
    assert len(parts) == 4
    shapes = [b"[5, 20, 25]" if k == piece else b"[5, 20, 24]" for k in range(3)]
    path.write_bytes(b"".join(map(bytes.__add__, parts, [*shapes, b""])))
    with pytest.raises(InputError, match="does not fit what the file holds"):
        open_stack(path)


class TestMakers:
    """Tags of makers whose pages are ordinary ones."""

    def write(self, path: Path, *tags: dialects.Tag) -> Any:
        movie = pixels(5, 20, 24)
        pages = []
        for t, frame in enumerate(movie):
            more = tags if t == 0 else ()
            pages.append(([*dialects.basic_tags(frame), *more], [frame.tobytes()]))
        dialects.assemble(path, pages)
        return assert_movie(path, movie, "TYX")

    @pytest.mark.parametrize("state", ["on", "off"])
    def test_metamorph(self, tmp_path: Path, state: str) -> None:
        told = {
            "spatial-calibration-state": ("bool", state),
            "spatial-calibration-x": ("float", 0.65),
            "spatial-calibration-y": ("float", 0.65),
            "spatial-calibration-units": ("string", "um"),
        }
        properties = "".join(
            f'<prop id="{name}" type="{kind}" value="{value}"/>'
            for name, (kind, value) in told.items()
        )
        text = f"<MetaData><PlaneInfo>{properties}</PlaneInfo></MetaData>"
        stack = self.write(
            tmp_path / "a.tif",
            (270, dialects.ASCII, text),
            (305, dialects.ASCII, "MetaSeries"),
        )
        assert stack.scale == ({"X": 0.65, "Y": 0.65} if state == "on" else {})

    @pytest.mark.parametrize("size", [1.5e-9, 2e-6])
    def test_scanning_electron_microscopes(self, tmp_path: Path, size: float) -> None:
        text = f"[Scan]\nPixelWidth={size}\nPixelHeight={size}\n"
        stack = self.write(tmp_path / "a.tif", (34682, dialects.ASCII, text))
        assert stack.scale["X"] == pytest.approx(size * 1e6)
        assert stack.units["X"] == "µm"
        text = f"AP_IMAGE_PIXEL_SIZE\nImage Pixel Size = {size * 1e9:g} nm\n"
        stack = self.write(tmp_path / "b.tif", (34118, dialects.ASCII, text))
        assert stack.scale["X"] == pytest.approx(size * 1e9)
        assert stack.units["X"] == "nm"

    @pytest.mark.parametrize("cycle", [0.02, 1.5])
    def test_andor(self, tmp_path: Path, cycle: float) -> None:
        stack = self.write(
            tmp_path / "a.tif",
            (4864, dialects.LONG, 1),
            (4878, dialects.DOUBLE, np.asarray([cycle], "<f8").tobytes()),
        )
        assert stack.scale == {"T": cycle} and stack.units == {"T": "s"}


class TestPagesThatDiffer:
    """One odd page among many that look alike where tifffile looks."""

    @pytest.mark.parametrize("odd", [3, 5, 9])
    @pytest.mark.parametrize("kind", ["rows", "columns", "type"])
    def test_another_picture_among_frames(
        self, tmp_path: Path, odd: int, kind: str
    ) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(12, 20, 24)
        other = {
            "rows": movie[odd, :10],
            "columns": movie[odd, :, :20],
            "type": movie[odd].astype("u1"),
        }[kind]
        with tifffile.TiffWriter(path) as writer:
            for t, frame in enumerate(movie):
                writer.write(
                    other if t == odd else frame, metadata=None, contiguous=False
                )
        with pytest.raises(InputError, match="2 kinds that lie between one another"):
            open_stack(path)
        assert_movie(f"{path}#1", np.delete(movie, odd, axis=0), "TYX")

    @pytest.mark.parametrize("odd", [3, 9])
    def test_another_compression(self, tmp_path: Path, odd: int) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(12, 20, 24)
        with tifffile.TiffWriter(path) as writer:
            for t, frame in enumerate(movie):
                how = "zlib" if t == odd else None
                writer.write(frame, metadata=None, contiguous=False, compression=how)
        assert_movie(path, movie, "TYX")

    def test_in_a_file_that_says_they_are_one_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ome.tif"
        movie = pixels(12, 20, 24)
        xml = dialects.ome_xml([{"sizes": {"T": 12, "Y": 20, "X": 24}}])
        with tifffile.TiffWriter(path) as writer:
            for t, frame in enumerate(movie):
                writer.write(
                    frame[:10] if t == 4 else frame,
                    metadata=None,
                    contiguous=False,
                    description=xml if t == 0 else None,
                )
        with pytest.raises(InputError, match=r"page 4 .* has another size"):
            open_stack(path)


class TestPixels:
    """Types of pixels as TIFF may store them."""

    @pytest.mark.parametrize("dtype", ["i1", "f2", ">i2", ">f4", "<f8"])
    def test_types(self, tmp_path: Path, dtype: str) -> None:
        path = tmp_path / "a.tif"
        movie = (pixels(5, 20, 24).astype("f4") - 100).astype(dtype)
        tifffile.imwrite(path, movie, byteorder=">" if dtype[0] == ">" else "<")
        assert_movie(path, movie.astype(movie.dtype.newbyteorder("=")), "TYX")

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_packed_bits(self, tmp_path: Path, bits: int) -> None:
        imagecodecs = pytest.importorskip("imagecodecs")
        path = tmp_path / "a.tif"
        movie = (pixels(5, 20, 24).astype("u4") * 2**bits // 200).astype("u2")
        pages = []
        for frame in movie:
            tags = [tag for tag in dialects.basic_tags(frame) if tag[0] != 258]
            packed = imagecodecs.packints_encode(frame, bits)
            pages.append(([*tags, (258, dialects.SHORT, bits)], [bytes(packed)]))
        dialects.assemble(path, pages)
        assert_movie(path, movie, "TYX")

    def test_zero_is_white(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        movie = pixels(5, 20, 24)
        tifffile.imwrite(path, movie, photometric="miniswhite")
        stack = assert_movie(path, movie, "TYX")
        assert any("0 is white" in note for note in stack.notes)


def test_what_the_tests_write_is_what_tifffile_reads(tmp_path: Path) -> None:
    """The files above are read by an independent reader as well."""
    movie = pixels(6, 2, 1, 20, 24)
    path = tmp_path / "cells_MMStack_Pos0.ome.tif"
    dialects.mmstack(path, movie)
    np.testing.assert_array_equal(tifffile.imread(path), movie.squeeze())
    path = tmp_path / "a.stk"
    dialects.stk(path, movie[:, 0, 0], pixel=(1, 10))
    np.testing.assert_array_equal(tifffile.imread(path), movie[:, 0, 0])
    path = tmp_path / "a.lsm"
    dialects.lsm(path, movie.transpose(0, 2, 1, 3, 4), scan=3, voxel=(1e-7,) * 3)
    np.testing.assert_array_equal(tifffile.imread(path), movie.squeeze())
