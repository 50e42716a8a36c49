"""What the program does, from movie to file: for Python, command line and plugin.

Every job that takes its time is an iterator of frozen events, ended early by a
``threading.Event``; what goes wrong is raised where the iterator is advanced. Whoever
runs a job decides what becomes of the events: print them, draw them, drop them.

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.jobs.batch import Batch, MovieStatus, Overview, restore_files
    from napari_udvd.jobs.choices import Choices, load_core
    from napari_udvd.jobs.diagnosis import (
        Diagnosed,
        Interrupted,
        Suited,
        Times,
        diagnose_file,
        diagnose_movie,
    )
    from napari_udvd.jobs.events import (
        Begun,
        FileFailed,
        Identified,
        Inspected,
        Judged,
        MadeAnew,
        MovieDone,
        MovieSkipped,
        MovieStarted,
        MovieStopped,
        MovieTold,
        Note,
        Opened,
        Stopped,
        Warned,
        Written,
    )
    from napari_udvd.jobs.events_file import EventsFile
    from napari_udvd.jobs.files import (
        check_holes,
        check_task,
        import_published,
        load_model,
        save_model,
    )
    from napari_udvd.jobs.filters import FilterFile
    from napari_udvd.jobs.finding import (
        Learning,
        find_events,
        identify,
        label_frames,
    )
    from napari_udvd.jobs.first_look import FirstLook
    from napari_udvd.jobs.found_events import FoundEvents
    from napari_udvd.jobs.motion import (
        MotionFile,
        export_motion,
        motion_of_frame,
    )
    from napari_udvd.jobs.optics import optics_of
    from napari_udvd.jobs.packages import ExportModel, import_model
    from napari_udvd.jobs.report import ReportFile, judge_movies
    from napari_udvd.jobs.restoring import (
        ApplyModel,
        Restoration,
        TrainAndRestore,
    )
    from napari_udvd.jobs.scanning import ScanFiles
    from napari_udvd.jobs.sharpening import TrainAndSharpen, fit_sharpener, sharpen
    from napari_udvd.jobs.states import (
        Beside,
        Cache,
        State,
        States,
    )
    from napari_udvd.jobs.steadying import TrainAndSteady
    from napari_udvd.jobs.training import (
        TrainModel,
        denoise,
        reconstruct,
        train,
        train_movies,
        untrained,
    )
    from napari_udvd.jobs.watching import Watching
    from napari_udvd.jobs.ways import WAYS, Way
    from napari_udvd.sharpening import Effort, SharpLook
    from napari_udvd.training.settings import make_settings

__all__ = [
    "WAYS",
    "ApplyModel",
    "Batch",
    "Begun",
    "Beside",
    "Cache",
    "Choices",
    "Diagnosed",
    "Effort",
    "EventsFile",
    "ExportModel",
    "FileFailed",
    "FilterFile",
    "FirstLook",
    "FoundEvents",
    "Identified",
    "Inspected",
    "Interrupted",
    "Judged",
    "Learning",
    "MadeAnew",
    "MotionFile",
    "MovieDone",
    "MovieSkipped",
    "MovieStarted",
    "MovieStatus",
    "MovieStopped",
    "MovieTold",
    "Note",
    "Opened",
    "Overview",
    "PreviewFile",
    "ReportFile",
    "Restoration",
    "ScanFiles",
    "SharpLook",
    "State",
    "States",
    "Stopped",
    "Suited",
    "Times",
    "TrainAndRestore",
    "TrainAndSharpen",
    "TrainAndSteady",
    "TrainModel",
    "Warned",
    "Watching",
    "Way",
    "Written",
    "check_holes",
    "check_task",
    "denoise",
    "diagnose_file",
    "diagnose_movie",
    "export_motion",
    "find_events",
    "fit_sharpener",
    "identify",
    "import_model",
    "import_published",
    "judge_movies",
    "label_frames",
    "load_core",
    "load_model",
    "make_settings",
    "motion_of_frame",
    "optics_of",
    "reconstruct",
    "restore_files",
    "save_model",
    "sharpen",
    "train",
    "train_movies",
    "untrained",
]

_HOMES = {
    "ApplyModel": "jobs.restoring",
    "Batch": "jobs.batch",
    "Begun": "jobs.events",
    "Beside": "jobs.states",
    "Cache": "jobs.states",
    "Choices": "jobs.choices",
    "Diagnosed": "jobs.diagnosis",
    "Effort": "sharpening",
    "EventsFile": "jobs.events_file",
    "ExportModel": "jobs.packages",
    "FileFailed": "jobs.events",
    "FilterFile": "jobs.filters",
    "FirstLook": "jobs.first_look",
    "FoundEvents": "jobs.found_events",
    "Identified": "jobs.events",
    "Inspected": "jobs.events",
    "Interrupted": "jobs.diagnosis",
    "Judged": "jobs.events",
    "Learning": "jobs.finding",
    "MotionFile": "jobs.motion",
    "MadeAnew": "jobs.events",
    "MovieDone": "jobs.events",
    "MovieSkipped": "jobs.events",
    "MovieStarted": "jobs.events",
    "MovieStatus": "jobs.batch",
    "MovieStopped": "jobs.events",
    "MovieTold": "jobs.events",
    "Note": "jobs.events",
    "Opened": "jobs.events",
    "Overview": "jobs.batch",
    "PreviewFile": "jobs.previewing",
    "ReportFile": "jobs.report",
    "Restoration": "jobs.restoring",
    "ScanFiles": "jobs.scanning",
    "SharpLook": "sharpening",
    "State": "jobs.states",
    "States": "jobs.states",
    "Stopped": "jobs.events",
    "Suited": "jobs.diagnosis",
    "Times": "jobs.diagnosis",
    "TrainAndRestore": "jobs.restoring",
    "TrainAndSharpen": "jobs.sharpening",
    "TrainAndSteady": "jobs.steadying",
    "TrainModel": "jobs.training",
    "WAYS": "jobs.ways",
    "Warned": "jobs.events",
    "Watching": "jobs.watching",
    "Way": "jobs.ways",
    "Written": "jobs.events",
    "check_holes": "jobs.files",
    "check_task": "jobs.files",
    "denoise": "jobs.training",
    "reconstruct": "jobs.training",
    "find_events": "jobs.finding",
    "fit_sharpener": "jobs.sharpening",
    "identify": "jobs.finding",
    "optics_of": "jobs.optics",
    "sharpen": "jobs.sharpening",
    "diagnose_file": "jobs.diagnosis",
    "diagnose_movie": "jobs.diagnosis",
    "export_motion": "jobs.motion",
    "import_model": "jobs.packages",
    "import_published": "jobs.files",
    "judge_movies": "jobs.report",
    "label_frames": "jobs.finding",
    "load_core": "jobs.choices",
    "load_model": "jobs.files",
    "make_settings": "training.settings",
    "motion_of_frame": "jobs.motion",
    "restore_files": "jobs.batch",
    "save_model": "jobs.files",
    "train": "jobs.training",
    "train_movies": "jobs.training",
    "untrained": "jobs.training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"napari_udvd.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
