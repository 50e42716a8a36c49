"""Files of microscopes that are no TIFFs, for ``files.py``, and who else reads them.

Who else reads them: Zeiss' libCZI (``pylibCZIrw``), mrcfile, bioio (LIF by readlif);
for OIF and OIB oiffile's own arrays, since nothing else reads them without Java.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

import microscope_files as scopes
import olympus_files as olympus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["KINDS", "READERS"]

Pixels = npt.NDArray[Any]

Read = tuple[Pixels, str, float | None, float | None]
"""Pixels, their axes, the size of one in µm and the interval in s."""

_SIZE: Final = {"X": 6.5e-8, "Y": 6.5e-8, "Z": 3e-7}


def pixels(*shape: int, seed: int = 0) -> Pixels:
    """Draw pixels that are all different between planes."""
    return np.random.default_rng(seed).integers(0, 4000, shape).astype("u2")


def _czi(folder: Path, compression: int = 0, stamps: Sequence[float] = ()) -> str:
    path = folder / "a.czi"
    meta = scopes.czi_metadata(size=_SIZE, interval=2.0, channels=["A", "B"])
    tiles = scopes.czi_tiles(pixels(4, 2, 3, 20, 24), "TCZYX", compression=compression)
    scopes.write_czi(path, tiles, meta, time_stamps=stamps)
    return str(path)


def _czi_mosaic(folder: Path) -> str:
    path = folder / "a.czi"
    corners = [(0, 0), (0, 20), (16, 0), (16, 20)]
    tiles = [
        scopes.Tile(
            pixels(20, 24, seed=10 * t + m),
            {"C": 0, "T": t},
            top=y + 50,
            left=x - 30,
            mosaic=m,
        )
        for t in range(3)
        for m, (y, x) in enumerate(corners)
    ]
    scopes.write_czi(path, tiles, scopes.czi_metadata(size=_SIZE))
    return str(path)


def _czi_scene(folder: Path) -> str:
    path, tiles = folder / "a.czi", []
    for scene in range(3):
        for tile in scopes.czi_tiles(pixels(1, 4, 20, 24, seed=scene), "CTYX"):
            tile.where["S"] = scene
            tile.left = 100 * scene
            tiles.append(tile)
    scopes.write_czi(path, tiles, scopes.czi_metadata(size=_SIZE))
    return f"{path}#2"


def _lif(folder: Path, choice: int, stamps: Sequence[float] = ()) -> str:
    path = folder / "a.lif"
    lengths = {"X": 23 * 1e-7, "Y": 19 * 1e-7, "Z": 2 * 3e-7, "T": 3 * 1.5}
    first = scopes.LifImage(
        pixels(4, 2, 3, 20, 24), "TCZYX", lengths=lengths, stamps=stamps
    )
    second = scopes.LifImage(
        pixels(4, 20, 24, seed=1), "TYX", name="two", lengths=lengths
    )
    scopes.write_lif(path, [first, second])
    return f"{path}#{choice}"


def _olympus(folder: Path, suffix: str) -> str:
    path = folder / f"a.{suffix}"
    files = olympus.oif_files(pixels(4, 2, 3, 20, 24), "TCZYX", span=(3000.0, "ms"))
    (olympus.write_oif if suffix == "oif" else olympus.write_oib)(path, files)
    return str(path)


def _mrc(folder: Path, dtype: str, mode: int, **more: Any) -> str:
    path = folder / "a.mrc"
    movie = (pixels(6, 20, 24) % 200).astype("i2") - 100 * (dtype == "i1")
    limits = (float(movie.min()), float(movie.max()))
    cell = (48.0, 40.0, 6.0)
    scopes.write_mrc(path, movie.astype(dtype), mode, cell=cell, limits=limits, **more)
    return str(path)


def _zarr(folder: Path, version: str) -> str:
    path = folder / "a.ome.zarr"
    scopes.write_ome_zarr(path, pixels(4, 2, 3, 20, 24), version)
    return str(path)


def _npy(folder: Path) -> str:
    np.save(folder / "a.npy", pixels(6, 20, 24))
    return str(folder / "a.npy")


def _folder(folder: Path) -> str:
    for t in range(12):
        tifffile.imwrite(folder / f"t{t}.tif", pixels(20, 24, seed=t))
    return str(folder)


KINDS: Final[dict[str, Callable[[Path], str]]] = {
    "czi": _czi,
    "czi-jpegxr": lambda f: _czi(f, 4),
    "czi-zstd": lambda f: _czi(f, 6),
    "czi-irregular": lambda f: _czi(f, 0, [0, 2, 4, 9]),
    "czi-mosaic": _czi_mosaic,
    "czi-scene": _czi_scene,
    "lif": lambda f: _lif(f, 1),
    "lif-second": lambda f: _lif(f, 2),
    "lif-irregular": lambda f: _lif(f, 1, np.repeat([0.0, 1.5, 3.0, 9.0], 6).tolist()),
    "oif": lambda f: _olympus(f, "oif"),
    "oib": lambda f: _olympus(f, "oib"),
    "mrc": lambda f: _mrc(f, "u2", 6),
    "mrc-signed": lambda f: _mrc(f, "i1", 0),
    "mrc-half": lambda f: _mrc(f, "f2", 12),
    "mrc-big-endian": lambda f: _mrc(f, "i2", 1, order=">"),
    "ome-zarr-0.4": lambda f: _zarr(f, "0.4"),
    "ome-zarr-0.5": lambda f: _zarr(f, "0.5"),
    "npy": _npy,
    "folder": _folder,
}
"""How each kind is written, by its name."""


def libczi(path: str) -> Read:
    """Read with Zeiss' own library, which puts mosaics together, too."""
    from pylibCZIrw import czi

    file, _, number = path.partition("#")
    with czi.open_czi(file) as document:
        box = document.total_bounding_box
        lengths = [box[axis][1] if axis in box else 1 for axis in "TCZ"]
        scenes = sorted(document.scenes_bounding_rectangle)
        scene = scenes[int(number or 1) - 1] if scenes else None
        planes = [
            document.read(plane=dict(zip("TCZ", place, strict=True)), scene=scene)
            for place in np.ndindex(*lengths)
        ]
        meta = document.metadata["ImageDocument"]["Metadata"]
    movie = np.array(planes)[..., 0].reshape(*lengths, *planes[0].shape[:2])
    sizes = meta["Scaling"]["Items"]["Distance"]
    (size,) = [float(s["Value"]) * 1e6 for s in sizes if s["@Id"] == "X"]
    times = meta["Information"]["Image"]["Dimensions"].get("T")
    step = times and float(times["Positions"]["Interval"]["Increment"])
    return movie, "TCZYX", size, step


def mrcfile(path: str) -> Read:
    """Read with mrcfile, for which the third axis is a depth."""
    import mrcfile as library

    with library.open(path) as file:
        return np.array(file.data), "TYX", float(file.voxel_size.x) * 1e-4, None


def oiffile(path: str) -> Read:
    """Read with oiffile's own arrays."""
    import oiffile as library

    with library.OifFile(path) as file:
        series = file.series[0]
        return series.asarray(), series.axes + "YX", None, None


def numpy(path: str) -> Read:
    """Read with NumPy."""
    return np.load(path), "TYX", None, None


def pictures(path: str) -> Read:
    """Read a folder of pictures with tifffile."""
    files = tifffile.natural_sorted(os.path.join(path, n) for n in os.listdir(path))
    return np.array([tifffile.imread(file) for file in files]), "TYX", None, None


READERS: Final[dict[str, Callable[[str], Read]]] = {
    ".czi": libczi,
    ".mrc": mrcfile,
    ".oif": oiffile,
    ".oib": oiffile,
    ".npy": numpy,
    "": pictures,
}
"""Who reads it, by the suffix of the file."""
