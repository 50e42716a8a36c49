"""A trained network at work: model files, movies as they stream through it."""
