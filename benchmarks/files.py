"""Compare what is read of a file with what an independent reader makes of it.

Writes one small file of each dialect that the tests know, opens it here and with other
readers where they are installed and know the dialect, and prints shape, axes, size of a
pixel, frame interval, first and last pixel side by side. All of them are there after

    pip install bioio-ome-tiff bioio-tifffile bioio-lif bioio-nd2 bioio-ome-zarr
    pip install pylibCZIrw mrcfile

Files named instead of dialects are compared in the same way, every image in them. Ends
with 1 if there is a difference that :data:`EXPLAINED` does not explain.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats import TIFF, list_images, open_stack, suffix_of
from napari_udvd.formats._units import SECONDS
from napari_udvd.stack import AXES

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import dialects
from benchmarks import microscope_kinds
from benchmarks.common import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MICRONS: Final = {"µm": 1.0, "nm": 1e-3, "Å": 1e-4, "mm": 1e3, "m": 1e6, "cm": 1e4}

_DEPTH: Final = "an axis without a name is depth there; here it is time, with a note"

EXPLAINED: Final = {
    ("unnamed", "bioio"): _DEPTH,
    ("compressed", "bioio"): _DEPTH,
    ("tiled", "bioio"): _DEPTH,
    ("big-endian", "bioio"): _DEPTH,
    ("appended", "bioio"): "each piece is a scene of its own there",
    ("appended", "tifffile"): "each piece is a series of its own there",
    ("ome-zarr-0.4", "bioio"): "the number without its unit, nm, there",
    ("ome-zarr-0.5", "bioio"): "the number without its unit, nm, there",
    ("scanimage", "bioio"): "as tifffile, whose series it takes",
    ("scanimage", "tifffile"): "pages divided by framesPerSlice count as depths there",
}
"""Why a difference is right, by dialect and reader."""


class Seen(NamedTuple):
    """What a reader makes of a file.

    Attributes
    ----------
    sizes
        Length of each of TCZYX.
    pixel
        Columns, in µm; None where it is not known.
    interval
        Between frames, in s; None where it is not known or irregular.
    names
        Of the channels; None where the reader does not say.
    first, last
        Pixels in the order TCZYX.
    checksum
        Sum of all pixels times their position, which finds planes in another order.
    """

    sizes: tuple[int, ...]
    pixel: float | None
    interval: float | None
    names: tuple[str, ...] | None
    first: float
    last: float
    checksum: float


def pixels(*shape: int, seed: int = 0) -> npt.NDArray[Any]:
    """Draw pixels that are all different between planes."""
    return np.random.default_rng(seed).integers(0, 4000, shape).astype("u2")


def seen(movie: npt.NDArray[Any], axes: str, *facts: Any) -> Seen:
    """Describe pixels under their axes."""
    order = [axes.index(axis) for axis in AXES if axis in axes]
    whole = movie.transpose(order)
    sizes = tuple(movie.shape[axes.index(a)] if a in axes else 1 for a in AXES)
    flat = whole.astype(float).ravel()
    weights = np.arange(flat.size) % 9973
    values = flat[0], flat[-1], float(flat @ weights)
    return Seen(*(sizes, *facts, *values))


def ours(path: str) -> Seen:
    """Read with this package."""
    stack = open_stack(path)
    unit = MICRONS.get(stack.units.get("X", ""))
    second = SECONDS.get(stack.units.get("T", ""))
    step, interval = stack.scale.get("X"), stack.scale.get("T")
    return seen(
        np.asarray(stack.data),
        stack.axes,
        None if step is None or unit is None else step * unit,
        None if interval is None or second is None else interval * second,
        stack.channel_names or None,
    )


def by_bioio(path: str) -> Seen:
    """Read with bioio and whichever of its readers takes the file."""
    import bioio

    file, _, scene = path.partition("#")
    image = bioio.BioImage(file)
    if scene:
        image.set_scene(int(scene) - 1)
    interval = image.time_interval
    if hasattr(interval, "total_seconds"):
        interval = interval.total_seconds()
    dims = image.dims.order
    if dims != AXES:
        raise ValueError(f"it reads the axes {dims}")
    return seen(
        np.asarray(image.data),
        AXES,
        image.physical_pixel_sizes.X,
        None if interval is None else float(interval),
        None,  # it makes names up where there are none
    )


def by_tifffile(path: str) -> Seen:
    """Read pixels and axes with tifffile, which tells of no dialect's calibration."""
    file, _, number = path.partition("#")
    with tifffile.TiffFile(file) as tif:
        series = tif.series[int(number or 1) - 1]
        axes = series.axes.replace("I", "T").replace("Q", "T")
        if set(axes) - set(AXES):
            raise ValueError(f"it reads the axes {axes}")
        return seen(series.asarray(), axes, None, None, None)


