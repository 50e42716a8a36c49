"""Run the command line with ``python -m napari_udvd``."""

from napari_udvd.cli import main

if __name__ == "__main__":
    main()
