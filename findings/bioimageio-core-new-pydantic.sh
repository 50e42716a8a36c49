#!/bin/sh
# bioimageio.core reads and tests models of bioimage.io. Version 0.11.0, the newest, demands
# bioimageio.spec 0.5.12.0 exactly, and that any pydantic from 2.11 on; so does a fresh installation,
# which brings pydantic 2.14.
# Expected: a description that holds a file can be made.
# Seen: with pydantic 2.14.3 a TypeError about 'index_key' out of pydantic's own serialiser, whatever
# the file; with 2.13.5 it works.
# bioimageio.spec 0.5.14.3 works with 2.14.3, but this core does not take it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > describe.py <<'CODE'
import re
from importlib.metadata import requires, version
from pathlib import Path

from bioimageio.spec.generic.v0_3 import GenericDescr

Path("note.txt").write_text("words")
names = ("bioimageio.spec", "pydantic")
said = ", ".join(f"{name} {version(name)}" for name in names)
try:
    GenericDescr(
        name="A thing",
        description="with a file",
        type="thing",
        authors=[{"name": "Somebody"}],
        license="MIT",
        cite=[{"text": "a paper", "url": "https://example.com"}],
        attachments=[{"source": Path("note.txt").resolve()}],
    )
    print(f"{said}: works")
except ValueError as error:
    name = re.search("TypeError: 'index_key'", str(error))
    print(f"{said}: {name[0] if name else error}")
CODE
run() {  # versions of bioimageio.spec and pydantic
    python3 -m venv --clear venv
    venv/bin/python -m pip install -q numpy==2.4.1 "bioimageio.spec==$1" "pydantic==$2"
    venv/bin/python describe.py
}
found=$(run 0.5.12.0 2.14.3; run 0.5.12.0 2.13.5; run 0.5.14.3 2.14.3)
venv/bin/python -m pip download -q --no-deps -d . bioimageio.core==0.11.0
pinned=$(venv/bin/python - <<'CODE'
import glob
import zipfile

with zipfile.ZipFile(glob.glob("bioimageio*core*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("METADATA"))
    lines = wheel.read(name).decode().splitlines()
print(next(x for x in lines if x.startswith("Requires-Dist: bioimageio.spec")))
CODE
)
echo "$found"
echo "bioimageio.core 0.11.0: $pinned"
test "$found" = "bioimageio.spec 0.5.12.0, pydantic 2.14.3: TypeError: 'index_key'
bioimageio.spec 0.5.12.0, pydantic 2.13.5: works
bioimageio.spec 0.5.14.3, pydantic 2.14.3: works"
case $pinned in *==0.5.12.0*) ;; *) exit 1 ;; esac