def _ome(folder: Path, axes: str, shape: tuple[int, ...], **said: Any) -> str:
    path = folder / "a.ome.tif"
    metadata = {"axes": axes, "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm", **said}
    tifffile.imwrite(path, pixels(*shape), photometric="minisblack", metadata=metadata)
    return str(path)


def _imagej(folder: Path, axes: str, shape: tuple[int, ...], **said: Any) -> str:
    path = folder / "a.tif"
    metadata = {"axes": axes, "unit": "um", **said}
    tifffile.imwrite(
        path, pixels(*shape), imagej=True, metadata=metadata, resolution=(5, 5)
    )
    return str(path)


def _plain(folder: Path, shape: tuple[int, ...], **how: Any) -> str:
    path = folder / "a.tif"
    tifffile.imwrite(path, pixels(*shape), **how)
    return str(path)


def _irregular(folder: Path) -> str:
    times = [0.0, 1.0, 2.0, 60.0, 61.0]
    planes = {"DeltaT": times, "DeltaTUnit": ["s"] * 5}
    return _ome(folder, "TYX", (5, 20, 24), Plane=planes)


def _ome_images(folder: Path) -> str:
    path = folder / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for n in (4, 6):
            writer.write(pixels(n, 20, 24, seed=n), metadata={"axes": "TYX"})
    return f"{path}#2"


def _ome_positions(folder: Path) -> str:
    names = [f"scene_{k}.ome.tif" for k in range(3)]
    images = [
        {
            "sizes": {"T": 5, "Y": 20, "X": 24},
            "blocks": [
                {"FirstT": t, "IFD": t, "PlaneCount": 1}
                | {"file": names[k], "uuid": f"urn:uuid:{k}"}
                for t in range(5)
            ],
        }
        for k in range(3)
    ]
    for k, name in enumerate(names):
        xml = dialects.ome_xml(images, f"urn:uuid:{k}")
        dialects.plain_pages(folder / name, pixels(5, 20, 24, seed=k), xml)
    return f"{folder / names[1]}#2"


def _appended(folder: Path) -> str:
    path = folder / "a.tif"
    for k in range(4):
        tifffile.imwrite(path, pixels(5, 20, 24, seed=k), append=path.exists())
    return str(path)


def _mmstack(folder: Path) -> str:
    path = folder / "cells_MMStack_Pos0.ome.tif"
    summary = {"PixelSize_um": 0.2, "Interval_ms": 500, "ChNames": ["A", "B"]}
    image = {
        "sizes": {"T": 5, "C": 2, "Z": 3, "Y": 20, "X": 24},
        "order": "XYZCT",
        "PhysicalSizeX": 0.2,
        "TimeIncrement": 500,
        "TimeIncrementUnit": "ms",
    }
    xml = dialects.ome_xml([image])
    dialects.mmstack(path, pixels(5, 2, 3, 20, 24), summary=summary, xml=xml)
    return str(path)


def _ndtiff(folder: Path) -> str:
    movie = pixels(5, 2, 20, 24)
    return str(dialects.ndtiff(folder / "set", movie, ("time", "channel")))


def _scanimage(folder: Path) -> str:
    path = folder / "a.tif"
    settings = {
        "SI.hStackManager.framesPerSlice": 1,
        "SI.hStackManager.numSlices": 1,
        "SI.hRoiManager.scanFrameRate": 30.0,
    }
    dialects.scanimage(path, pixels(12, 20, 24), settings)
    return str(path)


def _lsm(folder: Path) -> str:
    path = folder / "a.lsm"
    movie = pixels(5, 3, 2, 20, 24)
    dialects.lsm(path, movie, scan=6, voxel=(2e-7, 2e-7, 1e-6), interval=1.5)
    return str(path)


def _stk(folder: Path) -> str:
    path = folder / "a.stk"
    created = range(0, 700, 100)
    dialects.stk(path, pixels(7, 20, 24), pixel=(65, 1000), created=created)
    return str(path)


def _fluoview(folder: Path) -> str:
    path = folder / "a.tif"
    frame = [("X", 24, 0.1, "um"), ("Y", 20, 0.1, "um")]
    dialects.fluoview(
        path, pixels(6, 20, 24), [*frame, ("Ch", 2, 1, ""), ("T", 3, 2, "s")]
    )
    return str(path)


