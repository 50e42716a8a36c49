"""The structure of the package, read from its code and from `pyproject.toml`."""
