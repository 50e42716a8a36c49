"""Reading files of electron microscopes and Nikon ND2."""

from __future__ import annotations

import gc
import struct
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from napari_udvd.errors import InputError
from napari_udvd.formats import list_images, open_stack
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIXELS = np.arange(6 * 8 * 9, dtype=np.uint16).reshape(6, 8, 9)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a.hspy", "rsciio.hspy"),
        ("a.nd2", "nd2"),
        ("a.czi", "czifile"),
        ("a.lif", "liffile"),
        ("a.oib", "oiffile"),
    ],
)
def test_missing_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    (tmp_path / name).write_bytes(b"?")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r'pip install "napari-udvd\[formats\]"'):
        open_stack(tmp_path / name)


@pytest.mark.parametrize("suffix", ["hspy", "dm3", "dm4", "emd", "nd2"])
def test_something_else_under_that_name(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("nd2" if suffix == "nd2" else "rsciio")
    path = tmp_path / f"a.{suffix}"
    path.write_text("not what the suffix says " * 100)
    with pytest.raises(InputError, match=rf"a\.{suffix}"):
        open_stack(path)
    gc.collect()  # a reader that leaves the file open would warn now


def axis(name: str, size: int, scale: float = 1.0, units: str = "", nav: bool = False):
    return {
        "name": name,
        "size": size,
        "scale": scale,
        "offset": 0.0,
        "units": units,
        "navigate": nav,
        "_type": "UniformDataAxis",
        "is_binned": False,
    }


def write_signal(path: Path, pixels: Any, axes: list[dict[str, Any]]) -> None:
    for i, entry in enumerate(axes):
        entry["index_in_array"] = i
    if path.suffix == ".zspy":
        group = zarr.open_group(path, mode="w", zarr_format=2)
        group.update_attributes({"file_format": "HyperSpy-Zarr"})
        signal = group.create_group("Experiments").create_group("movie")
        signal.create_array("data", data=pixels)
        for i, entry in enumerate(axes):
            signal.create_group(f"axis-{i}").update_attributes(entry)
        return
    rsciio = pytest.importorskip(f"rsciio.{path.suffix[1:]}")
    rsciio.file_writer(
        str(path),
        {
            "data": pixels,
            "axes": axes,
            "metadata": {
                "General": {"title": "movie"},
                "Signal": {"signal_type": ""},
            },
            "original_metadata": {},
            "attributes": {"_lazy": False},
            "package_info": {"package": "hyperspy", "package_version": "2.0"},
            "tmp_parameters": {},
            "learning_results": {},
            "models": {},
        },
    )


IMAGE_AXES = [axis("y", 8, 0.2, "nm"), axis("x", 9, -0.2, "nm")]


@pytest.mark.parametrize("suffix", ["hspy", "zspy"])
class TestHyperSpy:
    def test_time_by_unit(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis("scan", 6, 0.5, "s", True), *IMAGE_AXES])
        stack = open_stack(path)
        assert stack.axes == "TYX" and stack.notes == ()
        assert stack.scale == pytest.approx({"T": 0.5, "Y": 0.2, "X": 0.2})
        assert stack.units == {"T": "s", "Y": "nm", "X": "nm"}
        np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
        np.testing.assert_array_equal(
            stack.read(slice(2, 4), columns=slice(3, 5)), PIXELS[2:4, :, 3:5]
        )

    def test_time_by_name(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis("Time", 6, 1, "", True), *IMAGE_AXES])
        assert open_stack(path).axes == "TYX"

    def test_depth(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis("z", 6, 3, "nm", True), *IMAGE_AXES])
        stack = open_stack(path)
        assert stack.axes == "ZYX" and stack.scale["Z"] == 3

    def test_z_without_a_unit_is_only_a_third_axis(
        self, tmp_path: Path, suffix: str
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis("z", 6, 1, "", True), *IMAGE_AXES])
        stack = open_stack(path)
        assert stack.axes == "TYX" and "not named" in stack.notes[0]

    @pytest.mark.parametrize(
        ("name", "unit", "said"),
        [
            ("Energy loss", "eV", "'Energy loss \\(eV\\)'"),
            ("tilt", "°", "'tilt \\(°\\)'"),
            ("defocus", "nm", "'defocus \\(nm\\)'"),
            ("scan", "", "'scan'"),
            ("", "keV", "'keV'"),
            ("z", "1/nm", "'z \\(1/nm\\)'"),
        ],
    )
    def test_another_axis_is_not_time(
        self, tmp_path: Path, suffix: str, name: str, unit: str, said: str
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis(name, 6, 0.5, unit, True), *IMAGE_AXES])
        with pytest.raises(InputError, match=f"{said}, which is not time"):
            open_stack(path)
        stack = open_stack(path, axes="TYX")  # the user knows better
        assert stack.n_frames == 6 and "T" not in stack.scale

    @pytest.mark.parametrize(
        "name", ["", "<undefined>", "axis 0", "Unnamed 0th axis", "stack", "0"]
    )
    def test_names_that_say_nothing(
        self, tmp_path: Path, suffix: str, name: str
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        write_signal(path, PIXELS, [axis(name, 6, 1, "", True), *IMAGE_AXES])
        stack = open_stack(path)
        assert stack.axes == "TYX" and "not named" in stack.notes[0]

    def test_energies_along_the_columns(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        axes = [axis("", 6, nav=True), axis("y", 8), axis("E", 9, 1, "eV")]
        write_signal(path, PIXELS, axes)
        with pytest.raises(InputError, match=r"'E \(eV\)': it holds spectra"):
            open_stack(path)

    @pytest.mark.parametrize(
        ("name", "unit"), [("time", ""), ("delay", "ms"), ("channel", "")]
    )
    def test_time_along_the_columns(
        self, tmp_path: Path, suffix: str, name: str, unit: str
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        axes = [axis("y", 6), axis("x", 8), axis(name, 9, 1, unit)]
        write_signal(path, PIXELS, axes)
        with pytest.raises(InputError, match=rf"'{name}.*traces and no images"):
            open_stack(path)

    def test_spectra_are_no_movie(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        axes = [
            axis("y", 6, nav=True),
            axis("x", 8, nav=True),
            axis("Energy", 9, 1, "eV"),
        ]
        write_signal(path, PIXELS, axes)
        with pytest.raises(InputError, match="0 are stacks of images"):
            open_stack(path)

    def test_scanned_diffraction_is_ambiguous(
        self, tmp_path: Path, suffix: str
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        axes = [axis("y", 2, nav=True), axis("x", 3, nav=True), *IMAGE_AXES]
        write_signal(path, PIXELS.reshape(2, 3, 8, 9), axes)
        with pytest.raises(InputError, match=r"\(2, 3, 8, 9\) are ambiguous"):
            open_stack(path)
        assert open_stack(path, axes="TZYX").scale == pytest.approx(
            {"Y": 0.2, "X": 0.2}
        )


@pytest.mark.parametrize("with_group", [False, True])
def test_folder_that_is_no_zspy(tmp_path: Path, with_group: bool) -> None:
    path = tmp_path / "a.zspy"
    path.mkdir()
    if with_group:
        zarr.open_group(path, mode="w").create_group("Experiments")
    with pytest.raises(InputError, match=r"a\.zspy"):
        open_stack(path)


def test_emd(tmp_path: Path) -> None:
    path = tmp_path / "a.emd"
    write_signal(path, PIXELS, [axis("time", 6, 0.5, "s", True), *IMAGE_AXES])
    stack = open_stack(path)
    assert stack.axes == "TYX" and stack.units["T"] == "s"
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)


class DigitalMicrograph:
    """Writes the tags of a DM3 or DM4 file that describe one image stack."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.long = ">q" if version == 4 else ">i"

    def number(self, *values: int) -> bytes:
        return b"".join(struct.pack(self.long, value) for value in values)

    def tag(self, kind: int, name: str, content: bytes) -> bytes:
        head = struct.pack(">BH", kind, len(name)) + name.encode()
        size = self.number(len(content)) if self.version == 4 else b""
        return head + size + content

    def group(self, name: str, *tags: bytes) -> bytes:
        if self.version == 4:  # rosettasciio reads the size as part of the group
            body = b"".join(tags)
            head = struct.pack(">BH", 20, len(name)) + name.encode()
            flags = struct.pack(">BB", 1, 0)
            return head + self.number(len(body)) + flags + self.number(len(tags)) + body
        return self.tag(
            20, name, struct.pack(">BB", 1, 0) + self.number(len(tags)) + b"".join(tags)
        )

    def value(self, name: str, code: int, layout: str, value: float) -> bytes:
        content = b"%%%%" + self.number(1, code) + struct.pack(layout, value)
        return self.tag(21, name, content)

    def array(self, name: str, code: int, values: Any) -> bytes:
        head = b"%%%%" + self.number(3, 20, code, len(values))
        return self.tag(21, name, head + values.tobytes())

    def text(self, name: str, text: str) -> bytes:
        return self.array(name, 4, np.array([ord(c) for c in text], "<u2"))

    def calibration(self, name: str, scale: float, units: str) -> bytes:
        return self.group(
            name,
            self.value("Origin", 6, "<f", 0.0),
            self.value("Scale", 6, "<f", scale),
            self.text("Units", units),
        )

    def file(self, pixels: Any, steps: list[tuple[float, str]]) -> bytes:
        image = self.group(
            "",
            self.group(
                "ImageData",
                self.group(
                    "Calibrations",
                    self.calibration("Brightness", 1.0, ""),
                    self.group(
                        "Dimension",
                        *(self.calibration("", *step) for step in reversed(steps)),
                    ),
                ),
                self.array("Data", 4, pixels.ravel()),
                self.value("DataType", 5, "<I", 10),
                self.group(
                    "Dimensions",
                    *(self.value("", 5, "<I", n) for n in reversed(pixels.shape)),
                ),
                self.value("PixelDepth", 5, "<I", 2),
            ),
            self.group("ImageTags"),
            self.text("Name", "movie"),
        )
        body = self.group("", self.group("ImageList", image))
        body = body[3:] if self.version == 3 else body[11:]
        head = struct.pack(">i", self.version) + self.number(len(body))
        return head + struct.pack(">i", 1) + body


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    ("first", "axes"), [((0.1, "s"), "TYX"), ((2.0, "nm"), "ZYX"), ((1.0, ""), "TYX")]
)
def test_digital_micrograph(
    tmp_path: Path, version: int, first: tuple[float, str], axes: str
) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / f"a.dm{version}"
    steps = [first, (0.25, "nm"), (0.25, "nm")]
    path.write_bytes(DigitalMicrograph(version).file(PIXELS, steps))
    stack = open_stack(path)
    assert stack.axes == axes
    assert bool(stack.notes) == (first == (1.0, ""))
    assert stack.scale["X"] == pytest.approx(0.25) and stack.units["X"] == "nm"
    if first[1]:
        assert stack.scale[axes[0]] == pytest.approx(first[0])
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)


class FakeNd2:
    """What nd2 would say of a file; every frame holds all its channels."""

    def __init__(self, path: str, **sizes: int) -> None:
        self.sizes = sizes or {"T": 3, "Z": 2, "C": 2, "Y": 4, "X": 5}
        self.shape = tuple(self.sizes.values())
        self.dtype = np.dtype("u2")
        self.is_rgb = "S" in self.sizes
        self.pixels = np.arange(np.prod(self.shape), dtype="u2").reshape(self.shape)
        self.frames = self.pixels.reshape(-1, self.sizes.get("C", 1), *self.shape[-2:])
        volume = SimpleNamespace(axesCalibrated=(True, True, False))
        self.attributes = SimpleNamespace(
            channelCount=self.sizes.get("C", 1), sequenceCount=len(self.frames)
        )
        self.metadata = SimpleNamespace(
            channels=[
                SimpleNamespace(channel=SimpleNamespace(name=name), volume=volume)
                for name in ("DAPI", "GFP")
            ]
        )
        self.experiment = [
            SimpleNamespace(type="TimeLoop", parameters=SimpleNamespace(periodMs=250.0))
        ]
        if "P" in self.sizes:
            points = [SimpleNamespace(name=name) for name in ("left", "", "right")]
            points = points[: self.sizes["P"]]
            self.experiment.append(
                SimpleNamespace(
                    type="XYPosLoop", parameters=SimpleNamespace(points=points)
                )
            )
        self.times: list[float] = []
        self.closed = False

    def frame_metadata(self, number: int) -> Any:
        if not self.times:
            return {}  # as of the oldest files
        time = SimpleNamespace(relativeTimeMs=self.times[number])
        return SimpleNamespace(channels=[SimpleNamespace(time=time)])

    def voxel_size(self) -> tuple[float, float, float]:
        return (0.1, 0.2, 1.0)

    def read_frame(self, number: int) -> Any:
        return self.frames[number].squeeze()

    def close(self) -> None:
        self.closed = True


class TestNd2:
    @pytest.fixture
    def opened(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., tuple[Path, list[FakeNd2]]]:
        def prepare(change: Any = None, **sizes: int) -> tuple[Path, list[FakeNd2]]:
            files: list[FakeNd2] = []

            def open_file(path: str) -> FakeNd2:
                files.append(FakeNd2(path, **sizes))
                if change is not None:
                    change(files[0])
                return files[0]

            monkeypatch.setitem(sys.modules, "nd2", SimpleNamespace(ND2File=open_file))
            (tmp_path / "a.nd2").write_bytes(b"")
            return tmp_path / "a.nd2", files

        return prepare

    def test_channels_and_planes(self, opened: Any) -> None:
        path, files = opened()
        stack = open_stack(path)
        (file,) = files
        assert stack.axes == "TZCYX"
        assert stack.channel_names == ("DAPI", "GFP")
        assert stack.scale == {"X": 0.1, "Y": 0.2, "T": 250.0}
        assert stack.units == {"X": "µm", "Y": "µm", "T": "ms"}
        np.testing.assert_array_equal(np.asarray(stack.data), file.pixels)
        np.testing.assert_array_equal(
            stack.read(slice(1, 3), Plane(c=1, z=0)), file.pixels[1:3, 0, 1]
        )
        assert not file.closed
        del stack
        gc.collect()
        assert file.closed

    @pytest.mark.parametrize("axes", ["TPZCYX", "PTZCYX", "TZPCYX", "PTYX", "TPCYX"])
    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_positions(self, opened: Any, axes: str, position: int) -> None:
        lengths = {"T": 4, "P": 3, "Z": 2, "C": 2, "Y": 4, "X": 5}
        path, files = opened(**{axis: lengths[axis] for axis in axes})
        stack = open_stack(f"{path}#{position + 1}")
        assert stack.axes == axes.replace("P", "")
        expected = np.take(files[0].pixels, position, axes.index("P"))
        np.testing.assert_array_equal(np.asarray(stack.data), expected)

    def test_positions_by_name(self, opened: Any) -> None:
        path, _ = opened(T=4, P=3, Y=4, X=5)
        assert [i.name for i in list_images(path)] == ["left", "", "right"]
        whole = np.arange(4 * 3 * 20, dtype="u2").reshape(4, 3, 4, 5)
        stack = open_stack(f"{path}#right")
        np.testing.assert_array_equal(stack.read(), whole[:, 2])
        with pytest.raises(InputError, match=r"3 images.*'left'"):
            open_stack(path)

    def test_times_of_every_frame(self, opened: Any) -> None:
        def record(file: FakeNd2) -> None:
            file.times = [0.0, 1.0, 250.0, 251.0, 900.0, 901.0]

        path, _ = opened(record)  # three times, two planes each
        stack = open_stack(path)
        assert stack.times == (0.0, 250.0, 900.0) and stack.units["T"] == "ms"
        assert "T" not in stack.scale and "irregular" in stack.notes[0]

    def test_times_that_were_not_as_planned(self, opened: Any) -> None:
        def record(file: FakeNd2) -> None:
            file.times = [0.0, 0.0, 400.0, 400.0, 800.0, 800.0]

        path, _ = opened(record)
        stack = open_stack(path)
        assert stack.scale["T"] == 400.0
        assert "states a frame interval of 250 ms" in stack.notes[0]

    def test_colour(self, opened: Any) -> None:
        path, files = opened(T=3, Y=4, X=5, S=3)
        with pytest.raises(InputError, match="colour pictures"):
            open_stack(path)
        gc.collect()
        assert files[0].closed

    def test_regular_frames_are_not_read_one_by_one(self, opened: Any) -> None:
        def record(file: FakeNd2) -> None:
            spread = SimpleNamespace(avg=300.0, min=298.0, max=303.0)
            file.experiment[0].parameters.periodDiff = spread
            file.frame_metadata = None  # type: ignore[method-assign]

        path, _ = opened(record)
        stack = open_stack(path)
        assert stack.scale["T"] == 300.0 and stack.times is None
        assert "states a frame interval of 250 ms" in stack.notes[0]

    def test_custom_loops(self, opened: Any) -> None:
        path, _ = opened(U=3, T=2, Y=4, X=5)
        with pytest.raises(InputError, match="'custom loop', which is not time"):
            open_stack(path)

    def test_recording_that_was_stopped(self, opened: Any) -> None:
        def stop(file: FakeNd2) -> None:
            file.attributes.sequenceCount = 4

        path, _ = opened(stop)
        with pytest.raises(InputError, match=r"promises 6 frames but holds 4"):
            open_stack(path)


class TestRealFiles:
    def test_nd2(self, shared_data: Path) -> None:
        nd2 = pytest.importorskip("nd2")
        path = shared_data / "arcadia_ecoli_timelapse_53x64x64.nd2"
        stack = open_stack(path)
        assert (stack.axes, stack.shape) == ("TYX", (53, 64, 64))
        assert stack.scale == pytest.approx(
            {"X": 0.325, "Y": 0.325, "T": 500.16}, rel=1e-4
        )
        assert stack.units == {"X": "µm", "Y": "µm", "T": "ms"}
        assert stack.channel_names == ("GFP 488 nm",)
        pixels = nd2.imread(path)
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)
        key = (slice(50, 3, -7), slice(1, 5), 7)
        np.testing.assert_array_equal(stack.data[key], pixels[key])
        assert stack.data[3:3].shape == (0, 64, 64)
        del stack
        gc.collect()  # an unclosed file would warn now

    def test_cut_nd2(self, shared_data: Path, tmp_path: Path) -> None:
        pytest.importorskip("nd2")
        content = (shared_data / "arcadia_ecoli_timelapse_53x64x64.nd2").read_bytes()
        for part in (0.01, 0.5, 0.99):
            path = tmp_path / "cut.nd2"
            path.write_bytes(content[: int(len(content) * part)])
            with pytest.raises(InputError, match=r"cut\.nd2"):
                open_stack(path).read()
        gc.collect()

    def test_hspy(self, shared_data: Path) -> None:
        pytest.importorskip("rsciio")
        stack = open_stack(shared_data / "hyperspy_stem_abf_movie_5x512x512.hspy")
        assert (stack.axes, stack.shape) == ("TYX", (5, 512, 512))
        assert stack.scale == pytest.approx({"X": 0.0092024, "Y": 0.0092024}, rel=1e-4)
        assert stack.units == {"X": "nm", "Y": "nm"}
        same = open_stack(shared_data / "hyperspy_stem_abf_movie_5x512x512.tif")
        np.testing.assert_array_equal(stack.read(slice(1, 3)), same.read(slice(1, 3)))
