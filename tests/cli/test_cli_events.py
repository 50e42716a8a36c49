"""Events from a few labelled spans, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from cli_tools import write

from blinking import blinking
from napari_udvd.spans import read_spans, score, write_spans
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Run

SCENE = blinking()


@pytest.fixture
def given(tmp_path: Path) -> list[object]:
    """Write movie, labels and regions; return the arguments that name them."""
    movie = write(tmp_path / "movie.ome.tif", SCENE.noisy)
    regions = write(tmp_path / "rois.tif", Stack.from_array(SCENE.labels, "YX"))
    write_spans(tmp_path / "spans.csv", SCENE.of("1", "2"))
    return [movie, "--labels", tmp_path / "spans.csv", "--rois", regions]


def test_a_table_a_score_and_what_to_label_next(
    run: Run, given: list[object], tmp_path: Path
) -> None:
    output, model = tmp_path / "events.csv", tmp_path / "finder.safetensors"
    code, out, err = run(
        "events", *given, "--steps", 40, "--save-model", model, "-o", output
    )
    assert code == 0
    lines = out.splitlines()
    assert "spans in 3 regions" in lines[0] and lines[-1] == str(output)
    assert any(line.startswith("held out: 2 stretches of labels") for line in lines)
    assert any(line.startswith("label next: region '3'") for line in lines)
    assert "if the movie was denoised" in err and "--denoised" in err
    found = [span for span in read_spans(output) if span.region == "3"]
    assert score(SCENE.of("3"), found).all_starts.f1 > 0.9
    # with a model and nothing asked for, labels are not needed
    movie, _, _, *regions = given
    code, out, err = run(
        *("events", movie, *regions, "--model", model, "--suggest", 0),
        *("-o", tmp_path / "again.csv", "--quiet"),
    )
    assert (code, err) == (0, "")
    assert "label next" not in out
    again = [s for s in read_spans(tmp_path / "again.csv") if s.region == "3"]
    assert [(s.start, s.label) for s in again] == [(s.start, s.label) for s in found]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1,lit,0,20"], "all spans have the label 'lit'"),
        (["1,lit,0,12", "1,dark,10,20"], "overlap"),
        (["1,lit,0,12", "1,dark,40,49"], "beyond the movie, which has 48 frames"),
        (["1,lit,0,12", "9,dark,10,20"], "labels may be those of another movie"),
    ],
)
def test_labels_that_cannot_be_learned_from(
    run: Run,
    given: list[object],
    tmp_path: Path,
    listing: Callable[[], dict[str, bytes | None]],
    rows: list[str],
    words: str,
) -> None:
    (tmp_path / "spans.csv").write_text("\n".join(["region,label,start,stop", *rows]))
    before = listing()
    code, out, err = run("events", *given, "-o", tmp_path / "events.csv", "--quiet")
    assert (code, out) == (2, "") and words in err
    assert listing() == before


def test_seconds_without_an_interval(
    run: Run, given: list[object], tmp_path: Path
) -> None:
    np.save(tmp_path / "movie.npy", np.asarray(SCENE.noisy.data))
    rows = [f"1,{s.label},{2 * s.start},{2 * s.stop}" for s in SCENE.of("1")]
    (tmp_path / "spans.csv").write_text(
        "\n".join(["region,label,start_s,stop_s", *rows])
    )
    _, *others = given
    asked = ["events", tmp_path / "movie.npy", *others, "--axes", "TYX", "--quiet"]
    asked += ["-o", tmp_path / "events.csv", "--steps", 1]
    code, _, err = run(*asked)
    assert code == 2 and "line 2" in err and "give the --interval" in err
    assert run(*asked, "--interval", 2).code == 0


def test_a_roi_outside_of_the_frame(
    run: Run, given: list[object], tmp_path: Path
) -> None:
    (tmp_path / "rois.csv").write_text("track,frame,y,x\n1,0,5,5\n1,1,5,99\n")
    movie, flag, spans, *_ = given
    code, _, err = run(
        *("events", movie, flag, spans, "--regions", tmp_path / "rois.csv"),
        *("-o", tmp_path / "events.csv", "--quiet"),
    )
    assert code == 2 and "outside of the frame of 30 x 32 pixels" in err


def test_gaps_of_tracks_are_told(run: Run, given: list[object], tmp_path: Path) -> None:
    kept = SCENE.tracks[~((SCENE.tracks[:, 0] == 2) & (SCENE.tracks[:, 1] == 5))]
    lines = [",".join(f"{n:g}" for n in row) for row in kept]
    (tmp_path / "tracks.csv").write_text("\n".join(["track,frame,y,x", *lines]))
    movie, flag, spans, *_ = given
    code, _, err = run(
        *("events", movie, flag, spans, "--regions", tmp_path / "tracks.csv"),
        *("--radius", 4, "--steps", 1, "-o", tmp_path / "events.csv"),
    )
    assert code == 0 and "track 2 has no point in frame 5" in err


def test_nothing_to_learn_from(run: Run, given: list[object], tmp_path: Path) -> None:
    code, _, err = run("events", given[0], "-o", tmp_path / "events.csv")
    assert code == 2 and "--labels" in err and "--model" in err
