"""Between layers of the viewer and stacks of the core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Image, Shapes

from napari_udvd._napari.layer_data import KEPT, guess_axes, stack_from
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Layer
    from qtpy.QtWidgets import QComboBox

    from napari_udvd.stack import Stack

__all__ = [
    "RESULT",
    "Place",
    "axes_of",
    "box_of",
    "check_movie",
    "drawn_like",
    "file_beside",
    "pixel_at",
    "pixels_of",
    "place_seen",
    "point_at",
    "polygons_of",
    "row_of",
    "stack_of",
    "world_of",
]


RESULT = "napari-udvd-result"
"""Key of a layer's metadata that says that it shows a result, not a movie."""


class Place(NamedTuple):
    """Place in a movie that is on view: frame, channel, depth, part on the canvas."""

    t: int
    c: int
    z: int
    rows: slice
    columns: slice


def check_movie(layer: Layer) -> None:
    """Check that a layer can hold a movie.

    Raises
    ------
    InputError
        If it is no image, or one in colours.
    """
    if not isinstance(layer, Image):
        kind = layer.__class__.__name__  # its type may be that of a proxy
        raise InputError(
            f"{layer.name!r} is a {kind} layer; choose an image layer, only those hold "
            "movies"
        )
    if layer.rgb:
        raise InputError(
            f"{layer.name!r} is a colour picture (RGB); split it into grey layers "
            "(right click on the layer, Split RGB) and choose one of them"
        )


def axes_of(layer: Layer) -> str:
    """Name the axes of an image layer by its axis labels.

    Raises
    ------
    InputError
        If the layer holds no movie, or its labels leave it open.
    """
    check_movie(layer)
    return guess_axes(layer.axis_labels, tuple(_finest(layer).shape))


def stack_of(layer: Image, axes: str) -> Stack:
    """Wrap the movie of an image layer; nothing is read or copied.

    Parameters
    ----------
    layer
        Image layer; the finest level of one with several.
    axes
        Names of its axes.

    Raises
    ------
    InputError
        If the axes do not fit, or the layer's scale is not positive.
    """
    return stack_from(
        _finest(layer),
        axes=axes,
        scale=layer.scale,
        units=layer.units,
        source=layer.source.path or layer.name,
        kept=layer.metadata.get(KEPT),
    )


