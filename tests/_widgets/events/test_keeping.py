"""Labels outlive the viewer: with the layer, and in a file beside the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_udvd._widgets.events.keeping import Keeping, sidecar_of
from napari_udvd._widgets.events.state import Known
from napari_udvd._widgets.shared.layers import stack_of
from napari_udvd.errors import InputError, OutputError
from napari_udvd.spans import Span, read_spans

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def movie(tmp_path: Path) -> Image:
    """Return a movie of ten frames in a file."""
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, np.zeros((10, 8, 8), np.uint8))
    return opened(path)


def opened(path: Path) -> Image:
    layer = Image(np.zeros((10, 8, 8), np.uint8), axis_labels=("t", "y", "x"))
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


def keeping(layer: Image) -> Keeping:
    return Keeping(layer, stack_of(layer, "TYX"))


def test_labels_are_read_again_with_their_colours(movie: Image, tmp_path: Path) -> None:
    path = sidecar_of(movie)
    assert path == tmp_path / "cells.spans.csv"
    first = keeping(movie)
    assert first.read() is None
    first.write(Known().with_label("event"))
    assert not path.exists()  # nothing is worth a file yet
    known = Known().with_label("a, b", "#123456").marked(Span("2", 1, 4, "a, b"))
    known = known.marked(Span("1", 0, 3, "c"))
    first.write(known)
    assert read_spans(path) == list(known.labelled)

    again = keeping(opened(tmp_path / "cells.ome.tif")).read()
    assert again is not None
    assert again.labelled == known.labelled
    assert dict(again.labels) == dict(known.labels)
    within = keeping(movie).read()  # labels without a span are in the layer, too
    assert within == known

    first.write(Known())
    assert read_spans(path) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("region,label,start\n1,a,0\n", "no column 'stop'"),
        ("region,label,start,stop\n1,a,0,3\n1,b,2,5\n", "overlap"),
        ("region,label,start,stop\n1,a,0,30\n", "may be those of another movie"),
    ],
)
def test_a_damaged_file_is_kept(
    movie: Image, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "cells.spans.csv"
    path.write_text(content)
    labels = keeping(movie)
    with pytest.raises(InputError, match=why) as caught:
        labels.read()
    assert "cells.spans.damaged.csv" in str(caught.value)
    labels.write(Known().with_label("event"))
    assert path.read_text() == content
    (tmp_path / "cells.spans.damaged.csv").write_text("an older one")
    labels.write(Known().marked(Span("1", 0, 3, "a")))
    assert (tmp_path / "cells.spans.damaged-2.csv").read_text() == content
    assert read_spans(path) == [Span("1", 0, 3, "a")]


def test_where_nothing_can_be_written_the_layer_has_them(
    movie: Image, tmp_path: Path
) -> None:
    labels = keeping(movie)
    (tmp_path / "cells.spans.csv").mkdir()
    known = Known().marked(Span("1", 0, 3, "a"))
    with pytest.raises(OutputError, match="in the layer, and gone when napari closes"):
        labels.write(known)
    assert keeping(movie).read() == known


def test_a_movie_that_is_no_file_has_no_file_beside_it() -> None:
    layer = Image(np.zeros((10, 8, 8)))
    assert sidecar_of(layer) is None
    labels = keeping(layer)
    labels.write(Known().marked(Span("1", 0, 3, "a")))
    assert labels.read() == Known().marked(Span("1", 0, 3, "a"))
