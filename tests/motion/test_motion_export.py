"""Motion as files: what was found comes back, and nothing half done is left."""

from __future__ import annotations

import csv
import errno
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fields import moved
from napari_udvd.errors import OutputError
from napari_udvd.formats import open_stack, read_record
from napari_udvd.motion import check_motion_output, tracks_through, write_motion
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.motion import Motion

FRAMES, SHAPE = 5, (64, 80)
V = 0.5, -2.5

ALL = ("a.ome.tif", "a.tif", "a.ome.zarr", "a.npz", "a.csv")


@pytest.fixture
def stack() -> Stack:
    return Stack.from_array(
        np.zeros((FRAMES, 2, *SHAPE), "u2"),
        "TCYX",
        scale={"T": 2.0, "Y": 0.25, "X": 0.5},
        units={"T": "s", "Y": "µm", "X": "µm"},
        channel_names=("DAPI", "GFP"),
    )


def motions() -> list[Motion]:
    return [moved(t, V, frames=FRAMES) for t in range(FRAMES)]


def write(path: Path, stack: Stack, found: Any = None, **how: Any) -> list[int]:
    found = motions() if found is None else found
    return list(write_motion(path, stack, found, **{"record": {}, **how}))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("name", ALL)
def test_frames_are_counted_and_one_file_is_written(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    assert write(tmp_path / name, stack) == [1, 2, 3, 4, 5]
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ALL[:3])
def test_dense_motion_comes_back(tmp_path: Path, stack: Stack, name: str) -> None:
    write(tmp_path / name, stack, record={"method": "known", "spacing": np.int64(8)})
    found = open_stack(tmp_path / name)
    assert found.canonical_axes == "TCYX"
    assert found.dtype == np.float32
    assert found.channel_names == ("dy", "dx")
    assert dict(found.scale) == pytest.approx({"T": 2.0, "Y": 0.25, "X": 0.5})
    assert dict(found.units) == {"T": "s", "Y": "µm", "X": "µm"}
    expected = np.stack([motion.dense() for motion in motions()])
    np.testing.assert_array_equal(np.asarray(found.data), expected)
    record = read_record(tmp_path / name)
    assert record is not None
    assert (record["method"], record["spacing"]) == ("known", 8)
    assert "px per frame" in record["quantity"]


def test_a_grid_comes_back(tmp_path: Path, stack: Stack) -> None:
    write(tmp_path / "a.npz", stack, record={"spacing": 8}, least_confidence=2.0)
    with np.load(tmp_path / "a.npz") as found:
        each = motions()
        for name in ("to_next", "to_previous", "confidence"):
            np.testing.assert_array_equal(
                found[name], np.stack([getattr(motion, name) for motion in each])
            )
        assert found["to_next"].shape == (FRAMES, 8, 10, 2)
        np.testing.assert_array_equal(found["rows"], each[0].rows)
        np.testing.assert_array_equal(found["columns"], each[0].columns)
        np.testing.assert_array_equal(found["frames"], range(FRAMES))
        np.testing.assert_array_equal(found["scale"], [2.0, 0.25, 0.5])
        assert found["units"].tolist() == ["s", "µm", "µm"]
        assert found["method"] == "known"
        assert json.loads(str(found["record"])) == {"spacing": 8}


def test_tracks_come_back(tmp_path: Path, stack: Stack) -> None:
    write(tmp_path / "a.csv", stack)
    text = (tmp_path / "a.csv").read_text("ascii")
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["track", "frame", "y", "x", "t_s", "y_um", "x_um"]
    expected = tracks_through(motions())
    known = np.isfinite(expected).all(axis=-1)
    assert len(rows) == known.sum() < known.size
    for row in rows:
        y, x = expected[int(row["track"]), int(row["frame"])]
        values = [float(row[name]) for name in ("y", "x", "t_s", "y_um", "x_um")]
        assert values == pytest.approx(
            [y, x, 2.0 * int(row["frame"]), 0.25 * y, 0.5 * x], rel=1e-5, abs=1e-9
        )


def test_tracks_without_a_scale(tmp_path: Path) -> None:
    stack = Stack.from_array(np.zeros((FRAMES, *SHAPE), "u2"), "TYX")
    write(tmp_path / "a.csv", stack)
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == "track,frame,y,x"
    one = Stack.from_array(np.zeros((FRAMES, *SHAPE), "u2"), "TYX", scale={"Y": 2.0})
    write(tmp_path / "b.csv", one)
    header = (tmp_path / "b.csv").read_text().splitlines()[0]
    assert header == "track,frame,y,x,y_scaled"