def _finest(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def drawn_like(
    layer: Image,
    offset: npt.ArrayLike | None = None,
    shape: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Arguments that put another image layer where `layer` is, with its calibration.

    Parameters
    ----------
    layer
        The movie.
    offset
        Place of the other's first pixel in the movie, in pixels of each axis.
    shape
        Pixels of the other along each axis, where they fill the same place as those of
        the movie and are smaller or larger.
    """
    size = 1.0 if shape is None else np.divide(layer.data.shape, shape)
    if offset is None and np.any(size != 1):
        offset = (size - 1) / 2  # from centre to centre of the first pixels
    place = {
        "scale": layer.scale * size,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
    }
    if offset is None:
        return {**place, "translate": layer.translate}
    at = np.asarray(offset, dtype=float)
    shift = np.subtract(layer.data_to_world(at), layer.data_to_world(0 * at))
    # the affine transform comes after the translation
    shift = np.linalg.solve(layer.affine.linear_matrix, shift)
    return {**place, "translate": layer.translate + shift}


def place_seen(viewer: napari.viewer.Viewer, layer: Image, stack: Stack) -> Place:
    """Tell which frame, and which part of it, of a movie is on the canvas."""
    at = dict(zip(stack.axes, _index_seen(viewer, layer), strict=True))
    height, width = stack.frame_shape
    rows, columns = slice(0, height), slice(0, width)
    y, x = stack.axes.index("Y"), stack.axes.index("X")
    world = viewer.layers.units
    # the viewer takes no notice of other units when it tells what is on the canvas
    is_known = world is None or world[-layer.ndim :] == layer.units
    if (
        is_known
        and not layer.multiscale
        and set(viewer.dims.displayed) == _viewer_axes(viewer, layer, (y, x))
    ):
        low, high = layer.corner_pixels
        rows = _clipped(low[y], high[y], height)
        columns = _clipped(low[x], high[x], width)
    return Place(at.get("T", 0), at.get("C", 0), at.get("Z", 0), rows, columns)


def _index_seen(viewer: napari.viewer.Viewer, layer: Image) -> list[int]:
    """Index along each axis of the layer that the sliders stand at."""
    index = pixel_at(viewer, layer, viewer.dims.point)
    return [int(i) for i in np.clip(index, 0, np.asarray(_finest(layer).shape) - 1)]


def pixel_at(
    viewer: napari.viewer.Viewer, layer: Image, world: npt.ArrayLike
) -> list[int]:
    """Index along each axis of the layer of a point of the viewer; may be outside."""
    return [int(i) for i in np.rint(point_at(viewer, layer, world))]


def point_at(
    viewer: napari.viewer.Viewer, layer: Image, world: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Coordinates in the layer's pixels of a point of the viewer; may be outside.

    The viewer's units may be others than the layer's; its own conversion from world
    to data coordinates takes no notice of that.
    """
    point = np.array(world, dtype=float)[-layer.ndim :]
    units = viewer.layers.units
    if units is not None:
        for k, (theirs, ours) in enumerate(
            zip(units[-layer.ndim :], layer.units, strict=True)
        ):
            point[k] = (point[k] * theirs).to(ours).magnitude
    return np.asarray(layer.world_to_data(point), dtype=float)


def world_of(
    viewer: napari.viewer.Viewer, layer: Image, point: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Point of the viewer at coordinates in the layer's pixels; see :func:`point_at`.

    Returns
    -------
    numpy.ndarray
        One number for each axis of the layer, the last ones of the viewer.
    """
    world = np.array(layer.data_to_world(np.asarray(point, dtype=float)), dtype=float)
    units = viewer.layers.units
    if units is not None:
        for k, (theirs, ours) in enumerate(
            zip(units[-layer.ndim :], layer.units, strict=True)
        ):
            world[k] = (world[k] * ours).to(theirs).magnitude
    return world


def _viewer_axes(
    viewer: napari.viewer.Viewer, layer: Image, axes: tuple[int, ...]
) -> set[int]:
    """Return axes as the viewer numbers them: shorter layers have the last."""
    return {axis + viewer.dims.ndim - layer.ndim for axis in axes}


def _clipped(first: float, last: float, length: int) -> slice:
    start = int(np.clip(np.floor(first), 0, length - 1))
    stop = int(np.clip(np.ceil(last) + 1, start + 1, length))
    return slice(start, stop)


def box_of(shapes: Shapes, layer: Image, stack: Stack) -> tuple[slice, slice]:
    """Rows and columns of a movie that a shape encloses.

    The selected shape counts, or the last one drawn.

    Raises
    ------
    InputError
        If there is no shape, or it lies outside the movie.
    """
    if not len(shapes.data):
        raise InputError(
            f"the layer {shapes.name!r} has no shape; draw a rectangle around what the "
            "network shall learn from"
        )
    chosen = max(shapes.selected_data, default=len(shapes.data) - 1)
    inside = pixels_of(shapes, np.atleast_2d(shapes.data[chosen]), layer)
    y, x = stack.axes.index("Y"), stack.axes.index("X")
    height, width = stack.frame_shape
    rows = _bounds(inside[:, y], height)
    columns = _bounds(inside[:, x], width)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise InputError(
            f"the shape in {shapes.name!r} lies outside the movie {layer.name!r}; draw "
            "it on the movie"
        )
    return rows, columns


def _bounds(values: npt.NDArray[np.float64], length: int) -> slice:
    start = int(np.clip(np.rint(values.min()), 0, length))
    stop = int(np.clip(np.rint(values.max()) + 1, 0, length))
    return slice(start, stop)


def polygons_of(
    shapes: Shapes, layer: Image, stack: Stack
) -> list[npt.NDArray[np.float64]]:
    """Corners ``(n, 2)`` of all shapes, in rows and columns of a movie."""
    y, x = stack.axes.index("Y"), stack.axes.index("X")
    polygons = []
    for corners, kind in zip(shapes.data, shapes.shape_type, strict=True):
        at = pixels_of(shapes, np.atleast_2d(corners), layer)[:, [y, x]]
        if kind == "ellipse":  # drawn by the corners of its box
            angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
            one, other = (at[1] - at[0]) / 2, (at[3] - at[0]) / 2
            at = at.mean(axis=0) + np.cos(angles) * one + np.sin(angles) * other
        polygons.append(at)
    return polygons


def pixels_of(
    other: Layer, points: npt.NDArray[np.float64], layer: Layer
) -> npt.NDArray[np.float64]:
    """Convert points of another layer to pixels of a movie, ``(n, ndim)``.

    Parameters
    ----------
    other
        Layer of shapes, points or tracks.
    points
        ``(n, other.ndim)`` in its coordinates.
    layer
        The movie. Axes that only this one has are 0.
    """
    world = _affine(other.data_to_world, other.ndim, points)
    found = np.zeros((len(world), layer.ndim))
    shared = min(layer.ndim, other.ndim)
    found[:, -shared:] = world[:, -shared:]
    for k in range(1, shared + 1):
        theirs, ours = 1.0 * other.units[-k], layer.units[-k]
        if theirs.is_compatible_with(ours):  # else the viewer ignores both
            found[:, -k] *= theirs.to(ours).magnitude
    return _affine(layer.world_to_data, layer.ndim, found)


def _affine(
    convert: Callable[[npt.NDArray[np.float64]], npt.ArrayLike],
    ndim: int,
    points: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Convert many points as the viewer, which takes one at a time, converts each."""
    origin = np.asarray(convert(np.zeros(ndim)), float)
    steps = [np.asarray(convert(unit), float) - origin for unit in np.eye(ndim)]
    return np.asarray(points @ np.stack(steps) + origin)


def file_beside(layer: Layer | None, suffix: str) -> str:
    """Suggest a file beside that of a movie, or in the folder of the user."""
    if layer is None:
        return f"movie{suffix}"
    source = layer.source.path
    folder = Path(source).parent if source else Path.home()
    stem = layer.name.split(".")[0].replace("/", "-")
    return str(folder / f"{stem}{suffix}")


def row_of(box: QComboBox, layer: Any) -> int:
    """Find a layer in a box; -1 where it is not.

    The viewer that a plugin gets hands out a new proxy of a layer each time: they are
    equal, never identical.
    """
    rows = (k for k in range(box.count()) if box.itemData(k) == layer)
    return next(rows, -1)
