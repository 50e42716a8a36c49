"""Denoiser: a trained network with everything needed to use it again."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_udvd._version import __version__
from napari_udvd.calibration import Calibration, calibrate
from napari_udvd.denoising import denoise_stack
from napari_udvd.device import choose_device, choose_precision
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import ArraySink, remove_stale_partials, temporary_name
from napari_udvd.models import (
    Network,
    build_network,
    from_published,
    read_published,
)
from napari_udvd.noise import check_finite, check_varies, diagnose
from napari_udvd.series import middle_plane, middle_planes
from napari_udvd.stack import ArrayLike, Stack
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

__all__ = [
    "Denoiser",
    "check_fits",
    "load",
    "load_published",
    "read_model_file",
    "read_model_header",
    "write_model_file",
]

_KEY = "napari_udvd"

FARTHEST = 8.0
"""Ratio of ranges from which on a movie is not of the kind that a model knows."""

ROUNDING = 1 / 12
"""Variance of the error of rounding, in squared grey levels."""

LEFT = 0.05
"""Share of the noise that is left in a good result."""


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A trained network, its calibration and the record of its training.

    Attributes
    ----------
    net
        The network, in evaluation mode.
    calibrations
        Normalisation and noise, one per channel of the movie it was trained on;
        empty for an imported network, which is calibrated on each movie anew.
    joint
        The network takes all channels at once instead of one by one.
    self_ensemble
        Average over mirrored and turned views; decided by the time there was.
    record
        How it was made: settings, movie, diagnosis, validation curve.
    """

    net: Network
    calibrations: tuple[Calibration, ...]
    joint: bool = False
    self_ensemble: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)

    def denoise(
        self,
        movie: Stack | ArrayLike,
        axes: str | None = None,
        *,
        device: str = "auto",
        dtype: npt.DTypeLike | None = None,
        use_posterior: bool = True,
        tile: int | None = None,
    ) -> npt.NDArray[Any]:
        """Denoise a whole movie into memory.

        Parameters
        ----------
        movie
            A stack or an array.
        axes
            Names of the array's axes, see :meth:`Stack.from_array`.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        dtype
            Of the result; the movie's own by default (integers are rounded).
        use_posterior
            Put the noisy pixel back in, weighted by what is known of its noise.
        tile
            Rows and columns processed at a time; chosen if None.

        Returns
        -------
        ndarray
            Shape and axes of the movie, grey levels.

        Raises
        ------
        InputError
            If the movie does not fit the network, see :func:`check_fits`.
        """
        stack = movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)
        check_finite(stack)
        check_fits(self, stack)
        where = choose_device(device)
        with ArraySink(stack, dtype or stack.dtype) as sink:
            for _ in denoise_stack(
                self.net,
                self.calibrations_for(stack),
                stack,
                sink,
                joint=self.joint,
                device=where,
                precision=choose_precision(where),
                use_posterior=use_posterior,
                self_ensemble=self.self_ensemble,
                tile=tile,
            ):
                pass
        return sink.array

    def check_movie(self, stack: Stack) -> tuple[str, ...]:
        """Say where the grey levels of a movie are not those that the model knows.

        Returns
        -------
        tuple of str
            One sentence for each channel whose brightness lies elsewhere, or spans much
            more or less; the result cannot be trusted there.
        """
        stack = inspect(stack)
        sentences = []
        for c, own in enumerate(self.calibrations):
            if middle_plane(stack, c) is None:
                continue
            found = calibrate([stack], c, own.noise)
            ratio = found.scale / own.scale
            shift = abs(found.offset - own.offset) / own.scale
            if 1 / FARTHEST < ratio < FARTHEST and shift < FARTHEST / 2:
                continue
            which = f"channel {c} of " if len(self.calibrations) > 1 else ""
            sentences.append(
                f"{which}the movie has a mean of {found.offset:.4g} and a range of "
                f"{found.scale:.4g} grey levels, and the model was trained on a mean "
                f"of {own.offset:.4g} and a range of {own.scale:.4g}: give it the "
                "movie in the same grey levels, or train a model on this movie"
            )
        return tuple(sentences)

    def rounding_costs(self) -> tuple[str, ...]:
        """Say where whole grey levels are too coarse for a result of this model.

        Rounding adds an error of variance 1/12. A result keeps a few percent of the
        noise; where rounding adds as much, it should be written as floating point.
        """
        sentences = []
        for own in self.calibrations:
            noise = float(own.noise.variance(own.offset))
            if ROUNDING > LEFT * noise:
                sentences.append(
                    "rounding to whole grey levels adds an error of "
                    f"{ROUNDING**0.5:.2f}, and the noise that it was recorded with is "
                    f"{noise**0.5:.2f}: what denoising gains is lost again; write "
                    "float32"
                )
        return tuple(dict.fromkeys(sentences))

    def calibrations_for(self, stack: Stack) -> tuple[Calibration, ...]:
        """Return the model's calibrations, or measure them on the movie."""
        if self.calibrations:
            return self.calibrations
        stack = inspect(stack)
        noises = {p.c: diagnose(stack, p).noise for p in middle_planes(stack)}
        if not noises:
            check_varies(stack)
        any_noise = next(iter(noises.values()))  # for channels that are empty
        return tuple(
            calibrate([stack], c, noises.get(c, any_noise), from_zero=True)
            for c in range(stack.n_channels)
        )

    def provenance(self, stack: Stack, **more: Any) -> dict[str, Any]:
        """Return what a result records of how it was made.

        Parameters
        ----------
        stack
            The movie that was denoised.
        **more
            Added to the record, such as ``posterior=True``.
        """
        return {
            "program": "napari-udvd",
            "version": __version__,
            "source": stack.source,
            "network": {"name": self.net.name, **self.net.configuration()},
            "calibrations": [c.to_dict() for c in self.calibrations],
            "training": dict(self.record),
            **more,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one ``.safetensors`` file with weights and everything in its header.

        Raises
        ------
        OutputError
            If the file cannot be written; nothing is left behind.
        """
        header = {
            "version": __version__,
            "network": self.net.name,
            "configuration": self.net.configuration(),
            "calibrations": [c.to_dict() for c in self.calibrations],
            "joint": self.joint,
            "self_ensemble": self.self_ensemble,
            "record": _finite(self.record),
        }
        write_model_file(path, self.net.state_dict(), header)


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite by None: JSON has no word for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def load(path: str | os.PathLike[str]) -> Denoiser:
    """Read a model file written by :meth:`Denoiser.save`.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a model of this program. Code that a
        file may hold is never executed.
    """
    header, tensors = read_model_file(path)
    label = str(path)
    if "checkpoint" in header:
        raise InputError(
            f"{label!r} is the checkpoint of a training that was interrupted, not a "
            "model; --resume continues the training"
        )
    try:
        net = build_network(header["network"], header["configuration"])
        net.load_state_dict(tensors)
        calibrations = tuple(Calibration.from_dict(c) for c in header["calibrations"])
        joint, record = bool(header["joint"]), header["record"]
        self_ensemble = bool(header["self_ensemble"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"model file {label!r} does not hold a network that this version "
            f"({__version__}) knows; it was written by version "
            f"{header.get('version', 'unknown')} ({error})"
        ) from error
    return Denoiser(net.eval(), calibrations, joint, self_ensemble, record)


def load_published(
    path: str | os.PathLike[str], hole: tuple[int, int] | None = None
) -> Denoiser:
    """Read a published checkpoint of UDVD or STBN.

    Such a network has no movie of its own: range and noise are measured on each
    movie that it is applied to.

    Parameters
    ----------
    path
        A ``.pt`` or ``.pth`` file; code that it may hold is never executed.
    hole
        Odd (rows, columns) that it was trained with; the pixel alone if None.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds another network.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {str(path)!r} does not exist")
    try:
        net = from_published(read_published(path), hole or (1, 1))
    except ValueError as error:
        raise InputError(str(error)) from error
    return Denoiser(net, (), joint=net.channels > 1, record={"imported": path.name})


def check_fits(denoiser: Denoiser, stack: Stack) -> None:
    """Check that a movie can be denoised by a model.

    Raises
    ------
    InputError
        If channels, frames or frame size do not fit.
    """
    label = stack.source or "the movie"
    trained = len(denoiser.calibrations) or stack.n_channels
    if denoiser.joint:
        trained = denoiser.net.channels
    if stack.n_channels != trained:
        raise InputError(
            f"{label!r} has {stack.n_channels} channel(s), but the model was trained "
            f"on {trained}; {_advice(denoiser, stack)}"
        )
    needed = denoiser.net.least_frames
    if stack.n_frames < needed:
        raise InputError(
            f"{label!r} has {stack.n_frames} frame(s); this model "
            f"needs at least {needed}"
        )
    height, width = stack.frame_shape
    if height <= denoiser.net.hole[0] or width <= denoiser.net.hole[1]:
        raise InputError(
            f"frames of {label!r} are {height} x {width} pixels, no larger than the "
            f"model's hole of {denoiser.net.hole[0]} x {denoiser.net.hole[1]}"
        )


def _advice(denoiser: Denoiser, stack: Stack) -> str:
    if "imported" in denoiser.record and stack.n_channels == 1:
        return (
            "give it the movie three times, as red, green and blue, or train a model "
            "on this movie"
        )
    return "train a model on this movie, or pick its channels first"


def write_model_file(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    header: Mapping[str, Any],
) -> None:
    """Write tensors and a JSON header atomically: a killed run leaves no half file."""
    path = Path(path)
    partial = temporary_name(path, "partial")
    plain = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    try:
        remove_stale_partials(path)
        # written here, not by the library, which makes files only their owner can read
        content = save(plain, metadata={_KEY: json.dumps(header)})
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"cannot write {str(path)!r} ({error}); nothing was left behind. Choose a "
            "folder that exists, can be written and has space"
        ) from error
    finally:
        with contextlib.suppress(NotADirectoryError):  # then nothing was written
            partial.unlink(missing_ok=True)


