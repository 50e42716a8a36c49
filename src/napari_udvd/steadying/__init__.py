"""A denoised movie that flickers less: a recurrent network as the denoiser's student.

A denoiser looks at each frame anew, so that what noise it leaves changes from frame to
frame. A network that goes through the movie along what moves learns, from the movie
alone, what of that is chance; it is used where independent copies are for it.
"""

from __future__ import annotations

from napari_udvd.steadying._denoiser import SteadyDenoiser, check_saved
from napari_udvd.steadying._student import Student, learn_student

__all__ = ["SteadyDenoiser", "Student", "check_saved", "learn_student"]