KINDS: Final[dict[str, Callable[[Path], str]]] = {
    "ome": lambda f: _ome(f, "TZCYX", (4, 3, 2, 20, 24), TimeIncrement=0.5),
    "ome-time": lambda f: _ome(f, "TYX", (4, 20, 24), TimeIncrement=40.0,
                               TimeIncrementUnit="ms"),
    "ome-irregular": _irregular,
    "ome-images": _ome_images,
    "ome-positions": _ome_positions,
    "imagej": lambda f: _imagej(f, "TZCYX", (4, 3, 2, 20, 24), finterval=0.5),
    "imagej-fps": lambda f: _imagej(f, "TYX", (4, 20, 24), fps=7.0),
    "named": lambda f: _plain(f, (4, 2, 20, 24), metadata={"axes": "TCYX"}),
    "unnamed": lambda f: _plain(f, (9, 20, 24)),
    "compressed": lambda f: _plain(f, (9, 20, 24), compression="zlib"),
    "tiled": lambda f: _plain(f, (9, 20, 24), tile=(16, 16)),
    "big-endian": lambda f: _plain(f, (9, 20, 24), byteorder=">", bigtiff=True),
    "appended": _appended,
    "micro-manager": _mmstack,
    "ndtiff": _ndtiff,
    "scanimage": _scanimage,
    "lsm": _lsm,
    "metamorph": _stk,
    "fluoview": _fluoview,
    **microscope_kinds.KINDS,
}  # fmt: skip
"""How each dialect is written, by its name."""


def differences(mine: Seen, other: Seen) -> Iterator[str]:
    """Name what two readers see differently, where both say something."""
    for what, a, b in zip(Seen._fields, mine, other, strict=True):
        if a is None or b is None:
            continue
        if isinstance(a, float) and not np.isclose(a, b, rtol=1e-3):
            yield what
        elif not isinstance(a, float) and a != b:
            yield what


def others(path: str) -> dict[str, Callable[[str], Seen]]:
    """Return all other readers of a file, by their names."""
    readers: dict[str, Callable[[str], Seen]] = {}
    suffix = suffix_of(path.partition("#")[0])
    own = microscope_kinds.READERS.get(suffix)
    if own is not None:
        readers[own.__name__] = lambda path: _described(*own(path))
    elif importlib.util.find_spec("bioio") is not None:
        readers["bioio"] = by_bioio
    if suffix in TIFF:
        readers["tifffile"] = by_tifffile
    return readers


def _described(movie: npt.NDArray[Any], axes: str, *steps: float | None) -> Seen:
    return seen(movie, axes, *steps, None)


def compare(kind: str, path: str) -> tuple[list[str], list[str]]:
    """Read one file twice; return the cells of its row, and what is not explained."""
    mine = ours(path)
    cells = [kind, "x".join(map(str, mine.sizes)), _text(mine.pixel)]
    cells += [_text(mine.interval), f"{mine.first:g}", f"{mine.last:g}"]
    said, faults = [], []
    for name, reader in others(path).items():
        try:
            other = reader(path)
        except Exception as error:  # whatever another reader cannot do is told
            said.append(f"{name}: {type(error).__name__}")
            continue
        found = list(differences(mine, other))
        why = EXPLAINED.get((kind, name))
        if found and why is not None:
            said.append(f"{name}: {', '.join(found)} differ ({why})")
            continue
        for what in found:
            pair = f"{what} {getattr(mine, what)} / {getattr(other, what)}"
            said.append(f"{name}: {pair}")
            faults.append(f"{kind}: {pair} by {name}")
        if not found:
            said.append(f"{name}: same")
    return [*cells, "; ".join(said)], faults


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _named(chosen: Sequence[str]) -> Iterator[tuple[str, Callable[[Path], str]]]:
    """Name every kind and how it is written; files of others are there already."""
    for name in chosen:
        if name in KINDS:
            yield name, KINDS[name]
            continue
        images = list_images(name)
        for number in range(1, len(images) + 1):
            image = f"{name}#{number}" if len(images) > 1 else name
            yield Path(image).name, partial(_there, image)


def _there(image: str, folder: Path) -> str:
    """Return a file that nobody needs to write."""
    return image


def main() -> int:
    """Print the table; 1 where a difference is not explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    text = f"{', '.join(KINDS)}; or a file"
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=text)
    chosen = parser.parse_args().kinds or list(KINDS)
    warnings.simplefilter("ignore")
    logging.disable()
    print(f"{machine()}\n")
    faults: list[str] = []
    head = ("kind", "T x C x Z x Y x X", "µm", "s", "first", "last", "others")
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    for kind, write in _named(chosen):
        with tempfile.TemporaryDirectory() as folder:
            try:
                cells, found = compare(kind, write(Path(folder)))
            except InputError as error:
                cells, found = [kind, "refused", str(error)], [f"{kind}: {error}"]
        print("| " + " | ".join(cells) + " |", flush=True)
        faults += found
    for fault in faults:
        print(f"not explained: {fault}", file=sys.stderr)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
