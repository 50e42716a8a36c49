"""Layers and files that cannot be used: what the dock says, and that it goes on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels, Points

from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.noise import NoiseModel
from tiny import tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import DenoiseMovie
    from napari_udvd._widgets.shared.messages import Message


def says(message: Message) -> str:
    return message.text() if not message.isHidden() else ""


def refused(widget: DenoiseMovie) -> bool:
    return not widget.training.train_button.isEnabled()


def take(widget: DenoiseMovie, layer: Layer, rest: Callable[..., None]) -> None:
    """Add a layer to the viewer and choose it."""
    widget._viewer.add_layer(layer)
    widget.movie.choose(layer)
    rest(widget)


def press_train(widget: DenoiseMovie, qtbot: QtBot) -> str:
    """Train, which fails; return what is said under the buttons."""
    assert widget.training.train_button.isEnabled()
    widget.training.train_button.click()
    qtbot.waitUntil(lambda: not widget.trainer.is_running, timeout=20_000)
    assert widget.denoiser is None
    return says(widget.training.message)


def assert_usable(widget: DenoiseMovie, noisy: np.ndarray, rest: Any) -> None:
    """Check that a good movie is taken after all."""
    take(widget, Image(noisy, name="good"), rest)
    assert widget.movie.summary.text() == "12 frames, 48 x 48"
    for message in (widget.movie.layer_message, widget.movie.axes_message):
        assert says(message) == ""
    assert not widget.noise.section.details.isHidden()
    assert widget.training.train_button.isEnabled()


# layers that are no movie: nothing can be pressed

NO_MOVIES: dict[str, tuple[Callable[[], Layer] | None, str, str]] = {
    "no layer": (None, "layer_message", "no movie yet"),
    "labels": (
        lambda: Labels(np.zeros((5, 20, 20), int), name="cells"),
        "layer_message",
        "'cells' is a Labels layer",
    ),
    "points": (
        lambda: Points(np.zeros((3, 3)), name="spots"),
        "layer_message",
        "'spots' is a Points layer",
    ),
    "colour": (
        lambda: Image(np.zeros((5, 20, 20, 3), np.uint8), rgb=True, name="photo"),
        "layer_message",
        "'photo' is a colour picture",
    ),
    "four dimensions": (
        lambda: Image(np.zeros((5, 2, 20, 20), np.uint8), name="movie"),
        "axes_message",
        "the shape (5, 2, 20, 20)",
    ),
    "a negative scale": (
        lambda: Image(np.zeros((5, 20, 20), np.uint8), scale=(1, -2, 1)),
        "layer_message",
        "the scale of axis Y is -2",
    ),
}


@pytest.mark.parametrize(
    "cases",
    [
        ["no layer", "labels", "colour"],
        ["four dimensions", "points", "a negative scale"],
    ],
    ids=["no layer first", "a layer first"],
)
def test_what_is_no_movie_is_named_beside_its_control(
    dock: Callable[..., Any],
    rest: Callable[..., None],
    noisy: np.ndarray,
    cases: list[str],
) -> None:
    """Whether the dock finds it there or it is chosen after a good movie."""
    widget: Any = None
    for case in cases:
        make, where, said = NO_MOVIES[case]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the viewer's own, on what it shows
            if widget is None:
                _, widget = dock(*([make()] if make else []))
            else:
                widget._viewer.layers.clear()
                take(widget, make(), rest)
        assert said in says(getattr(widget.movie, where))
        other = {"layer_message", "axes_message"} - {where}
        assert says(getattr(widget.movie, other.pop())) == ""
        assert refused(widget)
        assert not widget.result.denoise_button.isEnabled()
        assert says(widget.noise.section.sentence) == ""
        widget.train()  # as from the console: nothing happens but a message
        assert not widget.trainer.is_running
        assert said in says(widget.training.message)
        assert_usable(widget, noisy, rest)


def test_a_scale_of_zero_is_kept_out_by_the_viewer() -> None:
    with pytest.raises(ValueError, match="scale"):
        Image(np.zeros((5, 20, 20), np.uint8), scale=(1, 0, 1))


# movies that cannot be learned from: the diagnosis says so, and so does Train


def not_finite(noisy: np.ndarray) -> Image:
    pixels = noisy.astype(np.float32)
    pixels[3, 5, 7] = np.inf
    return Image(pixels, name="holed")


NO_USE: dict[str, tuple[Callable[[np.ndarray], Image], str]] = {
    "one frame": (lambda noisy: Image(noisy[:1], name="still"), "has 1 frame"),
    "a picture": (lambda noisy: Image(noisy[0], name="still"), "no time axis"),
    "not finite": (not_finite, "T = 3, Y = 5, X = 7"),
    "constant": (
        lambda noisy: Image(np.full_like(noisy, 7), name="grey"),
        "'grey' is 7",
    ),
}


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@pytest.mark.parametrize("first", ["a picture", "constant"])
def test_what_cannot_be_learned_from_is_said_at_once(
    dock: Callable[..., Any],
    rest: Callable[..., None],
    qtbot: QtBot,
    noisy: np.ndarray,
    notified: list[str],
    first: str,
) -> None:
    """The dock finds one of them there; another is chosen after a good movie."""
    widget: Any = None
    for case in (first, {"a picture": "not finite", "constant": "one frame"}[first]):
        make, said = NO_USE[case]
        layer = make(noisy)
        notified.clear()
        if widget is None:
            _, widget = dock(layer)
        else:
            widget._viewer.layers.clear()
            take(widget, layer, rest)
        text = says(widget.noise.section.sentence)
        assert said in text and layer.name in text
        assert widget.noise.section.details.isHidden()
        if not refused(widget):
            assert said in press_train(widget, qtbot)
            assert any(said in text for text in notified)
            assert widget.training.train_button.isEnabled()
        assert_usable(widget, noisy, rest)


def test_depth_that_is_typed_for_time_is_said_with_the_remedy(
    dock: Callable[..., Any], rest: Callable[..., None], noisy: np.ndarray
) -> None:
    _, widget = dock(Image(noisy, name="deep"))
    widget.movie.axes_edit.setText("ZYX")
    widget.movie.axes_edit.editingFinished.emit()
    rest(widget)
    text = says(widget.noise.section.sentence)
    assert "'deep' has no time axis (axes ZYX" in text and "TYX" in text
    widget.movie.axes_edit.setText("TYX")
    widget.movie.axes_edit.editingFinished.emit()
    rest(widget)
    assert not widget.noise.section.details.isHidden()


def test_files_that_vanished(
    dock: Callable[..., Any],
    rest: Callable[..., None],
    qtbot: QtBot,
    tmp_path: Path,
    noisy: np.ndarray,
    notified: list[str],
) -> None:
    paths = [tmp_path / f"frame{k}.tif" for k in range(len(noisy))]
    for path, frame in zip(paths, noisy, strict=True):
        tifffile.imwrite(path, frame)

    def read(block_info: Any) -> np.ndarray:
        (start, _), *_ = block_info[None]["array-location"]
        return np.asarray(tifffile.imread(paths[start]))[np.newaxis]

    frames = da.map_blocks(
        read, chunks=((1,) * len(noisy), (48,), (48,)), dtype=noisy.dtype
    )
    layer = Image(frames, name="lost", contrast_limits=(0, 1000))
    _, widget = dock(layer)
    assert not widget.noise.section.details.isHidden()
    for path in paths:
        path.unlink()
    widget.movie.choose(layer)
    rest(widget)
    assert "/frame" in says(widget.noise.section.sentence)
    assert "/frame" in press_train(widget, qtbot)
    assert any("/frame" in text for text in notified)
    assert_usable(widget, noisy, rest)


# layers that are unusual, and work


def test_the_finest_level_of_a_multiscale_layer_is_the_movie(
    dock: Callable[..., Any], noisy: np.ndarray
) -> None:
    layer = Image([noisy, noisy[:, ::2, ::2]], multiscale=True, name="pyramid")
    _, widget = dock(layer)
    assert widget.movie.summary.text() == "12 frames, 48 x 48"
    assert widget.movie.stack is not None and widget.movie.stack.shape == noisy.shape
    assert not widget.noise.section.details.isHidden()
    assert widget.training.train_button.isEnabled()


def test_pixels_that_are_not_square_do_not_matter(
    dock: Callable[..., Any], noisy: np.ndarray
) -> None:
    how = {"scale": (0.5, 3.0, 0.1), "units": ("s", "um", "um")}
    _, widget = dock(Image(noisy, name="stretched", **how))
    assert widget.movie.summary.text() == "12 frames, 48 x 48, 0.1 µm, 0.5 s"
    assert widget.training.train_button.isEnabled()


# model files


def model_file(path: Path, n_channels: int) -> Path:
    noise = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)
    net = tiny_net(frames=3, likelihood=True)
    calibrations = (Calibration(130.0, 80.0, noise),) * n_channels
    Denoiser(net, calibrations, False, record={}).save(path)
    return path


def load(widget: DenoiseMovie, path: Path, qtbot: QtBot) -> str:
    """Load a model file; return what is said about it."""
    widget.load_model_from(path)
    assert not widget.result.load_button.isEnabled()
    qtbot.waitUntil(lambda: not widget.model.is_busy, timeout=20_000)
    qtbot.wait(20)
    assert widget.result.load_button.isEnabled()
    return says(widget.result.model_message)


def test_a_model_for_other_channels_says_how_many(
    dock: Callable[..., Any],
    qtbot: QtBot,
    noisy: np.ndarray,
    tmp_path: Path,
    notified: list[str],
) -> None:
    _, widget = dock(Image(noisy, name="one channel"))
    text = load(widget, model_file(tmp_path / "two.safetensors", 2), qtbot)
    assert "1 channel(s), but the model was trained on 2" in text
    assert any("two.safetensors" in each for each in notified)
    widget.result.denoise_button.click()
    assert "trained on 2" in says(widget.result.message)
    assert [layer.name for layer in widget._viewer.layers] == ["one channel"]
    text = load(widget, model_file(tmp_path / "one.safetensors", 1), qtbot)
    assert "one.safetensors" in text and "But" not in text
    widget.result.denoise_button.click()
    assert (
        says(widget.result.message) == "" or "denoised" in widget.result.message.text()
    )
    qtbot.waitUntil(lambda: widget.delivery.results[0].is_complete, timeout=20_000)
    qtbot.waitUntil(lambda: not widget.delivery.is_filling, timeout=20_000)


def damaged(path: Path) -> None:
    whole = model_file(path, 1).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


BAD_FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "damaged": ("half.safetensors", damaged),
    "empty": ("empty.safetensors", lambda path: path.write_bytes(b"")),
    "a text": ("text.safetensors", lambda path: path.write_text("no model\n" * 50)),
    "a published text": ("text.pt", lambda path: path.write_text("no model\n" * 50)),
    "a picture": (
        "picture.pth",
        lambda path: tifffile.imwrite(path, np.zeros((8, 8), np.uint8)),
    ),
    "missing": ("missing.safetensors", lambda path: None),
    "missing and published": ("missing.pt", lambda path: None),
    "a folder": ("folder.safetensors", lambda path: path.mkdir()),
}


def test_a_file_that_is_no_model_is_named_and_the_old_model_stays(
    dock: Callable[..., Any],
    qtbot: QtBot,
    noisy: np.ndarray,
    tmp_path: Path,
    notified: list[str],
) -> None:
    _, widget = dock(Image(noisy, name="movie"))
    load(widget, model_file(tmp_path / "good.safetensors", 1), qtbot)
    denoiser = widget.denoiser
    assert denoiser is not None
    wrong: list[str] = []
    for case, (name, make) in BAD_FILES.items():
        make(tmp_path / name)
        text = load(widget, tmp_path / name, qtbot)
        if name not in text or not notified or notified[-1] != text:
            wrong.append(f"{case}: {text!r}")
        assert widget.denoiser is denoiser, case
    assert not wrong
    assert widget.result.denoise_button.isEnabled()
