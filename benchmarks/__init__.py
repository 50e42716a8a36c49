"""Speed, quality and memory: ``python -m benchmarks.NAME``, from the repository."""
