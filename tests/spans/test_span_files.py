"""Tables of spans as people and spreadsheets write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.errors import InputError, OutputError
from napari_udvd.spans import Span, read_spans, write_spans

if TYPE_CHECKING:
    from pathlib import Path

SPANS = [Span("1", 3, 7, "plate", 0.875), Span("cell é, left", 10, 12, "rest")]

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.csv"


def test_there_and_back(path: Path) -> None:
    write_spans(path, SPANS, interval=0.5)
    assert read_spans(path) == SPANS
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "region,label,start,stop,start_s,stop_s,confidence"
    assert lines[1] == "1,plate,3,7,1.5,3.5,0.875"
    with pytest.raises(OutputError, match="not replaced"):
        write_spans(path, SPANS)
    write_spans(path, SPANS[:1], overwrite=True)
    assert path.read_text().splitlines()[0] == "region,label,start,stop,confidence"
    assert read_spans(path) == SPANS[:1]


@given(NAMES, NAMES)
def test_any_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, region: str, label: str
) -> None:
    file = tmp_path_factory.mktemp("names") / "spans.csv"
    write_spans(file, [Span(region, 0, 1, label)])
    assert read_spans(file) == [Span(region, 0, 1, label)]


@pytest.mark.parametrize(
    "content",
    [
        b"label,stop,start,region,confidence\nplate,7,3,1,.875\n",
        "\ufeffregion;label;start;stop;confidence\r\n1;plate;3;7;0,875\r\n".encode(),
        b"sep=;\r\nRegion ;Label; Start ;Stop;Confidence;;\r\n1;plate;3;7;0,875;;",
        b"region\tlabel\tstart\tstop\tconfidence\n\n 1 \tplate\t3.0\t7\t0.875\n\n",
        "region\tlabel\tstart\tstop\tconfidence\n1\tplate\t3\t7\t0,875".encode(
            "utf-16"
        ),
        b'"region","label","note","start","stop","confidence"\n'
        b'"1","plate","it, or so","3","7","0.875"\n',
        b"region,label,Start (s),Stop [s],confidence\n1,plate,1.49,3.5,0.875\n",
        b"region,label,start,stop,start_s,stop_s,confidence\n1,plate,3,7,9,9,0.875\n",
    ],
)
def test_as_people_write_them(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_spans(path, interval=0.5) == SPANS[:1]


def test_the_western_alphabet_of_windows(path: Path) -> None:
    path.write_bytes("region;label;start;stop\nZelle ä;Teilung;0;2\n".encode("cp1252"))
    assert read_spans(path) == [Span("Zelle ä", 0, 2, "Teilung")]


def test_a_table_may_have_no_rows(path: Path) -> None:
    write_spans(path, [])
    assert read_spans(path) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("region,start,stop\n1,0,2", "no column 'label'; its first line names region"),
        ("region,label,start\n1,x,0", "no column 'stop'"),
        ("region,label,start,stop,Start\n1,x,0,2,0", "two columns 'start'"),
        ("region,label,start,stop\n1,x,0,2\n1,x,5,3", "line 3 of .*ends before"),
        ("region,label,start,stop\n1,x,0.5,2", "line 2 of .*'0.5'.* whole number"),
        ("region,label,start,stop\n1,x,zero,2", "'zero' in the column 'start'"),
        ("region,label,start,stop\n1,x,inf,2", "'inf' in the column 'start'"),
        ("region,label,start,stop\n1,,0,2", "nothing in the column 'label'"),
        ("region,label,start,stop\n1,x,0,", "no stop, neither in frames"),
        ("region,label,start,stop\n1,x,0,1,5", "5 cells, but only 4 .* commas"),
        ("region,label,start,stop\n1,x,-3,2", "line 2 of .*before frame 0"),
        ('region,label,start,stop\n1,x,0,2\n\n1,"x,4,5', "cannot be read as a row"),
        ("region,label,start_s,stop_s\n1,x,0,2", "seconds only .*`interval`"),
        ("sep=|\nregion|label|start|stop\n1|x|0|2", r"'\|' parts its cells"),
        ("region,label,start,stop,confidence\n1,x,0,2,80", "not from 0 to 1"),
    ],
)
def test_what_is_wrong_is_quoted(path: Path, content: str, words: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_spans(path)


def test_what_is_no_table(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_spans(path)
    with pytest.raises(InputError, match="is a folder"):
        read_spans(tmp_path)
    path.write_bytes(b"II*\0\x08\0\0\0")
    with pytest.raises(InputError, match="no text"):
        read_spans(path)


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_is_positive(path: Path, interval: float) -> None:
    with pytest.raises(InputError, match="interval is"):
        write_spans(path, SPANS, interval=interval)
    assert not path.exists()
    write_spans(path, SPANS)
    with pytest.raises(InputError, match="interval is"):
        read_spans(path, interval=interval)
