"""One OME-Zarr of several writers, and one that is gone on with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from napari_udvd.errors import OutputError, WorkersLost
from napari_udvd.formats import create, create_in_parts, open_stack
from napari_udvd.formats._zarr_parts import NOTES, check_aligned, write_part
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.formats._zarr_parts import PartedZarrSink

PIXELS = np.arange(2 * 6 * 4 * 5, dtype=np.uint16).reshape(2, 6, 4, 5)
STACK = Stack.from_array(PIXELS, "CTYX", scale={"T": 0.5}, units={"T": "s"})


def sink(target: Path, **how: Any) -> PartedZarrSink:
    return create_in_parts(
        target, like=STACK, dtype=np.uint16, record={"a": 1}, **{"key": "k", **how}
    )


def content(store: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def put(into: PartedZarrSink, start: int, stop: int, c: int) -> None:
    plane = Plane(c)
    ends = write_part(into.place, STACK.read(slice(start, stop), plane), start, plane)
    into.note(start, stop, plane, *ends)


def test_the_bytes_are_those_of_one_writer(tmp_path: Path) -> None:
    one, several = tmp_path / "one.ome.zarr", tmp_path / "several.ome.zarr"
    with create(one, like=STACK, dtype=np.uint16, record={"a": 1}) as alone:
        for plane in STACK.planes():
            alone.write(STACK.read(slice(None), plane), 0, plane)
    with sink(several) as shared:
        for start, stop, c in ((3, 6, 1), (0, 3, 0), (0, 3, 1), (3, 6, 0)):
            put(shared, start, stop, c)
    assert content(one) == content(several)
    np.testing.assert_array_equal(
        open_stack(several).read(slice(None), Plane(1)), PIXELS[1]
    )


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    target, whole = tmp_path / "r.ome.zarr", tmp_path / "whole.ome.zarr"
    with pytest.raises(WorkersLost), sink(target) as first:
        put(first, 0, 3, 0)
        raise WorkersLost("gone")
    assert not target.exists()
    with sink(target, resume=True) as again:
        assert again.is_written(0, 3, Plane(0))
        assert not again.is_written(0, 4, Plane(0))
        for start, stop, c in ((3, 6, 0), (0, 6, 1)):
            put(again, start, stop, c)
    with sink(whole) as other:
        for c in (0, 1):
            put(other, 0, 6, c)
    assert content(target) == content(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == [target.name, whole.name]


def test_a_run_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    """Also where the last note was cut off."""
    target = tmp_path / "r.ome.zarr"
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as p:
        first = sink(target)
        first.__enter__()
        put(first, 0, 3, 0)
        name = first._partial.name.replace(f"-{os.getpid()}-", f"-{p.pid}-")
        first._close()
        os.rename(first._partial, tmp_path / name)
        with pytest.raises(OutputError, match=f"process {p.pid} on"), sink(target):
            pass  # it may still be written
        p.kill()
    with (tmp_path / name / NOTES).open("a") as notes:
        notes.write('{"frames": [3,')
    again = sink(target, resume=True)
    with pytest.raises(WorkersLost), again:
        assert again.is_written(0, 3, Plane(0))
        assert not again.is_written(3, 4, Plane(0))
        raise WorkersLost
    # and one that begins anew says what is there
    with pytest.raises(OutputError, match=r"continue it with `resume`"), sink(target):
        pass
    with pytest.raises(OutputError, match="never written"):
        with sink(target, overwrite=True):
            pass
    assert list(tmp_path.iterdir()) == []


def test_another_model_does_not_go_on(tmp_path: Path) -> None:
    target = tmp_path / "r.ome.zarr"
    with pytest.raises(WorkersLost), sink(target) as first:
        put(first, 0, 3, 0)
        raise WorkersLost
    with pytest.raises(ValueError, match="enough"):
        with sink(target, resume=True, key="other") as again:
            assert not again.is_written(0, 3, Plane(0))
            raise ValueError("enough")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_on_another_machine_is_believed_for_a_while(tmp_path: Path) -> None:
    target = tmp_path / "r.ome.zarr"
    other = tmp_path / ".r.ome.zarr.partial-node7-123-0123abcd"
    other.mkdir()
    (other / NOTES).write_text('{"key": "k"}\n')
    with pytest.raises(OutputError, match="process 123 on node7"), sink(target):
        pass
    assert other.exists()
    long_ago = time.time() - 3600
    os.utime(other / NOTES, (long_ago, long_ago))
    with pytest.raises(OutputError, match="never written"), sink(target):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_shard_has_two_writers(tmp_path: Path) -> None:
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=(10, 2, 2),
        chunks=(1, 2, 2),
        shards=(4, 2, 2),
        dtype="u1",
    )
    for start, stop in ((0, 4), (4, 8), (8, 10), (0, 10)):
        check_aligned(array, "TYX", start, stop)
    for start, stop in ((0, 3), (2, 8), (8, 9)):
        with pytest.raises(ValueError, match="chunk of 4 frames"):
            check_aligned(array, "TYX", start, stop)


def test_a_folder_that_a_worker_does_not_see(tmp_path: Path) -> None:
    with sink(tmp_path / "r.ome.zarr") as shared:
        place = shared.place
        shared.discard()
    with pytest.raises(OutputError, match=r"r\.ome\.zarr.* is not there on"):
        write_part(place, PIXELS[0], 0, Plane())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sink(tmp_path / "r.ome.zarr") as shared:
        with monkeypatch.context() as patched:

            def full(*_: Any) -> None:
                raise OSError(28, "No space left on device")

            patched.setattr(zarr.Array, "__setitem__", full)
            with pytest.raises(OutputError, match=r"No space left.*make room"):
                write_part(shared.place, PIXELS[0], 0, Plane())
        shared.discard()
    assert list(tmp_path.iterdir()) == []