def test_frames_without_a_regular_interval_have_their_times(tmp_path: Path) -> None:
    times = [0.5, 1.0, 60.0, 61.0, 200.0]
    stack = Stack.from_array(
        np.zeros((FRAMES, *SHAPE), "u2"), "TYX", units={"T": "s"}, times=times
    )
    for name in ("a.csv", "a.npz", "a.ome.tif"):
        write(tmp_path / name, stack)
    rows = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    for row in rows:
        assert float(row["t_s"]) == times[int(row["frame"])]
    with np.load(tmp_path / "a.npz") as found:
        assert found["times"].tolist() == times
    assert open_stack(tmp_path / "a.ome.tif").times == tuple(times)


def test_what_is_not_sure_is_left_out(tmp_path: Path, stack: Stack) -> None:
    found = motions()
    for motion in found:
        motion.confidence[:, 5:] = 0.2  # grid points from column 44 on
        motion.to_next[:, 5:] = 30
        motion.to_previous[:, 5:] = -30
    write(tmp_path / "all.tif", stack, found)
    write(tmp_path / "sure.tif", stack, found, least_confidence=0.5)
    everything = np.asarray(open_stack(tmp_path / "all.tif").data)
    sure = np.asarray(open_stack(tmp_path / "sure.tif").data)
    assert np.isfinite(everything).all()
    assert np.isnan(sure[..., 41:]).all()
    # and does not disturb what is
    expected = np.broadcast_to(np.reshape(V, (2, 1, 1)), sure[..., :40].shape)
    np.testing.assert_allclose(sure[..., :40], expected, atol=1e-3)
    write(tmp_path / "sure.csv", stack, found, least_confidence=0.5)
    rows = list(csv.DictReader((tmp_path / "sure.csv").read_text().splitlines()))
    assert all(float(row["x"]) < 44 for row in rows if row["frame"] != "2")


def test_what_was_never_found_is_not_a_number(tmp_path: Path, stack: Stack) -> None:
    found = motions()
    found[2].to_next[:] = found[2].to_previous[:] = np.nan
    write(tmp_path / "a.tif", stack, found)
    pixels = np.asarray(open_stack(tmp_path / "a.tif").data)
    assert np.isnan(pixels[2]).all() and np.isfinite(pixels[[0, 1, 3, 4]]).all()


@pytest.mark.parametrize("name", ALL)
def test_an_earlier_file_is_replaced_only_if_asked(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    write(tmp_path / name, stack)
    with pytest.raises(OutputError, match="exists"):
        write_motion(tmp_path / name, stack, motions(), record={})
    still = [moved(t, (0, 0)) for t in range(FRAMES)]
    write(tmp_path / name, stack, still, overwrite=True)
    assert names(tmp_path) == [name]
    if name == "a.npz":
        with np.load(tmp_path / name) as found:
            assert not found["to_next"].any()


@pytest.mark.parametrize("name", ALL)
def test_one_who_stops_half_way_leaves_nothing(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    steps = write_motion(tmp_path / name, stack, motions(), record={})
    assert next(steps) == 1
    steps.close()  # type: ignore[attr-defined]
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_on_the_way_leaves_the_earlier_file(
    tmp_path: Path, stack: Stack, name: str, error: type[BaseException]
) -> None:
    def failing() -> Iterator[Motion]:
        yield from motions()[:3]
        raise error

    with pytest.raises(error):
        write(tmp_path / name, stack, failing())
    assert names(tmp_path) == []
    write(tmp_path / name, stack)
    with pytest.raises(error):
        write(tmp_path / name, stack, failing(), overwrite=True)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ALL)
def test_too_few_frames(tmp_path: Path, stack: Stack, name: str) -> None:
    with pytest.raises(OutputError, match=r"never written|motion of 4 frame"):
        write(tmp_path / name, stack, motions()[:4])
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a.tif", "a.npz", "a.csv"])
def test_a_full_disk(
    tmp_path: Path, stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write(tmp_path / name, stack)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.png", "'.*a.png' has no suffix.*ome.tif.*npz.*csv"),
        ("a", "no suffix"),
        ("missing/a.npz", "does not exist: create it"),
        ("missing/a.tif", "does not exist: create it"),
        ("folder.npz", "is a folder"),
    ],
)
def test_outputs_that_cannot_be(
    tmp_path: Path, stack: Stack, name: str, message: str
) -> None:
    (tmp_path / "folder.npz").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=message):
            check_motion_output(tmp_path / name, stack, overwrite=overwrite)


def test_the_movie_itself_is_never_replaced(tmp_path: Path, stack: Stack) -> None:
    write(tmp_path / "movie.ome.tif", stack)
    opened = open_stack(tmp_path / "movie.ome.tif")
    with pytest.raises(OutputError, match="is the input"):
        check_motion_output(tmp_path / "movie.ome.tif", opened, overwrite=True)


def test_frames_are_asked_for_one_after_the_other(tmp_path: Path, stack: Stack) -> None:
    asked = []

    def counting() -> Iterator[Motion]:
        for motion in motions():
            asked.append(motion.t)
            yield motion

    for done in write_motion(tmp_path / "a.tif", stack, counting(), record={}):
        assert len(asked) == done
