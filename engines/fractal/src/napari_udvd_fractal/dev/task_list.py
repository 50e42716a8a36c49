"""The tasks of this package, from which `fractal-manifest` makes its manifest."""

from fractal_task_tools.task_models import ParallelTask

AUTHORS = "napari-udvd developers"

DOCS_LINK = None

TASK_LIST = [
    ParallelTask(
        name="Denoise movie",
        executable="denoise_movie.py",
        input_types={"denoised": False},
        output_types={"denoised": True},
        meta={"cpus_per_task": 4, "mem": 8000},
        category="Image Processing",
        tags=["denoising", "time series", "self-supervised", "deep learning"],
        docs_info="file:denoise_movie.md",
    ),
]
