#!/bin/sh
# ndsafir denoises microscopy movies (ND-SAFIR). The signature and the docstring of its function
# for Poisson-Gaussian noise say that gains and offsets of the channels default to None.
# Expected: a call with the movie and the names of its axes works.
# Seen: a TypeError of the compiled part, which takes no None; with a list of one gain and one
# offset for the only channel of the movie it works. So both are required in fact.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numpy==2.4.1 ndsafir==2026.1014a0
cd "$folder"
venv/bin/python - <<'CODE'
import inspect
import sys
from importlib.metadata import version

import ndsafir
import numpy as np

movie = np.random.default_rng(0).poisson(20, (6, 32, 32)).astype(np.float32)
defaults = {
    name: parameter.default
    for name, parameter in inspect.signature(
        ndsafir.denoise_poisson_gaussian
    ).parameters.items()
    if name in ("gains", "offsets")
}
print("ndsafir", version("ndsafir"), "; defaults:", defaults)


def outcome(function, **how):
    try:
        found = function(movie, axes="TYX", **how)
    except TypeError as error:
        return "TypeError: " + str(error).split(":")[1].split(".")[0].strip()
    return f"a movie {found.shape}"


without = outcome(ndsafir.denoise_poisson_gaussian)
with_both = outcome(ndsafir.denoise_poisson_gaussian, gains=[1.0], offsets=[0.0])
print("without gains and offsets:", without)
print("with gains=[1.0], offsets=[0.0]:", with_both)
seen = (
    defaults == {"gains": None, "offsets": None}
    and without == "TypeError: incompatible function arguments"
    and with_both == "a movie (6, 32, 32)"
)
sys.exit(0 if seen else 1)
CODE
