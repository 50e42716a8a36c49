"""Remove noise from microscopy movies with a network trained on the movie itself.

>>> import napari_udvd as nu
>>> stack = nu.open("movie.tif")  # doctest: +SKIP
>>> denoiser = nu.train(stack, minutes=2)  # doctest: +SKIP
>>> clean = denoiser.denoise(stack)  # doctest: +SKIP

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_udvd._version import __version__

if TYPE_CHECKING:
    from napari_udvd.errors import InputError, OutputError
    from napari_udvd.formats import list_images
    from napari_udvd.formats import open_stack as open
    from napari_udvd.inference.loading import load
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs import denoise, find_events, reconstruct, sharpen, train
    from napari_udvd.jobs.report import report
    from napari_udvd.noise import diagnose
    from napari_udvd.simulation import simulate, simulate_events
    from napari_udvd.stack import Stack

__all__ = [
    "Denoiser",
    "InputError",
    "OutputError",
    "Stack",
    "__version__",
    "denoise",
    "diagnose",
    "find_events",
    "list_images",
    "load",
    "open",
    "reconstruct",
    "report",
    "sharpen",
    "simulate",
    "simulate_events",
    "train",
]

_HOMES = {
    "Denoiser": "inference.restorer",
    "InputError": "errors",
    "OutputError": "errors",
    "Stack": "stack",
    "denoise": "jobs",
    "diagnose": "noise",
    "find_events": "jobs",
    "list_images": "formats",
    "load": "inference.loading",
    "reconstruct": "jobs",
    "sharpen": "jobs",
    "report": "jobs.report",
    "simulate": "simulation",
    "simulate_events": "simulation",
    "train": "jobs",
}


def __getattr__(name: str) -> Any:
    if name == "open":
        return import_module("napari_udvd.formats").open_stack
    if name in _HOMES:
        return getattr(import_module(f"napari_udvd.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
