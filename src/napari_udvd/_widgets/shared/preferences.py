"""Values of the plugin's page in the viewer's preferences."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from napari.settings import get_plugin_settings
from platformdirs import user_cache_path

__all__ = ["Preferences", "read_preferences"]

PLUGIN = "napari-udvd"


class Preferences(NamedTuple):
    """Values that a user set once for all movies.

    Attributes
    ----------
    device
        ``auto``, ``cpu``, ``cuda``, ``mps``.
    minutes
        Time budget of a training.
    cache
        Folder for checkpoints and frames.
    """

    device: str
    minutes: float
    cache: Path


def read_preferences() -> Preferences:
    """Read the plugin's page of the preferences."""
    page = get_plugin_settings(PLUGIN)
    folder = Path(page.storage.cache_folder or user_cache_path(PLUGIN))
    return Preferences(page.training.device, page.training.minutes, folder)
