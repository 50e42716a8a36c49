"""Authors as they are written on a command line."""

from __future__ import annotations

import pytest

from napari_udvd.errors import InputError
from napari_udvd.zoo import Author


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Lovelace", Author("Ada Lovelace")),
        (" Ada  (Engines, London) ", Author("Ada", "Engines, London")),
        ("Ada <ada-l>", Author("Ada", None, "ada-l")),
        ("Ada Lovelace (Engines) <ada>", Author("Ada Lovelace", "Engines", "ada")),
    ],
)
def test_authors(text: str, expected: Author) -> None:
    assert Author.read(text) == expected


@pytest.mark.parametrize("text", ["", "(Engines)", "Ada <ada lovelace>", "Ada (E"])
def test_what_is_no_author(text: str) -> None:
    with pytest.raises(InputError, match="expected a name"):
        Author.read(text)
