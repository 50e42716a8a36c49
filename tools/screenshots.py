"""Take the screenshots of the documentation from the running plugin.

It goes the way of the tutorial: sample, diagnosis, training, result, export; then it
looks into pixels and motion, of a movie of yours with ``--movie``, judges the result,
shows events that were put back, the frame on view sharpened (with ``--sharpen`` that
alone), and a scan that is planned, simulated and reconstructed (with ``--scan`` that
alone). With ``--events`` it labels, learns and finds events, and with ``--cells`` also
in the movie of migrating cancer cells. With ``--batch`` it denoises several movies and
takes the picture while they are worked on. Settings and cache are its own, so nothing
of the user's is touched and no earlier training of the same movie is found.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

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
        self._folder, self.viewer, self.dock = folder, viewer, dock

    def until(self, condition: Callable[[], object], seconds: float) -> None:
        """Let the window work until something is true.

        Raises
        ------
        TimeoutError
            If it does not come true in so many seconds.
        """
        from qtpy.QtWidgets import QApplication

        from napari_udvd._widgets.shared.messages import Message

        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                said = self.dock.findChildren(Message)
                raise TimeoutError(" / ".join(label.text() for label in said))
            QApplication.processEvents()
            time.sleep(0.005)

    def rest(self, seconds: float) -> None:
        """Let the window work for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 60)

    def close_notifications(self) -> None:
        """Take away what pops up over the picture."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification
        from qtpy.QtWidgets import QApplication

        for widget in QApplication.allWidgets():
            if isinstance(widget, NapariQtNotification):
                widget.close()

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
        pixels = self.viewer.window.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels).convert("RGB")
        path = self._folder / f"plugin-{name}.png"
        # Nearly all is grey: without a second look (kmeans) the few colours drown in
        # it. No dithering, which looks like noise and compresses as badly.
        picture = picture.quantize(kmeans=3, dither=Image.Dither.NONE)
        picture.save(path, optimize=True)
        print(f"{path}  {picture.width} x {picture.height}, {path.stat().st_size} B")


def new_viewer(work: Path) -> napari.Viewer:
    """Open the viewer with settings of its own."""
    os.environ["NAPARI_CONFIG"] = str(work / "settings.yaml")  # read on import
    import napari
    from napari.settings import get_plugin_settings, get_settings

    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    # others would hide what matters
    get_settings().application.gui_notification_level = "warning"
    get_plugin_settings("napari-udvd").storage.cache_folder = str(work / "cache")
    return viewer


def opened(folder: Path, work: Path, sample: str) -> Tour:
    """Open the viewer with a sample and the dock.

    Parameters
    ----------
    folder
        Where the pictures go.
    work
        Folder for settings and cache.
    sample
        Its key.
    """
    viewer = new_viewer(work)
    viewer.open_sample("napari-udvd", sample)
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    at = Tour(folder, viewer, dock)
    at.until(lambda: dock.settings.estimate.text(), 300)
    return at


def tour(at: Tour, minutes: float, movie: Path | None) -> None:
    """Go through the tutorial and take its pictures.

    Parameters
    ----------
    at
        The dock in a viewer. The movie is exported to the current folder.
    minutes
        Time of the training.
    movie
        File to look into at the end; the sample if None.
    """
    from napari.settings import get_settings

    viewer, dock, messages = at.viewer, at.dock, get_settings().application
    dock.noise.section.details.expand(animate=False)
    at.shoot("1-diagnosis")
    dock.noise.section.details.collapse(animate=False)

    dock.settings.minutes_spin.setValue(minutes)
    dock.training.train_button.click()
    half = 500
    at.until(lambda: dock.training.bar.value() >= half, 300 + 60 * minutes)
    at.until(lambda: dock.trainer.preview.layer is not None, 60)
    at.shoot("2-training", below=dock.training.plot)

    at.until(lambda: not dock.trainer.is_running, 300 + 60 * minutes)
    at.until(lambda: dock.delivery.results[0].is_complete, 600)
    at.until(lambda: not dock.delivery.is_filling, 60)
    dock.comparing.section.split_check.setChecked(True)
    viewer.reset_view()
    viewer.scene.camera.zoom *= ZOOM
    at.shoot("3-result", below=dock.comparing.section.split_check)

    messages.gui_notification_level = "info"
    dock.export_to(Path("nuclei.denoised.ome.tif"))
    at.until(lambda: not dock.delivery.is_exporting, 300)
    at.shoot("4-export", below=dock.result.message)
    messages.gui_notification_level = "warning"
    at.close_notifications()
    if movie is None:
        at.until(lambda: not dock.delivery.is_exporting, 60)
        dock.comparing.section.split_check.setChecked(False)
        layer = viewer.layers[0]
    else:
        viewer.layers.clear()
        (layer,) = viewer.open(str(movie), plugin="napari-udvd")
        at.until(lambda: dock.movie.layer == layer, 60)
        at.until(lambda: dock.settings.estimate.text(), 300)
        dock.comparing.section.split_check.setChecked(False)
        dock.training.train_button.click()
        at.until(lambda: dock.trainer.is_running, 60)
        at.until(lambda: not dock.trainer.is_running, 300 + 60 * minutes)
        at.until(lambda: dock.delivery.results[0].is_complete, 1200)
        at.until(lambda: not dock.delivery.is_filling, 60)
    look_inside(at, viewer, dock)
    judge(at, viewer)
    show_events(at, viewer, dock)
    sharpen(at, viewer, dock)


def look_inside(at: Tour, viewer: napari.Viewer, dock: Any) -> None:
    """Inspect the brightest pixels of the middle frame, and its motion."""
    _, inspector = viewer.window.add_plugin_dock_widget(
        "napari-udvd", "Pixel inspector", tabify=True
    )
    source, stack = dock.movie.layer, dock.movie.stack
    t = stack.n_frames // 2
    viewer.dims.set_current_step(0, t)
    result = dock.delivery.results[0]
    viewer.layers.selection.active = result.layer
    frame = gaussian_filter(np.asarray(result.layer.data[t], dtype=float), 2)
    margin = 24
    inner = frame[margin:-margin, margin:-margin]
    first = np.unravel_index(inner.argmax(), inner.shape)
    y, x = (int(k) + margin for k in first)
    inspector.inspect_button.click()
    for dy, dx in ((0, 14), (14, 0), (0, 0)):
        before = inspector.inspected
        inspector._picker.picked.emit(tuple(source.data_to_world((t, y + dy, x + dx))))
        at.until(lambda before=before: inspector.inspected is not before, 60)
        if dy or dx:
            inspector.keep.pin_button.click()
    viewer.scene.camera.center = source.data_to_world((t, y, x))
    viewer.scene.camera.zoom *= 4
    at.shoot("5-inspector")
    inspector.inspect_button.click()
    inspector.overlay_check.setChecked(False)
    inspector.keep.pins.clear_pins()

    _, motion = viewer.window.add_plugin_dock_widget(
        "napari-udvd", "Motion", tabify=True
    )
    viewer.reset_view()
    viewer.layers.selection.active = result.layer
    motion.controls.colours_check.setChecked(True)
    motion.show_button.click()
    at.until(lambda: motion.motion is not None, 300)
    at.shoot("6-motion")


def judge(at: Tour, viewer: napari.Viewer) -> None:
    """Ask for the report on the result."""
    _, quality = viewer.window.add_plugin_dock_widget(
        "napari-udvd", "Quality", tabify=True
    )
    at.rest(0.5)  # it looks for results and the model that made them
    quality.run_button.click()
    at.until(lambda: not quality.is_judging, 300)
    at.shoot("7-quality")


def show_events(at: Tour, viewer: napari.Viewer, dock: Any) -> None:
    """Denoise a movie with flashes of one frame, as the weights are shipped."""
    from napari_udvd.simulation import simulate

    viewer.layers.clear()
    scene = simulate("calcium", frames=40, shape=(160, 160), photons=15.0, seed=3)
    noisy = scene.noisy.read().astype(np.float32)
    rng = np.random.default_rng(0)
    noise = np.std(np.diff(noisy, axis=0), axis=0).mean() / np.sqrt(2)
    t = 20
    for y, x in rng.integers(15, 145, (8, 2)):
        noisy[t, y - 1 : y + 2, x - 1 : x + 2] += 6 * noise
    layer = viewer.add_image(noisy, name="flashes", axis_labels=("t", "y", "x"))
    at.until(lambda: dock.movie.layer == layer, 60)
    at.until(lambda: dock.settings.estimate.text(), 300)
    viewer.dims.set_current_step(0, t)
    dock.result.now_button.click()
    at.until(lambda: dock.delivery.of(layer) is not None, 60)
    at.until(lambda: dock.delivery.of(layer).is_complete, 600)
    viewer.reset_view()
    at.shoot("8-events")


def sharpen(at: Tour, viewer: napari.Viewer, dock: Any) -> None:
    """Choose the blur of a movie while the frame on view follows."""
    from napari_udvd.simulation import add_noise, simulate

    viewer.layers.clear()
    scene = simulate("filaments", frames=12, shape=(128, 128), seed=3).truth.read()
    seen = gaussian_filter(np.asarray(scene, dtype=float), (0, 1.75, 1.75))
    noisy, _ = add_noise(seen, photons=30.0, gain=2.0, offset=100.0, read_noise=1.4)
    layer = viewer.add_image(noisy, name="filaments", axis_labels=("t", "y", "x"))
    at.until(lambda: dock.movie.layer == layer, 60)
    at.until(lambda: dock.settings.estimate.text(), 300)
    viewer.dims.set_current_step(0, 6)
    dock.result.now_button.click()
    at.until(lambda: dock.delivery.of(layer) is not None, 300)
    at.until(lambda: dock.delivery.of(layer).is_complete, 600)
    at.until(lambda: not dock.delivery.is_filling, 60)
    viewer.reset_view()
    sharpening = dock.orders.sharpening
    sharpening.section.fold.expand(animate=False)
    sharpening.section.fields.spins["sigma"].setValue(1.75)
    looks = sharpening.looks
    at.until(lambda: sharpening.section.live.text() and not looks.is_busy, 300)
    at.close_notifications()
    at.shoot("10-sharpen", below=sharpening.section.message)


def plan_scan(at: Tour, viewer: napari.Viewer, dock: Any, minutes: float) -> None:
    """Plan a scan of the sample, simulate it, and reconstruct what it leaves."""
    viewer.layers.clear()
    viewer.open_sample("napari-udvd", "nuclei")
    noisy = viewer.layers[0]
    _, scan = viewer.window.add_plugin_dock_widget(
        "napari-udvd", "Plan a scan", tabify=True
    )
    scan.movie.choose(noisy)
    scan.pattern.times.set_values({"dwell": 2.0, "flyback": 100.0, "settle": 1.0})
    at.until(lambda: not scan.is_busy, 60)
    scan.compare()
    at.until(lambda: not scan.is_busy, 120)
    scan.simulate()
    at.until(lambda: not scan.is_busy, 60)
    sparse = viewer.layers[-1]
    at.until(lambda: dock.movie.layer == sparse, 60)
    at.until(lambda: dock.settings.estimate.text(), 300)
    dock.settings.minutes_spin.setValue(minutes)
    dock.training.train_button.click()
    at.until(lambda: dock.trainer.is_running, 60)
    at.until(lambda: not dock.trainer.is_running, 300 + 60 * minutes)
    at.until(lambda: dock.delivery.of(sparse) is not None, 60)
    at.until(lambda: dock.delivery.of(sparse).is_complete, 1200)
    at.until(lambda: not dock.delivery.is_filling, 60)
    noisy.visible = False
    dock.comparing.section.split_check.setChecked(True)
    viewer.reset_view()
    viewer.scene.camera.zoom *= ZOOM
    at.close_notifications()
    at.shoot("9-scan")


def find_events(folder: Path, work: Path, cells: Path | None) -> None:
    """Label a few spans of dividing nuclei, and find those of the others."""
    from napari_udvd._napari.layer_data import layer_data
    from napari_udvd.simulation import simulate_events
    from napari_udvd.spans import Span

    viewer = new_viewer(work)
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Events")
    at = Tour(folder, viewer, dock)
    movie = simulate_events("divisions", frames=72, shape=(160, 160), seed=2)
    data, how, _ = layer_data(movie.noisy, "Dividing nuclei")
    layer = viewer.add_image(data, **how)
    place = {"scale": layer.scale, "units": layer.units}
    watch(at, layer, viewer.add_tracks(movie.tracks, name="tracks", **place), 9)
    names = [span.label for span in movie.spans]
    labels = list(dict.fromkeys(names))
    first = [s for s in movie.spans if s.label == "rounding" and int(s.region) < 5]
    marked = []
    for start in first:  # what one sees around a division
        low, high = start.start - 4, start.start + 16
        marked += [
            Span(s.region, max(s.start, low), min(s.stop, high), s.label)
            for s in movie.spans
            if s.region == start.region and s.start < high and low < s.stop
        ]
    learn(at, labels, marked)
    dock.learning.suggest_button.click()
    at.until(lambda: not dock.is_busy, 120)
    viewer.reset_view()
    viewer.dims.set_current_step(0, 15)  # where there is something to see
    at.shoot("10-events")
    if cells is not None:
        find_real_events(at, work, cells)
    viewer.close()


def run_batch(folder: Path, work: Path, minutes: float) -> None:
    """Train on four movies, of which one holds nothing, and look at the first."""
    import tifffile

    from napari_udvd.formats import create
    from napari_udvd.simulation import simulate

    movies = Path("movies")  # in the current folder, whose name says nothing
    movies.mkdir()
    files = []
    for number, kind in enumerate(("nuclei", "calcium", "filaments")):
        noisy = simulate(kind, frames=24, shape=(96, 96), photons=15, seed=number).noisy
        files.append(movies / f"{kind}.ome.tif")
        with create(files[-1], like=noisy, dtype=noisy.dtype, record={}) as sink:
            sink.write(noisy.read(), 0)
    files.insert(1, movies / "shutter-closed.tif")
    blank = np.full((24, 96, 96), 100, np.uint16)
    tifffile.imwrite(files[1], blank, imagej=True, metadata={"axes": "TYX"})
    viewer = new_viewer(work)
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Batch")
    at = Tour(folder, viewer, dock)
    at.until(lambda: dock.is_loaded, 300)
    dock.movies.add_paths(files)
    dock.output.line.edit.setText("results")
    dock.settings.minutes_spin.setValue(minutes)
    dock.run.start_button.click()
    rows, half = dock.movies.rows, 0.5
    at.until(lambda: rows[0].state == "done", 300 + 60 * minutes)
    dock.opening.show(rows[0])
    at.until(lambda: not dock.opening.is_busy and rows[1].state == "failed", 300)
    dock.movies.refresh([rows[1]])
    viewer.dims.set_current_step(0, 12)
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    at.until(lambda: rows[2].share > half, 300 + 60 * minutes)
    at.close_notifications()
    at.shoot("12-batch")
    dock.runner.stop()
    at.until(lambda: not dock.runner.is_running, 120)
    viewer.close()


NUCLEI = {
    1: "0 113 58 4 110 57 5 113 56 7 112 58 8 110 58 10 107 60 12 105 62 13 103 70 "
    "16 97 75 20 95 80 23 90 87 25 91 85 28 99 78 31 99 74",
    2: "0 37 91 3 35 88 5 33 84 7 27 81 8 23 81 10 18 78 12 18 75 15 19 74 18 20 76 "
    "21 23 78 23 25 77 24 25 81 25 32 84 26 36 84 31 41 83 36 40 86 40 26 84 47 20 75",
    3: "0 87 89 5 85 88 8 81 88 12 81 90 14 70 90 16 61 88 19 57 85 21 54 89 22 53 93 "
    "24 56 93 25 62 94 26 67 89 27 76 90 31 80 90",
    4: "0 74 34 3 72 27 7 77 27 8 77 30 12 76 34 15 74 34 17 69 30 19 60 37 20 55 45 "
    "22 46 51 24 44 58 28 44 52 31 41 56 32 43 45 36 40 50 40 40 48 47 34 47",
    5: "13 105 48 16 100 47 20 90 45 23 90 45 25 94 44 31 98 45",
}
"""Nuclei of the movie of migrating cancer cells, followed by eye: frame, row, column of
a few frames, between which they are taken to go straight."""

SEEN = {
    1: "0 3 interphase 3 5 rounding 5 7 plate 7 12 separation 12 20 interphase",
    2: "0 11 interphase 11 25 rounding 25 27 plate 27 30 separation 30 40 interphase",
    4: "0 48 interphase",
}
"""What one sees there, labelled by eye: first frame, frame after the last, label."""


def find_real_events(at: Tour, work: Path, cells: Path) -> None:
    """Label what happens to some nuclei by eye, and find it in the others."""
    from napari_udvd.spans import Span

    viewer, dock = at.viewer, at.dock
    viewer.layers.clear()
    copy = work / "cells.tif"  # the labels are kept beside it
    copy.write_bytes(cells.read_bytes())
    (layer,) = viewer.open(str(copy), plugin="napari-udvd")
    layer.name = "Cancer cells"
    rows = []
    for number, told in NUCLEI.items():
        points = np.array(told.split(), float).reshape(-1, 3)
        frames = np.arange(points[0, 0], points[-1, 0] + 1)
        way = [np.interp(frames, points[:, 0], points[:, k]) for k in (1, 2)]
        rows.append(np.column_stack([np.full_like(frames, number), frames, *way]))
    place = {"scale": layer.scale, "units": layer.units}
    tracks = viewer.add_tracks(np.concatenate(rows), name="nuclei", **place)
    watch(at, layer, tracks, 14)
    marked = []
    for number, told in SEEN.items():
        words = told.split()
        parts = zip(words[::3], words[1::3], words[2::3], strict=True)
        marked += [Span(str(number), int(a), int(b), label) for a, b, label in parts]
    learn(at, ["interphase", "rounding", "plate", "separation"], marked)
    viewer.reset_view()
    dock.go_to("3", 22)
    at.shoot("11-events-real")
    for span in dock.record.now.timeline():
        print(span, round(span.confidence, 2))


def watch(at: Tour, layer: Any, tracks: Any, radius: float) -> None:
    """Choose a movie and tracks in it."""
    movie = at.dock.movie
    at.until(lambda: movie.layer == layer, 60)
    at.until(lambda: movie.regions_box.findText(tracks.name) > 0, 60)
    tracks.visible = False
    movie.choose_regions(tracks)
    movie.radius_spin.setValue(radius)
    at.until(lambda: not at.dock.is_busy, 60)
    at.viewer.layers.selection.active = layer


def learn(at: Tour, labels: list[str], marked: list[Any]) -> None:
    """Name the labels, mark spans, and train."""
    dock = at.dock
    for name in labels:
        if name not in dock.record.labels:
            dock.record.put(dock.record.now.with_label(name))
    for name in set(dock.record.labels) - set(labels):
        dock.record.put(dock.record.now.without_label(name))
    for span in marked:
        dock.marker.mark(span)
    dock.learning.train_button.click()
    at.until(lambda: not dock.is_busy, 300)


def main() -> None:
    """Run from a terminal; needs a screen, or xvfb-run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    parser.add_argument("--movie", type=Path, help="to look into; else the sample")
    parser.add_argument("--scan", action="store_true", help="the scan alone")
    parser.add_argument("--sharpen", action="store_true", help="sharpening alone")
    parser.add_argument("--events", action="store_true", help="events alone")
    parser.add_argument("--batch", action="store_true", help="a batch alone")
    parser.add_argument("--cells", type=Path, help="cancer cells, for --events")
    options = parser.parse_args()
    movie = options.movie.resolve() if options.movie else None
    cells = options.cells.resolve() if options.cells else None
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,
        contextlib.chdir(work),
    ):
        if options.events:
            find_events(folder, Path(work), cells)
            return
        if options.batch:
            run_batch(folder, Path(work), options.minutes)
            return
        at = opened(folder, Path(work), "nuclei")
        if options.sharpen:
            sharpen(at, at.viewer, at.dock)
        if not (options.scan or options.sharpen):
            tour(at, options.minutes, movie)
        if not options.sharpen:
            plan_scan(at, at.viewer, at.dock, options.minutes)
        at.viewer.close()


if __name__ == "__main__":
    main()
