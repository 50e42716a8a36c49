"""The page of a report: whole in itself, and what names may hold does no harm."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from quality_movies import known_movie, report_on

from napari_udvd.errors import OutputError
from napari_udvd.quality._plots import Line, diverging, grey, plot

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "img"}


class Checker(HTMLParser):
    """Counts tags, and sees that each is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else() -> None:
    movie = known_movie()
    masks = {"<soma & co>": np.eye(96, dtype=bool)}
    report = report_on(
        movie.noisy,
        movie.truth,
        masks=masks,
        names=("<script>alert(1)</script>.tif", "a & b.tif", ""),
    )
    page = report.to_html()
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert "script" not in checker.seen
    assert checker.links
    assert all(link.startswith("data:image/png;base64,") for link in checker.links)
    assert "<link" not in page
    assert not re.search(r"url\(|@import|https?:", page)
    assert "&lt;soma &amp; co&gt;" in page
    assert checker.seen.count("svg") >= 4
    assert "The model that made the result is not known" in page
    assert report.verdict.summary in page


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    movie = known_movie(frames=4, edge=48)
    report = report_on(movie.noisy, movie.truth)
    path = tmp_path / "report.html"
    report.write_html(path)
    assert path.read_text("utf-8") == report.to_html()
    with pytest.raises(OutputError):
        report.write_html(path)
    report.write_html(path, overwrite=True)
    with pytest.raises(OutputError):
        report.write_json(tmp_path / "none" / "numbers.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [np.nan, 1.0], [np.nan, np.nan], [1e9, -1e-9]]
)
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    drawn = plot([Line("a < b", [0, 1], values)], "x", "y", guides=[(0.0, "zero")])
    assert ElementTree.fromstring(drawn).tag == "svg"
    assert "nan" not in drawn


def test_any_picture_can_be_drawn() -> None:
    image = np.full((700, 20), np.nan, np.float32)
    image[:350] = 3
    for drawn in (grey(image, 3, 3), diverging(image, 1.0, 1.0)):
        assert drawn.startswith("data:image/png;base64,")
