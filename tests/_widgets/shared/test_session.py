"""What the docks of a viewer have in common."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from napari.utils._proxies import PublicOnlyProxy

from napari_udvd._widgets.shared import session as _session
from napari_udvd._widgets.shared.layers import stack_of
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd._widgets.shared.session import session_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari_udvd._widgets.shared.session import Session

pytestmark = pytest.mark.usefixtures("qapp")


def image(name: str, **how: Any) -> Image:
    pixels = np.zeros((4, 8, 9), np.float32)
    return Image(pixels, contrast_limits=(0, 1), name=name, **how)


def result_of(session: Session, source: Image, denoiser: Any) -> Any:
    """Make what stands for a denoised movie whose layer is in the viewer."""
    layer, std_layer = image(f"{source.name} denoised"), image(f"{source.name} std")
    session.viewer.add_layer(layer)
    session.viewer.add_layer(std_layer)
    stack = SimpleNamespace(name=f"stack of {source.name}")
    return SimpleNamespace(
        layer=layer, std_layer=std_layer, source=source, stack=stack, denoiser=denoiser
    )


@pytest.fixture
def session() -> Session:
    return session_of(ViewerModel())


def test_docks_of_one_viewer_share_a_session(session: Session) -> None:
    viewer = session.viewer
    assert session_of(viewer) is session
    assert session_of(PublicOnlyProxy(viewer)) is session
    assert session_of(PublicOnlyProxy(viewer)) is session_of(PublicOnlyProxy(viewer))


def test_viewers_that_look_alike_have_sessions_of_their_own(session: Session) -> None:
    other = session_of(PublicOnlyProxy(ViewerModel()))
    assert other is not session
    assert session_of(PublicOnlyProxy(ViewerModel())) is not other


def test_a_session_ends_with_its_last_dock() -> None:
    before = len(_session._sessions)
    held = session_of(ViewerModel())
    assert len(_session._sessions) == before + 1
    del held
    gc.collect()
    assert len(_session._sessions) <= before


def test_every_change_is_told(session: Session) -> None:
    told: list[tuple[Any, bool]] = []
    session.changed.connect(
        lambda: told.append((session.denoiser, session.is_training))
    )
    model: Any = object()
    session.update(denoiser=model)
    session.update(is_training=True)
    session.update(is_training=False)
    assert told == [(model, False), (model, True), (model, False)]


def test_a_movie_is_shown_with_the_model_in_use(session: Session) -> None:
    layer = image("movie", scale=(2, 0.5, 0.5), units=("s", "um", "um"))
    session.viewer.add_layer(layer)
    shown = session.what(layer)
    assert shown.source is layer and shown.denoiser is None and shown.result is None
    assert shown.stack.axes == "TYX" and shown.stack.scale["T"] == 2
    model: Any = object()
    session.update(denoiser=model)
    assert session.what(layer).denoiser is model


def test_a_denoised_layer_is_shown_with_the_model_it_comes_from(
    session: Session,
) -> None:
    first, second, model, newer = image("a"), image("b"), *map(str, range(2))
    for layer in (first, second):
        session.viewer.add_layer(layer)
    results = [result_of(session, layer, model) for layer in (first, second)]
    session.update(denoiser=newer, results=results)  # type: ignore[arg-type]
    for source, result in zip((first, second), results, strict=True):
        for layer in (result.layer, result.std_layer):
            shown = session.what(layer)
            assert shown.source is source and shown.stack is result.stack
            assert shown.denoiser is model and shown.result is result
        shown = session.what(source)
        assert shown.source is source and shown.result is result
        assert shown.denoiser is newer


def test_the_newest_result_counts(session: Session) -> None:
    source = image("movie")
    session.viewer.add_layer(source)
    results = [result_of(session, source, k) for k in range(2)]
    session.update(results=results)
    assert session.what(source).result is results[1]


def test_a_result_whose_layer_is_gone_is_gone(session: Session) -> None:
    source = image("movie")
    session.viewer.add_layer(source)
    result = result_of(session, source, "model")
    session.update(results=[result])
    session.viewer.layers.remove(result.layer)
    assert session.what(source).result is None


def test_results_of_a_dock_that_was_closed_stay(session: Session) -> None:
    source, other = image("movie"), image("other")
    for layer in (source, other):
        session.viewer.add_layer(layer)
    old, gone, new = (
        result_of(session, layer, "model") for layer in (source, other, other)
    )
    session.update(results=[old, gone])
    session.viewer.layers.remove(gone.layer)
    session.update(results=[new])  # of the dock that was opened next
    assert session.results == [old, new]
    assert session.what(old.layer).source is source


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (None, "no layer is selected"),
        (Labels(np.zeros((4, 8, 9), int), name="cells"), "'cells' is not a movie"),
        (Shapes(name="box"), "'box' is not a movie"),
        (Points(np.zeros((1, 3)), name="spots"), "'spots' is not a movie"),
        (image("weights", metadata={OWN: "filter"}), "'weights' is not a movie"),
        (
            Image(np.zeros((4, 8, 9, 3), np.uint8), rgb=True, name="photo"),
            "'photo' is a colour picture",
        ),
        (
            Image(np.zeros((2, 4, 8, 9), np.uint8), name="deep"),
            r"the shape \(2, 4, 8, 9\)",
        ),
    ],
    ids=str,
)
def test_what_is_no_movie_is_refused_by_name(
    session: Session, layer: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        session.what(layer)


def test_what_was_told_of_a_movie_every_dock_knows(session: Session) -> None:
    changes: list[None] = []
    session.changed.connect(lambda: changes.append(None))
    movie, other = (
        Image(np.zeros((4, 16, 18), np.float32), name=name) for name in ("one", "two")
    )
    for layer in (movie, other):
        session.viewer.add_layer(layer)
    plain = stack_of(movie, "TYX")
    session.tell(movie, plain)
    assert not changes
    assert session.what(movie).stack is plain
    masked = plain.with_mask(np.ones((16, 18), bool))
    session.tell(movie, masked)
    assert len(changes) == 1
    assert session.what(movie).stack is masked
    assert session.what(other).stack.mask is None
    session.tell(None, None)
    assert len(changes) == 2
    assert session.what(movie).stack.mask is None
