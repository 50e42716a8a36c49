"""What is asked of a network, beside its architecture: one job, one file."""
