"""Open the viewer with the dock of the plugin and one of its sample movies."""

from __future__ import annotations

import sys

import napari


def main(sample: str) -> None:
    """Show the window until it is closed."""
    viewer = napari.Viewer()
    viewer.open_sample("napari-udvd", sample)
    viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
