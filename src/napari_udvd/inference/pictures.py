"""Pictures of a noisy movie and its denoised frames, computed as they are read.

They have shape and axes of the movie, so that a viewer shows them as layers; frames
that are not denoised yet read as NaN. Of a result on a finer grid the mean over each
pixel of the movie is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.stack import Plane, full_index

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.stack import Stack

__all__ = ["Channel", "Curtain", "Residual"]


class _View:
    """An array that is made of two others.

    Parameters
    ----------
    stack
        The noisy movie.
    denoised
        Array of its shape, or of several times its rows and columns, such as a
        :class:`~napari_udvd.inference.frame_store.FrameArray`.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, stack: Stack, denoised: Any) -> None:
        self._stack, self._denoised = stack, denoised
        self.shape = stack.shape
        self.ndim, self.size = len(stack.shape), int(np.prod(stack.shape))

    def _read(
        self, key: Any
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        index = tuple(
            i if isinstance(i, int) else slice(i.start, i.stop, i.step)
            for i in full_index(key, self.shape)
        )
        noisy = np.asarray(self._stack.data[index]).astype(np.float32)
        if self._zoom == 1:
            return noisy, np.asarray(self._denoised[index])
        return noisy, self._on_pixels(index)

    @property
    def _zoom(self) -> int:
        """Rows of the result to a row of the movie."""
        y = self._stack.axes.index("Y")
        return int(self._denoised.shape[y]) // self._stack.size("Y")

    def _on_pixels(self, index: tuple[int | slice, ...]) -> npt.NDArray[np.float32]:
        """Part of the result, averaged over the pixels of the movie."""
        zoom, axes = self._zoom, self._stack.axes
        # whole frames: parts of them may have steps, and run backwards
        whole = tuple(
            slice(None) if axis in "YX" else i
            for axis, i in zip(axes, index, strict=True)
        )
        fine = np.asarray(self._denoised[whole])
        left = [a for a, i in zip(axes, whole, strict=True) if isinstance(i, slice)]
        for axis in "YX":
            at = left.index(axis)
            shape = (*fine.shape[:at], -1, zoom, *fine.shape[at + 1 :])
            fine = fine.reshape(shape).mean(axis=at + 1)
        inside = tuple(
            i if axis in "YX" else slice(None)
            for axis, i in zip(axes, index, strict=True)
            if axis in left
        )
        part: npt.NDArray[np.float32] = fine[inside]
        return part

    def __getitem__(self, key: Any) -> Any:
        raise NotImplementedError

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Read everything (``np.asarray``)."""
        if copy is False:
            raise ValueError("the frames are computed: reading them makes a copy")
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]


class Residual(_View):
    """What was taken away: the noisy movie minus the denoised one, grey levels."""

    def __getitem__(self, key: Any) -> Any:
        """Read with integers and slices."""
        noisy, denoised = self._read(key)
        return noisy - denoised

    def frame(self, t: int, plane: Plane = Plane()) -> npt.NDArray[np.float32]:
        """Read a frame ``(Y, X)``.

        Raises
        ------
        ValueError
            If it is not denoised yet.
        """
        noisy = self._stack.read(t, plane)[0].astype(np.float32)
        fine = self._denoised.frame(t, plane)
        (height, width), zoom = noisy.shape, self._zoom
        seen = fine.reshape(height, zoom, width, zoom).mean(axis=(1, 3))
        difference: npt.NDArray[np.float32] = noisy - seen
        return difference


class Curtain(_View):
    """The noisy movie to the left of a column, the denoised one from there on.

    Attributes
    ----------
    column
        Where the denoised movie begins.
    """

    def __init__(self, stack: Stack, denoised: Any) -> None:
        super().__init__(stack, denoised)
        self.column = stack.size("X") // 2

    def __getitem__(self, key: Any) -> Any:
        """Read with integers and slices."""
        noisy, denoised = self._read(key)
        index = dict(zip(self._stack.axes, full_index(key, self.shape), strict=True))
        x = index["X"]
        if isinstance(x, int):
            return noisy if x < self.column else denoised
        kept = [axis for axis, i in index.items() if isinstance(i, range)]
        shape = [-1 if axis == "X" else 1 for axis in kept]
        is_left = (np.asarray(x) < self.column).reshape(shape)
        return np.where(is_left, noisy, denoised)


class Channel(_View):
    """One channel of the denoised movie, without the axis of the channels.

    Parameters
    ----------
    stack, denoised
        As for the others; with an axis C.
    channel
        Which one.

    Attributes
    ----------
    axes
        Those that are left.
    """

    def __init__(self, stack: Stack, denoised: Any, channel: int) -> None:
        super().__init__(stack, denoised)
        self._at, self._channel = stack.axes.index("C"), channel
        self.axes = stack.axes.replace("C", "")
        places = map(stack.axes.index, self.axes)
        self.shape = tuple(int(denoised.shape[place]) for place in places)
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape))

    def __getitem__(self, key: Any) -> Any:
        """Read with integers and slices."""
        index: list[Any] = [
            i if isinstance(i, int) else slice(i.start, i.stop, i.step)
            for i in full_index(key, self.shape)
        ]
        index.insert(self._at, self._channel)
        return self._denoised[tuple(index)]
