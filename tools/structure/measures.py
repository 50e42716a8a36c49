"""Numbers of the structure, to compare one state of the code with another."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from structure.house import House

NETWORK = re.compile(r"center_?blind|udvd|stbn|light_?flow|pwc_?net", re.IGNORECASE)
# No network, but the plugin: by its name, and as the viewer's menus call it.
PLUGIN = re.compile(r"(?i:napari[-_ ]?udvd)|> UDVD|^UDVD: ")


def measure(house: House) -> str:
    """Say how large, how tangled, how many."""
    trees = {file: ast.parse(file.read_bytes()) for file in house.files()}
    names = {file: str(file.relative_to(house.source)) for file in trees}
    lengths = {names[f]: len(f.read_bytes().splitlines()) for f in trees}
    attributes, fields = _classes(trees, names)
    networks = {
        names[file]: count
        for file, tree in trees.items()
        if file.relative_to(house.source).parts[0] != "models"
        and (count := sum(1 for word in _words(tree) if _names_network(word)))
    }
    folders = Counter(str(file.parent.relative_to(house.source)) for file in trees)
    optional = [room for floor in house.floors for room in floor.optional]
    return "\n".join(
        [
            f"modules: {len(trees)}, lines: {sum(lengths.values())}",
            f"longest modules: {_top(lengths)}",
            f"most attributes set on self: {_top(attributes)}",
            f"most fields of a dataclass: {_top(fields)}",
            f"modules outside models/ that name a network: {len(networks)}"
            f" ({sum(networks.values())} times)",
            f"    {', '.join(f'{n} {c}' for n, c in networks.items()) or 'none'}",
            f"rows of the layers contract: {len(house.floors)},"
            f" rooms in them: {sum(len(f.rooms) for f in house.floors)},"
            f" optional: {len(optional)}",
            f"files per folder: {_top(folders, len(folders))}",
        ]
    )


def _top(counts: dict[str, int], most: int = 5) -> str:
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return ", ".join(f"{name} {count}" for name, count in largest) or "none"


def _classes(
    trees: dict[Path, ast.Module], names: dict[Path, str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Count attributes that methods set on self, and fields of dataclasses."""
    attributes, fields = {}, {}
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                name = f"{names[file]}:{node.name}"
                attributes[name] = len(set(_set_on_self(node)))
                if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
                    fields[name] = sum(isinstance(n, ast.AnnAssign) for n in node.body)
    return attributes, fields


def _set_on_self(node: ast.ClassDef) -> Iterator[str]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ast.walk(method):
                if (
                    isinstance(part, ast.Attribute)
                    and isinstance(part.ctx, ast.Store)
                    and isinstance(part.value, ast.Name)
                    and part.value.id == "self"
                ):
                    yield part.attr


def _names_network(word: str) -> bool:
    return NETWORK.search(PLUGIN.sub("", word)) is not None


def _words(tree: ast.Module) -> Iterator[str]:
    """All identifiers and strings of a module, without docstrings and annotations."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        for name, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
            if name != "type_comment":
                yield from (word for word in values if isinstance(word, str))