def read_model_file(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read header and tensors of a file written by :func:`write_model_file`.

    Raises
    ------
    InputError
        If the file is missing, damaged or foreign.
    """
    header, tensors = _read(path, with_tensors=True)
    if any(not torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(f"model file {str(path)!r} holds weights that are not finite")
    return header, tensors


def read_model_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header alone, which is quick also where the weights are many.

    Raises
    ------
    InputError
        As :func:`read_model_file`.
    """
    return _read(path, with_tensors=False)[0]


def _read(
    path: str | os.PathLike[str], *, with_tensors: bool
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    label = str(path)
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).is_dir() else "does not exist"
        raise InputError(f"model file {label!r} {problem}; name a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{label!r} is not a model file, or it is damaged ({error}). Models are "
            ".safetensors files written by this program; published checkpoints are "
            "read by import-published"
        ) from error
    if _KEY not in metadata:
        raise InputError(
            f"{label!r} is a safetensors file, but not a model of napari-udvd: its "
            "header lacks the network's configuration"
        )
    try:
        header = json.loads(metadata[_KEY])
    except json.JSONDecodeError as error:
        raise InputError(f"the header of model file {label!r} is damaged") from error
    if not isinstance(header, dict):
        raise InputError(f"the header of model file {label!r} is damaged: no mapping")
    return header, tensors
