"""Write the versions installed in this environment to a constraints file."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

HEADER = """\
# The versions that napari-udvd is tested with, for `pip install -c constraints.txt`.
# Written by `make constraints`. Only torch's own companions are left out: they
# differ between its CPU and CUDA builds, and torch pins them itself.
"""
LEFT_OUT = re.compile(r"napari[-_]udvd|pip|setuptools|triton|(cuda|nvidia)[-_].*")


def main(path: Path) -> None:
    """Write `path`; a version's local part (``+cpu``) names a build and is dropped."""
    lines = {
        f"{d.name}=={d.version.partition('+')[0]}\n"
        for d in distributions()
        if not LEFT_OUT.fullmatch(d.name)
    }
    path.write_text(HEADER + "".join(sorted(lines, key=str.lower)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
