"""What the documentation shows of the structure is what the code has."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

FILES = {
    "pyproject.toml": """
        [tool.importlinter]
        root_package = "cottage"

        [[tool.importlinter.contracts]]
        name = "Imports only point down"
        type = "layers"
        containers = ["cottage"]
        layers = ["attic", "(kitchen) : (stove)", "hall | cupboard", "cottage.cellar"]

        [[tool.importlinter.contracts]]
        name = "Only the attic knows the sky"
        type = "forbidden"
        source_modules = ["cottage"]
        forbidden_modules = ["sky", "rain"]
        ignore_imports = ["cottage.attic.** -> *"]

        [[tool.importlinter.contracts]]
        name = "No water in the cellar"
        type = "forbidden"
        source_modules = ["cottage.cellar", "cottage.hall"]
        forbidden_modules = ["water"]

        [[tool.importlinter.contracts]]
        name = "The stove knows no cellar"
        type = "forbidden"
        source_modules = ["cottage.stove"]
        forbidden_modules = ["cottage.cellar"]
        """,
    "docs/architecture.md": """
        Before.
        <!-- floors -->
        <!-- /floors -->
        Between.
        <!-- tree -->
        <!-- /tree -->
        After.
        """,
    "docs/images/architecture.svg": "",
    "src/cottage/__init__.py": '"""A house.\n\nMore of it.\n"""',
    "src/cottage/__main__.py": "import cottage.attic",
    "src/cottage/attic/__init__.py": '"""Under the roof."""\nfrom sky import star',
    "src/cottage/attic/_trunk.py": """
        '''What is kept.'''
        from typing import TYPE_CHECKING
        import cottage.kitchen
        import cottage.cellar
        if TYPE_CHECKING:
            import cottage.cupboard
        """,
    "src/cottage/kitchen.py": "from cottage import stove, hall",
    "src/cottage/stove.py": f'"""{"Warm " * 25}."""',
    "src/cottage/hall.py": '"""A <wide> room."""\nimport cottage.cellar',
    "src/cottage/cupboard.py": "",
    "src/cottage/cellar.py": "",
}

TREE = """
    ```
    src/cottage/  A house
        attic/       Under the roof
            _trunk.py  What is kept
        cellar.py
        cupboard.py
        hall.py      A <wide> room
        kitchen.py
        __main__.py
        stove.py     Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm Warm
                     Warm Warm Warm Warm Warm Warm Warm Warm Warm
    ```
    """  # noqa: E501

FLOORS = """
    | floor | modules | does without `sky`, `rain` | does without `water` | knows nothing of |
    | --- | --- | --- | --- | --- |
    | 3 | `attic` | | | |
    | 2 | `kitchen`, `stove` | all | | `stove`: `cellar` |
    | 1 | `hall`, `cupboard` | all | `hall` | |
    | 0 | `cellar` | all | all | |
    | none | `__main__` | all | | |
    """  # noqa: E501


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "tools")
    return import_module("architecture")


@pytest.fixture
def cottage(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip())
    return tmp_path


def needs_grimp() -> None:
    pytest.importorskip("grimp", reason="the drawing needs import-linter's grimp")


def imports(tool: Any, root: Path) -> dict[tuple[str, str], int]:
    return import_module("structure.imports").find_imports(tool.House(root)).arrows


def test_tree_and_floors_are_those_of_the_code(tool: Any) -> None:
    stale = tool.sections_out_of_date(tool.House(ROOT))
    assert not stale, "run `make architecture`"


def test_the_drawing_is_that_of_the_code(tool: Any) -> None:
    needs_grimp()
    stale = tool.drawing_out_of_date(tool.House(ROOT))
    assert not stale, "run `make architecture`"


def test_the_tree(tool: Any, cottage: Path) -> None:
    assert tool.sections.tree(tool.House(cottage)) == dedent(TREE).strip()


def test_the_floors(tool: Any, cottage: Path) -> None:
    assert tool.sections.floors(tool.House(cottage)) == dedent(FLOORS).strip()


def test_rows_of_the_contract(tool: Any, cottage: Path) -> None:
    house = tool.House(cottage)
    assert [floor.rooms for floor in house.floors] == [
        ("attic",),
        ("kitchen", "stove"),
        ("hall", "cupboard"),
        ("cellar",),
    ]
    assert [bool(floor.optional) for floor in house.floors] == [0, 1, 0, 0]
    assert [floor.are_strangers for floor in house.floors] == [1, 0, 1, 1]


def test_writing_keeps_the_rest_and_passes_the_check(
    tool: Any, cottage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs_grimp()
    assert tool.main(["--check", str(cottage)]) == 1
    told = capsys.readouterr().out
    assert "'tree'" in told
    assert "'floors'" in told
    assert "drawing" in told
    assert "`make architecture`" in told
    assert tool.main([str(cottage)]) == 0
    assert tool.main(["--check", str(cottage)]) == 0
    page = (cottage / "docs" / "architecture.md").read_text()
    assert page.startswith("Before.\n<!-- floors -->\n\n| floor |")
    assert page.endswith("```\n\n<!-- /tree -->\nAfter.\n")
    svg = (cottage / "docs" / "images" / "architecture.svg").read_text()
    assert tool.main([str(cottage)]) == 0
    assert (cottage / "docs" / "architecture.md").read_text() == page
    assert (cottage / "docs" / "images" / "architecture.svg").read_text() == svg


@pytest.mark.parametrize(
    ("file", "text", "stale"),
    [
        ("src/cottage/hall.py", '"""Narrow."""\nimport cottage.cellar', "'tree'"),
        ("src/cottage/attic/_box.py", "", "'tree'"),
        ("src/cottage/cellar.py", "import water", "drawing"),
        ("src/cottage/cupboard.py", "import cottage.cellar", "drawing"),
        ("src/cottage/cupboard.py", "x = 1\n" * 500, None),
    ],
)
def test_what_makes_the_page_stale(
    tool: Any,
    cottage: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str,
    stale: str | None,
) -> None:
    needs_grimp()
    tool.main([str(cottage)])
    (cottage / file).write_text(text)
    assert tool.main(["--check", str(cottage)]) == (stale is not None)
    assert (stale or "") in capsys.readouterr().out


def test_without_grimp_the_page_is_checked_and_the_drawing_is_not(
    tool: Any,
    cottage: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs_grimp()
    tool.main([str(cottage)])
    monkeypatch.setattr(tool, "CAN_DRAW", False)
    (cottage / "src/cottage/cupboard.py").write_text("import cottage.cellar")
    assert tool.main(["--check", str(cottage)]) == 0
    assert "drawing is not checked" in capsys.readouterr().out
    (cottage / "src/cottage/attic/_box.py").touch()
    assert tool.main(["--check", str(cottage)]) == 1


def test_a_page_without_the_markers(tool: Any, cottage: Path) -> None:
    needs_grimp()
    (cottage / "docs" / "architecture.md").write_text("Nothing.\n")
    assert tool.main(["--check", str(cottage)]) == 1
    with pytest.raises(ValueError, match="<!-- tree -->"):
        tool.main([str(cottage)])


def test_imports_between_rooms(tool: Any, cottage: Path) -> None:
    needs_grimp()
    assert imports(tool, cottage) == {
        ("__main__", "attic"): 1,
        ("attic", "cellar"): 1,
        ("attic", "kitchen"): 1,
        ("hall", "cellar"): 1,
        ("kitchen", "hall"): 1,
        ("kitchen", "stove"): 1,
    }


def test_arrows_that_follow_from_others_are_left_out(tool: Any) -> None:
    needs_grimp()
    needed = import_module("structure.imports").needed
    way = {("a", "b"), ("b", "c"), ("c", "d")}
    assert needed(way | {("a", "c"), ("a", "d"), ("b", "d")}) == way


@pytest.mark.parametrize(
    ("file", "text", "illegal"),
    [
        ("cellar.py", "def late():\n    import cottage.hall", ("cellar", "hall")),
        ("hall.py", "import cottage.cupboard", ("hall", "cupboard")),
        ("stove.py", "import cottage.kitchen", None),
    ],
)
def test_imports_that_point_up_are_red(
    tool: Any, cottage: Path, file: str, text: str, illegal: tuple[str, str] | None
) -> None:
    needs_grimp()
    tool.main([str(cottage)])
    drawing = cottage / "docs" / "images" / "architecture.svg"
    assert " illegal" not in drawing.read_text()
    (cottage / "src" / "cottage" / file).write_text(text)
    tool.main([str(cottage)])
    red = [line for line in drawing.read_text().splitlines() if " illegal" in line]
    if illegal is None:
        assert red == []
    else:
        (line,) = red
        assert f"from-{illegal[0]} to-{illegal[1]}" in line


def test_nothing_overlaps_in_the_drawing(tool: Any) -> None:
    lay_out = import_module("structure.layout").lay_out
    rows = [["a", "b"], ["c"], ["d", "e", "f"], ["g"]]
    arrows = {("a", "d"), ("a", "g"), ("b", "c"), ("b", "f"), ("c", "e"), ("f", "g")}
    layout = lay_out(rows, arrows, 0, 600)
    for row in layout.rows:
        edges = [
            side
            for node in row
            for side in (
                layout.x[node] - layout.width(node) / 2,
                layout.x[node] + layout.width(node) / 2,
            )
        ]
        assert edges == sorted(edges)
        assert edges[0] > -1e-6
        assert edges[-1] < 600 + 1e-6
    assert len(layout.routes["a", "g"]) == 4


def test_measures(tool: Any, cottage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '''
        """UDVD in words does not count."""
        from dataclasses import dataclass
        from cottage_models.udvd import UDVD  # nor does STBN here

        PLUGIN = "napari-udvd", "napari_udvd", "File > Preferences > UDVD"

        @dataclass
        class Box:
            """STBN."""
            a: int
            b: int

        class Table:
            def __init__(self, legs):
                self.legs, self.top = legs, None
                with open("stbn") as self.file:
                    self.legs += 1
                legs.centerblind = "centre"
        '''
    (cottage / "src" / "cottage" / "cellar.py").write_text(dedent(text))
    (cottage / "src" / "cottage" / "models").mkdir()
    (cottage / "src" / "cottage" / "models" / "stbn.py").write_text("STBN = 'stbn'")
    tool.main(["--measure", str(cottage)])
    told = capsys.readouterr().out
    assert "modules: 10," in told
    assert "longest modules: cellar.py 19," in told
    assert "set on self: cellar.py:Table 3, cellar.py:Box 0" in told
    assert "fields of a dataclass: cellar.py:Box 2" in told
    assert "name a network: 1 (4 times)\n    cellar.py 4\n" in told
    assert "contract: 4, rooms in them: 6, optional: 2" in told
    assert "files per folder: . 7, attic 2, models 1" in told
