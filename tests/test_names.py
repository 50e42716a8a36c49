"""Networks are named where they are defined, and nowhere else in the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import napari_udvd
from napari_udvd.models import catalogue, labeller_names

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(napari_udvd.__file__).parent

# the package, and the plugin as menus and tasks of the viewer call it
OWN_NAME = re.compile(r"napari[-_]udvd|> UDVD\b|^UDVD: ", re.IGNORECASE)
NAME = re.compile(
    r"center.?blind(-sparse)?|udvd|stbn|light.?flow|pwc|deep.?fovea|s2svr"
    r"|\btcn|TemporalConvolutions|seq2seq|SequenceToSequence",
    re.IGNORECASE,
)


def found_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines that name a network in code, and the name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value)  # a docstring
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if id(node) in told:
            continue
        for text in words_of(node):
            if name := NAME.search(OWN_NAME.sub("", text)):
                yield getattr(node, "lineno", 0), name[0]


def words_of(node: ast.AST) -> Iterator[str]:
    """Yield identifiers and strings that a node of the syntax tree holds itself."""
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield each


def python_files() -> list[str]:
    files = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py")]
    names = {file.as_posix() for file in files if file.parts[0] != "models"}
    return sorted(names)


def test_no_network_is_named_outside_of_models() -> None:
    lines = [
        f"src/napari_udvd/{file}:{line}: {name}"
        for file in python_files()
        for line, name in found_in(SOURCE / file)
    ]
    assert not lines, "\n".join(lines)


def test_what_is_searched_for_is_what_there_is(tmp_path: Path) -> None:
    for name in [*catalogue.names(), *labeller_names()]:
        assert NAME.fullmatch(re.sub(r"-\d$", "", name)), name
    path = tmp_path / "module.py"
    lines = [
        '"""UDVD in a docstring."""',
        "# STBN in a comment",
        "from napari_udvd.models import CenterBlind",
        'name = "napari-udvd"',
        "net.width = stbn_width(f'the {model} is UDVD')",
        "import napari_udvd.models.udvd.network",
    ]
    path.write_text("\n".join(lines))
    assert sorted(found_in(path)) == [
        (3, "CenterBlind"),
        (5, "UDVD"),
        (5, "stbn"),
        (6, "udvd"),
    ]
