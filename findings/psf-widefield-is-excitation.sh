#!/bin/sh
# The package psf computes point spread functions of fluorescence microscopes. A widefield
# microscope lights up everything, and its resolution is that of the detected (emission) light.
# The type WIDEFIELD of psf is another instrument: a focused beam that scans, with all of the
# fluorescence collected, as by a confocal microscope with its pinhole wide open. So the result
# follows the excitation wavelength and is the same whatever is emitted. The Gaussian
# approximation of the same name does the opposite and follows the emission alone.
# Expected of a widefield image at 488/520 and 488/700 nm: different widths (35 %).
# Seen: the same array, equal to EXCITATION; EMISSION is what a camera sees.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numpy==2.4.1 psf==2026.1.18
cd "$folder"
venv/bin/python - <<'CODE'
import sys

import numpy as np
import psf

SETUP = dict(shape=(4, 512), dims=(1.0, 2.0), num_aperture=0.8, refr_index=1.0)


def lateral(kind, excitation=488.0, emission=520.0):
    return psf.PSF(kind, **SETUP, ex_wavelen=excitation, em_wavelen=emission)[0]


def width(profile):
    """Full width at half maximum, nm."""
    return 2 * np.interp(-0.5, -profile[:100], np.arange(100)) * 2000 / 512


wide = [lateral(psf.ISOTROPIC | psf.WIDEFIELD, emission=e) for e in (520, 700)]
excitation = lateral(psf.ISOTROPIC | psf.EXCITATION)
emission = [lateral(psf.ISOTROPIC | psf.EMISSION, emission=e) for e in (520, 700)]
gauss = [lateral(psf.GAUSSIAN | psf.WIDEFIELD, emission=e) for e in (520, 700)]
print("psf", psf.__version__, "; from EXCITATION at most", np.abs(wide[0] - excitation).max())
for name, profiles in (
    ("ISOTROPIC|WIDEFIELD", wide),
    ("ISOTROPIC|EMISSION", emission),
    ("GAUSSIAN|WIDEFIELD", gauss),
):
    print(f"{name}: {width(profiles[0]):.0f} nm at 520, {width(profiles[1]):.0f} at 700")
same = (
    np.abs(wide[0] - wide[1]).max() < 1e-12 and np.abs(wide[0] - excitation).max() < 1e-3
)
differs = all(width(b) / width(a) > 1.3 for a, b in (emission, gauss))
sys.exit(0 if same and differs else 1)
CODE
