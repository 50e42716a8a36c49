"""The view is waited for until it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd._widgets.shared.resting import Resting

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot


def test_it_tells_of_moves_and_of_rest_until_it_lets_go(
    make_napari_viewer: Callable[[], Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    resting = Resting(viewer)
    moves: list[None] = []
    resting.moved.connect(lambda: moves.append(None))
    viewer.scene.camera.zoom = 2.0
    assert moves
    assert not resting.is_awaited  # nobody asked
    with qtbot.waitSignal(resting.rests, timeout=5000):
        resting.wait()
        assert resting.is_awaited
    resting.wait()
    resting.shut_down()
    assert not resting.is_awaited
    count = len(moves)
    viewer.scene.camera.zoom = 3.0
    assert len(moves) == count
