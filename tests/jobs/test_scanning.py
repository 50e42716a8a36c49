"""Files of a scan, as events; who cancels finds nothing half."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_udvd.inference.stream import Progress
from napari_udvd.jobs import Begun, Opened, ScanFiles, Stopped, Written
from napari_udvd.scanning import make_mask
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

MASK = make_mask("rows", 8, (24, 28))


def test_what_is_told(tmp_path: Path) -> None:
    mask, scanned = tmp_path / "mask.npy", tmp_path / "sparse.ome.tif"
    job = ScanFiles(masks=(mask,), scanned=scanned)
    first, opened, begun, *counted, last = job.run(MASK, tiny_movie())
    assert (first, last) == (Written(mask), Written(scanned))
    assert isinstance(opened, Opened) and opened.stack.dtype == "f4"
    assert begun == Begun("scanning", "frames")
    assert counted == [Progress(t, 8) for t in range(1, 9)]


def test_cancelled_halfway(tmp_path: Path) -> None:
    cancel = threading.Event()
    job = ScanFiles(scanned=tmp_path / "sparse.ome.tif")
    told = []
    for event in job.run(MASK, tiny_movie(), cancel):
        told.append(event)
        if event == Progress(3, 8):
            cancel.set()
    assert told[-2:] == [Progress(3, 8), Stopped()]
    assert not list(tmp_path.iterdir())
