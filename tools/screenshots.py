"""Take the screenshots of docs/plugin.md from the running plugin.

It goes the way of the tutorial: sample, diagnosis, training, result, export. Settings
and cache are its own, so nothing of the user's is touched and no earlier training of
the same movie is found.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

SIZE = 1300, 900

ZOOM = 2.2
"""How much nearer than the whole frame the result is looked at."""


class Tour:
    """The dock in a viewer, and a camera.

    Parameters
    ----------
    folder
        Where the pictures go.
    viewer, dock
        What they show.
    """

    def __init__(self, folder: Path, viewer: napari.Viewer, dock: Any) -> None:
        self._folder, self._viewer, self.dock = folder, viewer, dock

    def until(self, condition: Callable[[], object], seconds: float) -> None:
        """Let the window work until something is true.

        Raises
        ------
        TimeoutError
            If it does not come true in so many seconds.
        """
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                said = [self.dock.training.message, self.dock.result.message]
                raise TimeoutError(" / ".join(label.text() for label in said))
            QApplication.processEvents()
            time.sleep(0.005)

    def rest(self, seconds: float) -> None:
        """Let the window work for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 60)

    def shoot(self, name: str, *, below: Any = None) -> None:
        """Save a picture of the whole window, small enough for a page.

        Parameters
        ----------
        name
            Of the picture.
        below
            A part of the dock to scroll down to.
        """
        from qtpy.QtWidgets import QScrollArea

        if below is not None:
            area = self.dock.findChild(QScrollArea)
            area.ensureWidgetVisible(below)
            area.horizontalScrollBar().setValue(0)
        self.rest(0.5)
        pixels = self._viewer.window.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels).convert("RGB")
        path = self._folder / f"plugin-{name}.png"
        # Nearly all is grey: without a second look (kmeans) the few colours drown in
        # it. No dithering, which looks like noise and compresses as badly.
        picture = picture.quantize(kmeans=3, dither=Image.Dither.NONE)
        picture.save(path, optimize=True)
        print(f"{path}  {picture.width} x {picture.height}, {path.stat().st_size} B")


def tour(folder: Path, work: Path, minutes: float) -> None:
    """Go through the tutorial and take its pictures.

    Parameters
    ----------
    folder
        Where the pictures go.
    work
        Folder for settings and cache. The movie is exported to the current folder.
    minutes
        Time of the training.
    """
    os.environ["NAPARI_CONFIG"] = str(work / "settings.yaml")  # read on import
    import napari
    from napari.settings import get_plugin_settings, get_settings

    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    messages = get_settings().application
    messages.gui_notification_level = "warning"  # others would hide what matters
    viewer.open_sample("napari-udvd", "nuclei")
    get_plugin_settings("napari-udvd").storage.cache_folder = str(work / "cache")
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    at = Tour(folder, viewer, dock)

    at.until(lambda: dock.settings.estimate.text(), 300)
    dock.diagnosis.details.expand(animate=False)
    at.shoot("1-diagnosis")
    dock.diagnosis.details.collapse(animate=False)

    dock.settings.minutes_spin.setValue(minutes)
    dock.training.train_button.click()
    half = dock.training.bar.maximum() / 2
    at.until(lambda: dock.training.bar.value() >= half, 300 + 60 * minutes)
    at.until(lambda: dock.trainer.preview.layer is not None, 60)
    at.shoot("2-training", below=dock.training.plot)

    at.until(lambda: not dock.trainer.is_running, 300 + 60 * minutes)
    at.until(lambda: dock.delivery.results[0].is_complete, 600)
    at.until(lambda: not dock.delivery.is_filling, 60)
    dock.result.split_check.setChecked(True)
    viewer.reset_view()
    viewer.scene.camera.zoom *= ZOOM
    at.shoot("3-result", below=dock.result.split_check)

    messages.gui_notification_level = "info"
    dock.export_to(Path("nuclei.denoised.ome.tif"))
    at.until(lambda: not dock.delivery.is_exporting, 300)
    at.shoot("4-export", below=dock.result.message)
    viewer.close()


def main() -> None:
    """Run from a terminal; needs a screen, or xvfb-run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,
        contextlib.chdir(work),
    ):
        tour(folder, Path(work), options.minutes)


if __name__ == "__main__":
    main()
