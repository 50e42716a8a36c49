"""Files of electron microscopes, through rosettasciio, and HyperSpy's zarr.

rosettasciio comes with the ``formats`` extra and is imported when first needed.
"""

from __future__ import annotations

import importlib
import re
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, UNNAMED, Found
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._units import LENGTHS, TIMES, calibrated, normalise_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

__all__ = ["ROSETTA_MODULES", "find_rosetta", "find_zspy", "import_extra"]

ROSETTA_MODULES: Final = {
    ".hspy": "rsciio.hspy",
    ".dm3": "rsciio.digitalmicrograph",
    ".dm4": "rsciio.digitalmicrograph",
    ".emd": "rsciio.emd",
}
"""Which reader of rosettasciio is for which suffix."""

_MAPPED: Final = frozenset({".dm3", ".dm4"})
_TIME_NAMES: Final = frozenset({"t", "time", "times", "frame", "frames"})
_CHANNEL_NAMES: Final = frozenset({"c", "channel", "channels"})
_NO_NAME: Final = re.compile(
    r"|unnamed.*|<undefined>|t\.undefined|none|axis[ _-]*\d*|dim[ _-]*\d*|stack|index"
    r"|images?|slices?|z|\d+"
)
"""What is written where an axis has no name; HyperSpy calls any third axis z."""

_SPECTRAL: Final = frozenset({"ev", "kev", "mev"})


def find_rosetta(path: str, suffix: str) -> Found:
    """Find the movie in an electron microscope's file.

    The two image axes are Y and X. An axis before them is time if its name or its
    unit says so and depth if it is called z and measured as a length. In these files
    "z" without a unit only means "the third one": then, as without a name or a unit,
    the axis is unnamed. With any other it is none of a movie.

    Raises
    ------
    InputError
        If rosettasciio is missing, or the file does not hold one stack of images.
    """
    reader = import_extra(ROSETTA_MODULES[suffix], path).file_reader
    with readable(path), _left_open():
        signals = reader(path, lazy=True)
        number = _the_stack(signals, path)
        shape = signals[number]["data"].shape
        if suffix in _MAPPED and len(shape) > 2 and len(signals) == 1:
            # Frame by frame: the default blocks span many frames.
            frames = (1,) * (len(shape) - 2) + tuple(shape[-2:])
            signals = reader(path, lazy=True, chunks=frames)
        return _found(signals[number], path)


def find_zspy(path: str) -> Found:
    """Find the movie in a HyperSpy file on zarr.

    Read here with the same rules as :func:`find_rosetta`: rosettasciio needs zarr 2.

    Raises
    ------
    InputError
        If the folder does not hold one stack of images.
    """
    import zarr

    with readable(path):
        experiments = zarr.open_group(path, mode="r", path="Experiments")
        signals = []
        for _, experiment in sorted(experiments.groups()):
            data = experiment.get("data")
            if isinstance(data, zarr.Array):
                axes = [dict(experiment[f"axis-{i}"].attrs) for i in range(data.ndim)]
                signals.append({"data": data, "axes": axes})
        return _found(signals[_the_stack(signals, path)], path)


def import_extra(module: str, path: str) -> ModuleType:
    """Import a package of the ``formats`` extra, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = "rosettasciio" if module.startswith("rsciio") else module
        raise InputError(
            f"reading {path!r} needs the package {package} (not installed, or "
            "not all of it): "
            'pip install "napari-udvd[formats]"'
        ) from error


def _the_stack(signals: list[dict[str, Any]], path: str) -> int:
    """Return the position of the one signal that can be a movie."""
    shapes = [tuple(signal["data"].shape) for signal in signals]
    images = [i for i, signal in enumerate(signals) if _holds_images(signal)]
    stacks = [i for i in images if len(shapes[i]) > 2] or images
    if len(stacks) != 1:
        raise InputError(
            f"{path!r} holds {len(signals)} data sets of shapes {shapes}, of which "
            f"{len(stacks)} are stacks of images: save the movie as a file of its own"
        )
    return stacks[0]


def _holds_images(signal: Mapping[str, Any]) -> bool:
    """Whether the last two axes are those of a picture, not of a spectrum."""
    navigate = [axis.get("navigate", False) for axis in signal["axes"]]
    return len(navigate) >= 2 and navigate[-2:] != [True, False]


@contextmanager
def _left_open() -> Iterator[None]:
    """Bear with readers that leave closing their files to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        except Exception as error:
            traceback.clear_frames(error.__traceback__)
            raise


def _found(signal: Mapping[str, Any], path: str) -> Found:
    axes = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array", 0))
    no_picture = [_described(axis) for axis in axes[-2:] if not _spatial(axis)]
    if no_picture:
        raise InputError(
            f"the rows or columns of {path!r} are {no_picture[0]!r}: it holds spectra "
            "or traces and no images; export images, with Y and X as the last axes"
        )
    letters = [_letter(axis) for axis in axes[:-2]] + ["Y", "X"]
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for letter, axis in zip(letters, axes, strict=True):
        step = calibrated(axis.get("scale"), _unit(axis))
        if letter not in (UNNAMED, OTHER) and step is not None:
            scale[letter] = step[0]
            if step[1]:
                units[letter] = step[1]
    return Found(
        data=signal["data"],
        axes="".join(letters),
        path=path,
        scale=scale,
        units=units,
        others=tuple(
            _described(axis)
            for axis, letter in zip(axes, letters, strict=True)
            if letter == OTHER
        ),
    )


def _letter(axis: Mapping[str, Any]) -> str:
    name, unit = str(axis.get("name") or "").strip().lower(), _unit(axis)
    if name in _TIME_NAMES or unit in TIMES:
        return "T"
    if name in _CHANNEL_NAMES:
        return "C"
    if name in ("z", "depth") and unit in LENGTHS:
        return "Z"
    return UNNAMED if _NO_NAME.fullmatch(name) and not unit else OTHER


def _spatial(axis: Mapping[str, Any]) -> bool:
    """Whether an axis may be one of a picture."""
    return _letter(axis) not in ("T", "C") and _unit(axis).lower() not in _SPECTRAL


def _described(axis: Mapping[str, Any]) -> str:
    """Name and unit of an axis, as the file has them: ``"Energy loss (eV)"``."""
    name, unit = str(axis.get("name") or "").strip(), _unit(axis)
    return f"{name} ({unit})" if name and unit else name or unit


def _unit(axis: Mapping[str, Any]) -> str:
    return normalise_unit(str(axis.get("units") or ""))
