"""Every script says what its numbers were measured on."""

from __future__ import annotations

import ast
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

TOLD_BY_ANOTHER = {
    "probe": "two_trees",  # one process of many, whose numbers go into its table
    "gpu": "gpu_report",  # it runs where nothing but torch is installed
}
"""Scripts that cannot call it, and the module that says it for them."""


def called(path: Path) -> set[str]:
    """Return the names of the functions that a module calls."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
    }


def borrowed(path: Path) -> dict[str, Path]:
    """Return the functions of other benchmarks that a module imports."""
    return {
        alias.name: BENCHMARKS / f"{(node.module or '').rpartition('.')[2]}.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("benchmarks.")
        for alias in node.names
    }


def states_the_machine(path: Path) -> bool:
    names = called(path)
    if "machine" in names:
        return True
    return any(
        name in names and source.exists() and "machine" in called(source)
        for name, source in borrowed(path).items()
        if source.stem != "common"
    )


def test_every_script_states_the_machine() -> None:
    scripts = [
        path
        for path in sorted(BENCHMARKS.glob("*.py"))
        if '__name__ == "__main__"' in path.read_text("utf-8")
    ]
    assert len(scripts) > 40
    silent = {path.stem for path in scripts if not states_the_machine(path)}
    assert silent - set(TOLD_BY_ANOTHER) == set()
    # no exception that is none any more
    for name, other in TOLD_BY_ANOTHER.items():
        assert name in silent or name == "gpu"
        assert "achine" in (BENCHMARKS / f"{other}.py").read_text("utf-8")
