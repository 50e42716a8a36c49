"""How long the window of the viewer is stuck while the dock works.

A timer of 10 ms runs in the thread of the window; how much too late it comes is the
time in which nobody could have moved a slider. The dock is driven as a user would: a
simulated movie is trained on, with the time slider moved now and then, denoised while
scrubbing, and exported. The longest wait of every operation is told, and the 99th
percentile; with --stacks also what the window was doing during the long ones.

Needs a screen, or ``xvfb-run``, whose drawing is done by the processor: on a real
screen waits are shorter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

INTERVAL = 0.01
LONG = 0.1


class Heart:
    """Beats in the thread of the window and remembers how late it was."""

    def __init__(self, stacks: bool) -> None:
        from qtpy.QtCore import QTimer

        self.operation = ""
        self.late: dict[str, list[float]] = defaultdict(list)
        self.stuck_in: Counter[str] = Counter()
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(round(1000 * INTERVAL))
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self._main = threading.get_ident()
        if stacks:
            threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self) -> None:
        now = time.perf_counter()
        if self.operation:
            self.late[self.operation].append(max(now - self._last - INTERVAL, 0.0))
        self._last = now

    def during(self, operation: str) -> None:
        """Count for another operation from now on; for none if empty."""
        self.operation = operation
        self._last = time.perf_counter()

    def _watch(self) -> None:
        while True:
            time.sleep(0.02)
            if self.operation and time.perf_counter() - self._last > LONG / 2:
                frame = sys._current_frames()[self._main]
                lines = [
                    f"{Path(entry.filename).name}:{entry.lineno} {entry.name}"
                    for entry in traceback.extract_stack(frame)
                ]
                self.stuck_in[f"{self.operation}: {' < '.join(lines[:-9:-1])}"] += 1


def main() -> None:
    """Run all operations and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=256, help="of a frame, in pixels")
    parser.add_argument("--seconds", type=float, default=30.0, help="of training")
    parser.add_argument("--stacks", action="store_true", help="tell what was stuck")
    options = parser.parse_args()

    import napari
    from napari.settings import get_plugin_settings
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    manager.discover()
    if "napari-udvd" not in manager:  # run from the source tree
        import napari_udvd

        package = Path(napari_udvd.__file__).parent
        manager.register(PluginManifest.from_file(package / "napari.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        get_plugin_settings("napari-udvd").storage.cache_folder = folder
        viewer = napari.Viewer()
        viewer.window.resize(1300, 900)
        heart = run(viewer, options, Path(folder))
        viewer.close()
    print(f"{machine()}; {options.frames} frames of {options.size} x {options.size}\n")
    print("| | longest wait, ms | 99th percentile, ms | beats |")
    print("| --- | ---: | ---: | ---: |")
    for operation, late in heart.late.items():
        worst, usual = 1000 * max(late), 1000 * np.percentile(late, 99)
        print(f"| {operation} | {worst:.0f} | {usual:.0f} | {len(late)} |")
    for text, count in heart.stuck_in.most_common(25):
        print(f"{count:4d} {text}", file=sys.stderr)


def run(
    viewer: Viewer,
    options: argparse.Namespace,
    folder: Path,
) -> Heart:
    """Drive the dock; return what was measured."""
    from qtpy.QtWidgets import QApplication

    from napari_udvd._napari.layer_data import layer_data
    from napari_udvd.simulation import simulate

    shape = options.size, options.size
    movie = simulate("nuclei", frames=options.frames, shape=shape, photons=10)
    data, how, _ = layer_data(movie.noisy, "nuclei")
    viewer.add_image(data, **how)
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    heart = Heart(options.stacks)

    def until(done: Callable[[], bool], seconds: float = 600.0) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.001)

    def scrub(times: int) -> None:
        for k in range(times):
            viewer.dims.set_current_step(0, (7 * k) % options.frames)
            until(lambda: False, 0.25)

    until(lambda: dock.is_loaded)
    heart.during("diagnosis")
    until(lambda: not dock.noise.is_measuring)
    heart.during("training begins, the preview layer is added")
    dock.settings.follow_check.setChecked(False)
    dock.settings.minutes_spin.setValue(options.seconds / 60)
    dock.training.train_button.click()
    until(lambda: dock.trainer.preview.layer is not None, 60)
    until(lambda: False, 1)
    heart.during("training")
    until(lambda: False, options.seconds / 3)
    heart.during("training, moving the time slider")
    scrub(20)
    heart.during("training")
    until(lambda: dock.training.bar.value() > 900 or not dock.trainer.is_running)
    heart.during("training ends")
    until(lambda: not dock.trainer.is_running)
    heart.during("denoising begins, the result layer is added")
    dock.denoise()
    until(lambda: False, 0.5)

    from qtpy.QtCore import QTimer

    def on_layer_inserting() -> None:
        """Count what the viewer needs for the layer of events for itself."""
        before = heart.operation
        heart.during("denoising, the layer of events is added")
        QTimer.singleShot(500, lambda: heart.during(before))

    viewer.layers.events.inserting.connect(on_layer_inserting)
    heart.during("denoising, moving the time slider")
    scrub(4)
    heart.during("denoising")
    until(lambda: dock.delivery.results[0].is_complete)
    until(lambda: "added" not in heart.operation)
    viewer.layers.events.inserting.disconnect(on_layer_inserting)
    heart.during("scrubbing the result")
    scrub(10)
    for name in ("movie.ome.tif", "movie.ome.zarr"):
        heart.during(f"export of {name}")
        dock.export_to(folder / name)
        until(lambda: not dock.delivery.is_exporting)
    heart.during("the viewer's own: a layer is added, nothing else is done")
    viewer.add_image(data, **{**how, "name": "other"})
    until(lambda: False, 1)
    heart.during("")
    return heart


if __name__ == "__main__":
    main()
