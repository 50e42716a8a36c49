"""Nikon ND2 files, through nd2.

nd2 comes with the ``formats`` extra and is imported when first needed.
"""

from __future__ import annotations

import math
import threading
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import Found
from napari_udvd.formats._lazy import Index, readable
from napari_udvd.formats._microscope import import_extra
from napari_udvd.formats._units import calibrated

__all__ = ["find_nd2"]


def find_nd2(path: str) -> Found:
    """Find the movie in a Nikon ND2 file.

    Raises
    ------
    InputError
        If nd2 is missing, the file holds colour pictures or several positions, or
        its recording was stopped early.
    """
    nd2 = import_extra("nd2", path)
    with readable(path):
        file = nd2.ND2File(path)
        try:
            return _found_in_nd2(file, path)
        except BaseException:
            file.close()
            raise


class _Nd2Planes:
    """Planes of an ND2 file; the file is open as long as the array lives."""

    def __init__(self, file: Any, shape: tuple[int, ...], per_frame: int) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(file.dtype)
        self._file = file
        self._per_frame = per_frame
        self._lock = threading.Lock()
        weakref.finalize(self, file.close)

    def __getitem__(self, key: tuple[Index, ...]) -> npt.NDArray[Any]:
        numbers = np.arange(math.prod(self.shape[:-2])).reshape(self.shape[:-2])
        wanted = numbers[key[:-2]]
        planes = [self._plane(int(n))[key[-2:]] for n in np.ravel(wanted)]
        if not planes:
            empty = np.empty(self.shape[-2:], self.dtype)[key[-2:]]
            return np.empty((*np.shape(wanted), *empty.shape), self.dtype)
        return np.stack(planes).reshape(*np.shape(wanted), *planes[0].shape)

    def _plane(self, number: int) -> npt.NDArray[Any]:
        frame, part = divmod(number, self._per_frame)
        with self._lock:
            pixels = np.asarray(self._file.read_frame(frame))
        plane: npt.NDArray[Any] = pixels.reshape(-1, *self.shape[-2:])[part]
        return plane


def _found_in_nd2(file: Any, path: str) -> Found:
    if file.is_rgb:
        raise InputError(
            f"{path!r} holds colour pictures, not a movie of intensities: convert it "
            "to grey or split its channels"
        )
    sizes: dict[str, int] = dict(file.sizes)
    shape = tuple(int(n) for n in file.shape)
    if sizes.get("P", 1) > 1:
        raise InputError(
            f"{path!r} holds {sizes['P']} positions: save each of them as a file of "
            "its own (in NIS-Elements: Export > Split multipoints)"
        )
    per_frame = sizes.get("C", 1) if file.attributes.channelCount else 1
    n_frames = math.prod(shape[:-2]) // per_frame
    if file.attributes.sequenceCount < n_frames:
        raise InputError(
            f"{path!r} promises {n_frames} frames but holds "
            f"{file.attributes.sequenceCount}: the recording was stopped early. Export "
            "what there is as a new file"
        )
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, step in _nd2_steps(file).items():
        if axis in sizes and step is not None:
            scale[axis], units[axis] = step
    names = tuple(
        str(channel.channel.name) for channel in (file.metadata.channels or ())
    )
    return Found(
        data=_Nd2Planes(file, shape, per_frame),
        axes="".join(sizes),
        path=path,
        scale=scale,
        units=units,
        channel_names=names,
    )


def _nd2_steps(file: Any) -> dict[str, tuple[float, str] | None]:
    """Pixel sizes in µm where calibrated, frame interval in ms where regular."""
    channels = file.metadata.channels or ()
    known = channels[0].volume.axesCalibrated if channels else (False,) * 3
    steps = {
        axis: calibrated(size, "µm") if calibrated_axis else None
        for axis, size, calibrated_axis in zip(
            "XYZ", file.voxel_size(), known, strict=True
        )
    }
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            # A period of zero means "as fast as possible"; then it was measured.
            steps["T"] = calibrated(loop.parameters.periodMs, "ms") or calibrated(
                getattr(loop.parameters.periodDiff, "avg", None), "ms"
            )
    return steps
